package records_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

func probed(shards []records.Shard) (ids []string) {
	for _, s := range shards {
		ids = append(ids, s.Components...)
	}
	slices.Sort(ids)
	return ids
}

func TestASweepIsShardedBySiteTheLargestFirst(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		scope records.Scope
		want  []string
		sites []records.SiteCount
	}{
		"a client":            {records.Scope{Client: estate.Romashka}, r.inv.ServersOf(estate.Romashka), []records.SiteCount{{Site: "msk", Servers: 300}, {Site: "spb", Servers: 200}}},
		"a site":              {records.Scope{Site: "spb"}, r.inv.ServersAt("spb"), []records.SiteCount{{Site: "spb", Servers: 480}}},
		"components":          {records.Scope{Components: []string{"s1-0101", "m1-0101", "m1-0101"}}, []string{"m1-0101", "s1-0101"}, []records.SiteCount{{Site: "msk", Servers: 1}, {Site: "spb", Servers: 1}}},
		"everything":          {records.Scope{All: true}, r.inv.Servers(), []records.SiteCount{{Site: "msk", Servers: 720}, {Site: "spb", Servers: 480}}},
		"an empty scope, too": {records.Scope{}, r.inv.Servers(), []records.SiteCount{{Site: "msk", Servers: 720}, {Site: "spb", Servers: 480}}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := must[records.SweepPlan](t)(r.PlanSweep(t.Context(), c.scope))
			if plan.Total != len(c.want) || !slices.Equal(plan.Sites, c.sites) {
				t.Errorf("%d at %v, want %d at %v", plan.Total, plan.Sites, len(c.want), c.sites)
			}
			if got := probed(plan.Shards); !slices.Equal(got, slices.Sorted(slices.Values(c.want))) {
				t.Errorf("the shards hold %d components, want the %d each once", len(got), len(c.want))
			}
			at := 0
			for _, s := range plan.Shards {
				if len(s.Components) == 0 || len(s.Components) > 200 {
					t.Errorf("a shard of %d", len(s.Components))
				}
				if want := map[string]string{"msk": estate.Vantages[0], "spb": estate.Vantages[1]}[s.Site]; s.Vantage != want {
					t.Errorf("%s is probed from %s", s.Site, s.Vantage)
				}
				now := slices.IndexFunc(c.sites, func(n records.SiteCount) bool { return n.Site == s.Site })
				if now < at {
					t.Errorf("a shard of %s after a smaller site's", s.Site)
				}
				at = now
				for _, id := range s.Components {
					if comp, _ := r.inv.Component(id); comp.Site != s.Site {
						t.Errorf("%s of %s in a shard of %s", id, comp.Site, s.Site)
					}
				}
			}
		})
	}
}

func TestAScopeThatTheInventoryDoesNotHoldIsNamed(t *testing.T) {
	r := newRig(t)
	for field, s := range map[string]records.Scope{
		"client": {Client: "nobody"}, "site": {Site: "nsk"}, "components[1]": {Components: []string{"m1-0101", "m9-9999"}},
	} {
		_, err := r.PlanSweep(t.Context(), s)
		r.wantInvalid(err, records.TypeInvalid, field)
	}
}

func TestWhatHasNoAddressIsNeverProbed(t *testing.T) {
	r := newRig(t)
	plan := must[records.SweepPlan](t)(r.PlanSweep(t.Context(), records.Scope{Components: []string{"msk", "msk-r1", "msk-r1-k01", "m1-0101"}}))
	if got := probed(plan.Shards); !slices.Equal(got, []string{"m1-0101"}) {
		t.Errorf("%v", got)
	}
}

// look answers shards as a world would in which the component has failed.
func (r *rig) look(sweep string, round int, failed string, shards []records.Shard) {
	r.t.Helper()
	var down []string
	c := &inventory.Component{}
	if failed != "" {
		down = topology.New(r.inv).Blast(failed).Servers
		c, _ = r.inv.Component(failed)
	}
	var obs []topology.Observation
	for _, s := range shards {
		for _, id := range s.Components {
			dead := id == failed || slices.Contains(down, id)
			probes := s.Probes
			if len(probes) == 0 {
				probes = []topology.Probe{topology.ProbeTCP}
			}
			for _, p := range probes {
				o := topology.Observation{Component: id, Probe: p, Vantage: s.Vantage, At: r.now, Result: topology.Up}
				switch {
				case dead && p == topology.ProbePower && c.Kind == inventory.KindServer:
					o.Result, o.Detail = topology.Down, "PowerState Off"
				case p == topology.ProbePower && c.Kind == inventory.KindSwitch: // the BMCs have a network of their own
				case dead && p == topology.ProbePower:
					o.Result, o.Detail = topology.Unknown, "timeout"
				case dead:
					o.Result, o.Detail = topology.Down, "timeout"
				}
				obs = append(obs, o)
			}
		}
	}
	if err := r.store.PutObservations(r.t.Context(), sweep, round, obs); err != nil {
		r.t.Fatal(err)
	}
}

