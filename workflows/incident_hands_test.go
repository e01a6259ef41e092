package workflows

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

var onSiteAct = Act{By: "ivan", Via: "cli"}

// unsure: the incident's finding may as well be the rack or the switch.
func (w *world) unsure() {
	w.record.Finding, w.record.Sweep = pduDown(), "sweep-1"
	w.record.Finding.AmbiguousWith = []string{"rack-1", "sw-1"}
}

// looking answers each look with the finding, and with what is to be asked.
func looking(f topology.Finding, ask ...incident.Question) records.Look {
	return records.Look{Finding: f, Sweep: "sweep-1", Ask: ask}
}

// learned is a look that changes the finding to a component that is sure.
func learned(component string, ask ...incident.Question) records.Look {
	f := pduDown()
	f.Component = component
	l := looking(f, ask...)
	l.Told, l.Changed, l.Title, l.Site, l.Text, l.Servers, l.Clients = true, true, component+" has failed", "msk", component+" failed", []string{"s1", "s2", "s3"}, []string{"acme", "umbrella"}
	return l
}

func (w *world) playUnsure(last time.Duration) IncidentStatus {
	w.watch = func(int) (probe.WatchResult, error) { return probe.WatchResult{}, nil }
	w.pin(informStep, backStep)
	w.byHand(last)
	w.playIncident()
	return must[IncidentStatus](w)
}

func questionStates(s IncidentStatus) []string {
	out := make([]string, 0, len(s.Questions))
	for _, q := range s.Questions {
		out = append(out, strings.TrimSpace(q.Question.ID+" "+q.Question.Component+" "+string(q.Question.State)+" "+string(q.Question.Answer)))
	}
	return out
}

func TestUnsureIncidentAsksOnSiteAndLearnsFromTheAnswer(t *testing.T) {
	w := newWorld(t)
	w.unsure()
	w.floor.look = func(call int) records.Look {
		switch call {
		case 1:
			return looking(w.record.Finding, lit("pdu-a"))
		default:
			return learned("rack-1")
		}
	}
	w.press(3*time.Minute, 1, "nina", incident.No, true)
	s := w.playUnsure(20 * time.Minute)
	equal(t, "questions", questionStates(s), []string{"i1/1 pdu-a answered no"})
	if f := s.Incident.Finding; f.Component != "rack-1" || s.Incident.Title != "rack-1 has failed" || len(s.Incident.Servers) != 3 || len(s.Incident.Clients) != 2 {
		t.Errorf("the incident is still %s: %+v", s.Incident.Title, s.Incident)
	}
	var kinds []string
	for _, l := range w.lines {
		if slices.Contains([]string{"question", "answer", "finding"}, l.Kind) {
			kinds = append(kinds, l.Kind)
		}
	}
	// Asked, by mail, by messenger; answered. What was answered and what it changes
	// are lines of two workflows: either may be kept first.
	slices.Sort(kinds[min(3, len(kinds)):])
	equal(t, "timeline", kinds, []string{"question", "question", "question", "answer", "finding"})
	// The first update at once, one about what is known now.
	if u := w.updatesOf("incident.update"); len(u) < 2 || u[1].at < 3*time.Minute || u[1].at > 4*time.Minute {
		t.Errorf("updates %+v", u)
	}
	equal(t, "stood down", w.stoodDown(), []string{"oleg"})
	w.mustKeyOnce()
}

// Who is paged for a switch alone is paged when the answer names one, and not before.
func TestAPageThatTheFindingDidNotCallForGoesOutWhenItDoes(t *testing.T) {
	w := newWorld(t)
	w.unsure()
	w.floor.look = func(call int) records.Look {
		if call == 1 {
			return looking(w.record.Finding, lit("pdu-a"))
		}
		l := learned("sw-1")
		l.Finding.Kind = inventory.KindSwitch
		return l
	}
	w.condition = func(p records.ConditionParams) (bool, error) { return p.Facts.Finding["kind"] == "switch", nil }
	w.press(3*time.Minute, 1, "nina", incident.Yes, true)
	w.watch = func(int) (probe.WatchResult, error) { return probe.WatchResult{}, nil }
	network := runbooks.Step{ID: "network", If: "a switch", Escalate: pageStep.Escalate}
	w.pin(network, informStep, backStep)
	w.after(2*time.Minute, func() {
		if len(w.pages) > 0 {
			t.Errorf("paged %+v before a switch was named", w.pages)
		}
	})
	w.byHand(20 * time.Minute)
	w.playIncident()
	s := must[IncidentStatus](w)
	if len(w.pages) == 0 || w.pages[0].at < 3*time.Minute || w.pages[0].at > 4*time.Minute {
		t.Errorf("pages %+v, want the first with the answer", w.pages)
	}
	mustBeIn(t, s, "network done, inform done, back skipped")
}

