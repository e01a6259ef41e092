package workflows

import (
	"fmt"
	"testing"
	"time"
)

// ask queries where the escalation stands, after a while.
func (w *world) ask(d time.Duration) *EscalateStatus {
	s := &EscalateStatus{}
	w.after(d, func() {
		value, err := w.QueryWorkflow(QueryStatus)
		if err == nil {
			err = value.Get(s)
		}
		if err != nil {
			w.t.Errorf("query: %v", err)
		}
	})
	return s
}

func TestWhoeverLooksSeesTheNextRungAndItsTime(t *testing.T) {
	w := newWorld(t)
	first, second := w.ask(30*time.Second), w.ask(90*time.Second)
	w.after(2*time.Minute, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}) })
	taken := w.ask(3 * time.Minute)
	w.after(4*time.Minute, func() { w.SignalWorkflow(SignalAlive, Act{By: "ivan"}) })
	alive := w.ask(5 * time.Minute)
	w.stopAfter(10 * time.Minute)
	escalate(w, EscalateInput{Quiet: minutes(30)})
	next := []string{}
	for _, n := range first.Next {
		next = append(next, fmt.Sprintf("%s %s %s", n.Contact, n.Channel, n.At.Sub(w.start)))
	}
	equal(t, "next, before the first rung's wait is over", next, []string{"ivan call 1m0s", "petr call 1m0s"})
	if len(second.Next) > 0 || second.NextAt.Sub(w.start) != 5*time.Minute {
		t.Errorf("when all rungs are climbed: %+v, want the next level after 5 minutes", second)
	}
	equal(t, "the next level, and when the page returns, before and after a sign of life",
		[]time.Duration{first.NextAt.Sub(w.start), taken.NextAt.Sub(w.start), alive.NextAt.Sub(w.start)},
		[]time.Duration{5 * time.Minute, 32 * time.Minute, 34 * time.Minute})
	if s := must[EscalateStatus](w); !s.NextAt.IsZero() || len(s.Next) > 0 {
		t.Errorf("stopped, it says %+v: nothing is ahead", s)
	}
}

func TestAnActThatCameTooLateIsRefused(t *testing.T) {
	w := newWorld(t)
	w.after(10*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}) })
	late := w.update(20*time.Second, UpdateDecline, DeclineUpdate{Act{By: "petr"}})
	first := w.update(30*time.Second, UpdateHandOver, HandOverUpdate{Act: Act{By: "ivan", Via: "page"}, To: "petr", From: "ivan"})
	stale := w.update(40*time.Second, UpdateHandOver, HandOverUpdate{Act: Act{By: "boss", Via: "page"}, To: "boss", From: "ivan"})
	w.stopAfter(time.Minute)
	escalate(w, EscalateInput{})
	late.mustBeRefused(t, "ivan has it")
	first.mustBeDone(t)
	stale.mustBeRefused(t, "petr has it now, no longer ivan")
	if s := must[EscalateStatus](w); s.AcknowledgedBy != "petr" {
		t.Errorf("state %+v, want petr to have it", s)
	}
}
