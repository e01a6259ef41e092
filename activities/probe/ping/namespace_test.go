package ping

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// namespace runs do on a thread in a network namespace of its own, which ends
// with it. What do starts as a process and the sockets that it opens are inside.
func namespace(t *testing.T, do func() error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may make a network namespace")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("make a network namespace: %w", err)
			return
		}
		done <- do()
	}()
	if err := <-done; err != nil {
		missing(t, err)
	}
}

// ip runs one command of ip(8) a line, in the thread's namespace.
func ip(lines string) error {
	var errs []error
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("ip %s: %w: %s", line, err, out))
		}
	}
	return errors.Join(errs...)
}

func sysctl(key, value string) error {
	return os.WriteFile("/proc/sys/net/"+key, []byte(value), 0o644)
}

// behindRouter opens sockets of the family in a namespace of their own. A link
// leads to another one, which answers for 10.64.0.0/24 and fd64::/64, except:
// .7 is silent, .8 and .9 are answered with "unreachable" and "prohibited". The
// near namespace has no route to 10.65.0.1, and .2 to .4 of it are refused.
func behindRouter(t *testing.T, f *Family) []*Socket {
	t.Helper()
	ready, finished := make(chan error), make(chan struct{})
	near := make(chan int)
	t.Cleanup(func() { close(finished) })
	if os.Getuid() == 0 {
		go func() {
			runtime.LockOSThread()
			if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
				ready <- err
				return
			}
			ready <- nil
			ready <- errors.Join(
				ip("link add far type veth peer name near netns "+strconv.Itoa(<-near)),
				ip(farSide), sysctl("ipv4/ip_forward", "1"), sysctl("ipv4/icmp_ratelimit", "0"), sysctl("ipv6/icmp/ratelimit", "0"),
			)
			<-finished
		}()
		if err := <-ready; err != nil {
			missing(t, err)
		}
	}
	var out []*Socket
	namespace(t, func() error {
		near <- syscall.Gettid()
		if err := <-ready; err != nil {
			return err
		}
		if err := errors.Join(ip(nearSide), sysctl("ipv4/ping_group_range", "0 2147483647")); err != nil {
			return err
		}
		for _, raw := range []bool{false, true} {
			s, err := open(f, raw)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = s.Close() })
			out = append(out, s)
		}
		return nil
	})
	// The neighbours find each other, which takes a second where the first question is lost.
	host := netip.MustParseAddr(map[*Family]string{IPv4: "10.64.0.1", IPv6: "fd64::1"}[f])
	if r := out[0].Ping(t.Context(), []netip.Addr{host}, Options{Attempts: 40, Gap: patient / 20, Linger: patient}); r[0].State != Answered {
		t.Fatalf("the far side of the link is not there: %+v", r[0])
	}
	return out
}

const (
	nearSide = `
		link set lo up
		addr add 10.63.0.1/30 dev near
		addr add fd63::1/64 dev near nodad
		link set near up
		route add 10.64.0.0/24 via 10.63.0.2
		-6 route add fd64::/64 via fd63::2
		route add blackhole 10.65.0.2
		route add unreachable 10.65.0.3
		route add prohibit 10.65.0.4`
	farSide = `
		link set lo up
		addr add 10.63.0.2/30 dev far
		addr add fd63::2/64 dev far nodad
		link set far up
		route add local 10.64.0.0/24 dev lo
		-6 route add local fd64::/64 dev lo
		route add blackhole 10.64.0.7/32 table local
		route add unreachable 10.64.0.8/32 table local
		route add prohibit 10.64.0.9/32 table local
		-6 route add blackhole fd64::7/128 table local
		-6 route add unreachable fd64::8/128 table local
		-6 route add prohibit fd64::9/128 table local`
)

// One attempt each: Linux sends at most five such errors in a row.
func TestRoutersAreHeard(t *testing.T) {
	for _, tt := range []struct {
		family *Family
		prefix string
	}{{IPv4, "10.64.0."}, {IPv6, "fd64::"}} {
		var hosts []netip.Addr
		for n := 1; n < 10; n++ {
			hosts = append(hosts, netip.MustParseAddr(tt.prefix+strconv.Itoa(n)))
		}
		for _, s := range behindRouter(t, tt.family) {
			for i, r := range s.Ping(t.Context(), hosts, Options{Attempts: 1, Linger: time.Second}) {
				want, detail := Answered, ""
				switch i + 1 {
				case 7:
					want = Silent
				case 8:
					want, detail = Silent, "host unreachable, says a router"
					if tt.family == IPv6 {
						detail = "network unreachable, says a router" // what Linux calls it there
					}
				case 9:
					want, detail = Silent, "prohibited by a filter, says a router"
				}
				if r.State != want || r.Detail != detail || r.Sent != 1 {
					t.Errorf("%s, raw %v: %+v, want state %d with detail %q", hosts[i], s.Raw(), r, want, detail)
				}
			}
		}
	}
}

func TestOurOwnRoutesAreNotTheHostsFault(t *testing.T) {
	hosts := []netip.Addr{
		netip.MustParseAddr("10.65.0.1"), netip.MustParseAddr("10.65.0.2"), netip.MustParseAddr("10.65.0.3"),
		netip.MustParseAddr("10.65.0.4"), netip.MustParseAddr("10.64.0.1"),
	}
	want := []string{"no route", "no route", "no route", "its routes forbid it"}
	for _, s := range behindRouter(t, IPv4) {
		for i, r := range s.Ping(t.Context(), hosts, Options{Attempts: 2, Gap: time.Second, Linger: time.Second}) {
			if i == len(want) {
				if r.State != Answered {
					t.Errorf("raw %v: %+v of a host with a route, want an answer", s.Raw(), r)
				}
				continue
			}
			if r.State != Untold || !strings.Contains(r.Detail, want[i]) || r.Sent != 0 {
				t.Errorf("raw %v: %s: %+v, want untold: %s", s.Raw(), hosts[i], r, want[i])
			}
		}
	}
}

// A whole network that answers one request is a storm, and tells of no machine.
func TestABroadcastAddressIsNotPinged(t *testing.T) {
	broadcast := []netip.Addr{netip.MustParseAddr("10.63.0.3")}
	for _, s := range behindRouter(t, IPv4) {
		r := s.Ping(t.Context(), broadcast, Options{Attempts: 1, Linger: time.Second})[0]
		if r.State != Untold || r.Sent != 0 || r.Detail != "the prober could not send: its routes forbid it, or it is a broadcast address" {
			t.Errorf("raw %v: %+v, want it refused", s.Raw(), r)
		}
	}
}

// A raw socket is used where the kernel refuses the other kind.
func TestRawSocketIsTheFallback(t *testing.T) {
	namespace(t, func() error {
		if err := errors.Join(ip("link set lo up"), sysctl("ipv4/ping_group_range", "1 0")); err != nil {
			return err
		}
		s, err := Open(IPv4)
		if err != nil {
			return err
		}
		defer s.Close()
		if r := s.Ping(t.Context(), loopback(1), Options{Attempts: 1, Gap: patient, Linger: patient}); !s.Raw() || r[0].State != Answered {
			t.Errorf("raw %v, %+v; want an answer by a raw socket", s.Raw(), r)
		}
		return nil
	})
}
