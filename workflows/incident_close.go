package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/internal/incident"
)

// resolve closes the incident: pages and beat stop, the clients hear it. Who
// comes while it is being closed waits until it is. Once begun it is done to
// the end, whatever becomes of the step or the update that began it.
func (r *incidentRun) resolve(ctx workflow.Context, by Act, why string) error {
	if r.rec.Status == incident.Resolved {
		return workflow.Await(ctx, func() bool { return !r.closing })
	}
	r.closing = true
	defer func() { r.closing = false }()
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	r.rec.Status, r.rec.ResolvedAt = incident.Resolved, workflow.Now(ctx).UTC()
	revision := r.entryNo + 1
	if err := r.save(ctx, r.entry("resolved", by.By, by.Via, why)); err != nil {
		return err
	}
	r.stopChildren(ctx)
	r.endBeat(ctx)
	if r.rec.Affected() == 0 { // nobody was told of it
		r.endPages(ctx)
		r.endQuestions(ctx)
		return nil
	}
	p, err := startBroadcast(ctx, BroadcastInput{Incident: r.rec.ID, Event: "incident.restored", Step: "restored", Revision: revision, Critical: true})
	if err == nil {
		err = noteIncident(ctx, r.rec.ID, fmt.Sprintf("told/%d", revision), "update", "vakhta", "", fmt.Sprintf("Told %s that their machines are back", agreed(p.Accepted, "contact", "contacts")))
	}
	r.endPages(ctx)
	r.endQuestions(ctx)
	return err
}

func (r *incidentRun) stop(ctx workflow.Context, workflowID string) {
	workflow.SignalExternalWorkflow(ctx, workflowID, "", SignalStop, StopSignal{Why: "resolved"})
}

func (r *incidentRun) stopChildren(ctx workflow.Context) {
	for _, team := range sortedKeys(r.pages) {
		r.stop(ctx, EscalateID(r.rec.ID, team))
	}
	if r.informs != nil {
		r.stop(ctx, InformID(r.rec.ID))
	}
	r.stopQuestions(ctx)
}

// endBeat waits until the last update is out of the way of the final one.
func (r *incidentRun) endBeat(ctx workflow.Context) {
	if r.informs == nil {
		return
	}
	var s InformStatus
	if err := r.informs.Get(ctx, &s); err != nil {
		workflow.GetLogger(ctx).Warn("The beat of updates ended badly", "incident", r.rec.ID, "error", err)
	}
	r.updatesSent = max(r.updatesSent, s.Updates)
	r.informs = nil
}

func (r *incidentRun) endPages(ctx workflow.Context) {
	for _, team := range sortedKeys(r.pages) {
		var s EscalateStatus
		if err := r.pages[team].Get(ctx, &s); err != nil {
			workflow.GetLogger(ctx).Warn("An escalation ended badly", "incident", r.rec.ID, "team", team, "error", err)
			s = r.teams[team]
		}
		r.teams[team] = s
		r.climbed[team] = max(r.climbed[team], s.Round)
		delete(r.pages, team)
	}
}

// linger keeps a resolved incident open to `reopen`; it answers whether to run again.
func (r *incidentRun) linger(ctx workflow.Context) (bool, error) {
	if _, err := workflow.AwaitWithTimeout(ctx, r.book.Reopen.Std(), func() bool { return r.reopened }); err != nil {
		return false, err
	}
	// A reopening that was accepted at the last moment counts.
	err := workflow.Await(ctx, func() bool { return r.reopened || (r.telling == 0 && workflow.AllHandlersFinished(ctx)) })
	if err != nil || !r.reopened {
		return false, err
	}
	r.reopened = false
	r.reopens++
	r.steps = newSteps(r.book)
	return true, nil
}

func (r *incidentRun) validateReopen(u ReopenUpdate) error {
	if r.rec.Status != incident.Resolved {
		return invalid("incident: %s is not resolved", r.rec.ID)
	}
	if r.closing {
		return invalid("incident: %s is still being closed; try again in a moment", r.rec.ID)
	}
	return firstOf(u.validate(), required("reason", u.Reason))
}

// reopen begins the runbook again. What was promised and seen before it no
// longer holds.
func (r *incidentRun) reopen(ctx workflow.Context, u ReopenUpdate) error {
	was := r.rec
	r.rec.Status, r.rec.ResolvedAt, r.rec.ETA, r.rec.Restored = incident.Identified, time.Time{}, time.Time{}, []string{}
	err := r.save(ctx, r.entry("reopened", u.By, u.Via, u.Reason))
	if isConflict(err) {
		r.rec = was
		return applicationError(err)
	}
	r.told, r.teams, r.merged = nil, map[string]EscalateStatus{}, ""
	r.reopened = true
	r.hands.look = r.hands.look || r.ambiguous()
	return err
}

// giveUp says on the timeline, and to an engineer, that an incident which is
// not resolved is no longer followed: cancelled, or not to be run.
func (r *incidentRun) giveUp(ctx workflow.Context, cause error) {
	if r.rec.ID == "" || r.rec.Status == incident.Resolved {
		return
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	why := cause.Error()
	if temporal.IsCanceledError(cause) {
		why = "its workflow was cancelled"
	}
	text := fmt.Sprintf("Incident %s is open and nobody follows it: %s", r.rec.ID, why)
	r.stopChildren(ctx)
	if err := noteIncident(ctx, r.rec.ID, "given-up/"+workflow.GetInfo(ctx).WorkflowExecution.RunID, "failed", "vakhta", "", cut(text, 500)); err != nil {
		workflow.GetLogger(ctx).Error("An end could not be recorded", "incident", r.rec.ID, "error", err)
	}
	if err := handTask(ctx, "incident/"+r.rec.ID, "given-up/"+workflow.GetInfo(ctx).WorkflowExecution.RunID, "", text, urgent); err != nil {
		workflow.GetLogger(ctx).Error("Nobody could be told of an end", "incident", r.rec.ID, "error", err)
	}
	r.endBeat(ctx)
	r.endPages(ctx)
	r.endQuestions(ctx)
}
