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

func TestAPartThatFailsWithinASiteThatIsCutOffIsNamed(t *testing.T) {
	inv := cutSite(t)
	some := func(ids ...string) func(*inventory.Component) bool {
		return func(c *inventory.Component) bool { return slices.Contains(ids, c.ID) }
	}
	for _, tt := range []struct {
		part  string
		power topology.Result
		lost  []string
	}{
		{"s0-r0-k01-pdu-a", topology.Unknown, []string{"srv-000012", "srv-000014", "srv-000016"}},
		{"s0-r0-k01-sw", topology.Up, []string{"srv-000013", "srv-000017", "srv-000019", "srv-000021", "srv-000022"}},
	} {
		inf := topology.New(inv).InferAfter(cutOffAt(inv, noon, unreachable(tt.power, some(tt.lost...))), theDayBefore(inv))
		f := findingOf(&inf, tt.part)
		if f == nil || f.Mode != topology.Partial || !slices.Equal(f.Explains, tt.lost) {
			t.Errorf("%s: %s", tt.part, story(&inf))
		}
		if got := named(inf); len(got) != 3 {
			t.Errorf("%s: named %v beside the uplinks, want it alone", tt.part, got)
		}
	}
}

func findingOf(inf *topology.Inference, id string) *topology.Finding {
	if i := slices.IndexFunc(inf.Findings, func(f topology.Finding) bool { return f.Component == id }); i >= 0 {
		return &inf.Findings[i]
	}
	return nil
}

func TestASwitchThatLosesPacketsWithinASiteThatIsCutOffIsNamed(t *testing.T) {
	inv := cutSite(t)
	var rows []topology.Observation
	for look := range 4 {
		asked := 0
		rows = append(rows, cutOffAt(inv, noon.Add(time.Duration(2*look-6)*time.Minute), func(c *inventory.Component, p topology.Probe) topology.Result {
			if c.Rack != "s0-r0-k01" || p == topology.ProbePower {
				return topology.Up
			}
			asked++
			if (7*asked+3*look)%11 < 4 {
				return topology.Down
			}
			return topology.Up
		})...)
	}
	inf := topology.New(inv).InferAfter(rows, theDayBefore(inv))
	if f := findingOf(&inf, "s0-r0-k01-sw"); f == nil || f.Mode != topology.Lossy || len(inf.Findings) != 3 {
		t.Error(story(&inf))
	}
}

// One that comes and goes does so for those within its site; to the others all of it is silent. So do all behind a
// switch, and then it is the switch; not so where most that hang on the same are steady.
func TestWhatComesAndGoesWithinASiteThatIsCutOffIsNamedThoughItIsThere(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 12, single: 6, feeds: true, within: true}.load(t)
	few := []string{"srv-000000", "srv-000012", "srv-000024", "srv-000036"} // on the same feed alone
	for _, tt := range []struct {
		of   func(*inventory.Component) bool
		want []string
	}{
		{func(c *inventory.Component) bool { return c.ID == few[0] }, append(slices.Clone(bothUplinks), few[0])},
		{func(c *inventory.Component) bool { return slices.Contains(few, c.ID) }, append(slices.Clone(bothUplinks), few...)},
		{ofRack("s0-r0-k01"), append([]string{"s0-r0-k01-sw"}, bothUplinks...)},
	} {
		var rows []topology.Observation
		for look := range 8 {
			within := wellWithin
			if look%2 == 0 {
				within = unreachable(topology.Up, tt.of)
			}
			rows = append(rows, cutOffAt(inv, noon.Add(time.Duration(look-7)*time.Minute), within)...)
		}
		inf := topology.New(inv).InferAfter(rows, theDayBefore(inv))
		if got := named(inf); !slices.Equal(got, tt.want) {
			t.Errorf("named %v, want %v: %s", got, tt.want, story(&inf))
		}
		for _, f := range inf.Findings {
			if !slices.Contains(bothUplinks, f.Component) && f.Mode != topology.Flapping {
				t.Errorf("%s is %q, want flapping", f.Component, f.Mode)
			}
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
