package topology_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func TestFeedsAreAsUnreachableThroughLostUplinksAsAllElse(t *testing.T) {
	inv := estate{sites: 2, rooms: 1, racks: 2, servers: 6, feeds: true, management: true, clients: 1}.load(t)
	for _, asked := range [][]inventory.Kind{{}, {inventory.KindPDU, inventory.KindSwitch, inventory.KindUplink}} {
		rows := newWorld(inv).look(func(c *inventory.Component) bool { return servers(c) || slices.Contains(asked, c.Kind) })
		for _, c := range inv.Components() {
			if c.Kind == inventory.KindFeed {
				rows = append(rows, at(c.ID, topology.ProbeICMP, "v", topology.Up, noon), at(c.ID, topology.ProbeSNMP, "v", topology.Up, noon))
			}
		}
		silence(rows, func(o *topology.Observation) bool { c, _ := inv.Component(o.Component); return c.Site == "s1" })
		inf := topology.New(inv).Infer(rows)
		if len(inf.Findings) != 1 {
			t.Fatal(story(&inf))
		}
		f := inf.Findings[0]
		class := append(slices.Clone(f.AmbiguousWith), f.Component)
		for _, id := range []string{"s1", "s1-up0", "s1-up1"} {
			if !slices.Contains(class, id) {
				t.Errorf("%s is not in the class where %v are asked, too: %s", id, asked, story(&inf))
			}
		}
	}
}

// Where a room's management hangs on the switches before its racks, so does that of its feeds.
func TestFeedsAreAsUnreachableBehindTheSwitchesOfTheirRoom(t *testing.T) {
	inv := hall(t)
	answers := func(id string) bool { return in("s")(id) || strings.HasPrefix(id, "z-up") }
	rows := asks(inv, "out", all, answers)
	past := asks(inv, "out", all, all)
	for _, id := range []string{"s-feed-a", "s-feed-b", "z-feed-a", "z-feed-b"} {
		r := topology.Down
		if answers(id) {
			r = topology.Up
		}
		rows = append(rows, at(id, topology.ProbeICMP, "out", r, noon), at(id, topology.ProbeSNMP, "out", r, noon))
	}
	for i := range past {
		past[i].At = past[i].At.Add(-time.Hour)
	}
	inf := topology.New(inv).InferAfter(rows, past)
	if len(inf.Findings) != 1 {
		t.Fatal(story(&inf))
	}
	f := inf.Findings[0]
	class := append(slices.Clone(f.AmbiguousWith), f.Component)
	for _, id := range []string{"z-hall", "z-feed-a", "z-agg1", "z-agg2"} {
		if !slices.Contains(class, id) {
			t.Errorf("%s is not in the class: %s", id, story(&inf))
		}
	}
}
