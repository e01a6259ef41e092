package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

const loopback = "127.0.0.1"

// Free ports are taken from below Linux's ephemeral range (32768 and up), so that no outgoing connection
// occupies one between the check and the listen, or between a stop and a restart on the same port.
const (
	firstFreePort = 20000
	lastFreePort  = 32000
)

// ports are all ports that the process listens on.
type ports struct {
	frontend, http, history, matching, worker, ui int
}

// choosePorts checks the ports that were asked for and finds the others. The server ends the process when it can't
// listen, without naming a remedy, so the check comes first.
func choosePorts(ctx context.Context, o options) (ports, error) {
	p := ports{frontend: o.port, ui: o.uiPort}
	if o.port != 0 {
		if err := checkPort(ctx, o.port, "port"); err != nil {
			return p, err
		}
	}
	if o.uiPort > 0 {
		if err := checkPort(ctx, o.uiPort, "ui-port"); err != nil {
			return p, err
		}
	}
	want := []*int{&p.http, &p.history, &p.matching, &p.worker}
	if o.port == 0 {
		want = append(want, &p.frontend)
	}
	if o.uiPort == 0 {
		want = append(want, &p.ui)
	}
	taken := map[int]bool{p.frontend: true, p.ui: true}
	for _, w := range want {
		port, err := freePort(ctx, taken)
		if err != nil {
			return p, err
		}
		*w, taken[port] = port, true
	}
	return p, nil
}

func checkPort(ctx context.Context, port int, flag string) error {
	err := probePort(ctx, port)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return refusal("port %d is in use by another process: stop that one, or give another port with --%s (0 chooses a free one)", port, flag)
	case errors.Is(err, syscall.EACCES):
		return refusal("port %d needs privileges: give a port above 1023 with --%s (0 chooses a free one)", port, flag)
	default:
		return fmt.Errorf("listen on port %d: %w", port, err)
	}
}

// freePort finds a port on the loopback address that nobody listens on and that isn't taken.
func freePort(ctx context.Context, taken map[int]bool) (int, error) {
	var last error
	for range 200 {
		port := firstFreePort + rand.IntN(lastFreePort-firstFreePort+1)
		if taken[port] {
			continue
		}
		if last = probePort(ctx, port); last == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port between %d and %d: %w", firstFreePort, lastFreePort, last)
}

func probePort(ctx context.Context, port int) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", hostPort(port))
	if err != nil {
		return err
	}
	return l.Close()
}

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
