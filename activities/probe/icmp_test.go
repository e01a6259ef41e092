package probe

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vakhta/activities/probe/ping"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// estateOf is an inventory of servers with these profiles, s0, s1 and so on.
func estateOf(t testing.TB, profiles ...string) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString(`
version: 1
sites: [{id: msk, name: Moscow, timezone: Europe/Moscow, vantages: [msk]}]
clients: [{id: c, name: C, language: en, timezone: Europe/London, contacts: [{id: k, name: K, language: en, timezone: Europe/London, addresses: {email: k@c.example}}]}]
components:
`)
	for i, p := range profiles {
		fmt.Fprintf(&b, "  - {id: s%d, kind: server, in: msk, client: c, probe: %s}\n", i, p)
	}
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// pingable skips the test where nobody may ping, but not in CI as root.
func pingable(t testing.TB, f *ping.Family) {
	t.Helper()
	s, err := ping.Open(f)
	if err != nil {
		if os.Getenv("CI") != "" && os.Getuid() == 0 {
			t.Fatal(err)
		}
		t.Skipf("this machine lets nobody ping: %v", err)
	}
	_ = s.Close()
}

func TestProfileDecidesWhoIsPinged(t *testing.T) {
	pingable(t, ping.IPv4)
	pingable(t, ping.IPv6)
	port := listening(t)
	inv := estateOf(
		t, fmt.Sprintf("{address: 127.0.0.1, tcp: [%d], icmp: true}", port),
		fmt.Sprintf("{address: 127.0.0.2, tcp: [%d]}", port), `{address: "::1", icmp: true}`,
	)
	var sink memory
	a := New(inv, &sink, Options{})
	r, err := run(t.Context(), t, a, a.Sweep, params([]string{"s0", "s2"}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Up != 2 || len(sink.rows) != 3 {
		t.Errorf("%+v with %d observations, want two up by three", r, len(sink.rows))
	}
	for _, key := range []string{"s1/1/s0/icmp/msk", "s1/1/s2/icmp/msk", "s1/1/s0/tcp/msk"} {
		if o := sink.rows[key]; o.Result != topology.Up || o.RTTMicros <= 0 {
			t.Errorf("%s: %+v, want up with its round trip", key, o)
		}
	}
}

func TestWhatPingSaysOfAHost(t *testing.T) {
	tests := []struct {
		reply ping.Reply
		want  answer
	}{
		{ping.Reply{State: ping.Answered, Sent: 1, Received: 1, RTT: time.Millisecond}, answer{result: topology.Up, detail: "echo reply", rtt: time.Millisecond}},
		{ping.Reply{State: ping.Answered, Sent: 3, Received: 1, RTT: time.Millisecond}, answer{result: topology.Up, detail: "echo reply, 2 of 3 requests lost", rtt: time.Millisecond}},
		{ping.Reply{State: ping.Answered, Sent: 2, Received: 2, RTT: time.Millisecond}, answer{result: topology.Up, detail: "echo reply", rtt: time.Millisecond}},
		{ping.Reply{State: ping.Silent, Sent: 3}, answer{result: topology.Down, detail: "no echo reply to 3 requests"}},
		{ping.Reply{State: ping.Silent, Sent: 3, Detail: "host unreachable, says a router"}, answer{result: topology.Down, detail: "no echo reply to 3 requests: host unreachable, says a router"}},
		{ping.Reply{State: ping.Untold, Detail: "cancelled"}, cancelled},
	}
	for _, tt := range tests {
		if got := pingAnswer(tt.reply); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.reply, got, tt.want)
		}
	}
}
