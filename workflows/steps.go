package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/runbooks"
)

// States of a step.
const (
	stepWaiting = "waiting"
	stepRunning = "running"
	stepDone    = "done"
	stepSkipped = "skipped"
	stepFailed  = "failed"
)

// step is one step of the pinned runbook at work.
type step struct {
	StepStatus
	def    runbooks.Step
	answer *stepAnswer // what a person said, for task and approve
}

type stepAnswer struct {
	refused bool
	result  string
}

func newSteps(rb runbooks.Runbook) []*step {
	out := make([]*step, 0, len(rb.Steps))
	for _, d := range rb.Steps {
		out = append(out, &step{def: d, StepStatus: StepStatus{
			ID: d.ID, Kind: d.Kind(), State: stepWaiting, Title: d.Title, Manual: d.Task != nil || d.Approve != nil,
		}})
	}
	return out
}

func (s *step) over() bool {
	return s.State == stepDone || s.State == stepSkipped || s.State == stepFailed
}

// passed: steps that need this one may run.
func (s *step) passed() bool {
	return s.State == stepDone || s.State == stepSkipped || (s.State == stepFailed && s.def.OnFailure == runbooks.FailContinue)
}

// runSteps runs the runbook: each step begins when all that it needs has
// passed; a step that needs a failed one is never run.
func (r *incidentRun) runSteps(ctx workflow.Context) error {
	work, cancel := workflow.WithCancel(ctx)
	defer cancel()
	wg := workflow.NewWaitGroup(ctx)
	for _, s := range r.steps {
		wg.Add(1)
		workflow.Go(work, func(ctx workflow.Context) {
			defer wg.Done()
			r.runStep(ctx, s)
		})
	}
	wg.Wait(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.rec.Status != incident.Resolved {
		// Nothing is left to do by the book, and it isn't over: a person decides.
		return workflow.Await(ctx, func() bool { return r.rec.Status == incident.Resolved })
	}
	return nil
}

func (r *incidentRun) runStep(ctx workflow.Context, s *step) {
	needed := make([]*step, 0, len(s.def.Needs))
	for _, id := range s.def.Needs {
		needed = append(needed, r.find(id))
	}
	err := workflow.Await(ctx, func() bool { return !slices.ContainsFunc(needed, func(n *step) bool { return !n.over() }) })
	if err != nil {
		r.endStep(ctx, s, stepSkipped, "the incident ended before it")
		return
	}
	if i := slices.IndexFunc(needed, func(n *step) bool { return !n.passed() }); i >= 0 {
		r.endStep(ctx, s, stepSkipped, "needs "+needed[i].ID+", which failed")
		return
	}
	proceed, err := r.condition(ctx, s)
	switch {
	case err != nil:
		r.failStep(ctx, s, err)
	case !proceed:
		r.endStep(ctx, s, stepSkipped, "its condition is false")
	default:
		r.tryStep(ctx, s)
	}
}

func (r *incidentRun) condition(ctx workflow.Context, s *step) (bool, error) {
	if s.def.If == "" {
		return true, nil
	}
	f := records.RunbookFacts(r.rec)
	f.Inputs, f.Steps = r.book.Inputs, map[string]string{}
	for _, o := range r.steps {
		f.Steps[o.ID] = o.State
	}
	return record[bool](ctx, rec.Condition, records.ConditionParams{Expression: s.def.If, Facts: f})
}

func (r *incidentRun) tryStep(ctx workflow.Context, s *step) {
	s.State, s.Since = stepRunning, workflow.Now(ctx).UTC()
	r.details(ctx)
	for {
		s.Attempt++
		err := r.doStep(ctx, s)
		switch {
		case err == nil:
			r.endStep(ctx, s, stepDone, s.Result)
			return
		case temporal.IsCanceledError(err):
			r.endStep(ctx, s, stepSkipped, "the incident ended before it")
			return
		case s.Attempt >= max(1, s.def.Retry.Attempts):
			r.failStep(ctx, s, err)
			return
		}
		if err := workflow.Sleep(ctx, max(s.def.Retry.Wait.Std(), time.Second)); err != nil {
			r.endStep(ctx, s, stepSkipped, "the incident ended before it")
			return
		}
	}
}

// doStep does a step once, within its time-out.
func (r *incidentRun) doStep(ctx workflow.Context, s *step) error {
	if s.def.Timeout.Std() <= 0 {
		return r.doKind(ctx, s)
	}
	inner, cancel := workflow.WithCancel(ctx)
	defer cancel()
	done, late := false, false
	var err error
	workflow.Go(inner, func(ctx workflow.Context) {
		err = r.doKind(ctx, s)
		done = true
	})
	ok, werr := workflow.AwaitWithTimeout(ctx, s.def.Timeout.Std(), func() bool { return done })
	if werr == nil && !ok {
		late = true
	}
	if late {
		cancel()
		return fmt.Errorf("step %s: not done within %s", s.ID, s.def.Timeout.Std())
	}
	return firstOf(werr, err)
}

func (r *incidentRun) endStep(ctx workflow.Context, s *step, state, result string) {
	s.State, s.Result = state, result
	r.details(ctx)
}

// failStep records the failure; unless the runbook says to go on, the steps
// that need it stay undone and a person is told.
func (r *incidentRun) failStep(ctx workflow.Context, s *step, err error) {
	r.endStep(ctx, s, stepFailed, err.Error())
	text := fmt.Sprintf("Step %s of runbook %s failed: %v", s.ID, r.book.Name, err)
	if err := r.save(ctx, r.entry("failed", "vakhta", "", cut(text, 500))); err != nil {
		workflow.GetLogger(ctx).Error("A failed step could not be recorded", "step", s.ID, "error", err)
	}
	c, err := record[records.Composed](ctx, rec.ComposeTask, records.TaskParams{Subject: "incident/" + r.rec.ID, Key: "failed/" + s.ID, Text: cut(text, 300)})
	if err == nil {
		_, err = deliver(ctx, c, urgent)
	}
	if err != nil {
		workflow.GetLogger(ctx).Error("Nobody could be told of a failed step", "step", s.ID, "error", err)
	}
}

func (r *incidentRun) doKind(ctx workflow.Context, s *step) error {
	d := s.def
	switch {
	case d.Escalate != nil:
		return r.escalate(ctx, s, *d.Escalate)
	case d.Inform != nil:
		return r.inform(ctx, *d.Inform)
	case d.Verify != nil:
		return r.verify(ctx, s, *d.Verify)
	case d.Task != nil:
		return r.ask(ctx, s, *d.Task)
	case d.Approve != nil:
		return r.ask(ctx, s, *d.Approve)
	case d.Notify != nil:
		_, err := startBroadcast(ctx, BroadcastInput{Incident: r.rec.ID, Event: d.Notify.Event, Step: "notify/" + d.ID, Revision: s.Attempt})
		return err
	case d.Wait != nil:
		return workflow.Sleep(ctx, d.Wait.For.Std())
	case d.Resolve != nil:
		return r.resolve(ctx, Act{By: "vakhta"}, "All machines that it took down answer again")
	case d.Postmortem != nil:
		return r.postmortem(ctx)
	}
	return fmt.Errorf("step %s: kind %q is not known to this worker; upgrade it", s.ID, s.Kind)
}

// escalate starts paging a team; the step is done when somebody has it, or
// when the incident is over before.
func (r *incidentRun) escalate(ctx workflow.Context, s *step, d runbooks.Escalate) error {
	// The escalation outlives the step: it holds until the incident stops it.
	detached, _ := workflow.NewDisconnectedContext(ctx)
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(detached, workflow.ChildWorkflowOptions{
		WorkflowID: EscalateID(r.rec.ID, d.Team), StaticSummary: fmt.Sprintf("Team %s for incident %s", d.Team, r.rec.ID),
	}), Escalate, EscalateInput{Incident: r.rec.ID, Team: d.Team, Ladder: d.Ladder, Quiet: d.Quiet})
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return err
	}
	r.pages[d.Team] = child
	err := workflow.Await(ctx, func() bool {
		return r.teams[d.Team].State == "acknowledged" || r.rec.Status == incident.Resolved || child.IsReady()
	})
	if err != nil {
		return err
	}
	if child.IsReady() && r.rec.Status != incident.Resolved {
		if err := child.Get(ctx, nil); err != nil {
			return err
		}
	}
	if by := r.teams[d.Team].AcknowledgedBy; by != "" {
		s.Result = by + " has it"
	}
	return nil
}

