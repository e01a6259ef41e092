package workflows

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/runbooks"
)

var ladder = []runbooks.Rung{{Channel: "telegram", Wait: minutes(1)}, {Channel: "call", Wait: minutes(2)}}

func escalate(w *world, in EscalateInput) {
	in.Incident, in.Team, in.Ladder = "i1", "emergency", ladder
	w.play("escalate/i1/emergency", Escalate, in)
}

func (w *world) stopAfter(d time.Duration) {
	w.after(d, func() { w.SignalWorkflow(SignalStop, StopSignal{Why: "resolved"}) })
}

// climbs says when each page was made: "1m0s 1.1.1 call ivan,petr".
func (w *world) climbs() []string {
	var out []string
	for _, p := range w.pages {
		if p.Event == "page" {
			out = append(out, fmt.Sprintf("%s %d.%d.%d %s %s", p.at, p.Round, p.Level, p.Rung, p.Channel, strings.Join(p.Contacts, ",")))
		}
	}
	return out
}

func TestEscalationClimbsRungByRungAndLevelByLevelEachOnce(t *testing.T) {
	w := newWorld(t)
	w.stopAfter(11 * time.Minute)
	escalate(w, EscalateInput{})
	if s := must[EscalateStatus](w); s.State != "stopped" {
		t.Errorf("state %s, want stopped", s.State)
	}
	equal(t, "climbs", w.climbs(), []string{
		"0s 1.1.0 telegram ivan,petr", "1m0s 1.1.1 call ivan,petr",
		"5m0s 1.2.0 telegram boss", "6m0s 1.2.1 call boss",
		"10m0s 1.3.0 telegram boss", // the fallback
	})
	if len(w.sent) != 7 {
		t.Errorf("sent %v, want one to each of each climb", w.sent)
	}
	w.mustKeyOnce()
}

func TestEscalationThatNobodyTakesBeginsAgain(t *testing.T) {
	w := newWorld(t)
	w.team.Levels = w.team.Levels[:1]
	w.team.Repeat = 1
	w.stopAfter(16 * time.Minute)
	escalate(w, EscalateInput{})
	equal(t, "climbs", w.climbs(), []string{
		"0s 1.1.0 telegram ivan,petr", "1m0s 1.1.1 call ivan,petr",
		"5m0s 2.1.0 telegram ivan,petr", "6m0s 2.1.1 call ivan,petr",
		"10m0s 2.2.0 telegram boss", "11m0s 2.2.1 call boss", // the fallback
		"15m0s 3.1.0 telegram ivan,petr",
	})
	if w.count("exhausted") != 1 {
		t.Errorf("timeline %v, want it to say once that nobody picked up", w.kinds())
	}
	w.mustKeyOnce()
}

func TestAcknowledgedEscalationPagesNobodyMore(t *testing.T) {
	byLedger := func(w *world) {
		w.ledger = func(p records.PageStateParams) records.PageState {
			if w.elapsed() < time.Minute || p.Team != "emergency" {
				return records.PageState{}
			}
			return records.PageState{AcknowledgedBy: "ivan", Via: "call", At: w.Now()}
		}
	}
	for name, acknowledge := range map[string]func(*world){
		"by signal": func(w *world) {
			w.after(30*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}) })
		},
		"by update": func(w *world) {
			w.update(30*time.Second, UpdateAcknowledge, AcknowledgeUpdate{Act: Act{By: "ivan", Via: "call"}})
		},
		"only by the ledger": byLedger,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			acknowledge(w)
			w.stopAfter(24 * time.Hour)
			escalate(w, EscalateInput{})
			s := must[EscalateStatus](w)
			if s.State != "acknowledged" || s.AcknowledgedBy != "ivan" || s.Via != "call" {
				t.Errorf("state %+v, want acknowledged by ivan, call", s)
			}
			equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan,petr"})
			last := w.pages[len(w.pages)-1]
			if last.Event != "page.standdown" || !slices.Equal(last.Contacts, []string{"petr"}) || last.TakenBy != "ivan" {
				t.Errorf("the last message is %+v, want petr to stand down", last)
			}
			if len(w.drops) == 0 || w.drops[0].StepPrefix != "page/emergency/" {
				t.Errorf("drops %v, want the unsent pages of the team taken back", w.drops)
			}
		})
	}
}

