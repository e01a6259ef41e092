package workflows

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
)

// works keeps what the store would of a planned work.
type works struct {
	saved    []maintenance.Work
	refuse   error // of the next plan
	messages []string
	missing  []records.Missing
	silenced records.Silenced
	slowed   int      // clients whose machines work worse
	impacts  []string // of each message
}

// planned prepares a world with a work that begins in ten days, at hour 240,
// and lasts three hours.
func planned(t *testing.T) (*world, *works, MaintenanceInput) {
	t.Helper()
	w, kept := newWorld(t), &works{}
	on(w, rec.PlanWork, func(_ context.Context, p records.PlanWorkParams) (records.PlannedWork, error) {
		m := p.Work
		if kept.refuse != nil {
			return records.PlannedWork{}, kept.refuse
		}
		return records.PlannedWork{Work: m, Clients: 2, Servers: 24, Slowed: kept.slowed}, keep(w, &kept.saved, m)
	})
	on(w, rec.SaveWork, func(_ context.Context, p records.SaveWorkParams) error { return keep(w, &kept.saved, p.Work) })
	on(w, rec.WhatIsMissing, func(context.Context, records.MissingParams) ([]records.Missing, error) { return kept.missing, nil })
	on(w, rec.SilencedAlerts, func(context.Context, string) (records.Silenced, error) { return kept.silenced, nil })
	w.compose = func(p records.ComposeParams) records.Composed {
		who := ""
		if p.Unconfirmed {
			who = " to who has not confirmed"
		}
		_ = keep(w, &kept.impacts, fmt.Sprint(p.Impacts))
		_ = keep(w, &kept.messages, fmt.Sprintf("%.1f %s r%d%s", w.elapsed().Hours(), p.Event, p.Revision, who))
		return one(fmt.Sprintf("%s/%d", p.Step, p.Revision))
	}
	start := w.start.Add(240 * time.Hour).UTC()
	return w, kept, MaintenanceInput{Act: Act{By: "ivan", Via: "cli"}, Work: maintenance.Work{
		ID: "feed-b", Title: map[string]string{"ru": "Замена ввода", "en": "Replacement of a feed"}, Components: []string{"feed-b"},
		StartsAt: start, EndsAt: start.Add(3 * time.Hour), Notices: maintenance.Policy{maintenance.Outage: {240 * time.Hour, 24 * time.Hour, time.Hour}}, Owner: "emergency",
	}}
}

func (w *world) maintain(in MaintenanceInput) { w.play("maintenance/feed-b", Maintenance, in) }

func (k *works) statuses() []string {
	var out []string
	for _, m := range k.saved {
		if n := len(out); n == 0 || out[n-1] != string(m.Status) {
			out = append(out, string(m.Status))
		}
	}
	return out
}

var petr = WorkUpdate{Act: Act{By: "petr", Via: "cli"}}

