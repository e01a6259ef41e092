package probe

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"vakhta/internal/topology"
)

const (
	maxBannerLine  = 255 // RFC 4253, 4.2; the lines before the banner have no limit there
	maxBannerLines = 32
	maxBannerShown = 48
)

var errNoBanner = errors.New("no SSH banner")

// probeSSH reads the banner that an SSH server sends before anybody speaks to it.
func (a *Activities) probeSSH(ctx context.Context, s served, port int) answer {
	conn, got := a.dial(ctx, s.address, port, s.dial)
	if conn == nil {
		return atPort(port, got)
	}
	defer conn.Close()
	started := time.Now()
	deadline := started.Add(a.opts.ServiceTimeout)
	_ = conn.SetReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	banner, err := readBanner(conn)
	var timeout net.Error
	switch {
	case err == nil:
		return atPort(port, answer{result: topology.Up, detail: banner, rtt: time.Since(started)})
	case ctx.Err() != nil:
		return cancelled
	case errors.As(err, &timeout) && timeout.Timeout():
		return atPort(port, a.overdue(deadline, "SSH banner"))
	case errors.Is(err, io.EOF):
		return atPort(port, answer{result: topology.Down, detail: "closed before its SSH banner"})
	default:
		return atPort(port, answer{result: topology.Down, detail: "no SSH banner"})
	}
}

// readBanner returns the line that begins with "SSH-", of printable characters
// and cut short. Other lines may come before it (RFC 4253, 4.2).
func readBanner(r io.Reader) (string, error) {
	lines := bufio.NewReaderSize(io.LimitReader(r, maxBannerLines*(maxBannerLine+1)), maxBannerLine+1)
	for range maxBannerLines {
		line, err := lines.ReadSlice('\n')
		if rest, ok := strings.CutPrefix(string(line), "SSH-"); ok && err == nil && strings.Contains(rest, "-") {
			return shown("SSH-" + rest), nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
	return "", errNoBanner
}

func shown(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), maxBannerShown)]
}