// Graver is for more people.
func TestAPageThatTheSeverityDidNotCallForGoesOutWhenItDoes(t *testing.T) {
	w := newWorld(t)
	w.record.Finding = pduDown()
	w.record.Severity = incident.Sev3
	w.condition = func(p records.ConditionParams) (bool, error) { return p.Facts.Incident["severity"] != "sev3", nil }
	w.pin(runbooks.Step{ID: "admins", If: "grave", Escalate: pageStep.Escalate})
	w.update(5*time.Minute, UpdateNote, NoteUpdate{Act: onSiteAct, Text: "x"}).mustBeDoneLater(t)
	w.update(10*time.Minute, UpdateSetSeverity, SetSeverityUpdate{onSiteAct, incident.Sev2}).mustBeDoneLater(t)
	w.resolveAfter(20 * time.Minute)
	w.playIncident()
	must[IncidentStatus](w)
	if len(w.pages) == 0 || w.pages[0].at != 10*time.Minute {
		t.Errorf("pages %+v, want the first with the severity", w.pages)
	}
}

// What changes while a condition is decided is not lost on it.
func TestAConditionIsDecidedAgainWhenSomethingChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.record.Finding = pduDown()
	w.record.Severity = incident.Sev3
	decided := 0
	w.condition = func(p records.ConditionParams) (bool, error) {
		if decided++; decided == 1 {
			w.UpdateWorkflow(UpdateSetSeverity, "meanwhile", &testsuite.TestUpdateCallback{
				OnAccept: func() {}, OnReject: func(err error) { t.Error(err) }, OnComplete: func(any, error) {},
			}, SetSeverityUpdate{onSiteAct, incident.Sev2})
		}
		return p.Facts.Incident["severity"] != "sev3", nil
	}
	w.pin(runbooks.Step{ID: "admins", If: "grave", Escalate: pageStep.Escalate})
	w.resolveAfter(20 * time.Minute)
	w.playIncident()
	must[IncidentStatus](w)
	if len(w.pages) == 0 || w.pages[0].at > time.Minute {
		t.Errorf("pages %+v after %d decisions, want the first at once", w.pages, decided)
	}
}

func TestSureIncidentAsksNobody(t *testing.T) {
	w := newWorld(t)
	w.record.Finding = pduDown()
	s := w.playUnsure(20 * time.Minute)
	if len(s.Questions)+len(w.messages)+w.looks > 0 {
		t.Errorf("questions %v, messages %v, %d looks", questionStates(s), w.messages, w.looks)
	}
}

func TestOneQuestionAtATimeAtASite(t *testing.T) {
	w := newWorld(t)
	w.unsure()
	all := []incident.Question{lit("pdu-a"), lit("sw-1"), lit("spb-uplink")}
	w.floor.look = func(int) records.Look { return looking(w.record.Finding, all...) }
	w.after(2*time.Minute, func() {
		if w.questions["i1/1"].Component != "pdu-a" || w.questions["i1/2"].Component != "spb-uplink" || len(w.questions) != 2 {
			t.Errorf("after two minutes the questions are %v", w.questions)
		}
	})
	w.press(3*time.Minute, 1, "nina", incident.CantTell, true)
	w.press(6*time.Minute, 3, "nina", incident.Yes, true)
	s := w.playUnsure(20 * time.Minute)
	equal(t, "questions", questionStates(s), []string{"i1/1 pdu-a answered cant-tell", "i1/2 spb-uplink withdrawn", "i1/3 sw-1 answered yes"})
}

func TestQuestionThatTellsNothingAnyMoreIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	w.unsure()
	w.floor.look = func(call int) records.Look {
		if call == 1 {
			return looking(w.record.Finding, lit("pdu-a"), lit("spb-sw"))
		}
		l := learned("rack-1")
		l.Moot = []int{2}
		return l
	}
	w.press(3*time.Minute, 1, "nina", incident.No, true)
	w.after(5*time.Minute, func() {
		if q := w.questions["i1/2"]; q.State != incident.Withdrawn {
			t.Errorf("the second question is %s after the first was answered", q.State)
		}
	})
	w.playUnsure(20 * time.Minute)
}

