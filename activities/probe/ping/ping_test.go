package ping

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patient is a gap that no busy test machine exceeds by itself.
const patient = 5 * time.Second

func socket(t testing.TB, f *Family) *Socket {
	t.Helper()
	s, err := Open(f)
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// missing skips a test for which this machine lacks something, and fails it in
// CI as root, where nothing may be missing.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" && os.Getuid() == 0 {
		t.Fatalf("in CI as root this must work: %v", err)
	}
	t.Skipf("this machine lacks what the test needs: %v", err)
}

// loopback are n addresses that this machine answers for.
func loopback(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	for i := range out {
		out[i] = netip.AddrFrom4([4]byte{127, byte(40 + i>>16), byte(i >> 8), byte(i)})
	}
	return out
}

// sockets are both kinds of a family, as far as this machine allows them.
func sockets(t *testing.T, f *Family) map[string]*Socket {
	out := map[string]*Socket{}
	var errs []error
	for _, raw := range []bool{false, true} {
		s, err := open(f, raw)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t.Cleanup(func() { _ = s.Close() })
		out[fmt.Sprintf("raw %v", raw)] = s
	}
	if len(out) == 0 {
		missing(t, errors.Join(errs...))
	}
	return out
}

func TestEveryHostAnswersForItself(t *testing.T) {
	for name, s := range sockets(t, IPv4) {
		hosts := loopback(3000)
		for i, r := range s.Ping(t.Context(), hosts, Options{Attempts: 3, Gap: patient, Linger: patient}) {
			if r.State != Answered || r.Sent != 1 || r.Received != 1 || r.RTT <= 0 || r.RTT > patient {
				t.Errorf("%s: %s: %+v, want one answer with its round trip", name, hosts[i], r)
			}
		}
	}
}

func TestSixAnswersToo(t *testing.T) {
	hosts := []netip.Addr{netip.IPv6Loopback(), netip.IPv6Loopback()}
	for name, s := range sockets(t, IPv6) {
		for i, r := range s.Ping(t.Context(), hosts, Options{Attempts: 2, Gap: patient, Linger: patient}) {
			if r.State != Answered {
				t.Errorf("%s: host %d: %+v, want an answer", name, i, r)
			}
		}
	}
}

func TestMoreHostsThanSequenceNumbers(t *testing.T) {
	if testing.Short() {
		t.Skip("70,000 hosts take a while under the race detector")
	}
	hosts := loopback(70_000)
	unanswered := 0
	for _, r := range socket(t, IPv4).Ping(t.Context(), hosts, Options{Attempts: 3, Gap: patient, Linger: patient}) {
		if r.State != Answered {
			unanswered++
		}
	}
	if unanswered > 0 {
		t.Errorf("%d of %d hosts are not answered for", unanswered, len(hosts))
	}
}

func TestCallsSideBySideTakeTheirOwnAnswers(t *testing.T) {
	done := make(chan []Reply)
	const calls = 4
	for range calls {
		s := socket(t, IPv4)
		go func() {
			done <- s.Ping(context.Background(), loopback(200), Options{Attempts: 2, Gap: patient, Linger: patient})
		}()
	}
	for range calls {
		for i, r := range <-done {
			if r.State != Answered || r.Received != 1 {
				t.Errorf("host %d: %+v, want one answer", i, r)
			}
		}
	}
}

func TestCancelledCallTellsNothing(t *testing.T) {
	s := socket(t, IPv4)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	replies := s.Ping(ctx, loopback(500), Options{
		Attempts: 1, Gap: time.Hour, Linger: time.Hour, Batch: 16,
		Pace: func(ctx context.Context, n int) error {
			if asked += n; asked > 100 {
				cancel()
			}
			return ctx.Err()
		},
	})
	untold := 0
	for _, r := range replies {
		switch {
		case r.State == Silent:
			t.Fatalf("%+v of a cancelled call: nobody may be called down", r)
		case r.State == Untold && r.Detail != "cancelled":
			t.Fatalf("%+v, want cancelled", r)
		case r.State == Untold:
			untold++
		}
	}
	if untold < 300 {
		t.Errorf("%d untold, want those that were not asked any more", untold)
	}
}

func TestHostThatIsNotAdmittedWaits(t *testing.T) {
	var refused atomic.Int32
	replies := socket(t, IPv4).Ping(t.Context(), loopback(3), Options{
		Attempts: 2, Gap: patient, Linger: patient,
		Admit: func(a netip.Addr) time.Duration {
			if a == loopback(1)[0] && refused.Add(1) < 4 {
				return time.Millisecond
			}
			return 0
		},
	})
	for i, r := range replies {
		if r.State != Answered {
			t.Errorf("host %d: %+v, want an answer", i, r)
		}
	}
	if n := refused.Load(); n != 4 {
		t.Errorf("asked %d times for admission, want 4", n)
	}
}

func TestPaceIsAskedForEveryPacket(t *testing.T) {
	paced, largest := 0, 0
	socket(t, IPv4).Ping(t.Context(), loopback(100), Options{
		Attempts: 1, Gap: patient, Linger: patient, Batch: 7,
		Pace: func(_ context.Context, n int) error {
			paced += n
			largest = max(largest, n)
			return nil
		},
	})
	if paced != 100 || largest != 7 {
		t.Errorf("%d packets in batches of up to %d, want 100 of up to 7", paced, largest)
	}
}

