package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/runbooks"
)

// book pins a runbook of these steps.
func (w *world) pin(steps ...runbooks.Step) {
	w.book = runbooks.Runbook{Name: "server-down", Revision: "0123456789", Reopen: minutes(60), Steps: steps}
	// The real one goes on for weeks after its incident, and has tests of its own.
	w.OnWorkflow(Postmortem, mock.Anything, mock.Anything).Return(func(workflow.Context, PostmortemInput) (incident.Postmortem, error) {
		w.postmortems++
		return w.draft, nil
	}).Maybe()
}

func (w *world) playIncident() { w.play("incident/i1", Incident, IncidentInput{Incident: "i1"}) }

var (
	pageStep    = runbooks.Step{ID: "page", Escalate: &runbooks.Escalate{Team: "emergency", Ladder: ladder}}
	informStep  = runbooks.Step{ID: "inform", Inform: &runbooks.Inform{Every: minutes(15)}}
	backStep    = runbooks.Step{ID: "back", Verify: &runbooks.Verify{Every: seconds(10), Stable: 2}}
	resolveStep = runbooks.Step{ID: "resolve", Needs: []string{"back"}, Resolve: &runbooks.Resolve{}}
	pmStep      = runbooks.Step{ID: "postmortem", Needs: []string{"resolve"}, Postmortem: &runbooks.Postmortem{}}
)

func (w *world) acknowledgeAfter(d time.Duration) {
	w.after(d, func() {
		if err := w.SignalWorkflowByID("escalate/i1/emergency", SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}); err != nil {
			w.t.Errorf("acknowledge: %v", err)
		}
	})
}

// never: the machines stay down.
func never(int) (probe.WatchResult, error) { return probe.WatchResult{}, nil }

func states(s IncidentStatus) string {
	parts := make([]string, 0, len(s.Steps))
	for _, st := range s.Steps {
		parts = append(parts, st.ID+" "+st.State)
	}
	return strings.Join(parts, ", ")
}

func mustBeIn(t *testing.T, s IncidentStatus, want string) {
	t.Helper()
	if got := states(s); got != want {
		t.Errorf("steps:\n got %s\nwant %s", got, want)
	}
}

func TestIncidentRunsItsRunbookToTheEnd(t *testing.T) {
	w := newWorld(t)
	w.pin(pageStep, informStep, backStep, resolveStep, pmStep)
	w.watch = func(call int) (probe.WatchResult, error) {
		return probe.WatchResult{Up: []string{"s1", "s2"}[:min(call, 2)], Changed: true}, nil
	}
	w.acknowledgeAfter(30 * time.Second)
	w.playIncident()
	s := must[IncidentStatus](w)
	mustBeIn(t, s, "page done, inform done, back done, resolve done, postmortem done")
	if s.Incident.Status != incident.Resolved || s.Steps[0].Result != "ivan has it" || s.Steps[2].Result != "2 of 2 back" {
		t.Errorf("it came to %+v", s)
	}
	equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan,petr"})
	var told []string
	for _, u := range w.composed {
		told = append(told, u.at.String()+" "+u.Event)
	}
	// The first, the one about s1, the tick at 15 min, the end; then no more.
	equal(t, "told", told, []string{"0s incident.update", "10m2s incident.update", "15m0s incident.update", "20m0s incident.restored"})
	if w.count("restored") != 2 || w.count("resolved") != 1 {
		t.Errorf("timeline %v", w.kinds())
	}
	var statuses []incident.Status
	for _, in := range w.saved {
		statuses = append(statuses, in.Status)
	}
	equal(t, "statuses", statuses, []incident.Status{incident.Identified, incident.Monitoring, incident.Monitoring, incident.Resolved})
	w.mustKeyOnce()
}