// inform starts the beat of client updates, which goes on in the background.
func (r *incidentRun) inform(ctx workflow.Context, d runbooks.Inform) error {
	detached, _ := workflow.NewDisconnectedContext(ctx)
	r.informs = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(detached, workflow.ChildWorkflowOptions{
		WorkflowID: InformID(r.rec.ID), StaticSummary: fmt.Sprintf("Updates to %d clients of incident %s", len(r.rec.Clients), r.rec.ID),
	}), InformClients, InformInput{Incident: r.rec.ID, Every: d.Every, Debounce: d.Debounce, Told: r.told})
	return r.informs.GetChildWorkflowExecution().Get(ctx, nil)
}

// verify watches, from every vantage, until all machines that the incident
// took down answer again.
func (r *incidentRun) verify(ctx workflow.Context, s *step, d runbooks.Verify) error {
	plan, err := record[[]records.Watched](ctx, rec.WatchPlan, r.rec.Servers)
	if err != nil {
		return err
	}
	watch, stop := workflow.WithCancel(ctx)
	defer stop()
	up := map[string][]string{}
	var failed error
	for _, w := range plan {
		workflow.Go(watch, func(ctx workflow.Context) {
			if err := r.watch(ctx, w, d, up); err != nil && !temporal.IsCanceledError(err) {
				failed = err
			}
		})
	}
	err = workflow.Await(ctx, func() bool {
		return failed != nil || r.back >= len(r.rec.Servers) || r.resolved != ""
	})
	if err := firstOf(err, failed); err != nil {
		return err
	}
	s.Result = fmt.Sprintf("%d of %d back", len(r.rec.Restored), len(r.rec.Servers))
	return nil
}

