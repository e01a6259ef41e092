package records_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
)

// window plans a work on the lab's PDU and opens its window now.
func (r *rig) window(status maintenance.Status) maintenance.Work {
	r.t.Helper()
	w := r.work("pdu-work", r.scenario("pdu"))
	w.StartsAt, w.EndsAt = r.now.Add(-time.Hour), r.now.Add(time.Hour)
	must[records.PlannedWork](r.t)(r.PlanWork(r.t.Context(), records.PlanWorkParams{Work: w}))
	w = must[maintenance.Work](r.t)(r.store.Maintenance(r.t.Context(), w.ID))
	r.becomesWork(w, status)
	return w
}

func (r *rig) becomesWork(w maintenance.Work, status maintenance.Status) {
	r.t.Helper()
	w.Status = status
	if err := r.SaveWork(r.t.Context(), records.SaveWorkParams{Work: w}); err != nil {
		r.t.Fatal(err)
	}
}

// some is one machine of a work's lists.
func some(by map[string][]string) string {
	var all []string
	for _, servers := range by {
		all = append(all, servers...)
	}
	slices.Sort(all)
	return all[0]
}

func TestAlertsThatAWorkExplainsAreSilentAndOnlyThose(t *testing.T) {
	r := newRig(t)
	w := r.window(maintenance.Running)
	off, spared := some(w.ByClient), some(w.Reduced)
	inside, itself := r.alert("in", off, true), r.alert("pdu", w.Components[0], true)
	redundant, elsewhere := r.alert("spared", spared, true), r.alert("out", "s1-0101", true)
	ids := []string{inside, itself, redundant, elsewhere}
	loud := []string{spared, "s1-0101"}
	slices.Sort(loud)

	scope := must[records.TriageScope](t)(r.ScopeAlerts(t.Context(), ids))
	if scope.Silenced != 2 || !slices.Equal(scope.Components, loud) {
		t.Errorf("%+v, want silence about %s and the PDU, and none about %v", scope, off, loud)
	}
	lines := strings.Join(r.timeline("maintenance/pdu-work"), "\n")
	if strings.Count(lines, "the work explains it") != 2 {
		t.Errorf("the work's timeline: %s, want what was silenced recorded", lines)
	}
	still := must[records.Silenced](t)(r.SilencedAlerts(t.Context(), "pdu-work"))
	if got := slices.Sorted(slices.Values(still.ByRegion["msk"])); len(got) != 3 || slices.Contains(got, elsewhere) {
		t.Errorf("%+v, want the three about what it touches looked at when it ends", still)
	}

	r.becomesWork(w, maintenance.Completed)
	if scope := must[records.TriageScope](t)(r.ScopeAlerts(t.Context(), ids)); scope.Silenced != 0 || len(scope.Components) != 4 {
		t.Errorf("%+v after it, want no silence left", scope)
	}
}

func TestNoAlertIsSilencedBeforeAWindowOrByAWorkThatNobodyApproved(t *testing.T) {
	for name, change := range map[string]func(*maintenance.Work){
		"an hour ahead": func(w *maintenance.Work) {
			w.Status, w.StartsAt, w.EndsAt = maintenance.Approved, w.StartsAt.Add(2*time.Hour), w.EndsAt.Add(2*time.Hour)
		},
		"not approved": func(w *maintenance.Work) { w.Status = maintenance.Planned },
		"cancelled":    func(w *maintenance.Work) { w.Status = maintenance.Cancelled },
	} {
		r := newRig(t)
		w := r.window(maintenance.Planned)
		change(&w)
		r.becomesWork(w, w.Status)
		id := r.alert("in", some(w.ByClient), true)
		if scope := must[records.TriageScope](t)(r.ScopeAlerts(t.Context(), []string{id})); scope.Silenced != 0 || len(scope.Components) != 1 {
			t.Errorf("%s: %+v, want it loud", name, scope)
		}
	}
}

func TestWhatWasUpBeforeAWorkAndIsNotAfterItIsMissing(t *testing.T) {
	r := newRig(t)
	see := func(sweep string, all ...topology.Observation) {
		t.Helper()
		for i := range all {
			all[i].Vantage, all[i].At = "msk", r.now
		}
		if err := r.store.PutObservations(t.Context(), sweep, 1, all); err != nil {
			t.Fatal(err)
		}
	}
	o := func(component string, probe topology.Probe, peer string, result topology.Result) topology.Observation {
		return topology.Observation{Component: component, Probe: probe, Peer: peer, Result: result}
	}
	up, down, unknown := topology.Up, topology.Down, topology.Unknown
	before, after := []topology.Observation{}, []topology.Observation{}
	then := func(component string, probe topology.Probe, peer string, was, is topology.Result) {
		before, after = append(before, o(component, probe, peer, was)), append(after, o(component, probe, peer, is))
	}
	then("m1-0101", topology.ProbeICMP, "", up, down)                 // gone
	then("m1-0102", topology.ProbeICMP, "", down, down)               // was off before
	then("m1-0103", topology.ProbeICMP, "", up, up)                   // back
	then("m1-0103", topology.ProbePSU, "msk-r1-k01-pdu-b", up, down)  // on one leg
	then("msk-r1-k01-sw", topology.ProbePort, "m1-0104", up, down)    // a cable
	then("m1-0104", topology.ProbeICMP, "", up, up)                   //
	then("msk-r1-k01-pdu-a", topology.ProbeOutlet, "m1-0105", up, up) //
	then("m1-0106", topology.ProbeICMP, "", up, unknown)              // nobody could say
	then("m1-0107", topology.ProbeICMP, "", up, down)                 // an incident speaks of it
	then("msk-r1-k01-sw", topology.ProbePort, "m1-0107", up, down)    // and of its port
	see("before", before...)
	see("after", after...)
	missing := must[[]records.Missing](t)(r.WhatIsMissing(t.Context(), records.MissingParams{Before: "before", After: "after", Explained: []string{"m1-0107"}}))
	var got []string
	for _, m := range missing {
		got = append(got, m.Component)
		if wantDown := m.Component == "m1-0101"; m.Down != wantDown {
			t.Errorf("%+v, want down: %v", m, wantDown)
		}
	}
	if want := []string{"m1-0101", "m1-0103", "m1-0104"}; !slices.Equal(got, want) {
		t.Errorf("missing %+v, want %v", missing, want)
	}
	for _, m := range missing {
		for component, says := range map[string]string{"m1-0101": "it answered", "m1-0103": "msk-r1-k01-pdu-b feeds", "m1-0104": "link between msk-r1-k01-sw and m1-0104"} {
			if m.Component == component && !strings.Contains(m.Text, says) {
				t.Errorf("%s: %q, want it to say %q", component, m.Text, says)
			}
		}
	}
	if none := must[[]records.Missing](t)(r.WhatIsMissing(t.Context(), records.MissingParams{After: "after"})); len(none) != 0 {
		t.Errorf("%+v, want nothing compared with no sweep before", none)
	}
}
