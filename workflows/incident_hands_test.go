package workflows

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/topology"
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
	l.Changed, l.Title, l.Site, l.Text, l.Servers, l.Clients = true, component+" has failed", "msk", component+" failed", []string{"s1", "s2", "s3"}, []string{"acme", "umbrella"}
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
	// Asked, by mail, by messenger; answered.
	equal(t, "timeline", kinds, []string{"question", "question", "question", "answer", "finding"})
	// The first update at once, one about what is known now.
	if u := w.updatesOf("incident.update"); len(u) < 2 || u[1].at < 3*time.Minute || u[1].at > 4*time.Minute {
		t.Errorf("updates %+v", u)
	}
	equal(t, "stood down", w.stoodDown(), []string{"oleg"})
	w.mustKeyOnce()
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
	w.press(4*time.Minute, 2, "nina", incident.No, true)
	// What was answered may be asked again: it may have changed.
	w.update(10*time.Minute, UpdateAskHands, ask).mustBeDoneLater(t)
	s := w.playUnsure(12 * time.Minute)
	if unknown.failed == nil || !strings.Contains(unknown.failed.Error(), `no component "nothing"`) || strings.Contains(unknown.failed.Error(), "child") {
		t.Errorf("asking about nothing: %v", unknown.failed)
	}
	equal(t, "questions", questionStates(s), []string{"i1/2 s1 answered no", "i1/3 s1 withdrawn"})
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
