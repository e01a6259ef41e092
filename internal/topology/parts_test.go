package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const withParts = `
version: 1
sites: [{id: s, timezone: UTC}]
clients: [{id: c, language: en, timezone: UTC, contacts: [{id: d, addresses: {telegram: 1}}]}]
components:
  - {id: k, kind: rack, in: s}
  - {id: pdu, kind: pdu, in: k}
  - {id: l1, kind: phase, in: pdu}
  - {id: l2, kind: phase, in: pdu}
  - {id: sw, kind: switch, in: k}
  - {id: card-1, kind: card, in: sw}
  - {id: card-2, kind: card, in: sw}
  - {id: m1, kind: server, in: k, client: c, needs: {power: [l1], network: [card-1]}}
  - {id: m2, kind: server, in: k, client: c, needs: {power: [l1], network: [card-2]}}
  - {id: m3, kind: server, in: k, client: c, needs: {power: [l1], network: [card-1]}}
  - {id: m4, kind: server, in: k, client: c, needs: {power: [l2], network: [card-1]}}
  - {id: m5, kind: server, in: k, client: c, needs: {power: [l2], network: [card-2]}}
  - {id: m6, kind: server, in: k, client: c, needs: {power: [l2], network: [card-1]}}
`

// Where the inventory has phases and line cards, they are named like anything else.
func TestPhasesAndLineCardsAreNamed(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "parts", Data: []byte(withParts)})
	if err != nil {
		t.Fatal(err)
	}
	g := topology.New(inv)
	for _, tt := range []struct {
		broken string
		down   []string
		power  topology.Result // of what is down
	}{
		{"l1", []string{"m1", "m2", "m3"}, topology.Unknown},
		{"card-1", []string{"m1", "m3", "m4", "m6"}, topology.Up},
		{"pdu", []string{"m1", "m2", "m3", "m4", "m5", "m6"}, topology.Unknown},
		{"sw", []string{"m1", "m2", "m3", "m4", "m5", "m6"}, topology.Up},
	} {
		if got := g.Blast(tt.broken).Servers; !slices.Equal(got, tt.down) {
			t.Errorf("%s takes down %v, want %v", tt.broken, got, tt.down)
		}
		var obs []topology.Observation
		for _, id := range inv.Servers() {
			r, power := topology.Up, topology.Up
			if slices.Contains(tt.down, id) {
				r, power = topology.Down, tt.power
			}
			obs = append(obs, at(id, topology.ProbeTCP, "v", r, noon), at(id, topology.ProbePower, "v", power, noon))
		}
		f := g.Infer(obs).Findings
		if len(f) != 1 || f[0].Component != tt.broken {
			t.Errorf("%s failed, and the findings are %+v", tt.broken, f)
		}
	}
}

// Ten of thirty machines that one PDU and one switch carry are silent, and nothing tells by which.
func TestWhatCarriesTheSameMachinesIsInTheirClassTogether(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 30, single: 30, clients: 1}.load(t)
	look := func(at time.Time, down func(id string) bool) []topology.Observation {
		var rows []topology.Observation
		for _, id := range inv.Servers() {
			for _, probe := range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP} {
				o := topology.Observation{Component: id, Probe: probe, Vantage: "v", At: at, Result: topology.Up}
				if down(id) {
					o.Result = topology.Down
				}
				rows = append(rows, o)
			}
		}
		return rows
	}
	inf := topology.New(inv).InferAfter(
		look(noon, func(id string) bool { return id >= "srv-000030" && id < "srv-000040" }),
		look(noon.Add(-24*time.Hour), func(string) bool { return false }))
	if len(inf.Findings) != 10 {
		t.Errorf("want ten findings: %s", story(&inf))
	}
	for _, f := range inf.Findings {
		for _, id := range []string{"s0-r0-k01-pdu-a", "s0-r0-k01-sw"} {
			if !slices.Contains(f.AmbiguousWith, id) {
				t.Errorf("%s is ambiguous with %v, want %s among them", f.Component, f.AmbiguousWith, id)
			}
		}
	}
}

// partGone is a rack whose machines hang on one PDU and one switch: so many of its first are silent, with their power on, and so
// many in other racks.
func partGone(t *testing.T, down, others int) (topology.Inference, []string) {
	t.Helper()
	inv := estate{sites: 1, rooms: 1, racks: 5, servers: 14, single: 14, clients: 1}.load(t)
	var gone []string
	var rows []topology.Observation
	for i, id := range inv.Servers() {
		o := at(id, topology.ProbeTCP, "v", topology.Up, noon)
		switch {
		case i >= 14 && i < 14+down:
			o.Result = topology.Down
			gone = append(gone, id)
		case i >= 28 && i < 28+15*others && i%15 == 28%15:
			o.Result = topology.Down
		}
		ping := o
		ping.Probe = topology.ProbeICMP
		rows = append(rows, o, ping, at(id, topology.ProbePower, "v", topology.Up, noon))
	}
	return topology.New(inv).Infer(rows), gone
}

// Three machines of a switch's fourteen at once, all with power, are rather a part of it than three faults.
func TestAPartOfASwitchIsNamedRatherThanItsMachines(t *testing.T) {
	inf, gone := partGone(t, 3, 0)
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "s0-r0-k01-sw" || !slices.Equal(inf.Findings[0].Explains, gone) {
		t.Errorf("want s0-r0-k01-sw in part: %s", story(&inf))
	}
}

// Where others are silent elsewhere it may be: the switch is in the class of each.
func TestAPartOfASwitchIsInTheClassOfAFewMachines(t *testing.T) {
	inf, gone := partGone(t, 3, 1)
	for _, f := range inf.Findings {
		if slices.Contains(gone, f.Component) != slices.Contains(f.AmbiguousWith, "s0-r0-k01-sw") {
			t.Errorf("%s is ambiguous with %v: %s", f.Component, f.AmbiguousWith, story(&inf))
		}
	}
	if len(inf.Findings) < len(gone) {
		t.Errorf("want %v: %s", gone, story(&inf))
	}
}
