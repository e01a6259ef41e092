package topology_test

import (
	"slices"
	"testing"

	"vakhta/internal/topology"
)

func TestInferNamesUplinksWithoutWhichASiteIsDarkWithinToo(t *testing.T) {
	inv := estate{sites: 2, rooms: 2, racks: 4, servers: 20, single: 6, feeds: true, management: true, within: true, clients: 1}.load(t)
	// By the inventory's word nothing behind the uplinks works without them, whoever asks.
	var obs []topology.Observation
	for _, vantage := range []string{"outside", "s0-in"} {
		for _, o := range newWorld(inv, "s0-up0", "s0-up1").look(nil) {
			c, _ := inv.Component(o.Component)
			if vantage != "outside" && c.Site != "s0" {
				continue
			}
			o.Vantage = vantage
			obs = append(obs, o)
		}
	}
	inf := topology.New(inv).Infer(obs)
	if got := named(inf); !slices.Equal(got, []string{"s0-up0", "s0-up1"}) {
		t.Errorf("named %v, want the uplinks of s0", got)
	}
	if len(inf.Blind) > 0 {
		t.Errorf("blind %v: it saw what still answers", inf.Blind)
	}
}