func TestResolvingByHandEndsWhatWaitsAndRunsWhatFollows(t *testing.T) {
	w := newWorld(t)
	w.watch = never
	task := runbooks.Step{ID: "spare", Task: &runbooks.Task{Text: "Bring a spare PDU"}}
	w.pin(pageStep, informStep, backStep, task,
		runbooks.Step{ID: "wait", Wait: &runbooks.Wait{For: minutes(24 * 60)}},
		runbooks.Step{ID: "after-wait", Needs: []string{"wait"}, Notify: &runbooks.Notify{Event: "incident.update"}},
		runbooks.Step{ID: "resolve", Needs: []string{"back", "spare"}, Resolve: &runbooks.Resolve{}},
		runbooks.Step{ID: "return", Needs: []string{"resolve"}, Task: &runbooks.Task{Text: "Send the broken one back"}},
		pmStep)
	w.update(5*time.Minute, UpdateResolve, ResolveUpdate{Act{By: "ivan", Via: "cli"}, "replaced"}).mustBeDoneLater(t)
	w.update(6*time.Minute, UpdateCompleteTask, CompleteTaskUpdate{Act{By: "ivan"}, "return", "sent"}).mustBeDoneLater(t)
	w.playIncident()
	mustBeIn(t, must[IncidentStatus](w),
		"page done, inform done, back skipped, spare skipped, wait skipped, after-wait skipped, resolve done, return done, postmortem done")
	if n := len(w.updatesOf("incident.restored")); n != 1 || w.count("resolved") != 1 {
		t.Errorf("resolved %d times, told %d times", w.count("resolved"), n)
	}
	if w.postmortems != 1 {
		t.Errorf("%d postmortems were begun, want 1", w.postmortems)
	}
	if w.elapsed() > 2*time.Hour {
		t.Errorf("it went on for %s", w.elapsed())
	}
	for _, p := range w.pages {
		if p.Event == "page" && p.at > 5*time.Minute {
			t.Errorf("paged %s after the resolution at 5m", p.at)
		}
	}
}

func TestResolvedTwiceAtOnceIsResolvedOnce(t *testing.T) {
	w := newWorld(t)
	w.pin(informStep, backStep, resolveStep, pmStep)
	hand := ResolveUpdate{Act{By: "ivan"}, "replaced"}
	w.update(lookFor, UpdateResolve, hand)
	w.update(lookFor, UpdateResolve, hand)
	w.update(lookFor+time.Second, UpdateResolve, hand).mustBeRefusedLater(t, "resolved already")
	w.playIncident()
	s := must[IncidentStatus](w)
	if n := len(w.updatesOf("incident.restored")); n != 1 || w.count("resolved") != 1 {
		t.Errorf("resolved %d times, told %d times: %v", w.count("resolved"), n, w.kinds())
	}
	if s.Incident.Status != incident.Resolved || s.Steps[3].State != stepDone {
		t.Errorf("it came to %s, %s", s.Incident.Status, states(s))
	}
}

func TestReopenedIncidentPagesAndTellsAgain(t *testing.T) {
	w := newWorld(t)
	w.team.Levels[1].AckWithinSeconds = 600 // longer than it plays
	task := runbooks.Step{ID: "look", Task: &runbooks.Task{Text: "Look at it"}}
	w.pin(pageStep, informStep, task, backStep, resolveStep, pmStep)
	w.acknowledgeAfter(time.Minute / 2)
	w.update(time.Minute, UpdateSetETA, SetETAUpdate{Act{By: "ivan"}, w.start.Add(time.Hour)})
	w.update(5*time.Minute, UpdateReopen, ReopenUpdate{Act{By: "ivan"}, "too early"}).mustBeRefusedLater(t, "not resolved")
	w.update(20*time.Minute, UpdateReopen, ReopenUpdate{Act{By: "ivan"}, ""}).mustBeRefusedLater(t, "reason")
	w.update(20*time.Minute, UpdateReopen, ReopenUpdate{Act{By: "ivan"}, "down again"}).mustBeDoneLater(t)
	w.playIncident()
	s := must[IncidentStatus](w)
	mustBeIn(t, s, "page done, inform done, look skipped, back done, resolve done, postmortem done")
	// The second climb waits for nobody's old acknowledgement, and is new to the ledger.
	equal(t, "climbs", w.climbs(), []string{
		"0s 1.1.0 telegram ivan,petr",
		"20m0s 2.1.0 telegram ivan,petr", "21m0s 2.1.1 call ivan,petr", "25m0s 2.2.0 telegram boss", "26m0s 2.2.1 call boss",
	})
	seen := map[string]bool{}
	for _, u := range w.composed {
		key := u.Step + string(rune('0'+u.Revision))
		if seen[key] {
			t.Errorf("%s, revision %d is sent twice: the ledger drops the second", u.Step, u.Revision)
		}
		seen[key] = true
	}
	equal(t, "tasks", w.taskKeys(), []string{"look/1", "look/reopened-1/1"})
	if w.count("resolved") != 2 || w.count("reopened") != 1 || len(w.updatesOf("incident.restored")) != 2 {
		t.Errorf("timeline %v", w.kinds())
	}
	if !s.Incident.ETA.IsZero() {
		t.Errorf("the old promise %s stands", s.Incident.ETA)
	}
	w.mustKeyOnce()
}

