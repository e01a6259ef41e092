package topology_test

import (
	"slices"
	"strings"
	"testing"

	"vakhta/internal/topology"
)

// Rows may come from vantages that the inventory does not place: what they are called does.
func TestAVantageWithASitesNameStandsThere(t *testing.T) {
	inv := estate{sites: 2, rooms: 1, racks: 2, servers: 4, clients: 1}.load(t)
	g := topology.New(inv)
	for vantage, site := range map[string]string{
		"s1": "s1", "S1": "s1", "s1-1": "s1", "probe-s1": "s1", "s1.inside": "s1", "outside-s1": "", "s10": "", "frankfurt": "", "": "", topology.Hands: "", "v": "",
	} {
		for _, s := range []string{"s0", "s1"} {
			if got := g.Within(vantage, s); got != (s == site) {
				t.Errorf("%q stands in %s: %t", vantage, s, got)
			}
		}
	}
	declared := estate{sites: 2, rooms: 1, racks: 2, servers: 4, clients: 1, within: true}.load(t)
	if !topology.New(declared).Within("s1-in", "s1") {
		t.Error("the inventory's own word does not count")
	}
}

// Two sites look at each other, and one has lost its uplinks: neither sees the other, and
// only the uplinks' own addresses say which.
func TestWhoIsShutInProvesNothingOfOthers(t *testing.T) {
	e := estate{sites: 2, rooms: 1, racks: 4, servers: 20, single: 6, management: true, clients: 1, within: true}
	inv := e.load(t)
	var rows []topology.Observation
	for _, o := range newWorld(inv, "s1-up0", "s1-up1").look(nil) {
		c, _ := inv.Component(o.Component)
		for _, from := range []string{"s0", "s1"} {
			row := o
			row.Vantage = from + "-in"
			switch {
			case from != c.Site && o.Probe == topology.ProbePower:
				continue
			case from != c.Site:
				row.Result = topology.Down
			case !strings.HasPrefix(c.ID, "s1-up") && o.Probe == topology.ProbeTCP:
				row.Result = topology.Up // within the site all goes on
			}
			rows = append(rows, row)
			row.At = row.At.Add(60e9)
			rows = append(rows, row)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Equal(got, []string{"s1-up0", "s1-up1"}) {
		t.Errorf("named %v, want the uplinks that don't answer: %s", got, story(&inf))
	}
}

// A machine that really stands in the site that is cut off answers there alone: it lives.
func TestAnAnswerCountsWhoeverHeardIt(t *testing.T) {
	e := estate{sites: 3, rooms: 1, racks: 4, servers: 20, single: 6, management: true, clients: 1, within: true}
	inv := e.load(t)
	moved := "srv-000003" // the inventory has it in s0; it stands in s1
	var rows []topology.Observation
	for _, o := range newWorld(inv).look(nil) {
		c, _ := inv.Component(o.Component)
		for _, from := range []string{"s0", "s1", "s2", "out"} {
			stands := c.Site
			if c.ID == moved {
				stands = "s1"
			}
			row := o
			row.Vantage = from
			if from != "out" {
				row.Vantage += "-in"
			}
			away := from != stands && (from == "s1" || stands == "s1")
			switch {
			case o.Probe == topology.ProbePower && from != stands:
				continue
			case strings.HasPrefix(c.ID, "s1-up"), away:
				row.Result = topology.Down
			}
			rows = append(rows, row)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Equal(got, []string{"s1-up0", "s1-up1"}) {
		t.Errorf("named %v, want the uplinks alone: %s", got, story(&inf))
	}
}

// Whoever writes down what a machine's port, outlet or supply shows may leave out where it is
// plugged in, where that is one thing alone.
func TestAMachinesOwnPortNeedsNoPeer(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 10, single: 4, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	const single, dual = "srv-000000", "srv-000005"
	for _, c := range []struct {
		row    topology.Observation
		unread int
	}{
		{topology.Observation{Component: single, Probe: topology.ProbePort}, 0},
		{topology.Observation{Component: dual, Probe: topology.ProbePort}, 0},
		{topology.Observation{Component: single, Probe: topology.ProbePSU}, 0},
		{topology.Observation{Component: single, Probe: topology.ProbeOutlet}, 0},
		{topology.Observation{Component: dual, Probe: topology.ProbePSU}, 1},
		{topology.Observation{Component: "s0-r0-k00-sw", Probe: topology.ProbePort}, 1},
	} {
		c.row.Vantage, c.row.At, c.row.Result = "v", noon, topology.Down
		if got := g.Sift([]topology.Observation{c.row}, nil); got.Unreadable != c.unread {
			t.Errorf("%s of %s: %d not read, want %d", c.row.Probe, c.row.Component, got.Unreadable, c.unread)
		}
	}
	// It says the same as with a peer.
	rows := newWorld(inv).look(nil)
	silence(rows, func(o *topology.Observation) bool { return o.Component == single })
	bare, full := at(single, topology.ProbePort, "v", topology.Down, noon), at("s0-r0-k00-sw", topology.ProbePort, "v", topology.Down, noon)
	full.Peer = single
	a, b := g.Infer(append(slices.Clone(rows), bare)), g.Infer(append(slices.Clone(rows), full))
	if len(a.Findings) != 1 || len(b.Findings) != 1 || a.Findings[0].LogOdds != b.Findings[0].LogOdds {
		t.Errorf("without a peer %s, with it %s", story(&a), story(&b))
	}
}