func TestASweepWithoutAFailureFindsNothingAndAsksNothing(t *testing.T) {
	r := newRig(t)
	plan := must[records.SweepPlan](t)(r.PlanSweep(t.Context(), records.Scope{Client: estate.Romashka}))
	r.look("s1", 1, "", plan.Shards)
	inf := must[records.Inferred](t)(r.Infer(t.Context(), "s1"))
	if inf.Down != 0 || len(inf.Findings)+len(inf.Decide)+len(inf.Confirm)+len(inf.Unexplained) != 0 {
		t.Errorf("%+v", inf)
	}
}

// One client's machines are swept; the deciding probes that inference asks for
// name the cause, and the confirming ones cover all that it takes down.
func TestOneClientsSweepFindsTheCauseBehindHisMachines(t *testing.T) {
	for _, scenario := range []string{"server", "pdu", "switch", "room"} {
		t.Run(scenario, func(t *testing.T) {
			r := newRig(t)
			failed := r.scenario(scenario)
			plan := must[records.SweepPlan](t)(r.PlanSweep(t.Context(), records.Scope{Client: estate.Romashka}))
			r.look("s1", 1, failed, plan.Shards)
			first := must[records.Inferred](t)(r.Infer(t.Context(), "s1"))
			if first.Down == 0 || len(first.Decide) == 0 {
				t.Fatalf("%d down, deciding probes %v", first.Down, first.Decide)
			}
			for _, id := range probed(first.Decide) {
				if c, ok := r.inv.Component(id); !ok || (c.Probe.Address == "" && c.Probe.BMC.URL == "") {
					t.Errorf("a probe of %s, which has no address", id)
				}
			}
			r.look("s1", 2, failed, first.Decide)
			second := must[records.Inferred](t)(r.Infer(t.Context(), "s1"))
			if len(second.Findings) != 1 || second.Findings[0].Component != failed || len(second.Unexplained) != 0 {
				t.Fatalf("%+v, want %s", second.Findings, failed)
			}
			confirm := probed(second.Confirm)
			for _, id := range topology.New(r.inv).Blast(failed).Servers {
				if !slices.Contains(confirm, id) {
					t.Errorf("%s is not asked once more", id)
				}
			}
			for _, s := range second.Decide { // what was asked already is not asked again
				for _, id := range s.Components {
					if slices.Contains(s.Probes, topology.ProbePower) && slices.ContainsFunc(first.Decide, func(f records.Shard) bool {
						return slices.Contains(f.Probes, topology.ProbePower) && slices.Contains(f.Components, id)
					}) {
						t.Errorf("the power of %s is asked twice", id)
					}
				}
			}
		})
	}
}

func TestARecoveryIsWatchedFromEachSite(t *testing.T) {
	r := newRig(t)
	watched := must[[]records.Watched](t)(r.WatchPlan(t.Context(), []string{"s1-0101", "m1-0102", "m1-0101", "msk-r1"}))
	if len(watched) != 2 || watched[0].Vantage != estate.Vantages[0] || watched[1].Vantage != estate.Vantages[1] || len(watched[0].Components) != 2 {
		t.Errorf("%+v", watched)
	}
}

// A machine that hangs keeps its power: one missed probe may be chance, so it
// is asked once more, and then it is a finding of its own.
func TestAMachineThatHangsIsAskedAgainAndFound(t *testing.T) {
	r := newRig(t)
	const hung = "m1-0101"
	see := func(round int, probe topology.Probe, result topology.Result) {
		t.Helper()
		o := topology.Observation{Component: hung, Probe: probe, Vantage: estate.Vantages[0], At: r.now.Add(time.Duration(round) * time.Second), Result: result}
		if err := r.store.PutObservations(t.Context(), "hang", round, []topology.Observation{o}); err != nil {
			t.Fatal(err)
		}
	}
	asked := func(inf records.Inferred, probe topology.Probe) bool {
		return slices.ContainsFunc(inf.Decide, func(s records.Shard) bool {
			service := len(s.Probes) == 0 && probe == topology.ProbeTCP
			return slices.Contains(s.Components, hung) && (service || slices.Contains(s.Probes, probe))
		})
	}
	see(1, topology.ProbeTCP, topology.Down)
	first := must[records.Inferred](t)(r.Infer(t.Context(), "hang"))
	if !asked(first, topology.ProbePower) {
		t.Fatalf("its power is not asked: %+v", first)
	}
	see(2, topology.ProbePower, topology.Up)
	second := must[records.Inferred](t)(r.Infer(t.Context(), "hang"))
	if len(second.Findings) == 0 && !asked(second, topology.ProbeTCP) {
		t.Fatalf("neither found nor asked again: %+v", second)
	}
	see(3, topology.ProbeTCP, topology.Down)
	third := must[records.Inferred](t)(r.Infer(t.Context(), "hang"))
	if len(third.Findings) != 1 || third.Findings[0].Component != hung {
		t.Fatalf("%+v, want %s", third.Findings, hung)
	}
}
