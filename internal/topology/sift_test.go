package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func at(id string, p topology.Probe, v string, r topology.Result, when time.Time) topology.Observation {
	return topology.Observation{Component: id, Probe: p, Vantage: v, At: when, Result: r}
}

func TestWhatWasSoBeforeIsNoNews(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 1, servers: 4, clients: 1}.load(t)
	g := topology.New(inv)
	yesterday := noon.Add(-24 * time.Hour)
	const id = "srv-000000"
	type seen struct {
		probe topology.Probe
		from  string
		r     topology.Result
	}
	for _, tt := range []struct {
		name   string
		before []seen
		now    seen
		kept   bool
	}{
		{"down both times", []seen{{"tcp", "v", topology.Down}}, seen{"tcp", "v", topology.Down}, false},
		{"it was up", []seen{{"tcp", "v", topology.Up}}, seen{"tcp", "v", topology.Down}, true},
		{"it is up now", []seen{{"tcp", "v", topology.Down}}, seen{"tcp", "v", topology.Up}, true},
		{"nobody asked before", nil, seen{"tcp", "v", topology.Down}, true},
		{"the probe could not tell before", []seen{{"tcp", "v", topology.Unknown}}, seen{"tcp", "v", topology.Down}, true},
		{"another vantage got no answer either", []seen{{"tcp", "w", topology.Down}}, seen{"tcp", "v", topology.Down}, false},
		{"another vantage got an answer", []seen{{"tcp", "w", topology.Up}}, seen{"tcp", "v", topology.Down}, true},
		{"this vantage never did, another does", []seen{{"tcp", "v", topology.Down}, {"tcp", "w", topology.Up}}, seen{"tcp", "v", topology.Down}, false},
		{"it was off and is", []seen{{"power", "v", topology.Down}}, seen{"power", "v", topology.Down}, false},
		{"it was off, now its BMC is silent", []seen{{"power", "v", topology.Down}}, seen{"power", "v", topology.Unknown}, true},
		{"its BMC never answers", []seen{{"power", "v", topology.Unknown}}, seen{"power", "v", topology.Unknown}, false},
		{"it was silent, now its BMC is asked and says off", []seen{{"tcp", "v", topology.Down}}, seen{"power", "v", topology.Down}, false},
		{"it was silent with the power on, now it is off", []seen{{"tcp", "v", topology.Down}, {"power", "v", topology.Up}}, seen{"power", "v", topology.Down}, true},
		{"it answered, now it is off", []seen{{"tcp", "v", topology.Up}}, seen{"power", "v", topology.Down}, true},
		{"it was silent, now its BMC is, too", []seen{{"tcp", "v", topology.Down}}, seen{"power", "v", topology.Unknown}, true},
		{"its BMC was silent, now says off", []seen{{"power", "v", topology.Unknown}}, seen{"power", "v", topology.Down}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before []topology.Observation
			for _, s := range tt.before {
				before = append(before, at(id, s.probe, s.from, s.r, yesterday))
			}
			got := g.Sift([]topology.Observation{at(id, tt.now.probe, tt.now.from, tt.now.r, noon)}, before)
			if kept := len(got.Observations) == 1; kept != tt.kept || got.WasSo != 1-len(got.Observations) {
				t.Errorf("kept %t, want %t; %+v", kept, tt.kept, got)
			}
		})
	}
}

func TestStaleRowsAreJudgedByTheirVantagesClock(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 20, clients: 1}.load(t)
	g := topology.New(inv)
	var obs []topology.Observation
	for i, id := range inv.Servers() {
		skew := time.Duration(i) * time.Second
		obs = append(obs,
			at(id, topology.ProbeTCP, "v", topology.Up, noon.Add(skew)),
			at(id, topology.ProbeTCP, "w", topology.Up, noon.Add(skew-3*time.Hour)), // its clock is slow
			at(id, topology.ProbeICMP, "v", topology.Down, noon.Add(skew-time.Hour)))
	}
	obs = append(obs, at("srv-000001", topology.ProbePower, "v", topology.Up, noon.Add(48*time.Hour))) // a clock gone mad
	got := g.Sift(obs, nil)
	if got.Stale != 40 || len(got.Observations) != 81 {
		t.Errorf("%d stale, %d kept; want 40 and 81", got.Stale, len(got.Observations))
	}
}

