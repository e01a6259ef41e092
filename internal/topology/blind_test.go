package topology_test

import (
	"slices"
	"strings"
	"testing"

	"vakhta/internal/topology"
)

// A vantage within a site that hears nothing, where one outside hears the few of its machines that it asks, is blind.
func TestAVantageIsBlindWhereOneThatAsksLittleHearsWhatItDoesNot(t *testing.T) {
	inv := hall(t)
	for _, tt := range []struct {
		name  string
		few   func(id string) bool
		blind bool
	}{
		{"seven components", func(id string) bool { return strings.HasPrefix(id, "s-k1-m") || id == "s-k1-sw" }, true},
		{"two, which may stand elsewhere", func(id string) bool { return id == "s-k1-m1" || id == "s-k2-m1" }, false},
	} {
		rows := slices.Concat(pings(inv, "s-in", noon, in("s"), none), pings(inv, "z-in", noon, in("z"), all), pings(inv, "out", noon, tt.few, all))
		inf := topology.New(inv).Infer(rows)
		if got := slices.Contains(inf.Blind, "s-in"); got != tt.blind || got != (len(inf.Findings) == 0) {
			t.Errorf("%s: blind are %v: %s", tt.name, inf.Blind, story(&inf))
		}
	}
}

// Machines that a vantage did not ask prove nothing of it, though another hears them.
func TestAVantageThatAsksOtherMachinesProvesNobodyBlind(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 3, servers: 10, management: true, clients: 1, within: true}.load(t)
	var rows []topology.Observation
	for i := range inv.Components() {
		c := inv.Components()[i]
		o := topology.Observation{Component: c.ID, Probe: topology.ProbeTCP, At: noon, Vantage: "s0-in", Result: topology.Down}
		if len(c.Probe.TCP) > 0 && c.Room == "s0-r0" {
			rows = append(rows, o)
		}
		if o.Vantage, o.Result = "out", topology.Up; len(c.Probe.TCP) > 0 && c.Rack == "s0-r1-k00" {
			rows = append(rows, o)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Blind) > 0 || len(inf.Findings) != 1 || !slices.Contains(classOf(&inf), "s0-r0") {
		t.Errorf("blind are %v, want none, and the room: %s", inf.Blind, story(&inf))
	}
}

// A vantage to which two sites are silent that nobody else asks is blind, though of one of them it asked BMCs only; one
// that hears a BMC is not.
func TestAVantageThatHearsNoBMCOfAnotherSiteIsBlind(t *testing.T) {
	inv := hall(t)
	for _, told := range []topology.Result{topology.Unknown, topology.Up} {
		rows := pings(inv, "s-in", noon, in("s"), none)
		for _, id := range inv.Servers() {
			if in("z")(id) {
				rows = append(rows, topology.Observation{Component: id, Probe: topology.ProbePower, Vantage: "s-in", At: noon, Result: told})
			}
		}
		inf := topology.New(inv).Infer(rows)
		if got := slices.Equal(inf.Blind, []string{"s-in"}); got != (told == topology.Unknown) || got != (len(inf.Findings) == 0) {
			t.Errorf("BMCs say %s: blind are %v: %s", told, inf.Blind, story(&inf))
		}
	}
}