func TestAcknowledgementBeforeTheFirstPageIsEnough(t *testing.T) {
	w := newWorld(t)
	w.after(0, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "web"}) })
	w.stopAfter(time.Hour)
	escalate(w, EscalateInput{Climbed: 2})
	if s := must[EscalateStatus](w); s.AcknowledgedBy != "ivan" {
		t.Errorf("state %+v, want acknowledged by ivan", s)
	}
	if len(w.climbs()) > 1 {
		t.Errorf("climbs %v after the acknowledgement", w.climbs())
	}
	if !slices.Contains(w.kinds(), "acknowledged") {
		t.Errorf("timeline %v, want acknowledged", w.kinds())
	}
	for _, l := range w.lines {
		if l.Kind == "acknowledged" && strings.HasSuffix(l.Key, "acknowledged-2") {
			t.Errorf("key %s belongs to the round before the reopening", l.Key)
		}
	}
}

func TestDeclinedPageClimbsToTheNextLevelAtOnce(t *testing.T) {
	for name, decline := range map[string]func(*world){
		"by signal": func(w *world) {
			w.after(20*time.Second, func() { w.SignalWorkflow(SignalDeclined, PageAnswer{Contact: "ivan"}) })
		},
		"by update": func(w *world) {
			w.update(20*time.Second, UpdateDecline, DeclineUpdate{Act{By: "ivan", Via: "cli"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			decline(w)
			w.stopAfter(50 * time.Second)
			escalate(w, EscalateInput{})
			equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan,petr", "20s 1.2.0 telegram boss"})
		})
	}
}

func TestWhoGoesQuietIsPagedAgain(t *testing.T) {
	w := newWorld(t)
	w.after(10*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}) })
	w.after(20*time.Minute, func() { w.SignalWorkflow(SignalAlive, Act{By: "ivan"}) })
	w.stopAfter(54 * time.Minute)
	escalate(w, EscalateInput{Quiet: minutes(30)})
	// Alive at 20m: quiet at 50m, not at 30m10s. First he himself, then the team.
	equal(t, "climbs", w.climbs(), []string{
		"0s 1.1.0 telegram ivan,petr", "50m0s 2.0.0 telegram ivan", "51m0s 2.0.1 call ivan", "53m0s 2.1.0 telegram ivan,petr",
	})
	if w.count("quiet") != 1 {
		t.Errorf("timeline %v, want it to say once that he went quiet", w.kinds())
	}
	if s := must[EscalateStatus](w); s.AcknowledgedBy != "" {
		t.Errorf("%s still has it", s.AcknowledgedBy)
	}
}

func TestPagesAfterAReopeningAreNewToTheLedger(t *testing.T) {
	w := newWorld(t)
	w.stopAfter(30 * time.Second)
	escalate(w, EscalateInput{Climbed: 3})
	equal(t, "climbs", w.climbs(), []string{"0s 4.1.0 telegram ivan,petr"})
}

func TestWhoHasNoAddressIsNamedAndNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.noAddress = []string{"ivan", "petr"}
	w.stopAfter(301 * time.Second)
	escalate(w, EscalateInput{})
	equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan,petr", "0s 1.1.1 call ivan,petr", "5m0s 1.2.0 telegram boss"})
	if !strings.Contains(w.lines[0].Text, "Nobody of level 1") {
		t.Errorf("the timeline says %q", w.lines[0].Text)
	}
	equal(t, "paged", must[EscalateStatus](w).Paged, []string{"boss"})
}