// fromWithin is an estate whose sites have a vantage each.
func fromWithin(t *testing.T) (*inventory.Inventory, *topology.Graph) {
	t.Helper()
	e := estate{sites: 2, rooms: 1, racks: 3, servers: 20, single: 8, management: true, clients: 1, within: true}
	inv := e.load(t)
	return inv, topology.New(inv)
}

// lookFrom makes the probes of every server from its site's vantage and from outside;
// lost sites can't be reached from outside.
func lookFrom(inv *inventory.Inventory, w *world, lost ...string) []topology.Observation {
	var out []topology.Observation
	for _, o := range w.look(nil) {
		c, _ := inv.Component(o.Component)
		o.Vantage = c.Site + "-in"
		out = append(out, o)
		if o.Vantage = "outside"; slices.Contains(lost, c.Site) && o.Probe != topology.ProbePower {
			o.Result = topology.Down
		}
		if o.Probe != topology.ProbePower {
			out = append(out, o)
		}
	}
	return out
}

func TestLostUplinksAreToldFromWithin(t *testing.T) {
	inv, g := fromWithin(t)
	obs := lookFrom(inv, newWorld(inv), "s1")
	for i := range obs { // the uplinks' own addresses are silent, too
		if obs[i].Component == "s1-up0" || obs[i].Component == "s1-up1" {
			obs[i].Result = topology.Down
		}
	}
	inf := g.Infer(obs)
	if got := named(inf); !slices.Equal(got, []string{"s1-up0", "s1-up1"}) {
		t.Fatalf("findings %v, want both uplinks", got)
	}
	if f := inf.Findings[0]; len(f.Explains) != 60 || len(f.Contradicts) > 0 || len(inf.Blind) > 0 {
		t.Errorf("explains %d, contradicted by %d, blind %v; want 60 servers, none, none", len(f.Explains), len(f.Contradicts), inf.Blind)
	}
}

func TestABlindVantageProvesNothing(t *testing.T) {
	inv, g := fromWithin(t)
	for _, blind := range []string{"s0-in", "outside"} {
		obs := lookFrom(inv, newWorld(inv, "s1-r0-k01-sw"))
		for i := range obs {
			if obs[i].Vantage == blind {
				obs[i].Result = topology.Down
				if obs[i].Probe == topology.ProbePower {
					obs[i].Result = topology.Unknown
				}
			}
		}
		inf := g.Infer(obs)
		if got := named(inf); !slices.Equal(got, []string{"s1-r0-k01-sw"}) || !slices.Equal(inf.Blind, []string{blind}) {
			t.Errorf("%s: findings %v, blind %v; want the switch, and the vantage named", blind, got, inf.Blind)
		}
	}
}

func TestSharedManagementBlamesNoRackForItsSwitches(t *testing.T) {
	e := estate{sites: 1, rooms: 2, racks: 4, servers: 20, single: 6, management: true, clients: 1}
	inv := e.load(t)
	g := topology.New(inv)
	obs := newWorld(inv, "s0-up0", "s0-up1").look(nil)
	for i := range obs { // BMCs and PDUs of one rack hang on its own switch
		if c, _ := inv.Component(obs[i].Component); c.Rack == "s0-r1-k02" {
			obs[i].Result = topology.Down
			if obs[i].Probe == topology.ProbePower {
				obs[i].Result = topology.Unknown
			}
		}
	}
	if got := named(g.Infer(obs)); !slices.Equal(got, []string{"s0-up0", "s0-up1"}) {
		t.Errorf("findings %v, want the uplinks alone", got)
	}
}

func TestWhatPeopleSawDoesNotBecomeStale(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 1, servers: 4, clients: 1}.load(t)
	g := topology.New(inv)
	first := at("srv-000000", topology.ProbePower, topology.Hands, topology.Down, noon)
	obs := []topology.Observation{
		first,
		at("srv-000001", topology.ProbePower, topology.Hands, topology.Up, noon.Add(40*time.Minute)),
		at("srv-000002", topology.ProbePower, "v", topology.Down, noon),
		at("srv-000003", topology.ProbePower, "v", topology.Up, noon.Add(40*time.Minute)),
	}
	got := g.Sift(obs, nil)
	if got.Stale != 1 || len(got.Observations) != 3 || got.Observations[0] != first {
		t.Errorf("kept %+v, %d stale; want the worker's old row left out alone", got.Observations, got.Stale)
	}
}
