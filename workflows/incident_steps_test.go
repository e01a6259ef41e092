package workflows

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/runbooks"
)

// byHand resolves the incident after a while, so that the run ends.
func (w *world) byHand(d time.Duration) {
	w.update(d, UpdateResolve, ResolveUpdate{Act{By: "ivan", Via: "cli"}, "enough"})
}

func TestStepsRunWhenWhatTheyNeedHasPassed(t *testing.T) {
	wait := func(id string, n int, needs ...string) runbooks.Step {
		return runbooks.Step{ID: id, Needs: needs, Wait: &runbooks.Wait{For: minutes(n)}}
	}
	when := func(s runbooks.Step, expression string) runbooks.Step { s.If = expression; return s }
	w := newWorld(t)
	w.condition = func(p records.ConditionParams) (bool, error) {
		switch p.Expression {
		case "broken":
			return false, invalid("if: no such thing")
		case `steps.a == "done"`:
			return p.Facts.Steps["a"] == stepDone, nil
		}
		return p.Expression == "true", nil
	}
	w.pin(wait("a", 1), wait("b", 2), wait("c", 1, "a", "b"), when(wait("no", 9), "false"), when(wait("yes", 1, "no"), "true"),
		when(wait("knows", 1, "a"), `steps.a == "done"`), when(wait("wrong", 1), "broken"), wait("after-wrong", 1, "wrong"))
	w.byHand(time.Hour)
	w.playIncident()
	s := must[IncidentStatus](w)
	mustBeIn(t, s, "a done, b done, c done, no skipped, yes done, knows done, wrong failed, after-wrong skipped")
	if since := s.Steps[2].Since.Sub(w.start); since != 2*time.Minute {
		t.Errorf("c began after %s, want when a and b were over", since)
	}
	if r := s.Steps[7].Result; !strings.Contains(r, "needs wrong") {
		t.Errorf("after-wrong says %q", r)
	}
	equal(t, "tasks", w.taskKeys(), []string{"failed/wrong"})
}

func TestStepIsTriedAgainWithinItsTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		onFailure runbooks.OnFailure
		after     string
		tries     int
		elapsed   time.Duration
		state     string
	}{
		"stop":     {runbooks.FailStop, stepSkipped, 3, 4 * time.Minute, stepFailed},
		"continue": {runbooks.FailContinue, stepDone, 3, 4 * time.Minute, stepFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.watch = never
			back := backStep
			back.Timeout, back.Retry, back.OnFailure = minutes(1), runbooks.Retry{Attempts: c.tries, Wait: seconds(30)}, c.onFailure
			w.pin(back, runbooks.Step{ID: "next", Needs: []string{"back"}, Wait: &runbooks.Wait{For: seconds(1)}})
			w.byHand(time.Hour)
			w.playIncident()
			s := must[IncidentStatus](w)
			if got := s.Steps[0]; got.State != c.state || got.Attempt != c.tries || !strings.Contains(got.Result, "not done within 1m0s") {
				t.Errorf("step %+v", got)
			}
			if s.Steps[1].State != c.after {
				t.Errorf("the next step is %s, want %s", s.Steps[1].State, c.after)
			}
			if w.count("failed") != 1 || len(w.tasks) != 1 {
				t.Errorf("timeline %v, tasks %v: want one word of it", w.kinds(), w.taskKeys())
			}
		})
	}
}

func TestEscalationIsStartedOnceHoweverOftenItsStepIsTried(t *testing.T) {
	w := newWorld(t)
	page := pageStep
	page.Timeout, page.Retry = seconds(20), runbooks.Retry{Attempts: 2, Wait: seconds(5)}
	w.pin(page, runbooks.Step{ID: "page-too", Escalate: pageStep.Escalate})
	w.byHand(70 * time.Second)
	w.playIncident()
	s := must[IncidentStatus](w)
	mustBeIn(t, s, "page failed, page-too done")
	if got := s.Steps[0].Result; !strings.Contains(got, "not done within") {
		t.Errorf("the step failed for another reason: %s", got)
	}
	equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan,petr", "1m0s 1.1.1 call ivan,petr"})
}

func TestFailedEscalationIsToldToAPerson(t *testing.T) {
	w := newWorld(t)
	w.pin(runbooks.Step{ID: "page", Escalate: &runbooks.Escalate{Team: "cooks", Ladder: ladder}})
	w.byHand(time.Minute)
	w.playIncident()
	mustBeIn(t, must[IncidentStatus](w), "page failed")
	equal(t, "tasks", w.taskKeys(), []string{"failed/page"})
}

