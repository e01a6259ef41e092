package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// conversation is as how many probes a conversation with a device counts: what
// it sends at least until it knows something.
const conversation = 5

// turn waits until the device is free and the limits of the vantage, of its
// address and of its network let a conversation begin, no longer than budget. The
// conversation has the whole budget again, in talk: a device is not to be called
// silent because it had to wait for us. Call leave in any case. trouble says why
// it can't be asked; empty: it can.
func (a *Activities) turn(ctx context.Context, endpoint, name string, budget time.Duration) (talk context.Context, leave func(), trouble string) {
	waiting, stop := context.WithTimeout(ctx, budget)
	defer stop()
	free, mine := a.turns.take(waiting, endpoint)
	if !mine {
		return ctx, free, busy(waiting, name)
	}
	address, err := addressOf(waiting, endpoint)
	if err != nil {
		return ctx, free, name + " has a name that is not resolved"
	}
	if a.pace.AdmitWait(waiting, address, conversation) != nil || a.pace.Wait(waiting) != nil {
		return ctx, free, busy(waiting, name)
	}
	talk, end := context.WithTimeout(ctx, budget)
	return talk, func() { end(); free() }, ""
}

// addressOf is where a device is: the inventory has a URL, or address and port.
func addressOf(ctx context.Context, endpoint string) (netip.Addr, error) {
	if at, err := netip.ParseAddrPort(endpoint); err == nil {
		return at.Addr(), nil
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return netip.Addr{}, errors.New("the URL in the inventory is not a URL")
	}
	if address, err := netip.ParseAddr(u.Hostname()); err == nil {
		return address, nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil || len(found) == 0 {
		return netip.Addr{}, fmt.Errorf("resolve the device's name: %w", cmp.Or(err, errNoAddress))
	}
	return found[0], nil
}

var errNoAddress = errors.New("no address")

// turns lets one conversation at a time have a device: BMCs and agents are
// small computers, and several sweeps may want the same one.
type turns struct {
	mu      sync.Mutex
	devices map[string]*turn
}

type turn struct {
	free chan struct{} // holds one token while nobody talks
	want int           // who talks or waits
}

// take waits for the device, no longer than ctx. Call leave in any case.
func (t *turns) take(ctx context.Context, device string) (leave func(), ok bool) {
	t.mu.Lock()
	if t.devices == nil {
		t.devices = map[string]*turn{}
	}
	mine := t.devices[device]
	if mine == nil {
		mine = &turn{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		t.devices[device] = mine
	}
	mine.want++
	t.mu.Unlock()
	forget := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.want--; mine.want == 0 {
			delete(t.devices, device)
		}
	}
	select {
	case <-mine.free:
		return func() { mine.free <- struct{}{}; forget() }, true
	case <-ctx.Done():
		return forget, false
	}
}

// busy says why a device was not asked.
func busy(ctx context.Context, device string) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return "cancelled"
	}
	return device + " is busy with another question of ours"
}

// credentials resolves the reference; none means that the device asks for none.
func (a *Activities) credentials(reference string) (user, password string, err error) {
	if reference == "" {
		return "", "", nil
	}
	return a.opts.Credentials(reference)
}

// readCredentials reads user:password from env:NAME or file:PATH. Its errors
// name the reference, never what it holds.
func readCredentials(reference string) (user, password string, err error) {
	value, err := readSecret(reference)
	if err != nil {
		return "", "", err
	}
	user, password, ok := strings.Cut(value, ":")
	if !ok || user == "" {
		return "", "", fmt.Errorf("credentials %s don't hold user:password", reference)
	}
	return user, password, nil
}

// readSecret reads what env:NAME or file:PATH holds, without blanks around it.
func readSecret(reference string) (string, error) {
	kind, name, _ := strings.Cut(reference, ":")
	switch kind {
	case "env":
		return strings.TrimSpace(os.Getenv(name)), nil
	case "file":
		raw, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("credentials %s can't be read", reference)
		}
		return strings.TrimSpace(string(raw)), nil
	}
	return "", errors.New("the credentials' reference must be env:NAME or file:PATH")
}
