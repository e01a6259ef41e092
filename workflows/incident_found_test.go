package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

var adminsStep = runbooks.Step{ID: "admins", If: "large", Escalate: &runbooks.Escalate{Team: "emergency", Ladder: ladder}}

// provisional makes the record that of an alert of which nothing else is known.
func (w *world) provisional() {
	w.record.Component, w.record.Title, w.record.Severity = "s1", "s1: host is down", incident.Sev3
	w.record.Provisional, w.record.Status = true, incident.Investigating
	w.record.Finding = topology.Finding{Component: "s1"}
	w.record.Servers, w.record.Clients = []string{}, []string{}
	w.record.OpenedAt = w.start.Add(-time.Second)
}

// foundAfter brings the finding, as triage does.
func (w *world) foundAfter(d time.Duration, s FoundSignal) {
	w.after(d, func() {
		if s == (FoundSignal{}) {
			w.record.Provisional, w.record.Component, w.record.Severity, w.record.Status = false, "pdu-a", incident.Sev2, incident.Identified
			w.record.Finding = topology.Finding{Component: "pdu-a", Explains: []string{"s1", "s2"}}
			w.record.Servers, w.record.Clients = []string{"s1", "s2"}, []string{"acme"}
		}
		w.SignalWorkflow(SignalFound, s)
	})
}

func (w *world) resolveAfter(d time.Duration) {
	w.update(d, UpdateResolve, ResolveUpdate{Act{By: "ivan", Via: "cli"}, "done"}).mustBeDoneLater(w.t)
}

func TestAProvisionalIncidentPagesAndTellsNobodyElseBeforeTheFinding(t *testing.T) {
	w := newWorld(t)
	w.provisional()
	w.watch = never
	w.pin(pageStep, informStep, backStep)
	w.foundAfter(5*time.Second, FoundSignal{})
	w.resolveAfter(time.Minute)
	w.playIncident()
	s := must[IncidentStatus](w)
	if len(w.pages) == 0 || w.pages[0].at != 0 {
		t.Fatalf("pages %+v, want the first at once", w.pages)
	}
	if len(w.composed) == 0 || w.composed[0].at < 5*time.Second {
		t.Errorf("clients told %+v, want nothing before the finding", w.composed)
	}
	if in := s.Incident; in.Provisional || in.Component != "pdu-a" || in.Severity != incident.Sev2 || len(in.Servers) != 2 {
		t.Errorf("it came to %+v", in)
	}
	for _, in := range w.saved {
		if in.Provisional && len(in.Clients) > 0 {
			t.Errorf("saved %+v: a provisional incident names no client", in)
		}
	}
}

func TestAStepWhoseConditionHoldsOnlyWithTheFindingComesWithIt(t *testing.T) {
	w := newWorld(t)
	w.provisional()
	w.pin(adminsStep)
	w.condition = func(p records.ConditionParams) (bool, error) { return p.Facts.Incident["severity"] != "sev3", nil }
	w.foundAfter(5*time.Second, FoundSignal{})
	w.resolveAfter(time.Minute)
	w.playIncident()
	must[IncidentStatus](w)
	if len(w.pages) == 0 || w.pages[0].at != 5*time.Second {
		t.Errorf("pages %+v, want the first with the finding", w.pages)
	}
}

func TestAnAlertThatNothingExplainsGoesOnUntilItEnds(t *testing.T) {
	w := newWorld(t)
	w.provisional()
	w.pin(pageStep, informStep, backStep, resolveStep)
	w.foundAfter(5*time.Second, FoundSignal{Nothing: true})
	w.after(20*time.Minute, func() { w.SignalWorkflow(SignalQuieter, nil) }) // another still fires
	w.after(time.Hour, func() {
		w.alertsOver = true
		w.SignalWorkflow(SignalQuieter, nil)
	})
	w.playIncident()
	s := must[IncidentStatus](w)
	mustBeIn(t, s, "page done, inform done, back done, resolve done")
	if s.Incident.ResolvedAt.Sub(w.start) != time.Hour || len(w.composed) > 0 {
		t.Errorf("resolved after %s, told %+v; want an hour, and no client", s.Incident.ResolvedAt.Sub(w.start), w.composed)
	}
	if s.Incident.Provisional != true {
		t.Errorf("%+v: nothing was found", s.Incident)
	}
}

func TestAFindingThatComesLaterStillCounts(t *testing.T) {
	w := newWorld(t)
	w.provisional()
	w.pin(pageStep, informStep, backStep, resolveStep)
	w.foundAfter(5*time.Second, FoundSignal{Nothing: true})
	w.foundAfter(time.Minute, FoundSignal{})
	w.playIncident()
	s := must[IncidentStatus](w)
	mustBeIn(t, s, "page done, inform done, back done, resolve done")
	if s.Incident.Component != "pdu-a" || len(w.updatesOf("incident.restored")) != 1 || len(w.updatesOf("incident.update")) == 0 {
		t.Errorf("it came to %+v, told %+v", s.Incident, w.composed)
	}
}

func TestAMergedIncidentEndsAndTellsNobody(t *testing.T) {
	w := newWorld(t)
	w.provisional()
	w.pin(pageStep, informStep, backStep, resolveStep, pmStep)
	w.foundAfter(5*time.Second, FoundSignal{Into: "i9"})
	w.playIncident()
	s := must[IncidentStatus](w)
	if s.Incident.Status != incident.Resolved || len(w.composed) > 0 || w.postmortems > 0 {
		t.Errorf("it came to %+v, told %+v, %d postmortems", s.Incident, w.composed, w.postmortems)
	}
	if at := slices.IndexFunc(w.lines, func(e incident.Entry) bool { return e.Kind == "resolved" }); at < 0 || s.Incident.ResolvedAt.Sub(w.start) != 5*time.Second {
		t.Errorf("lines %v", w.kinds())
	}
}

// Who answers the gateway's page before the escalation has begun has it: nobody
// else is paged.
func TestAnAnswerBeforeTheEscalationBeganCounts(t *testing.T) {
	w := newWorld(t)
	w.provisional()
	w.pin(pageStep)
	at := w.start.Add(-500 * time.Millisecond)
	w.ledger = func(p records.PageStateParams) records.PageState {
		if at.After(p.Since) {
			return records.PageState{AcknowledgedBy: "ivan", Via: "call", At: at}
		}
		return records.PageState{}
	}
	w.resolveAfter(time.Minute)
	w.playIncident()
	s := must[IncidentStatus](w)
	if len(w.climbs()) > 0 || s.Steps[0].Result != "ivan has it" {
		t.Errorf("climbs %v, page step %+v", w.climbs(), s.Steps[0])
	}
}

func TestTriageSettlesWhatWasRaisedAndNothingExplains(t *testing.T) {
	w := newWorld(t)
	w.answerTriage()
	var told []string
	w.settle = func(p records.SettleRaisedParams) records.SettledRaised {
		if len(p.Unexplained) == 0 {
			return records.SettledRaised{}
		}
		return records.SettledRaised{Incidents: []string{"i1"}, Left: []string{"s2"}}
	}
	w.OnSignalExternalWorkflow("default-test-namespace", "incident/i1", "", SignalFound, FoundSignal{Nothing: true}).Return(nil).Run(func(mock.Arguments) {
		told = append(told, "i1")
	})
	w.alertsAfter(0, "a1", "a2")
	w.playTriage()
	equal(t, "told", told, []string{"i1"})
	equal(t, "tasks", w.taskKeys(), []string{"unexplained/a1"})
}