func TestReopeningAtTheLastMomentCounts(t *testing.T) {
	w := newWorld(t)
	w.pin(backStep, resolveStep)
	w.update(lookFor+time.Hour, UpdateReopen, ReopenUpdate{Act{By: "ivan"}, "down again"})
	w.playIncident()
	must[IncidentStatus](w)
	if w.count("reopened") != w.count("resolved")-1 {
		t.Errorf("timeline %v: it was reopened and left so", w.kinds())
	}
}

func TestCancelledIncidentPagesNobodyMoreAndSaysSo(t *testing.T) {
	w := newWorld(t)
	w.watch = never
	w.pin(pageStep, informStep, backStep, resolveStep)
	w.after(30*time.Second, w.CancelWorkflow)
	w.playIncident()
	if w.GetWorkflowError() == nil {
		t.Error("it says that it ended well")
	}
	if got := w.climbs(); len(got) != 1 {
		t.Errorf("climbs %v after the cancellation", got)
	}
	if len(w.tasks) != 1 || !strings.Contains(w.tasks[0].Text, "nobody follows it") {
		t.Errorf("tasks %v, want an engineer to know", w.tasks)
	}
	if w.count("resolved") > 0 {
		t.Error("a cancelled incident is called resolved")
	}
}

func TestIncidentWithoutARunbookIsHandedToAPerson(t *testing.T) {
	w := newWorld(t)
	w.playIncident()
	mustBeInvalid(t, w.GetWorkflowError(), "runbook")
	if len(w.tasks) != 1 || len(w.sent) != 1 {
		t.Errorf("tasks %v, want an engineer to know", w.tasks)
	}
}

func TestIncidentUnderAnotherIDIsRefused(t *testing.T) {
	w := newWorld(t)
	w.pin(pmStep)
	w.play("my-incident", Incident, IncidentInput{Incident: "i1"})
	mustBeInvalid(t, w.GetWorkflowError(), "incident/i1")
}

func TestIncidentOpenedByHandRunsUnderItsOwnID(t *testing.T) {
	for name, created := range map[string]bool{"new": true, "open already": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var asked records.OpenIncidentParams
			w.open = func(p records.OpenIncidentParams) (records.Opened, error) {
				asked = p
				return records.Opened{Incident: w.record, Created: created}, nil
			}
			w.pin(backStep, resolveStep)
			started := 0
			w.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, args converter.EncodedValues) {
				var in IncidentInput
				if info.WorkflowExecution.ID == "incident/i1" && args.Get(&in) == nil && in.Incident == "i1" && in.Runbook == "server-down" {
					started++
				}
			})
			w.play("by-hand", Incident, IncidentInput{Component: "pdu-a", Severity: incident.Sev1, Runbook: "server-down"})
			if asked.Finding.Component != "pdu-a" || asked.Severity != incident.Sev1 || asked.RequestKey == "" {
				t.Errorf("opened with %+v", asked)
			}
			if !created {
				mustBeInvalid(t, w.GetWorkflowError(), "incident/i1")
				return
			}
			if must[IncidentStatus](w); started != 1 {
				t.Errorf("started %d times", started)
			}
		})
	}
}
