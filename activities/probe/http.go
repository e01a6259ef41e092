package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// maxBody is how much of a page is searched for what it should contain.
const maxBody = 64 << 10

var errOneConnection = errors.New("a request has one connection")

// probeHTTP makes one request to the component's address. Redirects are an
// answer like any other: they are judged by their status and never followed,
// so that no request leaves the inventory. The certificate is judged by the
// probe tls, not here.
func (a *Activities) probeHTTP(ctx context.Context, s served, c inventory.HTTPCheck) answer {
	conn, got := a.dial(ctx, s.address, c.Port, s.dial)
	if conn == nil {
		return atPort(c.Port, got)
	}
	defer conn.Close()
	started := time.Now() // the connection had to wait for its turn, which is not the server's time
	ctx, cancel := context.WithTimeout(ctx, a.opts.ServiceTimeout)
	defer cancel()
	var taken atomic.Bool
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if taken.Swap(true) {
				return nil, errOneConnection
			}
			return conn, nil
		},
		TLSClientConfig:        &tls.Config{ServerName: c.Host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, CipherSuites: everySuite()}, //nolint:gosec // see above
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxBody,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	request, err := newRequest(ctx, s, c)
	if err != nil {
		return answer{result: topology.Unknown, detail: "the inventory's path is no path"}
	}
	response, err := client.Do(request)
	if err != nil {
		return atPort(c.Port, a.requestFailed(ctx, err))
	}
	defer response.Body.Close()
	if got = judgeResponse(response, c); got.result != topology.Up && ctx.Err() != nil {
		got = a.requestFailed(ctx, ctx.Err())
	}
	got.rtt = time.Since(started)
	return atPort(c.Port, got)
}

func newRequest(ctx context.Context, s served, c inventory.HTTPCheck) (*http.Request, error) {
	scheme := "http"
	if c.TLS {
		scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, c.Method, scheme+"://"+net.JoinHostPort(s.address.String(), strconv.Itoa(c.Port))+c.Path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if c.Host != "" {
		r.Host = c.Host
	}
	r.Header.Set("User-Agent", "vakhta")
	return r, nil
}

func judgeResponse(r *http.Response, c inventory.HTTPCheck) answer {
	expected := false
	for _, s := range c.Status {
		expected = expected || s.From <= r.StatusCode && r.StatusCode <= s.To
	}
	detail := fmt.Sprintf("status %d", r.StatusCode)
	if !expected {
		return answer{result: topology.Down, detail: detail}
	}
	if c.Contains != "" {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
		if !strings.Contains(string(body), c.Contains) {
			if err != nil {
				return answer{result: topology.Down, detail: detail + ", but the page breaks off"}
			}
			return answer{result: topology.Down, detail: detail + ", but not the expected text"}
		}
	}
	return answer{result: topology.Up, detail: detail}
}

// requestFailed says why there was no response; never what it held.
func (a *Activities) requestFailed(ctx context.Context, err error) answer {
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		deadline, _ := ctx.Deadline()
		return a.overdue(deadline, "HTTP")
	default:
		return answer{result: topology.Down, detail: "no HTTP answer"}
	}
}