func TestResolvedIncidentWithdrawsItsQuestions(t *testing.T) {
	w := newWorld(t)
	w.unsure()
	w.floor.look = func(int) records.Look { return looking(w.record.Finding, lit("pdu-a")) }
	s := w.playUnsure(3 * time.Minute)
	equal(t, "questions", questionStates(s), []string{"i1/1 pdu-a withdrawn"})
	equal(t, "stood down", w.stoodDown(), []string{"nina", "oleg"})
	for _, m := range w.messages {
		if m.at > 4*time.Minute {
			t.Errorf("%s was sent %s, after the resolution", m.Event, m.at)
		}
	}
}

func TestEngineerHasPeopleLook(t *testing.T) {
	w := newWorld(t)
	w.record.Finding = pduDown()
	w.shut = func(p records.AskParams) error {
		if p.Component == "nothing" {
			return invalid("component: the inventory has no component %q", p.Component)
		}
		return nil
	}
	w.floor.look = func(int) records.Look { return learned("rack-1") }
	ask := AskHandsUpdate{Act: onSiteAct, Component: "s1", Probe: topology.ProbePSU, Peer: "pdu-a"}
	w.update(time.Minute, UpdateAskHands, AskHandsUpdate{Act: onSiteAct, Component: "s1"}).mustBeRefusedLater(t, "probe:")
	unknown := w.update(time.Minute, UpdateAskHands, AskHandsUpdate{Act: onSiteAct, Component: "nothing", Probe: topology.ProbePower})
	w.update(2*time.Minute, UpdateAskHands, ask).mustBeDoneLater(t)
	w.update(3*time.Minute, UpdateAskHands, ask).mustBeRefusedLater(t, "asks this already")
	w.press(4*time.Minute, 1, "nina", incident.No, true)
	// What was answered may be asked again: it may have changed.
	w.update(10*time.Minute, UpdateAskHands, ask).mustBeDoneLater(t)
	s := w.playUnsure(12 * time.Minute)
	if unknown.failed == nil || !strings.Contains(unknown.failed.Error(), `no component "nothing"`) || strings.Contains(unknown.failed.Error(), "child") {
		t.Errorf("asking about nothing: %v", unknown.failed)
	}
	equal(t, "questions", questionStates(s), []string{"i1/1 s1 answered no", "i1/2 s1 withdrawn"})
	if q := s.Questions[0].Question; q.AskedBy != "ivan" || q.Peer != "pdu-a" {
		t.Errorf("question %+v", q)
	}
	if s.Incident.Finding.Component != "rack-1" {
		t.Errorf("the answer changed nothing: %s", s.Incident.Finding.Component)
	}
	if len(w.tasks) > 0 {
		t.Errorf("tasks %+v", w.tasks)
	}
}

func TestQuestionThatCannotBeAskedIsAnEngineersTask(t *testing.T) {
	w := newWorld(t)
	w.unsure()
	w.shut = func(records.AskParams) error { return invalid("probe: power can't be seen") }
	w.floor.look = func(int) records.Look { return looking(w.record.Finding, lit("pdu-a")) }
	s := w.playUnsure(20 * time.Minute)
	if len(w.tasks) != 1 || !strings.Contains(w.tasks[0].Text, "power can't be seen") {
		t.Errorf("tasks %+v, want an engineer to look", w.tasks)
	}
	equal(t, "questions", questionStates(s), []string{"i1/1 pdu-a unheard"})
}

// theirs is a question that incident i2 asks already.
func theirs(component string) incident.Question {
	q := lit(component)
	q.ID, q.Incident, q.Number, q.State = "i2/1", "i2", 1, incident.Asking
	return q
}

// followed mocks the workflow of incident i2's question.
func (w *world) followed(err error) {
	w.OnSignalExternalWorkflow(mock.Anything, "hands/i2/1", mock.Anything, SignalFollow, FollowSignal{Incident: "i1"}).Return(err).Once()
}

