package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// cutSite is a site of four racks that has lost both uplinks, and the management of its machines with them, to those
// outside; its own vantage sees it. The first half of each rack hangs on PDU A alone.
func cutSite(t *testing.T) *inventory.Inventory {
	t.Helper()
	return estate{sites: 1, rooms: 1, racks: 4, servers: 12, single: 6, within: true}.load(t)
}

// withinOf says what the site's own vantage finds.
type withinOf func(c *inventory.Component, p topology.Probe) topology.Result

// cutOffAt is a look at the site from two vantages outside, to which all is silent, and from its own.
func cutOffAt(inv *inventory.Inventory, when time.Time, within withinOf) []topology.Observation {
	var rows []topology.Observation
	for _, c := range inv.Components() {
		if c.Kind != inventory.KindServer {
			continue
		}
		for _, p := range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP, topology.ProbePower} {
			silent := topology.Down
			if p == topology.ProbePower {
				silent = topology.Unknown
			}
			rows = append(rows, at(c.ID, p, "out1", silent, when), at(c.ID, p, "out2", silent, when), at(c.ID, p, "s0-in", within(c, p), when))
		}
	}
	return rows
}

func wellWithin(*inventory.Component, topology.Probe) topology.Result { return topology.Up }

// theDayBefore all answered, to everybody.
func theDayBefore(inv *inventory.Inventory) []topology.Observation {
	rows := cutOffAt(inv, noon.Add(-24*time.Hour), wellWithin)
	for i := range rows {
		rows[i].Result = topology.Up
	}
	return rows
}

// unreachable are the machines of whom it says so: their BMCs answer, if they have power.
func unreachable(power topology.Result, which func(c *inventory.Component) bool) withinOf {
	return func(c *inventory.Component, p topology.Probe) topology.Result {
		switch {
		case !which(c):
			return topology.Up
		case p == topology.ProbePower:
			return power
		}
		return topology.Down
	}
}

func ofRack(rack string) func(*inventory.Component) bool {
	return func(c *inventory.Component) bool { return c.Rack == rack }
}

var bothUplinks = []string{"s0-up0", "s0-up1"}

// What fails within a site that is cut off is what its own vantage sees: the management of it hangs on the uplinks for
// those outside, whatever else is lost.
func TestASwitchThatIsDeadWithinASiteThatIsCutOffIsNamed(t *testing.T) {
	inv := cutSite(t)
	rows := cutOffAt(inv, noon, unreachable(topology.Up, ofRack("s0-r0-k01")))
	want := append([]string{"s0-r0-k01-sw"}, bothUplinks...)
	for name, past := range map[string][]topology.Observation{"no earlier sweep": nil, "an earlier sweep": theDayBefore(inv)} {
		inf := topology.New(inv).InferAfter(rows, past)
		if got := named(inf); !slices.Equal(got, want) {
			t.Errorf("%s: named %v, want %v: %s", name, got, want, story(&inf))
		}
	}
}

// Machines that go one after another within a site that is cut off have not lost their switch: that would take all at once.
func TestMachinesThatGoInTurnWithinASiteThatIsCutOffHaveNotLostTheirSwitch(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 12, servers: 4, within: true}.load(t)
	var rows []topology.Observation
	for look, until := range []string{"", "srv-000005", "srv-000006", "srv-000007", "srv-000008", "srv-000008"} {
		gone := func(c *inventory.Component) bool { return c.Rack == "s0-r0-k01" && c.ID < until }
		rows = append(rows, cutOffAt(inv, noon.Add(time.Duration(look-5)*time.Minute), unreachable(topology.Up, gone))...)
	}
	inf := topology.New(inv).InferAfter(rows, theDayBefore(inv))
	if got := named(inf); slices.Contains(got, "s0-r0-k01-sw") || !slices.Contains(got, "srv-000004") || !slices.Contains(got, "srv-000007") {
		t.Errorf("named %v, want each machine by itself: %s", got, story(&inf))
	}
}