func TestAWorkLivesFromItsPlanToTheSweepAfterIt(t *testing.T) {
	w, kept, in := planned(t)
	w.update(time.Hour, UpdateApprove, WorkUpdate{Act: Act{By: "ivan"}}).mustBeRefusedLater(t, "a second person")
	w.update(time.Hour, UpdateComplete, petr).mustBeRefusedLater(t, "the work is planned")
	w.update(2*time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(241*time.Hour, UpdateReschedule, RescheduleUpdate{petr.Act, in.Work.StartsAt, in.Work.EndsAt, ""}).mustBeRefusedLater(t, "the work is running")
	w.update(242*time.Hour, UpdateComplete, petr).mustBeDoneLater(t)
	w.maintain(in)
	s := must[MaintenanceStatus](w)
	if s.Work.Status != maintenance.Completed || s.Work.ApprovedBy != "petr" || s.Work.PlannedBy != "ivan" || len(s.Incidents) != 0 {
		t.Errorf("%+v", s)
	}
	equal(t, "statuses", kept.statuses(), []string{"planned", "approved", "running", "completed"})
	equal(t, "messages", kept.messages, []string{
		"2.0 maintenance.announced r1", "216.0 maintenance.reminder r1 to who has not confirmed", "239.0 maintenance.reminder r1 to who has not confirmed",
		"240.0 maintenance.begun r1", "242.0 maintenance.done r1",
	})
	if len(w.inferences) == 0 {
		t.Error("nothing was swept after the work")
	}
}

func TestWhatDoesNotComeBackIsAnIncidentAndItsClientsHearThatAlone(t *testing.T) {
	w, kept, in := planned(t)
	var except []string
	before := w.compose
	w.compose = func(p records.ComposeParams) records.Composed {
		if p.Event == "maintenance.done" {
			except = p.Except
		}
		return before(p)
	}
	w.infer = func(call int) records.Inferred {
		if call == 1 { // before the work
			return records.Inferred{}
		}
		return records.Inferred{Findings: []topology.Finding{{Component: "s1", Explains: []string{"s1"}}}, Down: 1}
	}
	w.open = func(p records.OpenIncidentParams) (records.Opened, error) {
		if p.RequestKey != "maintenance/feed-b/1/0" {
			t.Errorf("opened as %s", p.RequestKey)
		}
		return records.Opened{Incident: incident.Incident{ID: "s1-1", Component: "s1", Clients: []string{"acme"}}}, nil
	}
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(2*time.Hour, UpdateBegin, petr).mustBeDoneLater(t)
	w.update(3*time.Hour, UpdateComplete, petr).mustBeDoneLater(t)
	w.maintain(in)
	s := must[MaintenanceStatus](w)
	equal(t, "incidents", s.Incidents, []string{"s1-1"})
	equal(t, "left out", except, []string{"acme"})
	equal(t, "messages", kept.messages, []string{"1.0 maintenance.announced r1", "2.0 maintenance.begun r1", "3.0 maintenance.done r1"})
}

func TestWhatWasUpBeforeAndIsNotNowIsAnIncident(t *testing.T) {
	w, kept, in := planned(t)
	kept.missing = []records.Missing{{Component: "s2", Down: true, Text: "it is off now"}, {Component: "s3", Text: "the supply that pdu-b feeds has none now"}}
	kept.silenced.ByRegion = map[string][]string{"msk": {"a1"}}
	var opened []string
	w.open = func(p records.OpenIncidentParams) (records.Opened, error) {
		opened = append(opened, fmt.Sprintf("%s %v working %v after %s", p.RequestKey, p.Finding.Explains, p.Working, p.Work))
		return records.Opened{Incident: incident.Incident{ID: p.Finding.Component + "-1"}}, nil
	}
	w.OnWorkflow(Triage, mock.Anything, TriageInput{Region: "msk", Pending: []string{"a1"}}).Return(nil).Once()
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(2*time.Hour, UpdateBegin, petr).mustBeDoneLater(t)
	w.update(3*time.Hour, UpdateRollBack, petr).mustBeDoneLater(t)
	w.maintain(in)
	s := must[MaintenanceStatus](w)
	equal(t, "incidents", s.Incidents, []string{"s2-1", "s3-1"})
	equal(t, "opened", opened, []string{"maintenance/feed-b/1/s2 [s2] working false after feed-b", "maintenance/feed-b/1/s3 [] working true after feed-b"})
	if s.Work.Status != maintenance.RolledBack || s.Before == "" || s.After == "" {
		t.Errorf("%+v", s)
	}
	equal(t, "messages", kept.messages[2:], []string{"3.0 maintenance.rolledback r1"})
	w.AssertExpectations(t)
}

func TestEachImpactIsToldByItsOwnPolicy(t *testing.T) {
	w, kept, in := planned(t)
	in.Work.Notices = maintenance.Policy{maintenance.Outage: {72 * time.Hour, time.Hour}, maintenance.Degraded: {24 * time.Hour}}
	kept.slowed = 1
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(2*time.Hour, UpdateReschedule, RescheduleUpdate{petr.Act, in.Work.StartsAt.Add(24 * time.Hour), in.Work.EndsAt.Add(24 * time.Hour), ""}).mustBeDoneLater(t)
	w.update(200*time.Hour, UpdateReschedule, RescheduleUpdate{petr.Act, in.Work.StartsAt, in.Work.EndsAt, ""}).mustBeDoneLater(t)
	w.update(220*time.Hour, UpdateCancel, petr).mustBeDoneLater(t)
	w.maintain(in)
	s := must[MaintenanceStatus](w)
	equal(t, "messages", kept.messages, []string{
		"192.0 maintenance.announced r2", "200.0 maintenance.moved r3", "216.0 maintenance.announced r3", "220.0 maintenance.cancelled r3",
	})
	equal(t, "impacts", kept.impacts, []string{"[outage]", "[outage]", "[degraded]", "[outage degraded]"})
	if !s.Work.MovedFrom.Equal(in.Work.StartsAt.Add(24 * time.Hour)) {
		t.Errorf("moved from %s, want the time that was announced", s.Work.MovedFrom)
	}
}

func TestAMessageThatFailsIsATaskAndTheWorkGoesOn(t *testing.T) {
	w, kept, in := planned(t)
	before := w.compose
	w.refuseCompose = func(p records.ComposeParams) error {
		if p.Event == "maintenance.reminder" {
			return invalid("event: has no text")
		}
		return nil
	}
	w.compose = before
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(241*time.Hour, UpdateComplete, petr).mustBeDoneLater(t)
	w.maintain(in)
	if s := must[MaintenanceStatus](w); s.Work.Status != maintenance.Completed {
		t.Errorf("%+v", s)
	}
	equal(t, "messages", kept.messages, []string{"1.0 maintenance.announced r1", "240.0 maintenance.begun r1", "241.0 maintenance.done r1"})
	var failed int
	for _, task := range w.tasks {
		if strings.HasPrefix(task.Key, "failed/") && task.Team == "emergency" && strings.Contains(task.Text, "by hand") {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("%d tasks, want one for each reminder that failed: %+v", failed, w.tasks)
	}
}

func TestAMovedWorkIsConfirmedAnew(t *testing.T) {
	w, kept, in := planned(t)
	later := in.Work.StartsAt.Add(48 * time.Hour)
	w.after(90*time.Minute, func() { kept.refuse = invalid("components: together with maintenance/x it takes down s1") })
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	broken := w.update(2*time.Hour, UpdateReschedule, RescheduleUpdate{petr.Act, later, later.Add(time.Hour), ""})
	w.after(150*time.Minute, func() { kept.refuse = nil })
	w.update(3*time.Hour, UpdateReschedule, RescheduleUpdate{petr.Act, later, later, ""}).mustBeRefusedLater(t, "endsAt")
	w.update(3*time.Hour, UpdateReschedule, RescheduleUpdate{petr.Act, later, later.Add(time.Hour), ""}).mustBeDoneLater(t)
	w.update(4*time.Hour, UpdateCancel, petr).mustBeDoneLater(t)
	w.maintain(in)
	s := must[MaintenanceStatus](w)
	if broken.failed == nil || !strings.Contains(broken.failed.Error(), "together with") {
		t.Errorf("a time that breaks a redundancy: %v", broken.failed)
	}
	if s.Work.Revision != 2 || !s.Work.MovedFrom.Equal(in.Work.StartsAt) || !s.Work.StartsAt.Equal(later) || s.Work.Status != maintenance.Cancelled {
		t.Errorf("%+v", s.Work)
	}
	equal(t, "messages", kept.messages, []string{"1.0 maintenance.announced r1", "3.0 maintenance.moved r2", "4.0 maintenance.cancelled r2"})
	if !slices.ContainsFunc(w.drops, func(d records.DropParams) bool {
		return d.Subject == "maintenance/feed-b" && d.StepPrefix == "announce/outage"
	}) {
		t.Errorf("drops %+v, want what had not left of the old time taken back", w.drops)
	}
}

func TestAnOverrunIsToldAndItsOwnerIsAskedBefore(t *testing.T) {
	w, kept, in := planned(t)
	w.update(time.Hour, UpdateApprove, petr).mustBeDoneLater(t)
	w.update(242*time.Hour, UpdateExtend, ExtendUpdate{Act: petr.Act, EndsAt: in.Work.EndsAt.Add(time.Hour)}).mustBeDoneLater(t)
	w.update(245*time.Hour-6*time.Minute, UpdateComplete, petr).mustBeDoneLater(t)
	w.maintain(in)
	must[MaintenanceStatus](w)
	equal(t, "messages", kept.messages[3:], []string{
		"240.0 maintenance.begun r1", "242.0 maintenance.delayed r1", "244.0 maintenance.delayed r1", "244.5 maintenance.delayed r1", "244.9 maintenance.done r1",
	})
	var asked int
	for _, task := range w.tasks {
		if strings.Contains(task.Text, "complete it, or extend it") && task.Team == "emergency" {
			asked++
		}
	}
	if asked != 2 { // the third end is an hour after the second
		t.Errorf("the owner was asked %d times, want once before each end: %+v", asked, w.tasks)
	}
}

func TestAWorkThatNobodyApprovesLapses(t *testing.T) {
	w, kept, in := planned(t)
	w.maintain(in)
	if s := must[MaintenanceStatus](w); s.Work.Status != maintenance.Cancelled || w.elapsed() != 240*time.Hour {
		t.Errorf("%s after %s", s.Work.Status, w.elapsed())
	}
	if len(kept.messages) != 0 || len(w.tasks) != 1 {
		t.Errorf("messages %v, tasks %+v", kept.messages, w.tasks)
	}
}

func TestAWrongWorkIsRefusedAtOnce(t *testing.T) {
	for says, spoil := range map[string]func(*MaintenanceInput){
		"by:":               func(in *MaintenanceInput) { in.By = "" },
		"work.id":           func(in *MaintenanceInput) { in.Work.ID = "" },
		"work.title.en":     func(in *MaintenanceInput) { in.Work.Title = map[string]string{"ru": "x"} },
		"work.components":   func(in *MaintenanceInput) { in.Work.Components = nil },
		"work.endsAt":       func(in *MaintenanceInput) { in.Work.EndsAt = in.Work.StartsAt },
		"together with two": nil,
	} {
		w, kept, in := planned(t)
		if spoil != nil {
			spoil(&in)
		} else {
			kept.refuse = invalid("components: together with two it breaks s1")
		}
		w.maintain(in)
		if err := w.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want it to say %s", err, says)
		}
	}
}
