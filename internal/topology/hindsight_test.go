package topology_test

import (
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// Of every 20 machines one stands in the other room, one of which is dark.
func TestInferBlamesNoMachineThatMayStandInWhatFailed(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 20, servers: 40, single: 8, management: true, clients: 1}.load(t)
	obs := newWorld(inv, "s0-r0").look(nil)
	k := map[string]int{}
	for i := range obs {
		o := &obs[i]
		c, _ := inv.Component(o.Component)
		if c.Kind != inventory.KindServer {
			continue
		}
		if k[c.Room]++; (k[c.Room]-1)/2%20 != 0 { // each has two rows, one after the other
			continue
		}
		switch {
		case c.Room == "s0-r0":
			o.Result = topology.Up
		case o.Probe == topology.ProbePower:
			o.Result = topology.Unknown
		default:
			o.Result = topology.Down
		}
	}
	for _, f := range topology.New(inv).Infer(obs).Findings {
		if f.Kind == inventory.KindServer {
			t.Errorf("%s is named with %f: it may stand in the room that is dark", f.Component, f.Confidence)
		}
	}
}
