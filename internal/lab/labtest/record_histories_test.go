package labtest_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// recordVariable lets the histories for the replay tests be written anew: do
// so when workflows were changed before a release, never afterwards.
const recordVariable = "VAKHTA_RECORD"

const historyDir = "../../../workflows/testdata/history"

// TestRecordHistories plays outages and writes down the history of every
// workflow for workflows/replay_test.go. `make gen` runs it.
func TestRecordHistories(t *testing.T) {
	if os.Getenv(recordVariable) == "" {
		t.Skipf("%s is not set; `make gen` records the histories anew", recordVariable)
	}
	dir := t.TempDir()
	s := labtest.Open(t, labtest.WithInput("updateEvery", "20s"), labtest.WithRooms())
	r := &recorder{t: t, s: s, dir: dir}
	r.server()
	r.alerts()
	r.answers()
	r.work()
	require.NoError(t, os.RemoveAll(historyDir))
	require.NoError(t, os.CopyFS(historyDir, os.DirFS(dir)))
	size := int64(0)
	require.NoError(t, filepath.Walk(historyDir, func(_ string, info os.FileInfo, err error) error {
		size += info.Size()
		return err
	}))
	t.Logf("%d bytes of histories", size)
}

type recorder struct {
	t   *testing.T
	s   *labtest.Lab
	dir string
}

// keep records workflows, by the name of their case.
func (r *recorder) keep(byName map[string]string) {
	r.t.Helper()
	for name, id := range byName {
		require.NoError(r.t, r.s.Record(r.t.Context(), r.dir, name, id))
	}
}

// server: a client cries, an engineer says what he does and when it will be
// back, the postmortem is followed until its action is verified.
func (r *recorder) server() {
	t, s := r.t, r.s
	ctx := t.Context()
	component, err := estate.Scenario("server")
	require.NoError(t, err)
	o := s.Outage(component, estate.Off, "romashka-duty")
	require.NoError(t, o.Break(ctx))
	require.NoError(t, o.Cry(ctx))
	require.NoError(t, o.AwaitAnswer(ctx))
	require.NoError(t, o.AwaitFinding(ctx))
	require.NoError(t, o.AwaitAcknowledged(ctx))
	id := workflows.IncidentID(o.Incident)
	act := workflows.Act{By: "ivan", Via: "cli"}
	require.NoError(t, s.Update(ctx, id, workflows.UpdateNote, workflows.NoteUpdate{Act: act, Text: "On site"}))
	require.NoError(t, s.Update(ctx, id, workflows.UpdateChecked, workflows.CheckedUpdate{Act: act, Component: component, Result: "its power supply is dead"}))
	began := time.Now()
	require.NoError(t, s.Update(ctx, id, workflows.UpdateSetETA, workflows.SetETAUpdate{Act: act, At: time.Now().Add(20 * time.Minute)}))
	s.Await(t, "the client to hear when it will be back", func() (bool, error) {
		return s.Read("romashka-duty", "время восстановления", began), nil
	})
	question := r.look(o.Incident, component)
	require.NoError(t, o.Repair(ctx))
	require.NoError(t, o.AwaitResolved(ctx))
	require.NoError(t, o.AwaitPostmortem(ctx))
	require.NoError(t, o.CheckTold(ctx))
	r.learn(o.Incident)
	r.keep(map[string]string{
		"server":          workflows.ReportID(o.Report),
		"server-client":   workflows.LocalizeID(o.Reporter.Client, o.Report),
		"server-resolved": id,
		"server-page":     workflows.EscalateID(o.Incident, "emergency"),
		"server-beat":     workflows.InformID(o.Incident),
		"server-update":   workflows.BroadcastID("incident/"+o.Incident, "update", 1),
		"server-closed":   workflows.PostmortemID(o.Incident),
		"server-question": question,
		"server-room":     workflows.WarRoomID(o.Incident, "emergency"),
	})
}