func TestReceiveBufferIsLarge(t *testing.T) {
	s := socket(t, IPv4)
	const least = 4 << 20
	if got := s.ReceiveBuffer(); got < least {
		if os.Getuid() == 0 {
			t.Errorf("%d bytes as root, want at least %d", got, least)
		}
		t.Skipf("%d bytes: net.core.rmem_max bounds it", got)
	}
}

func TestStrangersAreNotAnswers(t *testing.T) {
	mine := token{1, 2, 3, 4, 5, 6, 7, 8}
	for _, f := range []*Family{IPv4, IPv6} {
		good := func() []byte {
			b := make([]byte, packetLength)
			f.put(b, 7, mine, echo{host: 70_001, attempt: 2, sent: 5 * time.Millisecond})
			b[0] = f.reply
			return b
		}
		tests := []struct {
			name   string
			edit   func([]byte) []byte
			chosen bool
			want   bool
		}{
			{"the answer", func(b []byte) []byte { return b }, true, true},
			{"our own request, looped back", func(b []byte) []byte { b[0] = f.request; return b }, true, false},
			{"another code", func(b []byte) []byte { b[1] = 1; return b }, true, false},
			{"another id", func(b []byte) []byte { b[5] = 8; return b }, true, false},
			{"an id that the kernel chose", func(b []byte) []byte { b[5] = 8; return b }, false, true},
			{"another sequence", func(b []byte) []byte { b[7]++; return b }, true, false},
			{"another token", func(b []byte) []byte { b[headerLength] = 9; return b }, true, false},
			{"another host's number", func(b []byte) []byte { b[headerLength+tokenLength+3]++; return b }, true, false},
			{"cut short", func(b []byte) []byte { return b[:len(b)-1] }, true, false},
			{"longer", func(b []byte) []byte { return append(b, 0) }, true, false},
			{"nothing", func([]byte) []byte { return nil }, true, false},
		}
		for _, tt := range tests {
			e, ok := f.match(tt.edit(good()), 7, tt.chosen, mine)
			if ok != tt.want || ok && (e != echo{70_001, 2, 5 * time.Millisecond}) {
				t.Errorf("%s: %+v, %v; want %v", tt.name, e, ok, tt.want)
			}
		}
	}
}

func TestQueueGivesTheEarliestFirst(t *testing.T) {
	var q queue
	for i := range 1000 {
		q.push(event{time.Duration(i * 7919 % 1000), int32(i)})
	}
	last := time.Duration(-1)
	for n := 1000; n > 0; n-- {
		e := q.pop()
		if e.due < last || len(q) != n-1 {
			t.Fatalf("%d after %d, %d left", e.due, last, len(q))
		}
		last = e.due
	}
}

func TestErrorsAreNamed(t *testing.T) {
	tests := []struct{ got, want string }{
		{icmp4(3, 1), "host unreachable"},
		{icmp4(3, 0), "network unreachable"},
		{icmp4(3, 13), "prohibited by a filter"},
		{icmp4(11, 0), "time to live exceeded: a routing loop"},
		{icmp4(12, 1), "ICMP error 12/1"},
		{icmp6(1, 0), "network unreachable"},
		{icmp6(1, 1), "prohibited by a filter"},
		{icmp6(1, 3), "host unreachable"},
		{icmp6(3, 0), "hop limit exceeded: a routing loop"},
		{icmp6(4, 2), "ICMPv6 error 4/2"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	mine := token{1, 2, 3, 4, 5, 6, 7, 8}
	b := make([]byte, packetLength)
	IPv4.put(b, 7, mine, echo{1, 1, time.Second})
	f.Add(b, true)
	b[0] = IPv4.reply
	f.Add(b, false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, b []byte, chosen bool) {
		for _, family := range []*Family{IPv4, IPv6} {
			e, ok := family.match(b, 7, chosen, mine)
			if !ok {
				continue
			}
			again := make([]byte, packetLength)
			family.put(again, 7, mine, e)
			if !bytes.Equal(again[6:packetLength-8], b[6:packetLength-8]) {
				t.Errorf("%x is taken for %+v, which is %x", b, e, again)
			}
		}
		if inner := stripIPv4(b); len(inner) > len(b)-20 && inner != nil {
			t.Errorf("%d bytes of %d are left without a header", len(inner), len(b))
		}
	})
}

func FuzzExtendedError(f *testing.F) {
	f.Add([]byte{}, []byte{8, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{48, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 113, 0, 0, 0, 2, 3, 1, 0}, []byte{8})
	r := newRun(&Socket{family: IPv4}, loopback(3), Options{})
	r.token = token{1}
	f.Fuzz(func(t *testing.T, control, quoted []byte) {
		for _, family := range []*Family{IPv4, IPv6} {
			if said, ok := family.extendedError(control); ok && said.text == "" {
				t.Errorf("%x says nothing", control)
			}
		}
		for _, host := range r.asked(loopback(2)[1], quoted) {
			if host != 1 {
				t.Errorf("%x is taken for a request to host %d, want 1", quoted, host)
			}
		}
	})
}

func TestAddressOfIsBare(t *testing.T) {
	for _, a := range []net.Addr{
		&net.UDPAddr{IP: net.ParseIP("127.40.0.1")}, &net.IPAddr{IP: net.ParseIP("127.40.0.1").To4(), Zone: "lo"},
	} {
		if got := addressOf(a); got != netip.MustParseAddr("127.40.0.1") {
			t.Errorf("%v: %v", a, got)
		}
	}
	if addressOf(&net.TCPAddr{}).IsValid() {
		t.Error("an address of another kind is one of ours")
	}
}