func TestGatePassesOrStopsTheRunbook(t *testing.T) {
	gate := runbooks.Step{ID: "gate", Retry: runbooks.Retry{Attempts: 3}, Approve: &runbooks.Task{Text: "Switch the room over?", Team: "emergency"}}
	next := runbooks.Step{ID: "next", Needs: []string{"gate"}, Wait: &runbooks.Wait{For: seconds(1)}}
	for name, c := range map[string]struct {
		refuse bool
		want   string
		tasks  []string
	}{
		"passed":  {false, "gate done, next done", []string{"gate/1"}},
		"refused": {true, "gate failed, next skipped", []string{"gate/1", "failed/gate"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.pin(gate, next)
			w.update(time.Minute, UpdateApprove, ApproveUpdate{Act{By: "boss"}, "other", false, ""}).mustBeRefusedLater(t, "step")
			w.update(time.Minute, UpdateCompleteTask, CompleteTaskUpdate{Act{By: "boss"}, "gate", ""}).mustBeRefusedLater(t, "step")
			w.update(2*time.Minute, UpdateApprove, ApproveUpdate{Act{By: "boss"}, "gate", c.refuse, "as agreed"}).mustBeDoneLater(t)
			w.update(3*time.Minute, UpdateApprove, ApproveUpdate{Act{By: "petr"}, "gate", true, ""}).mustBeRefusedLater(t, "step")
			w.byHand(time.Hour)
			w.playIncident()
			s := must[IncidentStatus](w)
			mustBeIn(t, s, c.want)
			if !strings.Contains(s.Steps[0].Result, "as agreed") {
				t.Errorf("the gate says %q", s.Steps[0].Result)
			}
			equal(t, "tasks", w.taskKeys(), c.tasks)
			if w.count("approval") != 1 {
				t.Errorf("timeline %v", w.kinds())
			}
		})
	}
}

func TestTaskWaitsForAPersonEvenWhenItCannotBeSent(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(string) bool { return true }
	w.pin(runbooks.Step{ID: "look", Task: &runbooks.Task{Text: "Look at it"}})
	w.update(time.Hour, UpdateCompleteTask, CompleteTaskUpdate{Act{By: "ivan"}, "look", "dust"}).mustBeDoneLater(t)
	w.byHand(2 * time.Hour)
	w.playIncident()
	s := must[IncidentStatus](w)
	mustBeIn(t, s, "look done")
	if s.Steps[0].Result != "dust" {
		t.Errorf("result %q", s.Steps[0].Result)
	}
}

func TestNotifyStepTellsTheAffectedClients(t *testing.T) {
	w := newWorld(t)
	w.pin(runbooks.Step{ID: "warn", Notify: &runbooks.Notify{Event: "incident.update"}})
	w.byHand(time.Minute)
	w.playIncident()
	mustBeIn(t, must[IncidentStatus](w), "warn done")
	if u := w.composed[0]; u.Event != "incident.update" || u.Step != "notify/warn" || u.Incident != "i1" {
		t.Errorf("it told %+v", u)
	}
}

func TestVerifySeesMachinesGoDownAgain(t *testing.T) {
	w := newWorld(t)
	w.pin(backStep, resolveStep)
	w.watch = func(call int) (probe.WatchResult, error) {
		return [...]probe.WatchResult{
			{Up: []string{"s1"}, Changed: true}, {Up: []string{}, Changed: true}, {Changed: false}, {Up: []string{"s1", "s2"}, Changed: true},
		}[min(call, 4)-1], nil
	}
	w.playIncident()
	mustBeIn(t, must[IncidentStatus](w), "back done, resolve done")
	if w.count("restored") != 2 || w.count("lost") != 1 || w.watched != 4 {
		t.Errorf("timeline %v after %d looks", w.kinds(), w.watched)
	}
}

func TestVerifyOfWhatCannotBeProbedIsAPersonsTask(t *testing.T) {
	w := newWorld(t)
	w.record.Servers = nil
	w.pin(backStep, resolveStep)
	w.byHand(time.Hour)
	w.playIncident()
	s := must[IncidentStatus](w)
	mustBeIn(t, s, "back failed, resolve skipped")
	if w.lines[len(w.lines)-1].At.Sub(w.start) < time.Hour {
		t.Error("an incident that nobody could verify was resolved by itself")
	}
}

func TestFailedWatchIsToldToAPerson(t *testing.T) {
	w := newWorld(t)
	w.watch = func(int) (probe.WatchResult, error) { return probe.WatchResult{}, invalid("components: too many") }
	w.pin(backStep)
	w.byHand(time.Hour)
	w.playIncident()
	mustBeIn(t, must[IncidentStatus](w), "back failed")
	if errors.Is(w.GetWorkflowError(), errOvertaken) || len(w.tasks) != 1 {
		t.Errorf("tasks %v", w.taskKeys())
	}
}
