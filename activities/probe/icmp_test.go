package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func freely(context.Context) error { return nil }

func pinger4(t *testing.T) *pinger {
	t.Helper()
	p, err := openPinger(family4)
	if err != nil {
		t.Skipf("this machine lets nobody ping: %v", err)
	}
	t.Cleanup(func() { _ = p.conn.Close() })
	return p
}

func TestOneSocketPingsHundredsOfHosts(t *testing.T) {
	p := pinger4(t)
	var addresses []netip.Addr
	for i := range 500 {
		addresses = append(addresses, netip.AddrFrom4([4]byte{127, 40, byte(i / 250), byte(1 + i%250)}))
	}
	for i, got := range p.ping(t.Context(), addresses, budget{patient * time.Millisecond, 3}, freely) {
		if got.result != topology.Up || got.rtt <= 0 {
			t.Errorf("%s: %+v, want up with its round trip", addresses[i], got)
		}
	}
}

func TestPingersSideBySideTakeTheirOwnAnswers(t *testing.T) {
	one, two := pinger4(t), pinger4(t)
	address := []netip.Addr{netip.MustParseAddr("127.40.0.1")}
	answers := make(chan answer, 2)
	for _, p := range []*pinger{one, two} {
		go func() { answers <- p.ping(t.Context(), address, budget{patient * time.Millisecond, 2}, freely)[0] }()
	}
	for range 2 {
		if got := <-answers; got.result != topology.Up {
			t.Errorf("%+v, want up", got)
		}
	}
}

func TestForeignPacketsAreNotAnswers(t *testing.T) {
	p := &pinger{family: family4, id: 7, token: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}}
	addresses := []netip.Addr{netip.MustParseAddr("127.40.0.1"), netip.MustParseAddr("127.40.0.2")}
	good := func() *icmp.Echo {
		return &icmp.Echo{ID: 7, Seq: 3, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 0, 1}} // host 1, attempt 1
	}
	from := &net.IPAddr{IP: net.IPv4(127, 40, 0, 2)}
	tests := []struct {
		name string
		typ  icmp.Type
		from net.Addr
		edit func(*icmp.Echo)
		want bool
	}{
		{"its answer", ipv4.ICMPTypeEchoReply, from, func(*icmp.Echo) {}, true},
		{"our own request, looped back", ipv4.ICMPTypeEcho, from, func(*icmp.Echo) {}, false},
		{"another host's address", ipv4.ICMPTypeEchoReply, &net.IPAddr{IP: net.IPv4(127, 40, 0, 1)}, func(*icmp.Echo) {}, false},
		{"another id", ipv4.ICMPTypeEchoReply, from, func(e *icmp.Echo) { e.ID = 8 }, false},
		{"another sequence", ipv4.ICMPTypeEchoReply, from, func(e *icmp.Echo) { e.Seq = 1 }, false},
		{"another token", ipv4.ICMPTypeEchoReply, from, func(e *icmp.Echo) { e.Data[0] = 9 }, false},
		{"a host that we did not ask", ipv4.ICMPTypeEchoReply, from, func(e *icmp.Echo) { e.Data[11] = 9 }, false},
		{"a short payload", ipv4.ICMPTypeEchoReply, from, func(e *icmp.Echo) { e.Data = e.Data[:9] }, false},
	}
	for _, tt := range tests {
		e := good()
		tt.edit(e)
		raw, err := (&icmp.Message{Type: tt.typ, Body: e}).Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		if i, ok := p.match(raw, tt.from, addresses); ok != tt.want || ok && i != 1 {
			t.Errorf("%s: host %d, %v; want %v", tt.name, i, ok, tt.want)
		}
	}
	for n := range 40 {
		if _, ok := p.match(make([]byte, n), from, addresses); ok {
			t.Errorf("%d zero bytes are taken for an answer", n)
		}
	}
}

func TestSilentHostIsDownUnlessWeStoppedEarly(t *testing.T) {
	r := &round{answers: make([]answer, 2), all: make(chan struct{}), left: 2}
	r.settle(0, answer{result: topology.Up})
	r.close(t.Context())
	if r.answers[0].result != topology.Up || r.answers[1].result != topology.Down {
		t.Errorf("%+v, want up and down", r.answers)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r = &round{answers: make([]answer, 1), all: make(chan struct{}), left: 1}
	r.close(ctx)
	if r.answers[0].result != topology.Unknown {
		t.Errorf("%+v, want unknown", r.answers)
	}
}

func TestProfileDecidesWhoIsPinged(t *testing.T) {
	pinger4(t)
	port := listening(t)
	inv, err := inventory.Load(inventory.Document{Name: "ping.yaml", Data: []byte(fmt.Sprintf(`
version: 1
sites: [{id: msk, name: Moscow, timezone: Europe/Moscow, vantages: [msk]}]
components:
  - {id: a, kind: server, in: msk, client: c, probe: {address: 127.0.0.1, tcp: [%d], icmp: true}}
  - {id: b, kind: server, in: msk, client: c, probe: {address: 127.0.0.1, tcp: [%d]}}
  - {id: six, kind: server, in: msk, client: c, probe: {address: "::1", icmp: true}}
clients: [{id: c, name: C, language: en, timezone: Europe/London, contacts: [{id: k, name: K, language: en, timezone: Europe/London, addresses: {email: k@c.example}}]}]
`, port, port))})
	if err != nil {
		t.Fatal(err)
	}
	var sink memory
	a := New(inv, &sink, Options{})
	r, err := run(t.Context(), t, a, a.Sweep, params([]string{"a", "b"}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Up != 2 || len(sink.rows) != 3 || sink.rows["s1/1/a/icmp/msk"].Result != topology.Up {
		t.Errorf("%+v with %d observations, want two up by three", r, len(sink.rows))
	}
	if _, err := run(t.Context(), t, a, a.Sweep, params([]string{"six"})); err != nil {
		t.Fatal(err)
	}
	if o := sink.rows["s1/1/six/icmp/msk"]; o.Result != topology.Up && !strings.Contains(o.Detail, "prober") && !strings.Contains(o.Detail, "ping socket") {
		t.Errorf("%+v, want up, or that this machine has no IPv6", o)
	}
}