// look has the engineer ask whether any lamp is lit, and the one on site
// answer by a button; it returns the id of the question's workflow.
func (r *recorder) look(of, component string) string {
	t, s := r.t, r.s
	began := time.Now()
	act := workflows.Act{By: "ivan", Via: "cli"}
	require.NoError(t, s.Update(t.Context(), workflows.IncidentID(of), workflows.UpdateAskHands, workflows.AskHandsUpdate{Act: act, Component: component, Probe: topology.ProbePower}))
	s.Press(t, s.Asked(t, "nina", began), incident.No)
	id := workflows.HandsID(of, 1)
	require.NoError(t, s.Client.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
	return id
}

// learn has people fill, approve and publish the postmortem, and do what it asks.
func (r *recorder) learn(of string) {
	t, s := r.t, r.s
	ctx := t.Context()
	id := workflows.PostmortemID(of)
	act := workflows.Act{By: "shift-lead", Via: "cli"}
	require.NoError(t, s.Update(ctx, id, workflows.UpdateEdit, workflows.EditUpdate{Act: act, Sections: map[string]string{"lessons": "Power supplies age."}}))
	require.NoError(t, s.Update(ctx, id, workflows.UpdateAddAction, workflows.AddActionUpdate{Act: act, Text: "Replace all of that age", Owner: "admins"}))
	require.NoError(t, s.Update(ctx, id, workflows.UpdateApprove, workflows.ApproveUpdate{Act: act}))
	require.NoError(t, s.Update(ctx, id, workflows.UpdatePublish, act))
	pm, err := s.Store.Postmortem(ctx, of)
	require.NoError(t, err)
	for _, a := range pm.Actions {
		require.NoError(t, s.Update(ctx, id, workflows.UpdateCompleteAction, workflows.ActionUpdate{Act: act, Action: a.ID}))
		require.NoError(t, s.Update(ctx, id, workflows.UpdateVerifyAction, workflows.ActionUpdate{Act: act, Action: a.ID}))
	}
	require.NoError(t, labtest.Until(ctx, "the postmortem to be closed", func() (bool, error) {
		pm, err := s.Store.Postmortem(ctx, of)
		if err == nil && pm.Status != "closed" {
			err = fmt.Errorf("it is %s, with %+v", pm.Status, pm.Actions)
		}
		return pm.Status == "closed", err
	}))
}

// alerts: a PDU fails, Alertmanager tells, several teams are paged.
func (r *recorder) alerts() {
	t, s := r.t, r.s
	ctx := t.Context()
	component, err := estate.Scenario("pdu")
	require.NoError(t, err)
	o := s.Outage(component, estate.Down, "romashka-duty")
	require.NoError(t, o.Break(ctx))
	require.Equal(t, http.StatusAccepted, s.Post(t, alertsPath, s.IntakeToken, webhook(o.Blast.Servers)).Code)
	o.Incident = awaitIncident(t, s, component)
	require.NoError(t, o.AwaitAcknowledged(ctx))
	require.NoError(t, o.Repair(ctx))
	require.NoError(t, o.AwaitResolved(ctx))
	require.NoError(t, o.AwaitPostmortem(ctx))
	id := workflows.IncidentID(o.Incident)
	s.Await(t, "the restoration to be told", func() (bool, error) {
		entries, err := s.Store.Timeline(ctx, id, 0, 0)
		for _, e := range entries {
			if e.Kind == "resolved" {
				return true, nil
			}
		}
		return false, err
	})
	r.keep(map[string]string{
		"pdu-alerts":   workflows.TriageID("msk"),
		"pdu-resolved": id,
		"pdu-page":     workflows.EscalateID(o.Incident, "admins"),
		"pdu-beat":     workflows.InformID(o.Incident),
		"pdu-update":   workflows.BroadcastID("incident/"+o.Incident, "update", 1),
		"pdu-draft":    workflows.PostmortemID(o.Incident),
	})
}

// answers: the other ends of a report.
func (r *recorder) answers() {
	t, s := r.t, r.s
	ctx := t.Context()
	cases := map[string]string{}
	stranger, err := s.CryFrom(ctx, "770077", labtest.CryText)
	require.NoError(t, err)
	cases["unknown-client"] = stranger
	cases["healthy"], err = s.Cry(ctx, "shkola-tech", labtest.CryText)
	require.NoError(t, err)
	now := time.Now().UTC().Truncate(time.Minute)
	servers := s.Estate.Inventory().ServersOf("kinozal")[:1]
	require.NoError(t, s.Store.PutMaintenance(ctx, maintenance.Work{
		ID: "m-fans", Title: map[string]string{"ru": "замена вентиляторов"}, Components: servers, StartsAt: now.Add(-time.Hour), EndsAt: now.Add(time.Hour),
		Revision: 1, ByClient: map[string][]string{"kinozal": servers},
	}))
	cases["planned"], err = s.Cry(ctx, "kinozal-tech", labtest.CryText)
	require.NoError(t, err)
	for kind, report := range cases {
		answer, err := s.AwaitAnswer(ctx, report)
		require.NoError(t, err)
		require.Equal(t, kind, answer.Kind)
		require.NoError(t, s.Client.GetWorkflow(ctx, workflows.ReportID(report), "").Get(ctx, nil), fmt.Sprintf("report %s", kind))
		r.keep(map[string]string{kind: workflows.ReportID(report)})
	}
}

// work: a planned work from its plan to the sweep after it, and one that is moved and cancelled.
func (r *recorder) work() {
	t, s := r.t, r.s
	ctx := t.Context()
	begins := time.Now().UTC().Add(24 * time.Hour).Truncate(time.Minute)
	start := func(id string) string {
		_, err := s.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: workflows.MaintenanceID(id), TaskQueue: workflows.QueueRunbooks},
			workflows.TypeMaintenance, workflows.MaintenanceInput{Act: workflows.Act{By: "ivan", Via: "cli"}, Work: maintenance.Work{
				ID: id, Title: map[string]string{"ru": "Замена PDU", "en": "Replacing a PDU"}, Components: []string{workPDU}, StartsAt: begins, EndsAt: begins.Add(time.Hour),
			}})
		require.NoError(t, err)
		return workflows.MaintenanceID(id)
	}
	update := func(id, name string, arg any) {
		t.Helper()
		handle, err := s.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: name, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted})
		require.NoError(t, err)
		require.NoError(t, handle.Get(ctx, nil))
	}
	petr := workflows.WorkUpdate{Act: workflows.Act{By: "petr", Via: "cli"}}
	done := start("w-done")
	for _, name := range []string{workflows.UpdateApprove, workflows.UpdateBegin} {
		update(done, name, petr)
	}
	update(done, workflows.UpdateExtend, workflows.ExtendUpdate{Act: petr.Act, EndsAt: begins.Add(2 * time.Hour)})
	update(done, workflows.UpdateComplete, petr)
	require.NoError(t, s.Client.GetWorkflow(ctx, done, "").Get(ctx, nil))
	moved := start("w-moved")
	update(moved, workflows.UpdateApprove, petr)
	update(moved, workflows.UpdateReschedule, workflows.RescheduleUpdate{Act: petr.Act, StartsAt: begins.Add(24 * time.Hour), EndsAt: begins.Add(25 * time.Hour)})
	update(moved, workflows.UpdateCancel, petr)
	require.NoError(t, s.Client.GetWorkflow(ctx, moved, "").Get(ctx, nil))
	r.keep(map[string]string{
		"work-done": done, "work-moved": moved,
		"work-announced": workflows.BroadcastID("maintenance/w-moved", "announce/outage", 1), "work-delayed": workflows.BroadcastID("maintenance/w-done", "delayed/1", 1),
	})
}

// workPDU feeds machines of several clients, and is no other test's.
const workPDU = "msk-r1-k02-pdu-a"
