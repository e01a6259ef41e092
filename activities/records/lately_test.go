package records_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
)

// sweepSite plays a routine sweep of the servers at a site, of which those answer.
func (r *rig) sweepSite(sweep, site string, at time.Time, answers func(id string) bool) records.Inferred {
	r.t.Helper()
	r.now = at
	var obs []topology.Observation
	for _, id := range r.inv.ServersAt(site) {
		o := topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: estate.Vantages[0], At: at, Result: topology.Down, Detail: "timeout"}
		if answers(id) {
			o.Result, o.Detail = topology.Up, ""
		}
		obs = append(obs, o)
	}
	if err := r.store.PutObservations(r.t.Context(), sweep, 1, obs); err != nil {
		r.t.Fatal(err)
	}
	return must[records.Inferred](r.t)(r.Infer(r.t.Context(), records.InferParams{
		Sweep: sweep, Scope: records.Scope{Site: site}, Round: 4, Last: true, Routine: true,
	}))
}

// inRoom are the servers of a room, in order.
func (r *rig) inRoom(room string) []string {
	return slices.DeleteFunc(r.inv.ServersAt("msk"), func(id string) bool { c, _ := r.inv.Component(id); return c.Room != room })
}

// What only shows in several sweeps is found by the last of them, and by who infers again when the others are forgotten.
func TestSweepsThatFollowOneAnotherTellWhatNoneDoes(t *testing.T) {
	const machine, room, sw = "m2-0401", "msk-r2", "msk-r2-k04-sw"
	for _, tt := range []struct {
		name string
		want string
		mode topology.Mode
		// downAt says whether a machine, the nth of its room, is silent at a sweep.
		downAt func(id string, nth, sweep int) bool
		least  int
	}{
		{"a room that heats", room, topology.Heating, func(_ string, nth, sweep int) bool { return nth >= 0 && nth%8 == 0 && sweep > 1+nth/8%7 }, 20},
		{"a machine that answers now and then", machine, topology.Flapping, func(id string, _, sweep int) bool { return id == machine && sweep%2 == 1 }, 1},
		{"a switch that comes and goes", sw, topology.Flapping, func(id string, _, sweep int) bool { return id[:5] == machine[:5] && sweep%2 == 1 }, 40},
		{"a machine that failed and came back", "", "", func(id string, _, sweep int) bool { return id == machine && (sweep == 2 || sweep == 3) }, 0},
		{"a machine that fails once", machine, "", func(id string, _, sweep int) bool { return id == machine && sweep > 5 }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			begin, heats := r.now, r.inRoom(room)
			var got records.Inferred
			const last = 8
			for sweep := range last + 1 {
				got = r.sweepSite(fmt.Sprint("s", sweep), "msk", begin.Add(time.Duration(sweep)*10*time.Minute), func(id string) bool {
					return !tt.downAt(id, slices.Index(heats, id), sweep)
				})
			}
			if tt.want == "" {
				if len(got.Findings) > 0 {
					t.Fatalf("%s %q is named, and all is well", got.Findings[0].Component, got.Findings[0].Mode)
				}
				return
			}
			wanted := func(fs []topology.Finding) bool {
				return len(fs) == 1 && fs[0].Component == tt.want && fs[0].Mode == tt.mode && fs[0].Impact() >= tt.least
			}
			if first := begin.Add(10 * time.Minute); tt.mode == topology.Flapping && (len(got.Findings) == 0 || !got.Findings[0].Since.Equal(first)) {
				t.Errorf("%+v, want it since %s, when it first went", got.Findings, first)
			}
			if !wanted(got.Findings) {
				t.Fatalf("%d findings, the first %+v; want %s %q", len(got.Findings), got.Findings, tt.want, tt.mode)
			}
			perQuestion := map[string]int{}
			for _, o := range must[[]topology.Observation](t)(r.store.Recalled(t.Context(), fmt.Sprint("s", last))) {
				perQuestion[o.Component]++ // one probe, from one vantage
				if n := perQuestion[o.Component]; n > 4 && tt.mode != topology.Flapping {
					t.Errorf("%d rows are kept of %s, which changed once", n, o.Component)
				}
			}
			for sweep := range last {
				if err := r.store.ForgetSweep(t.Context(), fmt.Sprint("s", sweep)); err != nil {
					t.Fatal(err)
				}
			}
			obs := must[[]topology.Observation](t)(r.store.Observations(t.Context(), fmt.Sprint("s", last)))
			again := must[topology.Inference](t)(records.InferAgain(t.Context(), r.store, topology.New(r.inv), fmt.Sprint("s", last), obs))
			if !wanted(again.Findings) || !again.Findings[0].Since.Equal(got.Findings[0].Since) {
				t.Errorf("inferred again: %+v, want the same as before", again.Findings)
			}
		})
	}
}

// Of a large estate those that are silent are looked up alone: when each last answered and fell silent is known though
// the sweep that saw it is forgotten.
func TestWhatForgottenSweepsSawIsKnownByHabit(t *testing.T) {
	r := newRig(t)
	begin, heats := r.now, r.inRoom("msk-r2")
	var got records.Inferred
	for sweep := range 9 {
		name := fmt.Sprint("s", sweep)
		got = r.sweepSite(name, "msk", begin.Add(time.Duration(sweep)*10*time.Minute), func(id string) bool {
			nth := slices.Index(heats, id)
			return nth < 0 || nth%8 != 0 || sweep <= 1+nth/8%7
		})
		if sweep < 8 {
			if err := r.store.ForgetSweep(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(got.Findings) != 1 || got.Findings[0].Mode != topology.Heating || got.Findings[0].Kind != inventory.KindRoom {
		t.Errorf("%d findings, the first %+v; want the room", len(got.Findings), got.Findings)
	}
}

// What planned work takes down twice in a night does not come and go.
func TestPlannedWorkIsNoComingAndGoing(t *testing.T) {
	const pdu = "msk-r2-k04-pdu-a"
	for _, planned := range []bool{true, false} {
		r := newRig(t)
		begin, off := r.now, topology.New(r.inv).Blast(pdu).Servers
		if planned {
			if err := r.store.PutMaintenance(t.Context(), maintenance.Work{
				ID: "m1", Title: map[string]string{"ru": "PDU"}, Components: []string{pdu}, Status: maintenance.Completed,
				StartsAt: begin, EndsAt: begin.Add(75 * time.Minute), Revision: 1,
			}); err != nil {
				t.Fatal(err)
			}
		}
		var got records.Inferred
		for sweep := range 9 {
			got = r.sweepSite(fmt.Sprint("s", sweep), "msk", begin.Add(time.Duration(sweep)*10*time.Minute), func(id string) bool {
				return sweep%2 == 0 || sweep > 7 || !slices.Contains(off, id)
			})
		}
		if found := len(got.Findings) > 0; found == planned {
			t.Errorf("planned %v: %+v", planned, got.Findings)
		}
	}
}