func TestEscalationIsHandedOverToAColleagueWhoIsPaged(t *testing.T) {
	w := newWorld(t)
	early := w.update(time.Second, UpdateHandOver, HandOverUpdate{Act: Act{By: "ivan"}, To: "petr"})
	w.after(10*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}) })
	stranger := w.update(20*time.Second, UpdateHandOver, HandOverUpdate{Act: Act{By: "ivan"}, To: "cook"})
	nobody := w.update(20*time.Second, UpdateAcknowledge, AcknowledgeUpdate{})
	first := w.update(30*time.Second, UpdateHandOver, HandOverUpdate{Act: Act{By: "ivan", Via: "cli"}, To: "petr"})
	second := w.update(40*time.Second, UpdateHandOver, HandOverUpdate{Act: Act{By: "petr", Via: "cli"}, To: "ivan"})
	third := w.update(50*time.Second, UpdateHandOver, HandOverUpdate{Act: Act{By: "ivan", Via: "cli"}, To: "petr"})
	w.stopAfter(time.Minute)
	escalate(w, EscalateInput{})
	early.mustBeRefused(t, "handOver")
	stranger.mustBeRefused(t, "to:")
	nobody.mustBeRefused(t, "by:")
	first.mustBeDone(t)
	second.mustBeDone(t)
	third.mustBeDone(t)
	if s := must[EscalateStatus](w); s.AcknowledgedBy != "petr" {
		t.Errorf("%s has it, want petr", s.AcknowledgedBy)
	}
	equal(t, "climbs", w.climbs(), []string{
		"0s 1.1.0 telegram ivan,petr", "30s 1.1.1001 telegram petr", "40s 1.1.1002 telegram ivan", "50s 1.1.1003 telegram petr",
	})
	w.mustKeyOnce()
}

func TestCancelledEscalationTakesItsPagesBack(t *testing.T) {
	w := newWorld(t)
	w.after(30*time.Second, w.CancelWorkflow)
	escalate(w, EscalateInput{})
	if w.GetWorkflowError() == nil {
		t.Error("it says that it ended well")
	}
	equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan,petr"})
	if len(w.drops) != 1 {
		t.Errorf("drops %v, want one", w.drops)
	}
}

func TestEscalationContinuesAsNewWithWhatItHeard(t *testing.T) {
	w := newWorld(t)
	w.team.Levels = w.team.Levels[:1]
	w.after(9*time.Minute, func() { w.SetContinueAsNewSuggested(true) })
	w.team.Fallback = []string{"petr"}
	escalate(w, EscalateInput{Quiet: minutes(30)})
	err := w.GetWorkflowError()
	if err == nil || !strings.Contains(err.Error(), "continue as new") {
		t.Fatalf("it ended with %v, want it to continue as new", err)
	}
	equal(t, "climbs", w.climbs(), []string{
		"0s 1.1.0 telegram ivan,petr", "1m0s 1.1.1 call ivan,petr", "5m0s 1.2.0 telegram petr", "6m0s 1.2.1 call petr",
	})
}

func TestEscalationCarriesAnAcknowledgementOver(t *testing.T) {
	w := newWorld(t)
	w.stopAfter(20 * time.Minute)
	escalate(w, EscalateInput{Quiet: minutes(30), Carry: &EscalateStatus{
		Incident: "i1", Team: "emergency", State: "acknowledged", Round: 2, AcknowledgedBy: "ivan", Paged: []string{"ivan", "petr"},
	}})
	if got := w.climbs(); len(got) > 0 {
		t.Errorf("climbs %v, though ivan has it", got)
	}
	if s := must[EscalateStatus](w); s.State != "acknowledged" {
		t.Errorf("state %s", s.State)
	}
}

func TestInTurnOneAfterAnotherIsPagedByHisOwnLadder(t *testing.T) {
	w := newWorld(t)
	w.team.Levels = []inventory.Level{{Members: []string{"ivan", "petr"}, Mode: inventory.InTurn, AckWithinSeconds: 120}}
	w.team.Members[1].Pages = []inventory.Rung{{Channel: inventory.SMS, WaitSeconds: 30}, {Channel: inventory.Call, WaitSeconds: 60}}
	w.stopAfter(5 * time.Minute)
	escalate(w, EscalateInput{})
	equal(t, "climbs", w.climbs(), []string{
		"0s 1.1.0 telegram ivan", "1m0s 1.1.1 call ivan", "3m0s 1.1.100 sms petr", "3m30s 1.1.101 call petr",
	})
}