func TestQuestionThatAnotherIncidentAsksIsNotAskedTwice(t *testing.T) {
	for name, c := range map[string]struct {
		becomes incident.QuestionState
		want    []string
	}{
		"answered":  {incident.Answered, []string{}},
		"withdrawn": {incident.Withdrawn, []string{"i1/1 pdu-a withdrawn"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.unsure()
			w.followed(nil)
			w.floor.look = func(call int) records.Look {
				switch {
				case call == 1:
					return looking(w.record.Finding, theirs("pdu-a"), lit("sw-1"))
				case c.becomes == incident.Answered:
					return learned("rack-1")
				}
				return looking(w.record.Finding, lit("pdu-a"))
			}
			w.after(4*time.Minute, func() {
				if len(w.questions) > 0 {
					t.Errorf("it asks itself: %v", w.questions)
				}
				q := theirs("pdu-a")
				w.SignalWorkflow(SignalHandsState, HandsStatus{Question: q}) // still asked
				q.State = c.becomes
				w.SignalWorkflow(SignalHandsState, HandsStatus{Question: q})
			})
			s := w.playUnsure(20 * time.Minute)
			equal(t, "questions", questionStates(s), c.want)
			if learned := s.Incident.Component == "rack-1"; learned != (c.becomes == incident.Answered) || w.looks < 2 {
				t.Errorf("it is about %s after %d looks", s.Incident.Component, w.looks)
			}
			w.mustKeyOnce()
		})
	}
}

func TestQuestionThatAnotherIncidentHasLeftIsAsked(t *testing.T) {
	w := newWorld(t)
	w.unsure()
	w.followed(errors.New("there is no such workflow"))
	w.floor.look = func(int) records.Look { return looking(w.record.Finding, theirs("pdu-a")) }
	w.press(2*time.Minute, 1, "nina", incident.CantTell, true)
	s := w.playUnsure(20 * time.Minute)
	equal(t, "questions", questionStates(s), []string{"i1/1 pdu-a answered cant-tell"})
}

func TestIncidentIsAboutWhatTheAnswerNames(t *testing.T) {
	for name, c := range map[string]struct {
		twin      string
		conflicts bool
		component string
		tasks     string
	}{
		"":                          {component: "rack-1"},
		"which another names":       {twin: "i2", component: "pdu-a", tasks: "Incidents i1 and i2 name the same point of failure, rack-1"},
		"which another just opened": {conflicts: true, component: "pdu-a", tasks: "Incidents i1 and another one name the same"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.unsure()
			w.floor.look = func(call int) records.Look {
				if call == 1 {
					return looking(w.record.Finding, lit("pdu-a"))
				}
				l := learned("rack-1")
				l.Twin = c.twin
				return l
			}
			if c.conflicts {
				w.refuseSave = func(in incident.Incident) error {
					if in.Component == "rack-1" {
						return temporal.NewNonRetryableApplicationError("another incident of rack-1 is open", records.TypeConflict, nil)
					}
					return nil
				}
			}
			w.press(2*time.Minute, 1, "nina", incident.No, true)
			s := w.playUnsure(20 * time.Minute)
			if in := s.Incident; in.Component != c.component || in.Finding.Component != "rack-1" || in.Status != incident.Resolved {
				t.Errorf("it is about %s, finding %s, %s", in.Component, in.Finding.Component, in.Status)
			}
			if w.count("finding") != 1 {
				t.Errorf("timeline %v, want the finding once", w.kinds())
			}
			told := ""
			for _, task := range w.tasks {
				told += task.Text
			}
			if !strings.HasPrefix(told, c.tasks) || c.tasks == "" && told != "" {
				t.Errorf("the engineer is told %q, want %q", told, c.tasks)
			}
		})
	}
}

func TestReopeningWhileAnotherIsOpenIsRefused(t *testing.T) {
	w := newWorld(t)
	w.pin(backStep, resolveStep)
	w.refuseSave = func(in incident.Incident) error {
		if w.count("resolved") > 0 && in.Status != incident.Resolved {
			return temporal.NewNonRetryableApplicationError("another incident of pdu-a is open; resolve it first", records.TypeConflict, nil)
		}
		return nil
	}
	o := w.update(30*time.Minute, UpdateReopen, ReopenUpdate{onSiteAct, "down again"})
	w.playIncident()
	s := must[IncidentStatus](w)
	if o.failed == nil || !strings.Contains(o.failed.Error(), "resolve it first") {
		t.Errorf("reopening: %v", o.failed)
	}
	if s.Incident.Status != incident.Resolved || s.Incident.ResolvedAt.IsZero() || w.count("reopened") > 0 {
		t.Errorf("it is %s since %s: %v", s.Incident.Status, s.Incident.ResolvedAt, w.kinds())
	}
}
