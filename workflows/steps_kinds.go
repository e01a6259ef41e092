package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

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

// escalate starts paging a team, or several at once; the step is done when
// somebody of each has it, or of any, or when the incident is over before. The
// escalations outlive the step and its tries: they hold until the incident
// stops them.
func (r *incidentRun) escalate(ctx workflow.Context, d runbooks.Escalate) (string, error) {
	children := map[string]workflow.ChildWorkflowFuture{}
	teams := d.All()
	for _, team := range teams {
		child, err := r.startEscalation(ctx, d, team)
		if err != nil {
			return "", err
		}
		children[team] = child
	}
	acknowledged := func(team string) bool { return r.teams[team].State == "acknowledged" }
	over := func(team string) bool { return acknowledged(team) || children[team].IsReady() }
	err := workflow.Await(ctx, func() bool {
		return r.rec.Status == incident.Resolved || d.Until == "any" && slices.ContainsFunc(teams, acknowledged) ||
			!slices.ContainsFunc(teams, func(team string) bool { return !over(team) })
	})
	if err != nil {
		return "", err
	}
	var has []string
	for _, team := range teams {
		if children[team].IsReady() && r.rec.Status != incident.Resolved && !acknowledged(team) {
			if err := children[team].Get(ctx, nil); err != nil {
				return "", err
			}
		}
		if by := r.teams[team].AcknowledgedBy; by != "" && !slices.Contains(has, by) {
			has = append(has, by)
		}
	}
	switch len(has) {
	case 0:
		return "", nil
	case 1:
		return has[0] + " has it", nil
	}
	return strings.Join(has, ", ") + " have it", nil
}

func (r *incidentRun) startEscalation(ctx workflow.Context, d runbooks.Escalate, team string) (workflow.ChildWorkflowFuture, error) {
	if child, ok := r.pages[team]; ok && !child.IsReady() {
		return child, nil // an earlier try, or another step, pages this team
	}
	detached, _ := workflow.NewDisconnectedContext(ctx)
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(detached, workflow.ChildWorkflowOptions{
		WorkflowID: EscalateID(r.rec.ID, team), ParentClosePolicy: requestCancel, StaticSummary: fmt.Sprintf("Team %s for incident %s", team, r.rec.ID),
	}), Escalate, EscalateInput{Incident: r.rec.ID, Team: team, Ladder: d.Ladder, Quiet: d.Quiet, Climbed: r.climbed[team], AnyTeam: d.Until == "any", Raised: r.raisedAt(team)})
	r.pages[team] = child
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		delete(r.pages, team)
		return nil, err
	}
	if r.rec.Status == incident.Resolved {
		r.stop(ctx, EscalateID(r.rec.ID, team)) // resolved while it started
	}
	return child, nil
}

// inform starts the beat of client updates, which goes on in the background.
func (r *incidentRun) inform(ctx workflow.Context, d runbooks.Inform) error {
	if r.informs != nil && !r.informs.IsReady() {
		return nil // an earlier try started it
	}
	if r.untold = nil; r.nothing && r.rec.Affected() == 0 {
		r.untold = &d
		return nil
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

// raisedAt is since when a team may have been paged without its escalation: the
// first pages of an incident that an alert raised leave before that begins.
func (r *incidentRun) raisedAt(team string) time.Time {
	if !r.raised || r.climbed[team] > 0 {
		return time.Time{}
	}
	return r.rec.OpenedAt.Add(-time.Second)
}

func (r *incidentRun) postmortem(ctx workflow.Context) error {
	if r.merged != "" {
		return nil // the other incident's speaks of it
	}
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