func TestInTurnWhoCantPassesItOnAtOnceAndIsNotAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.team.Levels = []inventory.Level{{Members: []string{"ivan", "petr"}, Mode: inventory.InTurn, AckWithinSeconds: 120}, {Members: []string{"ivan", "boss"}, AckWithinSeconds: 120}}
	w.after(5*time.Second, func() { w.SignalWorkflow(SignalDeclined, PageAnswer{Contact: "ivan"}) })
	w.after(10*time.Second, func() { w.SignalWorkflow(SignalDeclined, PageAnswer{Contact: "petr"}) })
	w.stopAfter(20 * time.Second)
	escalate(w, EscalateInput{})
	equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan", "5s 1.1.100 telegram petr", "10s 1.2.0 telegram boss"})
}

func TestTwoQuickHangUpsGoOnToTheNextRung(t *testing.T) {
	w := newWorld(t)
	w.team.Levels = w.team.Levels[1:]
	w.team.Members[2].Pages = []inventory.Rung{
		{Channel: inventory.Call, WaitSeconds: 120}, {Channel: inventory.SMS, WaitSeconds: 120},
	}
	for _, at := range []time.Duration{20 * time.Second, 40 * time.Second} {
		w.after(at, func() { w.SignalWorkflow(SignalHungUp, PageAnswer{Contact: "boss"}) })
	}
	w.stopAfter(time.Minute)
	escalate(w, EscalateInput{})
	equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 call boss", "20s 1.1.50 call boss", "40s 1.1.51 sms boss"})
	w.mustKeyOnce()
}

func TestARefusedPageIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(id string) bool { return strings.Contains(id, "telegram ivan") }
	w.stopAfter(30 * time.Second)
	escalate(w, EscalateInput{})
	equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan,petr", "0s 1.1.1 call ivan"})
}

func TestALateAcknowledgementIsRecordedAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.after(10*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}) })
	w.after(20*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "petr", Via: "telegram"}) })
	w.after(30*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}) })
	w.stopAfter(time.Minute)
	escalate(w, EscalateInput{})
	if s := must[EscalateStatus](w); s.AcknowledgedBy != "ivan" || s.Late != 1 {
		t.Errorf("state %+v, want ivan to have it and one late acknowledgement", s)
	}
	if w.count("acknowledged-late") != 1 || w.count("acknowledged") != 1 {
		t.Errorf("timeline %v", w.kinds())
	}
}

func TestAssignedToSomebodyWhoDoesNotAnswerItClimbs(t *testing.T) {
	w := newWorld(t)
	w.after(10*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "ivan", Via: "call"}) })
	done := w.update(time.Minute, UpdateAssign, HandOverUpdate{Act: Act{By: "boss", Via: "cli"}, To: "petr"})
	stranger := w.update(time.Minute, UpdateAssign, HandOverUpdate{Act: Act{By: "boss"}, To: "cook"})
	w.stopAfter(5 * time.Minute)
	escalate(w, EscalateInput{})
	done.mustBeDone(t)
	stranger.mustBeRefused(t, "to:")
	equal(t, "climbs", w.climbs(), []string{
		"0s 1.1.0 telegram ivan,petr", "1m0s 2.0.0 telegram petr", "2m0s 2.0.1 call petr", "4m0s 2.1.0 telegram ivan,petr",
	})
	w.mustKeyOnce()
}

func TestAssignedWhilePagingItGoesToHimAtOnce(t *testing.T) {
	w := newWorld(t)
	w.update(10*time.Second, UpdateAssign, HandOverUpdate{Act: Act{By: "boss", Via: "cli"}, To: "boss"})
	w.after(20*time.Second, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: "boss", Via: "call"}) })
	w.stopAfter(time.Minute)
	escalate(w, EscalateInput{})
	equal(t, "climbs", w.climbs(), []string{"0s 1.1.0 telegram ivan,petr", "10s 2.0.0 telegram boss"})
	if s := must[EscalateStatus](w); s.AcknowledgedBy != "boss" {
		t.Errorf("state %+v, want boss to have it", s)
	}
}
