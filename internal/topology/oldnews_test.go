package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/topology"
)

// What was down yesterday is no news for the machines that nobody asked then.
func TestWhatTheEarlierSweepDidNotAskBehindWhatWasDownIsNoNews(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 20, single: 10, management: true, clients: 1}.load(t)
	const rack = "s0-r0-k01"
	gone := map[string]int{rack + "-sw": 0}
	for _, id := range serversIn(inv, rack) {
		gone[id] = 0
	}
	rows := shots(inv, 1, 0, gone)
	for _, tt := range []struct {
		name  string
		then  func(i int, o *topology.Observation) bool // was it asked?
		named bool
	}{
		{"a fifth was not asked", func(i int, _ *topology.Observation) bool { return i%5 > 0 }, false},
		{"most was not asked", func(i int, o *topology.Observation) bool { _, of := gone[o.Component]; return !of || i%4 == 0 }, true},
		{"half of it answered", func(i int, o *topology.Observation) bool {
			if i%2 == 0 {
				o.Result = topology.Up
			}
			return i%5 > 0
		}, true},
	} {
		var before []topology.Observation
		for i, o := range rows {
			o.At = o.At.Add(-24 * time.Hour)
			if tt.then(i, &o) {
				before = append(before, o)
			}
		}
		inf := sifted(inv, rows, before)
		if len(inf.Findings) > 0 != tt.named {
			t.Errorf("%s: %s", tt.name, story(&inf))
		}
	}
}

// Nor is it for the supplies of a PDU of which most had no input yesterday.
func TestSuppliesOfAPDUThatWasDeadAreNoNews(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 20, clients: 1}.load(t)
	const rack = "s0-r0-k01"
	rows := shots(inv, 1, 0, nil)
	for _, id := range serversIn(inv, rack) {
		for _, side := range []string{"a", "b"} {
			o := topology.Observation{Component: id, Probe: topology.ProbePSU, Peer: rack + "-pdu-" + side, Vantage: "v", At: noon, Result: topology.Up}
			if side == "b" {
				o.Result = topology.Down
			}
			rows = append(rows, o)
		}
	}
	var before []topology.Observation
	for i, o := range rows {
		if o.At = o.At.Add(-24 * time.Hour); o.Probe == topology.ProbePSU && i%5 > 0 {
			before = append(before, o)
		}
	}
	if inf := sifted(inv, rows, nil); !slices.Equal(named(inf), []string{rack + "-pdu-b"}) {
		t.Errorf("without an earlier sweep: %s", story(&inf))
	}
	if inf := sifted(inv, rows, before); len(inf.Findings) > 0 {
		t.Errorf("it was so before: %s", story(&inf))
	}
}
