package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/internal/incident"
	"vakhta/runbooks"
)

// doKind does what the step is for and says what came of it.
func (r *incidentRun) doKind(ctx workflow.Context, s *step) (string, error) {
	d := s.def
	switch {
	case d.Escalate != nil:
		return r.escalate(ctx, *d.Escalate)
	case d.Inform != nil:
		return "", r.inform(ctx, *d.Inform)
	case d.Verify != nil:
		return r.verify(ctx, s, *d.Verify)
	case d.Task != nil:
		return r.ask(ctx, s, *d.Task)
	case d.Approve != nil:
		return r.ask(ctx, s, *d.Approve)
	case d.Notify != nil:
		_, err := startBroadcast(ctx, BroadcastInput{Incident: r.rec.ID, Event: d.Notify.Event, Step: "notify/" + r.nth(d.ID), Revision: s.Attempt})
		return "", err
	case d.Wait != nil:
		return "", r.pause(ctx, s, d.Wait.For.Std())
	case d.Resolve != nil:
		return "", r.resolve(ctx, Act{By: "vakhta"}, "All machines that it took down answer again")
	case d.Postmortem != nil:
		return "", r.postmortem(ctx)
	}
	return "", fmt.Errorf("step %s: kind %q is not known to this worker; upgrade it", s.ID, s.Kind)
}

// escalate starts paging a team; the step is done when somebody has it, or
// when the incident is over before. The escalation outlives the step and its
// tries: it holds until the incident stops it.
func (r *incidentRun) escalate(ctx workflow.Context, d runbooks.Escalate) (string, error) {
	child, err := r.startEscalation(ctx, d)
	if err != nil {
		return "", err
	}
	err = workflow.Await(ctx, func() bool {
		return r.teams[d.Team].State == "acknowledged" || r.rec.Status == incident.Resolved || child.IsReady()
	})
	if err != nil {
		return "", err
	}
	if child.IsReady() && r.rec.Status != incident.Resolved {
		if err := child.Get(ctx, nil); err != nil {
			return "", err
		}
	}
	if by := r.teams[d.Team].AcknowledgedBy; by != "" {
		return by + " has it", nil
	}
	return "", nil
}

func (r *incidentRun) startEscalation(ctx workflow.Context, d runbooks.Escalate) (workflow.ChildWorkflowFuture, error) {
	if child, ok := r.pages[d.Team]; ok && !child.IsReady() {
		return child, nil // an earlier try, or another step, pages this team
	}
	detached, _ := workflow.NewDisconnectedContext(ctx)
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(detached, workflow.ChildWorkflowOptions{
		WorkflowID: EscalateID(r.rec.ID, d.Team), ParentClosePolicy: requestCancel, StaticSummary: fmt.Sprintf("Team %s for incident %s", d.Team, r.rec.ID),
	}), Escalate, EscalateInput{Incident: r.rec.ID, Team: d.Team, Ladder: d.Ladder, Quiet: d.Quiet, Climbed: r.climbed[d.Team]})
	r.pages[d.Team] = child
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		delete(r.pages, d.Team)
		return nil, err
	}
	if r.rec.Status == incident.Resolved {
		r.stop(ctx, EscalateID(r.rec.ID, d.Team)) // resolved while it started
	}
	return child, nil
}

// inform starts the beat of client updates, which goes on in the background.
func (r *incidentRun) inform(ctx workflow.Context, d runbooks.Inform) error {
	if r.informs != nil && !r.informs.IsReady() {
		return nil // an earlier try started it
	}
	detached, _ := workflow.NewDisconnectedContext(ctx)
	r.informs = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(detached, workflow.ChildWorkflowOptions{
		WorkflowID: InformID(r.rec.ID), ParentClosePolicy: requestCancel,
		StaticSummary: fmt.Sprintf("Updates to %d clients of incident %s", len(r.rec.Clients), r.rec.ID),
	}), InformClients, InformInput{Incident: r.rec.ID, Every: d.Every, Debounce: d.Debounce, Told: r.told, Sent: r.updatesSent})
	if err := r.informs.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		r.informs = nil
		return err
	}
	if r.rec.Status == incident.Resolved {
		r.stop(ctx, InformID(r.rec.ID)) // resolved while it started
	}
	return nil
}

// ask waits for a person to do or to decide.
func (r *incidentRun) ask(ctx workflow.Context, s *step, d runbooks.Task) (string, error) {
	s.answer = nil
	r.tell(ctx, fmt.Sprintf("%s/%d", r.nth(s.ID), s.Attempt), d.Team, d.Text, normal)
	if err := workflow.Await(ctx, func() bool { return s.answer != nil || r.overtaken(s) }); err != nil {
		return "", err
	}
	switch {
	case s.answer == nil:
		return "", errOvertaken
	case s.answer.refused:
		return "", temporal.NewNonRetryableApplicationError("refused: "+s.answer.result, "Refused", nil)
	}
	return s.answer.result, nil
}

func (r *incidentRun) postmortem(ctx workflow.Context) error {
	// It outlives the steps, whose context ends with them.
	detached, _ := workflow.NewDisconnectedContext(ctx)
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(detached, workflow.ChildWorkflowOptions{
		WorkflowID: PostmortemID(r.rec.ID), ParentClosePolicy: abandon, StaticSummary: "Postmortem of incident " + r.rec.ID,
	}), Postmortem, PostmortemInput{Incident: r.rec.ID})
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if alreadyStarted(err) {
		return nil // reopened: the first postmortem goes on
	}
	return err
}
