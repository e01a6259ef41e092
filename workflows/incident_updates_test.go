package workflows

import (
	"testing"
	"time"

	"vakhta/internal/incident"
)

func TestWrongUpdatesAreRefusedAndNameTheField(t *testing.T) {
	me := Act{By: "ivan", Via: "cli"}
	w := newWorld(t)
	past := w.start.Add(-time.Hour)
	for _, c := range []struct {
		update string
		arg    any
		naming string
	}{
		{UpdateAcknowledge, AcknowledgeUpdate{}, "by:"},
		{UpdateAcknowledge, AcknowledgeUpdate{me, "cooks"}, "team:"},
		{UpdateNote, NoteUpdate{Text: "x"}, "by:"},
		{UpdateNote, NoteUpdate{Act: me, Text: " "}, "text:"},
		{UpdateChecked, CheckedUpdate{Act: me, Result: "ok"}, "component:"},
		{UpdateChecked, CheckedUpdate{Act: me, Component: "s1"}, "result:"},
		{UpdateRestored, RestoredUpdate{Act: me}, "components:"},
		{UpdateRestored, RestoredUpdate{me, []string{"s1", "s9"}}, "components[1]:"},
		{UpdateSetETA, SetETAUpdate{Act: me}, "at:"},
		{UpdateSetETA, SetETAUpdate{me, past}, "at:"},
		{UpdateSetSeverity, SetSeverityUpdate{Act: me}, "severity:"},
		{UpdateSetSeverity, SetSeverityUpdate{me, "sev9"}, "severity:"},
		{UpdateCompleteTask, CompleteTaskUpdate{Act: me}, "step:"},
		{UpdateCompleteTask, CompleteTaskUpdate{Act: me, Step: "page"}, "step:"},
		{UpdateApprove, ApproveUpdate{Act: me, Step: "nothing"}, "step:"},
		{UpdateResolve, ResolveUpdate{Act: me}, "reason:"},
		{UpdateResolve, ResolveUpdate{Reason: "x"}, "by:"},
		{UpdateReopen, ReopenUpdate{me, "x"}, "incident:"},
	} {
		t.Run(c.update+" "+c.naming, func(t *testing.T) {
			w := newWorld(t)
			w.watch = never
			w.pin(pageStep, backStep)
			w.update(time.Minute, c.update, c.arg).mustBeRefusedLater(t, c.naming)
			w.byHand(5 * time.Minute)
			w.playIncident()
			must[IncidentStatus](w)
		})
	}
}

func TestUpdatesLandOnTheTimelineAndInTheRecord(t *testing.T) {
	me := Act{By: "ivan", Via: "cli"}
	w := newWorld(t)
	w.watch = never
	w.pin(pageStep, informStep, backStep)
	eta := w.start.Add(3 * time.Hour)
	for i, c := range []struct {
		update string
		arg    any
	}{
		{UpdateAcknowledge, AcknowledgeUpdate{Act: me}},
		{UpdateNote, NoteUpdate{me, "fuse", true}},
		{UpdateChecked, CheckedUpdate{me, "s1", "ok"}},
		{UpdateRestored, RestoredUpdate{me, []string{"pdu-a", "s1"}}},
		{UpdateSetETA, SetETAUpdate{me, eta}},
		{UpdateSetSeverity, SetSeverityUpdate{me, incident.Sev1}},
	} {
		w.update(time.Duration(i+1)*10*time.Second, c.update, c.arg).mustBeDoneLater(t)
	}
	w.byHand(10 * time.Minute)
	w.playIncident()
	s := must[IncidentStatus](w)
	if !s.Incident.ETA.Equal(eta) || s.Incident.Severity != incident.Sev1 {
		t.Errorf("the record is %+v", s.Incident)
	}
	if len(s.Incident.Restored) > 0 {
		t.Errorf("a person's belief counts as restored: %v", s.Incident.Restored)
	}
	for _, kind := range []string{"note", "check", "repair", "eta", "severity", "resolved"} {
		if w.count(kind) != 1 {
			t.Errorf("%d lines of kind %s: %v", w.count(kind), kind, w.kinds())
		}
	}
	for _, l := range w.lines {
		if l.Kind == "note" && (!l.Internal || l.Actor != "ivan" || l.Via != "cli") {
			t.Errorf("note %+v", l)
		}
	}
	if got := w.climbs(); len(got) != 1 {
		t.Errorf("climbs %v, though ivan has taken the incident", got)
	}
	// The first update, and one for the ETA after the debounce.
	if u := w.updatesOf("incident.update"); len(u) != 2 || !u[1].OnlyChanged || u[1].at != 52*time.Second {
		t.Errorf("updates %+v", u)
	}
}
