package records_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/topology"
)

// A site that is lost has hundreds of machines here, and tens of thousands elsewhere:
// what workflows get of it fits into their histories, and the store has all.
func TestWhatIsTooLongForAHistoryIsWholeInTheStore(t *testing.T) {
	r := newRig(t)
	lost := r.inv.ServersAt("msk")
	var obs []topology.Observation
	for _, c := range r.inv.Components() {
		if c.Probe.Address == "" {
			continue
		}
		o := topology.Observation{Component: c.ID, Probe: topology.ProbeTCP, Vantage: "outside", At: r.now, Result: topology.Up}
		if c.Site == "msk" {
			o.Result = topology.Down
		}
		obs = append(obs, o)
	}
	if err := r.store.PutObservations(t.Context(), "s1", 1, obs); err != nil {
		t.Fatal(err)
	}
	got := must[records.Inferred](t)(r.Infer(t.Context(), records.InferParams{Sweep: "s1", Scope: records.Scope{All: true}, Round: 4, Last: true}))
	if len(got.Findings) != 1 || !got.Findings[0].Cut() || got.Findings[0].Impact() != len(lost) {
		t.Fatalf("%d findings, the first explains %d of %d", len(got.Findings), got.Findings[0].Impact(), len(lost))
	}
	fits(t, got)
	whole := must[topology.Found](t)(r.store.Found(t.Context(), "s1"))
	f, ok := whole.Whole(got.Findings[0])
	if !ok || !slices.Equal(f.Explains, lost) {
		t.Fatalf("the store's finding explains %d, want %d", len(f.Explains), len(lost))
	}

	opened := must[records.Opened](t)(r.OpenIncident(t.Context(), records.OpenIncidentParams{RequestKey: "k", Finding: got.Findings[0], Sweep: "s1"}))
	brief := must[incident.Incident](t)(r.Incident(t.Context(), opened.Incident.ID))
	fits(t, opened, brief)
	if brief.Affected() != len(lost) || !brief.Cut() {
		t.Errorf("a workflow sees %d machines, want %d", brief.Affected(), len(lost))
	}
	brief.Status, brief.Restored = incident.Monitoring, lost[:1]
	if err := r.SaveIncident(t.Context(), records.SaveIncidentParams{Incident: brief}); err != nil {
		t.Fatal(err)
	}
	stored := must[incident.Incident](t)(r.store.Incident(t.Context(), brief.ID))
	if stored.Status != incident.Monitoring || !slices.Equal(stored.Servers, lost) || !slices.Equal(stored.Finding.Explains, lost) || stored.Cut() {
		t.Errorf("saved: %s, %d machines, its finding explains %d; want all %d", stored.Status, len(stored.Servers), len(stored.Finding.Explains), len(lost))
	}

	watched := 0
	for _, w := range must[[]records.Watched](t)(r.WatchPlan(t.Context(), brief)) {
		if watched += len(w.Components); len(w.Components) > 500 {
			t.Errorf("one watch has %d machines", len(w.Components))
		}
	}
	if watched != len(lost) {
		t.Errorf("%d machines are watched, want %d", watched, len(lost))
	}
	all := must[bool](t)(r.Condition(t.Context(), records.ConditionParams{
		Expression: "size(incident.servers) > 400", Facts: records.RunbookFacts(brief), Incident: brief.ID,
	}))
	if !all {
		t.Error("a condition sees only the head of the list")
	}
	left := must[[]string](t)(r.Unaccounted(t.Context(), records.UnaccountedParams{
		Sweep: "s1", Components: []string{lost[len(lost)-1], "s1-0101"}, Findings: got.Findings,
	}))
	if !slices.Equal(left, []string{"s1-0101"}) {
		t.Errorf("no finding accounts for %v, want the machine of the other site", left)
	}
	if _, err := r.store.PruneObservations(t.Context(), r.now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := r.SaveIncident(t.Context(), records.SaveIncidentParams{Incident: brief}); err != nil {
		t.Errorf("once the sweep is forgotten the incident can't be saved: %v", err)
	}
}

// fits says that what goes into a history is small, however large the failure.
func fits(t *testing.T, payloads ...any) {
	t.Helper()
	for _, p := range payloads {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 16<<10 {
			t.Errorf("a %T takes %d bytes", p, len(text))
		}
	}
}
