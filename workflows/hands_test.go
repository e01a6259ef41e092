package workflows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/temporal"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// putQuestion plays the question whether pdu-a has power; what it tells its
// incident is in w.heard.
func (w *world) putQuestion(in HandsInput) {
	w.t.Helper()
	w.OnSignalExternalWorkflow(mock.Anything, "incident/i1", mock.Anything, SignalHandsState, mock.Anything).
		Return(func(_, _, _, _ string, s any) error { return keep(w, &w.heard, s.(HandsStatus).Question.State) }).Maybe()
	in.Incident, in.Component, in.Probe, in.Ladder = "i1", "pdu-a", topology.ProbePower, ladder
	w.play("hands/i1/1", RemoteHands, in)
}

func mustStand(t *testing.T, s HandsStatus, state incident.QuestionState, answer incident.Answer, by string) {
	t.Helper()
	if q := s.Question; q.State != state || q.Answer != answer || q.AnsweredBy != by {
		t.Errorf("question %s: %s %q by %q, want %s %q by %q", q.ID, q.State, q.Answer, q.AnsweredBy, state, answer, by)
	}
}

// firstRound is how a question climbs; the second channel reminds.
var firstRound = []string{
	"0s 1.1.0 telegram nina,oleg", "1m0s 1.1.1 call nina,oleg again", "5m0s 1.2.0 telegram chief", "6m0s 1.2.1 call chief again",
}

func TestQuestionClimbsIsRemindedThenIsAnEngineersTask(t *testing.T) {
	w := newWorld(t)
	w.putQuestion(HandsInput{})
	mustStand(t, must[HandsStatus](w), incident.Unheard, "", "")
	equal(t, "asked", w.asks(), append(firstRound[:4:4],
		"10m0s 2.1.0 telegram nina,oleg again", "11m0s 2.1.1 call nina,oleg again", "15m0s 2.2.0 telegram chief again", "16m0s 2.2.1 call chief again"))
	if len(w.tasks) != 1 || !strings.Contains(w.tasks[0].Text, "nobody of Moscow hands at site msk has answered in 30m0s") ||
		!strings.Contains(w.tasks[0].Text, "vakhta hands answer i1/1 yes|no|cant-tell") {
		t.Errorf("tasks %+v, want an engineer to find it out", w.tasks)
	}
	if w.elapsed() != 30*time.Minute+overdueFor {
		t.Errorf("it went on for %s", w.elapsed())
	}
	equal(t, "stood down", w.stoodDown(), []string{"nina", "oleg", "chief"})
	equal(t, "the incident heard", w.heard, []incident.QuestionState{incident.Asking, incident.Overdue, incident.Unheard})
	w.mustKeyOnce()
}

func TestAnswerEndsTheAskingAndTellsTheOthers(t *testing.T) {
	signal := func(w *world) { w.press(70*time.Second, 1, "nina", incident.No, true) }
	for name, answer := range map[string]func(*world){
		"by a button or a digit": signal,
		"by an engineer or the desk": func(w *world) {
			w.update(70*time.Second, UpdateAnswer, AnswerUpdate{Act{By: "nina", Via: "telegram"}, incident.No, "dark"}).mustBeDoneLater(w.t)
		},
		"that nobody could tell of": func(w *world) { w.press(70*time.Second, 1, "nina", incident.No, false) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			answer(w)
			w.putQuestion(HandsInput{})
			mustStand(t, must[HandsStatus](w), incident.Answered, incident.No, "nina")
			equal(t, "asked", w.asks(), firstRound[:2])
			equal(t, "stood down", w.stoodDown(), []string{"oleg"})
			equal(t, "kinds", w.kinds(), []string{"question", "question", "question", "answer"})
			if last := w.lines[3]; last.Actor != "nina" || last.Via != "telegram" || !strings.Contains(last.Text, "answered no: Is pdu-a lit?") {
				t.Errorf("the timeline ends with %+v", last)
			}
			if len(w.drops) != 1 || w.drops[0].StepPrefix != "hands/1/" || len(w.tasks) > 0 {
				t.Errorf("drops %+v, tasks %+v", w.drops, w.tasks)
			}
			if w.elapsed() > 5*time.Minute {
				t.Errorf("it went on for %s", w.elapsed())
			}
			w.mustKeyOnce()
		})
	}
}

func TestAnswerAfterTheDeadlineCounts(t *testing.T) {
	w := newWorld(t)
	w.press(3*time.Hour, 1, "chief", incident.Yes, true)
	w.putQuestion(HandsInput{Deadline: minutes(7)})
	mustStand(t, must[HandsStatus](w), incident.Answered, incident.Yes, "chief")
	equal(t, "asked", w.asks(), firstRound)
	if len(w.tasks) != 1 {
		t.Errorf("tasks %+v, want one after the deadline", w.tasks)
	}
	if w.elapsed() < 3*time.Hour || w.elapsed() > 4*time.Hour {
		t.Errorf("it went on for %s", w.elapsed())
	}
}

func TestQuestionThatIsNotNeededIsTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		stop func(*world)
		why  string
	}{
		"by an engineer": {func(w *world) {
			w.update(2*time.Minute, UpdateCancel, StopUpdate{Act{By: "ivan", Via: "cli"}, "seen it"}).mustBeDoneLater(w.t)
		}, "withdrawn by ivan: seen it"},
		"by its incident": {func(w *world) {
			w.after(2*time.Minute, func() { w.SignalWorkflow(SignalStop, StopSignal{Why: "resolved"}) })
		}, "resolved"},
		"cancelled": {func(w *world) { w.after(2*time.Minute, w.CancelWorkflow) }, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.stop(w)
			w.putQuestion(HandsInput{})
			if cancelled := name == "cancelled"; cancelled != temporal.IsCanceledError(w.GetWorkflowError()) {
				t.Errorf("it ended with %v", w.GetWorkflowError())
			}
			if q := w.questions["i1/1"]; q.State != incident.Withdrawn {
				t.Errorf("the question is %s", q.State)
			}
			equal(t, "asked", w.asks(), firstRound[:2])
			equal(t, "stood down", w.stoodDown(), []string{"nina", "oleg"})
			if last := w.lines[len(w.lines)-1]; !strings.HasSuffix(last.Text, "is withdrawn: "+c.why) {
				t.Errorf("the timeline says %q", last.Text)
			}
		})
	}
}

func TestAnswerThatCrossesAWithdrawalCounts(t *testing.T) {
	w := newWorld(t)
	w.press(2*time.Minute, 1, "nina", incident.Yes, false)
	w.after(2*time.Minute, w.CancelWorkflow)
	w.putQuestion(HandsInput{})
	if q := w.questions["i1/1"]; q.State != incident.Answered || w.count("answer") != 1 {
		t.Errorf("the question is %s, timeline %v", q.State, w.kinds())
	}
}

func TestQuestionThatReachesNobodyIsAnEngineersTask(t *testing.T) {
	for name, c := range map[string]struct {
		site func(*world)
		why  string
	}{
		"no support":   {func(w *world) { w.support = inventory.Team{} }, "site msk has no support in the inventory"},
		"no addresses": {func(w *world) { w.nobodyBy = []inventory.Channel{"telegram", "call"} }, "no channel reaches Moscow hands"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.site(w)
			w.update(time.Hour, UpdateAnswer, AnswerUpdate{Act{By: "ivan", Via: "cli"}, incident.CantTell, ""}).mustBeDoneLater(t)
			w.putQuestion(HandsInput{})
			mustStand(t, must[HandsStatus](w), incident.Answered, incident.CantTell, "ivan")
			if len(w.tasks) != 1 || !strings.Contains(w.tasks[0].Text, c.why) {
				t.Errorf("tasks %+v, want an engineer to know that %s", w.tasks, c.why)
			}
			if len(w.stoodDown()) > 0 || len(w.sent) != 1 {
				t.Errorf("sent %v", w.sent)
			}
		})
	}
}

// Where nobody can be asked, the engineer doesn't wait for the deadline.
func TestSiteWithoutSupportMakesItATaskAtOnce(t *testing.T) {
	w := newWorld(t)
	w.support = inventory.Team{}
	w.after(time.Minute, func() {
		if len(w.tasks) != 1 {
			t.Errorf("after a minute the tasks are %+v", w.tasks)
		}
	})
	w.putQuestion(HandsInput{})
	must[HandsStatus](w)
}

func TestWrongAnswersAreRefused(t *testing.T) {
	me := Act{By: "nina", Via: "cli"}
	w := newWorld(t)
	w.update(10*time.Second, UpdateAnswer, AnswerUpdate{Answer: incident.Yes}).mustBeRefusedLater(t, "by:")
	w.update(10*time.Second, UpdateAnswer, AnswerUpdate{Act: me, Answer: "maybe"}).mustBeRefusedLater(t, "answer:")
	w.update(10*time.Second, UpdateCancel, StopUpdate{Act: me}).mustBeRefusedLater(t, "reason:")
	// Two at once: one counts, the other hears which.
	nina := w.update(20*time.Second, UpdateAnswer, AnswerUpdate{Act: me, Answer: incident.Yes})
	oleg := w.update(20*time.Second, UpdateAnswer, AnswerUpdate{Act{By: "oleg", Via: "cli"}, incident.No, ""})
	w.putQuestion(HandsInput{})
	q := must[HandsStatus](w).Question
	first, second := nina, oleg
	if q.AnsweredBy == "oleg" {
		first, second = oleg, nina
	}
	first.mustBeDone(t)
	want := fmt.Sprintf("answered already: %s, by %s", q.Answer, q.AnsweredBy)
	if err := firstOf(second.refused, second.failed); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the second answer: %v, want %q", err, want)
	}
}

func TestOtherIncidentThatWaitsForTheAnswerHearsIt(t *testing.T) {
	w := newWorld(t)
	var heard []incident.QuestionState
	w.OnSignalExternalWorkflow(mock.Anything, "incident/i2", mock.Anything, SignalHandsState, mock.Anything).
		Return(func(_, _, _, _ string, s any) error { return keep(w, &heard, s.(HandsStatus).Question.State) })
	w.after(time.Minute, func() { w.SignalWorkflow(SignalFollow, FollowSignal{Incident: "i2"}) })
	w.press(2*time.Minute, 1, "nina", incident.No, true)
	w.putQuestion(HandsInput{})
	must[HandsStatus](w)
	equal(t, "i2 heard", heard, []incident.QuestionState{incident.Asking, incident.Answered})
}

func TestRefusedQuestionFailsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.shut = func(records.AskParams) error { return invalid("component: the inventory has no component") }
	w.putQuestion(HandsInput{})
	mustBeInvalid(t, w.GetWorkflowError(), "component")
	if len(w.lines)+len(w.sent) > 0 {
		t.Errorf("timeline %v, sent %v", w.kinds(), w.sent)
	}
}
