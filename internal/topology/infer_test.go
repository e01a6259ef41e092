package topology_test

import (
	"slices"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func TestInferNamesThePointOfFailure(t *testing.T) {
	e := estate{sites: 2, rooms: 2, racks: 5, servers: 40, single: 24, feeds: true, management: true, clients: 9}
	inv := e.load(t)
	g := topology.New(inv)
	for _, c := range []struct {
		name     string
		broken   []string
		off      []string
		hung     []string
		only     func(*inventory.Component) bool
		want     []string
		explains int
	}{
		{name: "nothing is wrong"},
		{name: "one server is off", off: []string{"srv-000007"}, want: []string{"srv-000007"}, explains: 1},
		{name: "one server hangs", hung: []string{"srv-000030"}, want: []string{"srv-000030"}, explains: 1},
		{name: "PDU with single-corded servers", broken: []string{"s0-r0-k01-pdu-a"}, want: []string{"s0-r0-k01-pdu-a"}, explains: 24},
		{name: "PDU, only servers seen", broken: []string{"s0-r0-k01-pdu-a"}, only: servers, want: []string{"s0-r0-k01-pdu-a"}, explains: 24},
		{name: "switch", broken: []string{"s1-r1-k03-sw"}, want: []string{"s1-r1-k03-sw"}, explains: 40},
		{name: "switch, only servers seen", broken: []string{"s1-r1-k03-sw"}, only: servers, want: []string{"s1-r1-k03-sw"}, explains: 40},
		{name: "rack", broken: []string{"s1-r0-k00"}, want: []string{"s1-r0-k00"}, explains: 40},
		{name: "room", broken: []string{"s1-r0"}, want: []string{"s1-r0"}, explains: 200},
		{name: "site", broken: []string{"s1"}, want: []string{"s1"}, explains: 400},
		{name: "both uplinks", broken: []string{"s0-up0", "s0-up1"}, want: []string{"s0-up0", "s0-up1"}, explains: 400},
		{name: "feed", broken: []string{"s0-r1-feed-a"}, want: []string{"s0-r1-feed-a"}, explains: 120},
		{name: "both feeds look like the room, which is likelier", broken: []string{"s0-r1-feed-a", "s0-r1-feed-b"}, want: []string{"s0-r1"}, explains: 200},
		{name: "a PDU and a server elsewhere", broken: []string{"s0-r0-k01-pdu-a"}, off: []string{"srv-000700"}, want: []string{"s0-r0-k01-pdu-a", "srv-000700"}},
		{name: "two faults at two sites", broken: []string{"s0-r0-k01-sw", "s1-r1-k02-pdu-a"}, want: []string{"s0-r0-k01-sw", "s1-r1-k02-pdu-a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(inv, c.broken...)
			for _, id := range c.off {
				w.off[id] = true
			}
			for _, id := range c.hung {
				w.hung[id] = true
			}
			inf := g.Infer(w.look(c.only))
			for _, f := range inf.Findings {
				t.Logf("%s %.3f %.1f explains %d contradicts %d ambiguous %v", topology.Describe(inv, f, "ru"), f.Confidence, f.LogOdds, len(f.Explains), len(f.Contradicts), f.AmbiguousWith)
				for _, ev := range f.Evidence {
					t.Log("   ", ev.Text)
				}
			}
			if len(inf.Findings) > 0 {
				t.Log(topology.Describe(inv, inf.Findings[0], "en"))
			}
			t.Log("next", inf.Next, "unexplained", inf.Unexplained)
			if got := named(inf); !slices.Equal(got, c.want) {
				t.Errorf("findings %v, want %v", got, c.want)
			}
			for _, f := range inf.Findings {
				if c.explains > 0 && len(f.Explains) != c.explains {
					t.Errorf("%s explains %d servers, want %d", f.Component, len(f.Explains), c.explains)
				}
			}
		})
	}
}