// watch looks at one vantage's share; each change is saved, and told.
func (r *incidentRun) watch(ctx workflow.Context, w records.Watched, d runbooks.Verify, up map[string][]string) error {
	up[w.Vantage] = []string{}
	for {
		var got probe.WatchResult
		err := workflow.ExecuteActivity(withWatch(ctx, w.Vantage), look.Watch, probe.WatchParams{
			Vantage: w.Vantage, Components: w.Components, Up: up[w.Vantage],
			EveryMs: int(d.Every.Std().Milliseconds()), Stable: max(d.Stable, 1), MaxMs: int(watchFor.Milliseconds()),
		}).Get(ctx, &got)
		if err != nil {
			return err
		}
		if !got.Changed {
			continue
		}
		up[w.Vantage] = got.Up
		if err := r.seen(ctx, up); err != nil {
			return err
		}
	}
}

// seen records which machines are up now.
func (r *incidentRun) seen(ctx workflow.Context, up map[string][]string) error {
	var all []string
	for _, v := range sortedKeys(up) {
		all = append(all, up[v]...)
	}
	slices.Sort(all)
	back, gone := minus(all, r.rec.Restored), minus(r.rec.Restored, all)
	var entries []incident.Entry
	if len(back) > 0 {
		entries = append(entries, r.entry("restored", "vakhta", "", fmt.Sprintf("%d of %d servers answer again: %s", len(all), len(r.rec.Servers), some(back))))
	}
	if len(gone) > 0 {
		entries = append(entries, r.entry("lost", "vakhta", "", "No longer answer: "+some(gone)))
	}
	r.rec.Restored = all
	if len(all) > 0 && r.rec.Status != incident.Resolved {
		r.rec.Status = incident.Monitoring
	}
	if len(all) == 0 && r.rec.Status == incident.Monitoring {
		r.rec.Status = incident.Identified
	}
	partly := len(all) < len(r.rec.Servers)
	if err := r.save(ctx, entries...); err != nil {
		return err
	}
	r.back = len(all) // only now: the verify step ends the watches, and their writes, with it
	if partly { // the whole is told by the resolution
		r.changed(ctx, "restored")
	}
	return nil
}

// ask waits for a person to do or to decide.
func (r *incidentRun) ask(ctx workflow.Context, s *step, d runbooks.Task) error {
	s.answer = nil
	c, err := record[records.Composed](ctx, rec.ComposeTask, records.TaskParams{
		Subject: "incident/" + r.rec.ID, Key: fmt.Sprintf("%s/%d", s.ID, s.Attempt), Team: d.Team, Text: d.Text,
	})
	if err != nil {
		return err
	}
	if _, err := deliver(ctx, c, normal); err != nil {
		return err
	}
	if err := workflow.Await(ctx, func() bool { return s.answer != nil }); err != nil {
		return err
	}
	if s.answer.refused {
		return temporal.NewNonRetryableApplicationError("refused: "+s.answer.result, "Refused", nil)
	}
	s.Result = s.answer.result
	return nil
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

// some names a few of many.
func some(ids []string) string {
	if len(ids) <= 5 {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:5], ", "), len(ids)-5)
}

// minus are the ids of a that b lacks.
func minus(a, b []string) []string {
	var out []string
	for _, id := range a {
		if !slices.Contains(b, id) {
			out = append(out, id)
		}
	}
	return out
}
