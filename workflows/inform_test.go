package workflows

import (
	"testing"
	"time"

	"vakhta/activities/records"
)

func inform(w *world, in InformInput) {
	in.Incident, in.Every = "i1", minutes(15)
	w.play("inform/i1", InformClients, in)
}

func (w *world) news(d time.Duration) {
	w.after(d, func() { w.SignalWorkflow(SignalChanged, ChangedSignal{Why: "eta"}) })
}

func (w *world) toldAt() []time.Duration {
	var out []time.Duration
	for _, u := range w.composed {
		out = append(out, u.at)
	}
	return out
}

func TestClientsHearInASteadyBeatUntilItIsStopped(t *testing.T) {
	w := newWorld(t)
	w.stopAfter(40 * time.Minute)
	inform(w, InformInput{Told: []string{"anna"}})
	if s := must[InformStatus](w); s.Updates != 3 {
		t.Errorf("%d updates, want 3", s.Updates)
	}
	equal(t, "told", w.toldAt(), []time.Duration{0, 15 * time.Minute, 30 * time.Minute})
	equal(t, "left out of the first", w.composed[0].Except, []string{"anna"})
	equal(t, "left out of the second", w.composed[1].Except, nil)
	if w.composed[1].OnlyChanged {
		t.Error("the tick goes to those only who have news")
	}
	w.mustKeyOnce()
}

func TestNewsIsGatheredAndMovesNoTick(t *testing.T) {
	w := newWorld(t)
	for _, d := range []time.Duration{5 * time.Minute, 5*time.Minute + 500*time.Millisecond, 5*time.Minute + time.Second} {
		w.news(d)
	}
	w.update(5*time.Minute+1500*time.Millisecond, UpdateChanged, ChangedSignal{Why: "eta"}).mustBeDoneLater(t)
	w.stopAfter(20 * time.Minute)
	inform(w, InformInput{})
	must[InformStatus](w)
	equal(t, "told", w.toldAt(), []time.Duration{0, 5*time.Minute + 2*time.Second, 15 * time.Minute})
	if !w.composed[1].OnlyChanged {
		t.Error("news goes to those whom it doesn't concern")
	}
}

func TestNewsNearTheTickIsTheTick(t *testing.T) {
	w := newWorld(t)
	w.news(14 * time.Minute)
	w.stopAfter(20 * time.Minute)
	inform(w, InformInput{})
	must[InformStatus](w)
	equal(t, "told", w.toldAt(), []time.Duration{0, 14*time.Minute + 2*time.Second})
	if w.composed[1].OnlyChanged {
		t.Error("some wait longer than promised")
	}
}

func TestUpdatesAfterAReopeningAreNewToTheLedger(t *testing.T) {
	w := newWorld(t)
	w.stopAfter(time.Minute)
	inform(w, InformInput{Sent: 4})
	if s := must[InformStatus](w); s.Updates != 5 || w.composed[0].Revision != 5 {
		t.Errorf("revision %d, want 5", w.composed[0].Revision)
	}
}

func TestUpdateThatReachesNobodyIsNotWrittenDown(t *testing.T) {
	w := newWorld(t)
	w.compose = func(records.ComposeParams) records.Composed { return records.Composed{} }
	w.stopAfter(20 * time.Minute)
	inform(w, InformInput{})
	must[InformStatus](w)
	if len(w.lines) > 0 {
		t.Errorf("timeline %v", w.kinds())
	}
}
