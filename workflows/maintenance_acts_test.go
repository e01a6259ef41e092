package workflows

import (
	"strings"
	"testing"
	"time"

	"vakhta/internal/maintenance"
	"vakhta/runbooks"
)

func TestAForgottenWorkDoesNotTellItsClientsEveryHalfHour(t *testing.T) {
	w, kept, in := planned(t)
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(275*time.Hour, UpdateComplete, petr).mustBeDoneLater(t)
	w.maintain(in)
	must[MaintenanceStatus](w)
	equal(t, "messages", kept.messages[3:], []string{
		"240.0 maintenance.begun r1", "243.0 maintenance.delayed r1", "243.5 maintenance.delayed r1", "244.5 maintenance.delayed r1", "246.5 maintenance.delayed r1",
		"250.5 maintenance.delayed r1", "258.5 maintenance.delayed r1", "266.5 maintenance.delayed r1", "274.5 maintenance.delayed r1", "275.0 maintenance.done r1",
	})
}

func TestAnExtensionIsCountedFromTheEnd(t *testing.T) {
	w, kept, in := planned(t)
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(241*time.Hour, UpdateExtend, ExtendUpdate{Act: petr.Act, EndsAt: in.Work.EndsAt.Add(-time.Hour)}).mustBeRefusedLater(t, "not after the present end")
	w.update(241*time.Hour, UpdateExtend, ExtendUpdate{Act: petr.Act}).mustBeRefusedLater(t, "not after the present end")
	w.update(242*time.Hour, UpdateExtend, ExtendUpdate{Act: petr.Act, For: runbooks.Duration(30 * time.Minute)}).mustBeDoneLater(t)
	w.update(243*time.Hour, UpdateComplete, petr).mustBeDoneLater(t)
	w.maintain(in)
	must[MaintenanceStatus](w)
	var ends []time.Time
	for _, m := range kept.saved {
		if n := len(ends); n == 0 || !ends[n-1].Equal(m.EndsAt) {
			ends = append(ends, m.EndsAt)
		}
	}
	want := []time.Time{in.Work.EndsAt, in.Work.EndsAt.Add(30 * time.Minute), w.start.Add(243 * time.Hour).UTC()}
	equal(t, "ends", ends, want)
}

func TestAWorkBegunEarlyHasItsWindowThen(t *testing.T) {
	w, _, in := planned(t)
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(238*time.Hour, UpdateBegin, petr).mustBeDoneLater(t)
	w.update(239*time.Hour, UpdateComplete, petr).mustBeDoneLater(t)
	w.maintain(in)
	s := must[MaintenanceStatus](w)
	if from, to := s.Work.StartsAt.Sub(w.start), s.Work.EndsAt.Sub(w.start); from != 238*time.Hour || to != 239*time.Hour {
		t.Errorf("its window was from hour %s to %s, want what it really was", from, to)
	}
}

func TestADraftFollowsItsUpstreamAndAnApprovedWorkAsksAPerson(t *testing.T) {
	w, kept, in := planned(t)
	in.Work.Upstream = &maintenance.Upstream{Provider: "carrier", UID: "42", Sequence: 1}
	moved, again := in.Work.StartsAt.Add(24*time.Hour), in.Work.StartsAt.Add(48*time.Hour)
	tell := func(d time.Duration, u UpstreamSignal) {
		w.after(d, func() { w.SignalWorkflow(SignalUpstream, u) })
	}
	tell(time.Hour, UpstreamSignal{Sequence: 2, StartsAt: moved, EndsAt: moved.Add(3 * time.Hour)})
	tell(2*time.Hour, UpstreamSignal{Sequence: 1, StartsAt: again, EndsAt: again.Add(3 * time.Hour)}) // late: an older notice
	w.update(3*time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	tell(30*time.Hour, UpstreamSignal{Sequence: 3, StartsAt: moved, EndsAt: moved.Add(3 * time.Hour)}) // the same time
	tell(31*time.Hour, UpstreamSignal{Sequence: 4, StartsAt: again, EndsAt: again.Add(3 * time.Hour)})
	tell(32*time.Hour, UpstreamSignal{Sequence: 5, Cancelled: true})
	w.update(33*time.Hour, UpdateCancel, petr).mustBeDoneLater(t)
	w.maintain(in)
	s := must[MaintenanceStatus](w)
	if !s.Work.StartsAt.Equal(moved) || s.Work.Revision != 2 || s.Work.Upstream.Sequence != 5 {
		t.Errorf("%+v, want the draft to have followed notice 2, and nothing later", s.Work)
	}
	var asked []string
	for _, task := range w.tasks {
		asked = append(asked, task.Text)
	}
	if len(asked) != 2 || !strings.Contains(asked[0], "carrier has moved it to "+again.Format("2006-01-02 15:04")) || !strings.Contains(asked[1], "carrier has cancelled it") {
		t.Errorf("tasks %q, want one for the new time and one for the end of it", asked)
	}
	equal(t, "messages", kept.messages, []string{"24.0 maintenance.announced r2", "33.0 maintenance.cancelled r2"})
}

func TestADraftIsGoneWithItsUpstream(t *testing.T) {
	w, kept, in := planned(t)
	in.Work.Upstream = &maintenance.Upstream{Provider: "carrier", UID: "42", Sequence: 1}
	w.after(time.Hour, func() { w.SignalWorkflow(SignalUpstream, UpstreamSignal{Sequence: 2, Cancelled: true}) })
	w.maintain(in)
	if s := must[MaintenanceStatus](w); s.Work.Status != maintenance.Cancelled || len(kept.messages) != 0 || len(w.tasks) != 0 {
		t.Errorf("%s, told %v, tasks %+v; want it cancelled and nobody troubled", s.Work.Status, kept.messages, w.tasks)
	}
}
