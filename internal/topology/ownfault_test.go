package topology_test

import (
	"slices"
	"testing"

	"vakhta/internal/topology"
)

// A machine that its own site's vantage does not hear, among all others, is down by itself, though both
// uplinks are lost and all of them silent to those outside.
func TestAMachineDownByItselfIsNamedBehindLostUplinks(t *testing.T) {
	inv := spared(t, 4, 2, 2)
	const own = "s-r1-k2-m3"
	bmc := func(vantage string, at int, of string, says topology.Result) topology.Observation {
		return topology.Observation{Component: of, Probe: topology.ProbePower, Vantage: vantage, At: minute(at), Result: says}
	}
	for _, tt := range []struct {
		name  string
		looks int
		power bool // BMCs are asked: its own says within that it is off, and those outside hear none
	}{{"four looks", 4, false}, {"one look, and its BMC", 1, true}} {
		lost := func(id string) bool { return id == own }
		before := pings(inv, "s-in", noon.AddDate(0, 0, -1), machines("s"), all)
		var rows []topology.Observation
		for k := range tt.looks {
			rows = slices.Concat(rows, pings(inv, "s-in", minute(k), machines("s"), but(lost)), pings(inv, "out", minute(k), in("s"), none),
				pings(inv, "out", minute(k), machines("z"), all))
			for _, id := range inv.Servers() {
				if !tt.power || !in("s")(id) {
					continue
				}
				says := topology.Up
				if id == own {
					says = topology.Down
				}
				rows = append(rows, bmc("s-in", k, id, says), bmc("out", k, id, topology.Unknown))
			}
		}
		if tt.power {
			before = nil
		}
		inf := topology.New(inv).InferAfter(rows, before)
		if got := named(inf); !slices.Equal(got, []string{own, "s-up1", "s-up2"}) {
			t.Fatalf("%s: named %v: %s", tt.name, got, story(&inf))
		}
		for _, f := range inf.Findings {
			if f.Component == own && (f.Confidence < .9 || f.PowerOff != tt.power) {
				t.Errorf("%s: its confidence is %.2f, switched off %v: %s", tt.name, f.Confidence, f.PowerOff, story(&inf))
			}
		}
	}
}

// One that its vantage missed once, by one probe, is not: within as anywhere, that is chance.
func TestAMachineMissedOnceWithinIsNotNamedBehindLostUplinks(t *testing.T) {
	inv := spared(t, 4, 2, 2)
	missed := func(id string) bool { return id == "s-r1-k2-m3" }
	rows := slices.Concat(pings(inv, "s-in", noon, machines("s"), but(missed)), pings(inv, "out", noon, machines("s"), none), pings(inv, "out", noon, machines("z"), all))
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Equal(got, []string{"s-up1", "s-up2"}) {
		t.Errorf("named %v: %s", got, story(&inf))
	}
}

// One that comes and goes within does so behind lost uplinks, too.
func TestAMachineThatComesAndGoesIsSeenBehindLostUplinks(t *testing.T) {
	inv := spared(t, 4, 2, 2)
	const own = "s-r1-k2-m3"
	var rows []topology.Observation
	for k := range 12 {
		lost := func(id string) bool { return id == own && k%3 > 0 }
		rows = slices.Concat(rows, pings(inv, "s-in", minute(k), machines("s"), but(lost)), pings(inv, "out", minute(k), machines("s"), func(string) bool { return k < 3 }),
			pings(inv, "out", minute(k), machines("z"), all))
	}
	inf := topology.New(inv).Infer(rows)
	if got := namesOf(&inf); !slices.Equal(got, []string{own + " flapping", "s-up1 ", "s-up2 "}) {
		t.Errorf("named %v: %s", got, story(&inf))
	}
}
