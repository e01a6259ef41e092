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
