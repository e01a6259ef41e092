package records_test

import (
	"fmt"
	"slices"
	"testing"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
)

func TestASweepIsShardedBySiteTheLargestFirst(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		scope records.Scope
		want  []string
		sites []records.SiteCount
		whole bool // equipment is asked, too, and doesn't count
	}{
		"a client":            {records.Scope{Client: estate.Romashka}, r.inv.ServersOf(estate.Romashka), []records.SiteCount{{Site: "msk", Servers: 300}, {Site: "spb", Servers: 200}}, false},
		"a site":              {records.Scope{Site: "spb"}, r.inv.ServersAt("spb"), []records.SiteCount{{Site: "spb", Servers: 480}}, true},
		"components":          {records.Scope{Components: []string{"s1-0101", "m1-0101", "m1-0101"}}, []string{"m1-0101", "s1-0101"}, []records.SiteCount{{Site: "msk", Servers: 1}, {Site: "spb", Servers: 1}}, false},
		"everything":          {records.Scope{All: true}, r.inv.Servers(), []records.SiteCount{{Site: "msk", Servers: 720}, {Site: "spb", Servers: 480}}, true},
		"an empty scope, too": {records.Scope{}, r.inv.Servers(), []records.SiteCount{{Site: "msk", Servers: 720}, {Site: "spb", Servers: 480}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			plan := r.plan("s1", c.scope)
			if plan.Total != len(c.want) || !slices.Equal(plan.Sites, c.sites) {
				t.Errorf("%d at %v, want %d at %v", plan.Total, plan.Sites, len(c.want), c.sites)
			}
			shards := r.shards("s1", 1, plan.Shards)
			want := slices.Clone(c.want)
			if c.whole {
				want = append(want, r.equipment(c.scope.Site)...)
			}
			if got := probed(shards); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("the shards hold %d components, want the %d each once", len(got), len(want))
			}
			for i, s := range shards {
				ref := plan.Shards[i]
				if len(ref.Sites) != 1 || ref.Sites[0].Servers > ref.Components || ref.Sites[0].Servers != ref.Components && !c.whole || ref.Vantages[0] != s.Vantage || ref.Extra {
					t.Errorf("shard %+v", ref)
				}
				site := ref.Sites[0].Site
				if want := map[string][]string{"msk": {estate.Vantages[0], estate.Vantages[1]}, "spb": {estate.Vantages[1], estate.Vantages[0]}}[site]; !slices.Equal(ref.Vantages, want) {
					t.Errorf("%s is probed from %v", site, ref.Vantages)
				}
				for _, ask := range s.Asks {
					for _, id := range ask.Components {
						comp, _ := r.inv.Component(id)
						if comp.Site != site {
							t.Errorf("%s of %s in a shard of %s", id, comp.Site, site)
						}
						if ask.First != (comp.Kind == inventory.KindServer) || len(ask.Probes) > 0 {
							t.Errorf("%s is asked %v, first %v", id, ask.Probes, ask.First)
						}
					}
				}
			}
		})
	}
}

// equipment is what has an address and is no machine, of a site or of all.
func (r *rig) equipment(site string) (ids []string) {
	for _, c := range r.inv.Components() {
		if c.Kind != inventory.KindServer && c.Probe.Address != "" && (site == "" || c.Site == site) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// An uplink that is down while the other carries everything takes no machine down, and is found all the same.
func TestASweepOfASiteFindsAPairsDeadMember(t *testing.T) {
	r := newRig(t)
	const uplink = "msk-uplink-1"
	for _, scope := range []records.Scope{{All: true}, {Site: "msk"}} {
		sweep := fmt.Sprint("s", scope)
		refs, last := r.plan(sweep, scope).Shards, records.Inferred{}
		for round := 1; len(refs) > 0 && round <= 4; round++ {
			r.look(sweep, round, uplink, refs)
			last = r.infer(sweep, scope, round)
			refs = last.Next
		}
		if f := last.Findings; len(f) != 1 || f[0].Component != uplink || len(f[0].Explains) > 0 {
			t.Errorf("%+v: %+v, want %s alone", scope, f, uplink)
		}
	}
}

func TestAScopeThatTheInventoryDoesNotHoldIsNamed(t *testing.T) {
	r := newRig(t)
	for field, s := range map[string]records.Scope{
		"client": {Client: "nobody"}, "site": {Site: "nsk"}, "components[1]": {Components: []string{"m1-0101", "m9-9999"}},
	} {
		_, err := r.PlanSweep(t.Context(), records.PlanSweepParams{Sweep: "s1", Scope: s})
		r.wantInvalid(err, records.TypeInvalid, field)
	}
}

func TestWhatHasNoAddressIsNeverProbed(t *testing.T) {
	r := newRig(t)
	plan := r.plan("s1", records.Scope{Components: []string{"msk", "msk-r1", "msk-r1-k01", "m1-0101"}})
	got := probed(r.shards("s1", 1, plan.Shards))
	if !slices.Contains(got, "m1-0101") || len(got) != plan.Total {
		t.Errorf("%d are asked of %d machines: %v", len(got), plan.Total, got)
	}
	if places := []string{"msk", "msk-r1", "msk-r1-k01"}; slices.ContainsFunc(places, func(id string) bool { return slices.Contains(got, id) }) {
		t.Errorf("places are asked: %v", got)
	}
}

// Whoever names equipment or a place means what hangs on it; of a site some machines will do.
func TestNamedEquipmentIsAskedWithWhatHangsOnIt(t *testing.T) {
	r := newRig(t)
	for id, want := range map[string]int{"msk-r1-k01": 40, "msk-r1-k01-sw": 40, "msk-r1-k01-pdu-a": 40, "msk": 500} {
		t.Run(id, func(t *testing.T) {
			plan := r.plan(id, records.Scope{Components: []string{id}})
			if plan.Total != want || plan.Sites[0].Servers != want {
				t.Errorf("%d machines count, at %v, want %d", plan.Total, plan.Sites, want)
			}
			got := probed(r.shards(id, 1, plan.Shards))
			c, _ := r.inv.Component(id)
			if itself := slices.Contains(got, id); itself != r.held(c) {
				t.Errorf("it is asked itself: %v", itself)
			}
			if n := len(slices.DeleteFunc(got, func(id string) bool { c, _ := r.inv.Component(id); return c.Kind != inventory.KindServer })); n != want {
				t.Errorf("%d machines are asked, want %d", n, want)
			}
		})
	}
}

// An alert about equipment, or a rack that somebody names: what failed is told from all else that would
// silence the same machines.
func TestNamedEquipmentIsToldFromWhatItHangsOn(t *testing.T) {
	for scope, failed := range map[string]string{
		"msk-r2-k04-sw": "msk-r2-k04-sw", "msk-r2-k04-pdu-a": "msk-r2-k04-pdu-a", "msk-r2-k04": "msk-r2-k04-sw", "m2-0401": "msk-r2-k04-pdu-a",
	} {
		t.Run(scope, func(t *testing.T) {
			r := newRig(t)
			scope := records.Scope{Components: []string{scope}}
			refs, last := r.plan("s1", scope).Shards, records.Inferred{}
			for round := 1; len(refs) > 0 && round <= 4; round++ {
				r.look("s1", round, failed, refs)
				last = r.infer("s1", scope, round)
				refs = last.Next
			}
			if f := last.Findings; len(f) != 1 || f[0].Component != failed || len(f[0].AmbiguousWith) > 0 || f[0].Confidence < .95 {
				t.Errorf("%+v, want %s", f, failed)
			}
		})
	}
}
