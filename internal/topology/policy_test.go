package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/topology"
)

// What the earlier sweep missed, and was never heard, is rather one of those that never answer, of which that sweep
// found as many as there are; what it heard is not one of them.
func TestWhatTheEarlierSweepMissedMayNeverAnswer(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 25, servers: 40, clients: 1}.load(t)
	const missed, dead = "srv-000007", "srv-000611"
	var rows, before []topology.Observation
	for i, id := range inv.Servers() {
		never := i%43 == 5 || id == missed
		note := func(to *[]topology.Observation, at time.Time, up bool) {
			o := topology.Observation{Component: id, Probe: topology.ProbeICMP, Vantage: "v", At: at, Result: topology.Down}
			if up {
				o.Result = topology.Up
			}
			*to = append(*to, o)
		}
		if id != missed {
			note(&before, noon.Add(-2*time.Hour), !never)
		}
		for k := range 10 { // one ping in a hundred is lost, at the last look, too
			note(&rows, minute(2*k), !never && id != dead && (i*31+k*17)%100 != 0)
		}
	}
	inf := sifted(inv, rows, before)
	if got := named(inf); !slices.Equal(got, []string{dead}) {
		t.Errorf("want %s alone: %s", dead, story(&inf))
	}
}
