package workflows

import (
	"strings"
	"testing"
	"time"

	"vakhta/internal/incident"
)

func (w *world) playPostmortem() {
	w.after(60*24*time.Hour, w.CancelWorkflow)
	w.play("postmortem/i1", Postmortem, PostmortemInput{Incident: "i1"})
}

func TestPostmortemIsFollowedUntilEveryActionIsVerified(t *testing.T) {
	me := Act{By: "ivan", Via: "cli"}
	w := newWorld(t)
	day := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	refused := func(n int, name string, arg any, naming string) {
		w.update(day(n), name, arg).mustBeRefusedLater(t, naming)
	}
	done := func(n int, name string, arg any) { w.update(day(n), name, arg).mustBeDoneLater(t) }
	refused(1, UpdateApprove, ApproveUpdate{Act: me}, "actions:")
	refused(1, UpdatePublish, me, "draft")
	refused(1, UpdateEdit, EditUpdate{Act: me}, "sections:")
	refused(1, UpdateEdit, EditUpdate{me, map[string]string{"poem": "x"}}, "poem")
	refused(1, UpdateAddAction, AddActionUpdate{Act: me, Text: "Replace it"}, "owner:")
	refused(1, UpdateAddAction, AddActionUpdate{Text: "Replace it", Owner: "petr"}, "by:")
	done(2, UpdateEdit, EditUpdate{me, map[string]string{"summary": "A fuse"}})
	done(3, UpdateAddAction, AddActionUpdate{Act: me, Text: "Replace the fuse", Owner: "petr"})
	done(4, UpdateApprove, ApproveUpdate{Act: me})
	refused(5, UpdateApprove, ApproveUpdate{Act: me}, "approved")
	done(5, UpdatePublish, me)
	refused(6, UpdateVerifyAction, ActionUpdate{me, "a1"}, "not completed")
	refused(6, UpdateCompleteAction, ActionUpdate{me, "a9"}, "a9")
	done(24*10, UpdateCompleteAction, ActionUpdate{me, "a1"})
	refused(24*11, UpdateCompleteAction, ActionUpdate{me, "a1"}, "completed already")
	done(24*12, UpdateVerifyAction, ActionUpdate{me, "a1"})
	w.playPostmortem()
	pm := must[incident.Postmortem](w)
	if pm.Status != "closed" || pm.ApprovedBy != "ivan" || pm.Sections["summary"] != "A fuse" || pm.Actions[0].VerifiedBy != "ivan" {
		t.Errorf("it came to %+v", pm)
	}
	if w.elapsed() != 12*24*time.Hour {
		t.Errorf("closed after %s, want with the last verification", w.elapsed())
	}
	if len(w.tasks) != 1 || !strings.Contains(w.tasks[0].Text, "not verified: 1") {
		t.Errorf("reminders %v, want one after a week", w.tasks)
	}
	w.mustKeyOnce()
}

func TestPostmortemWithoutAnActionSaysWhy(t *testing.T) {
	me := Act{By: "ivan"}
	w := newWorld(t)
	w.update(time.Hour, UpdateEdit, EditUpdate{me, map[string]string{"lessons": "None: a comet"}}).mustBeDoneLater(t)
	w.update(2*time.Hour, UpdateApprove, ApproveUpdate{Act: me, Refuse: true, Reason: "typo"}).mustBeDoneLater(t)
	w.update(3*time.Hour, UpdateApprove, ApproveUpdate{Act: me}).mustBeDoneLater(t)
	w.update(4*time.Hour, UpdatePublish, me).mustBeDoneLater(t)
	w.playPostmortem()
	if pm := must[incident.Postmortem](w); pm.Status != "closed" {
		t.Errorf("status %s", pm.Status)
	}
}
