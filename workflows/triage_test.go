package workflows

import (
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/topology"
)

func (w *world) alertsAfter(d time.Duration, ids ...string) {
	w.after(d, func() { w.SignalWorkflow(SignalAlerts, AlertsSignal{IDs: ids}) })
}

// playTriage ends it after a minute: it runs for ever.
func (w *world) playTriage() {
	w.after(time.Minute, w.CancelWorkflow)
	w.play("triage/msk", Triage, TriageInput{Region: "msk"})
}

func (w *world) answerTriage(f ...topology.Finding) (scoped *[][]string, opened *[]string) {
	scoped, opened = &[][]string{}, &[]string{}
	w.scope = func(ids []string) (records.TriageScope, error) {
		_ = keep(w, scoped, ids)
		return records.TriageScope{Components: []string{"s1", "s2"}}, nil
	}
	w.infer = func(int) records.Inferred { return records.Inferred{Findings: f, Down: 2} }
	w.open = func(p records.OpenIncidentParams) (records.Opened, error) {
		return records.Opened{Incident: w.record}, keep(w, opened, p.RequestKey+" "+p.Finding.Component)
	}
	return scoped, opened
}

func TestAlertsAreGatheredAndMakeOneIncidentPerFinding(t *testing.T) {
	w := newWorld(t)
	other := topology.Finding{Component: "s9", Explains: []string{"s9"}}
	scoped, opened := w.answerTriage(pduDown(), other)
	w.alertsAfter(0, "a1", "a2")
	w.alertsAfter(time.Second, "a2", "a3")
	w.playTriage()
	if len(*scoped) != 1 || strings.Join((*scoped)[0], ",") != "a1,a2,a3" {
		t.Errorf("batches %v, want one of a1, a2, a3", *scoped)
	}
	if len(*opened) != 2 || (*opened)[0] == (*opened)[1] || len(w.linked) != 2 || len(w.tasks) != 0 {
		t.Errorf("opened %v, linked %v, tasks %v", *opened, w.linked, w.taskKeys())
	}
}

func TestAlertsThatNothingExplainsAreAPersonsTask(t *testing.T) {
	for name, c := range map[string]struct {
		scope func([]string) (records.TriageScope, error)
		task  string
	}{
		"unknown component": {func([]string) (records.TriageScope, error) { return records.TriageScope{Unknown: []string{"a1"}}, nil }, "unknown/a1"},
		"no finding":        {nil, "unexplained/a1"},
		"not to be read":    {func([]string) (records.TriageScope, error) { return records.TriageScope{}, invalid("ids: broken") }, "failed/a1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.scope = c.scope
			w.alertsAfter(0, "a1")
			w.alertsAfter(30*time.Second, "a1")
			w.playTriage()
			// The second batch shows that the first did not end the triage.
			equal(t, "tasks", w.taskKeys(), []string{c.task, c.task})
		})
	}
}

func TestTriageCarriesItsAlertsOver(t *testing.T) {
	w := newWorld(t)
	scoped, _ := w.answerTriage(pduDown())
	w.after(time.Minute, w.CancelWorkflow)
	w.play("triage/msk", Triage, TriageInput{Region: "msk", Pending: []string{"a7"}})
	if len(*scoped) != 1 || (*scoped)[0][0] != "a7" {
		t.Errorf("batches %v, want a7", *scoped)
	}
}
