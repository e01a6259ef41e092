package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is two network namespaces with a link between them. The far one answers
// for all of 10.64.0.0/15, except the silent hosts, whose routes are
// blackholes; and drops some requests at random.
type lab struct {
	near, far string // namespaces
	dir       string
	hosts     []netip.Addr
	quiet     map[string]bool // addresses that are silent
	alive     string          // file with the others, one a line
}

// openLab builds it; the same hosts are silent every time.
func openLab(ctx context.Context, n, silentPercent, lossPerMille int) (*lab, error) {
	name := fmt.Sprintf("vakhta-sweep-%d", os.Getpid())
	dir, err := os.MkdirTemp("", name)
	if err != nil {
		return nil, err
	}
	l := &lab{near: name + "-near", far: name + "-far", dir: dir, quiet: map[string]bool{}, alive: filepath.Join(dir, "alive")}
	routes, err := l.draw(n, silentPercent)
	if err == nil {
		err = l.build(ctx, routes, lossPerMille)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the lab: %w", err), l.close())
	}
	return l, nil
}

// draw chooses the silent hosts and returns their routes for `ip -batch`.
func (l *lab) draw(n, percent int) (routes string, err error) {
	random := rand.New(rand.NewPCG(42, 42))
	var alive, batch strings.Builder
	a := netip.MustParseAddr("10.64.0.0")
	for range n {
		a = a.Next()
		l.hosts = append(l.hosts, a)
		if random.IntN(100) < percent {
			l.quiet[a.String()] = true
			fmt.Fprintf(&batch, "route add blackhole %s/32 table local\n", a)
		} else {
			fmt.Fprintln(&alive, a)
		}
	}
	return batch.String(), os.WriteFile(l.alive, []byte(alive.String()), 0o600)
}

// list writes the first n hosts to a file.
func (l *lab) list(n int) (string, error) {
	var b strings.Builder
	for _, a := range l.hosts[:n] {
		fmt.Fprintln(&b, a)
	}
	file := filepath.Join(l.dir, fmt.Sprintf("hosts-%d", n))
	return file, os.WriteFile(file, []byte(b.String()), 0o600)
}

func (l *lab) build(ctx context.Context, routes string, lossPerMille int) error {
	if err := run(ctx, "", "ip", "netns", "add", l.near); err != nil {
		return err
	}
	if err := run(ctx, "", "ip", "netns", "add", l.far); err != nil {
		return err
	}
	for _, step := range []struct{ namespace, batch string }{
		{l.near, "link set lo up\nlink add near txqueuelen 20000 type veth peer name far txqueuelen 20000 netns " + l.far +
			"\naddr add 10.63.0.1/30 dev near\nlink set near up\n"},
		{l.far, "link set lo up\naddr add 10.63.0.2/30 dev far\nlink set far up\nroute add local 10.64.0.0/15 dev lo\n" + routes},
		{l.near, "route add 10.64.0.0/15 via 10.63.0.2\n"},
	} {
		if err := run(ctx, step.batch, "ip", "-n", step.namespace, "-batch", "-"); err != nil {
			return err
		}
	}
	if err := run(ctx, "", "ip", "netns", "exec", l.near, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647"); err != nil {
		return err
	}
	drop := fmt.Sprintf("table inet lab {\n chain in {\n  type filter hook input priority 0; policy accept;\n  numgen random mod 1000 < %d drop\n }\n}\n", lossPerMille)
	return run(ctx, drop, "ip", "netns", "exec", l.far, "nft", "-f", "-")
}

// close removes what was built.
func (l *lab) close() error {
	ctx := context.Background() // also after an interrupt
	var errs []error
	for _, namespace := range []string{l.near, l.far} {
		if _, err := os.Stat("/run/netns/" + namespace); err == nil {
			errs = append(errs, run(ctx, "", "ip", "netns", "del", namespace))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

func run(ctx context.Context, input, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, said.String())
	}
	return nil
}
