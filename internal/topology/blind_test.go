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

// A vantage that alone tells of a loss, and hears nothing at all, may be blind: less is sure, unless the site's own
// vantages fell silent with it, or it hears something else.
func TestWhatOnlyAVantageThatHearsNothingTellsIsLessSure(t *testing.T) {
	inv := hall(t)
	g := topology.New(inv)
	inside := func(id string) bool { return in("s")(id) && !strings.HasPrefix(id, "s-up") }
	within := pings(inv, "s-in", noon, inside, all)
	fewer := pings(inv, "s-in", noon, inside, func(id string) bool { return id != "s-k1-m1" })
	for _, tt := range []struct {
		name string
		rows []topology.Observation
		sure bool
	}{
		{"it hears nothing", slices.Concat(within, pings(inv, "out", noon, in("s"), none)), false},
		{"it hears nothing, and one machine is silent within, too", slices.Concat(fewer, pings(inv, "out", noon, in("s"), none)), false},
		{"it hears another site", slices.Concat(within, pings(inv, "out", noon, in("s"), none), pings(inv, "out", noon, in("z"), all)), true},
		{"another hears nothing of it, either", slices.Concat(within, pings(inv, "out", noon, in("s"), none), pings(inv, "way-out", noon, in("s"), none)), true},
		{"the site's own fell silent", slices.Concat(within, pings(inv, "out", noon, in("s"), all), pings(inv, "out", minute(2), in("s"), none), pings(inv, "z-in", minute(2), in("z"), all)), true},
	} {
		sifted := g.Sift(tt.rows, nil)
		inf := g.InferSifted(&sifted)
		if len(inf.Findings) == 0 {
			t.Errorf("%s: found nothing", tt.name)
		}
		for _, f := range inf.Findings {
			doubted := slices.ContainsFunc(f.Evidence, func(e topology.Evidence) bool { return strings.Contains(e.Text, "out alone says so") })
			if sure := f.Confidence > .9; sure != tt.sure || doubted == sure {
				t.Errorf("%s: sure is %v, want %v: %s", tt.name, sure, tt.sure, story(&inf))
			}
		}
	}
}

// The only vantage that there is tells all that is known.
func TestTheOnlyVantageIsNotDoubted(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 10, clients: 1}.load(t)
	rows := newWorld(inv).look(nil)
	silence(rows, func(o *topology.Observation) bool { o.Vantage = "v"; return true })
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) == 0 || inf.Findings[0].Confidence < .9 {
		t.Errorf("want a sure finding: %s", story(&inf))
	}
}

// What a vantage of another site hears of this one stands in that: whoever does not hear it is cut off from this one only.
func TestMachinesThatAnotherSitesVantageHearsProveNobodyBlind(t *testing.T) {
	inv := hall(t)
	strays := func(id string) bool { return strings.HasPrefix(id, "s-k1-m") || id == "s-k1-sw" }
	rows := slices.Concat(pings(inv, "out", noon, all, in("z")), pings(inv, "z-in", noon, in("z"), all), pings(inv, "z-in", noon, strays, all),
		pings(inv, "s-in", noon, func(id string) bool { return in("s")(id) && !strings.HasPrefix(id, "s-up") }, all))
	inf := topology.New(inv).Infer(rows)
	if len(uplinksOf(&inf, "s")) != 2 {
		t.Errorf("want both uplinks of s: %s", story(&inf))
	}
}

// One that hears next to nothing of a site, but half of what another asks of it, is not blind to that half.
func TestAVantageThatHearsSomeOfWhatBothAskIsNotBlind(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 12, servers: 40, clients: 1}.load(t)
	var rows []topology.Observation
	for i, id := range inv.Servers() {
		o := topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: "out", At: noon, Result: topology.Down}
		if i < 12 {
			o.Result = topology.Up
		}
		rows = append(rows, o)
		if o.Vantage, o.Result = "way-out", topology.Up; i < 24 {
			rows = append(rows, o)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Blind) > 0 {
		t.Errorf("blind are %v: %s", inf.Blind, story(&inf))
	}
}

// What is without power is silent to all, and tells of no uplinks.
func TestARackWithoutPowerConfirmsNoUplink(t *testing.T) {
	inv := hall(t)
	dark := in("s-k1")
	within := pings(inv, "s-in", noon, func(id string) bool { return in("s")(id) && !strings.HasPrefix(id, "s-up") }, func(id string) bool { return !dark(id) })
	inf := topology.New(inv).Infer(slices.Concat(within, pings(inv, "out", noon, in("s"), none)))
	if !slices.Contains(named(inf), "s-k1") {
		t.Errorf("want the rack: %s", story(&inf))
	}
	for _, f := range inf.Findings {
		if strings.HasPrefix(f.Component, "s-up") && f.Confidence > .9 {
			t.Errorf("%s is sure: %s", f.Component, story(&inf))
		}
	}
}

// A vantage outside that hears nothing of three sites is blind, though of one nobody else tells: not three sites failed at once.
func TestAVantageThatHearsNoneOfSeveralSitesIsBlind(t *testing.T) {
	inv := estate{sites: 3, rooms: 1, racks: 3, servers: 10, within: true, clients: 1}.load(t)
	var rows []topology.Observation
	for _, id := range inv.Servers() {
		c, _ := inv.Component(id)
		o := topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: "out", At: noon, Result: topology.Down}
		rows = append(rows, o)
		if o.Vantage, o.Result = c.Site+"-in", topology.Up; c.Site != "s2" {
			rows = append(rows, o)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if !slices.Equal(inf.Blind, []string{"out"}) || len(inf.Findings) > 0 {
		t.Errorf("blind are %v, want out: %s", inf.Blind, story(&inf))
	}
}
