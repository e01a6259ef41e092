package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
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
	def     runbooks.Step
	follows bool        // it comes after the resolution: closing the incident doesn't end it
	answer  *stepAnswer // what a person said, for task and approve
	judged  gist        // by what its condition was last decided
}

type stepAnswer struct {
	refused bool
	result  string
}

// errOvertaken ends a step that the resolution has made needless.
var errOvertaken = errors.New("the incident was resolved before it was done")

// newSteps are the steps of a runbook, none begun; the loader has made sure
// that a step stands behind those that it needs, in no circle.
func newSteps(rb runbooks.Runbook) []*step {
	out := make([]*step, 0, len(rb.Steps))
	for _, d := range rb.Steps {
		out = append(out, &step{def: d, follows: d.Resolve != nil || d.Postmortem != nil, StepStatus: StepStatus{
			ID: d.ID, Kind: d.Kind(), State: stepWaiting, Title: d.Title, Manual: d.Task != nil || d.Approve != nil,
		}})
	}
	for range out { // as often as the longest chain may be
		for _, s := range out {
			s.follows = s.follows || slices.ContainsFunc(out, func(o *step) bool { return o.follows && slices.Contains(s.def.Needs, o.ID) })
		}
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

// overtaken: the incident is resolved, and the step doesn't follow from that.
func (r *incidentRun) overtaken(s *step) bool {
	return r.rec.Status == incident.Resolved && !s.follows
}

// runSteps runs the runbook: each step begins when all that it needs has
// passed; a step that needs a failed one is never run. It ends when nothing is
// left to do and the incident is resolved, or when it was opened again.
func (r *incidentRun) runSteps(ctx workflow.Context) error {
	work, cancel := workflow.WithCancel(ctx)
	defer cancel()
	left := len(r.steps)
	for _, s := range r.steps {
		workflow.Go(work, func(ctx workflow.Context) {
			r.runStep(ctx, s)
			left--
		})
	}
	// When nothing is left to do by the book and it isn't over, a person decides.
	err := workflow.Await(ctx, func() bool {
		return r.reopened || (left == 0 && r.rec.Status == incident.Resolved && !r.closing)
	})
	cancel()
	detached, _ := workflow.NewDisconnectedContext(ctx)
	return firstOf(err, workflow.Await(detached, func() bool { return left == 0 }))
}

func (r *incidentRun) runStep(ctx workflow.Context, s *step) {
	needed := make([]*step, 0, len(s.def.Needs))
	for _, id := range s.def.Needs {
		needed = append(needed, r.find(id))
	}
	err := workflow.Await(ctx, func() bool {
		return r.overtaken(s) || !slices.ContainsFunc(needed, func(n *step) bool { return !n.over() })
	})
	switch {
	case err != nil:
	case ctx.Err() != nil: // what it needed ended because all is cancelled
		err = ctx.Err()
	case r.overtaken(s):
		err = errOvertaken
	}
	if err != nil {
		r.endStep(ctx, s, stepSkipped, ended(err))
		return
	}
	if i := slices.IndexFunc(needed, func(n *step) bool { return !n.passed() }); i >= 0 {
		r.endStep(ctx, s, stepSkipped, "needs "+needed[i].ID+", which failed")
		return
	}
	proceed, err := r.mayProceed(ctx, s)
	switch {
	case errors.Is(err, errOvertaken):
		r.endStep(ctx, s, stepSkipped, ended(err))
	case temporal.IsCanceledError(err):
		r.endStep(ctx, s, stepSkipped, ended(err))
	case err != nil:
		r.failStep(ctx, s, err)
	case !proceed:
		r.endStep(ctx, s, stepSkipped, "its condition is false")
		r.reconsider(ctx, s)
	default:
		r.tryStep(ctx, s)
	}
}

// gist is what of an incident decides whom it is for, and may change.
type gist struct {
	severity         incident.Severity
	component        string
	kind             inventory.Kind
	sure             float64
	servers, clients int
}

func (r *incidentRun) gist() gist {
	f := &r.rec.Finding
	return gist{r.rec.Severity, f.Component, f.Kind, f.Itself(), r.rec.Affected(), len(r.rec.Clients)}
}

// reconsider makes a page that was skipped after all, once its condition holds: what seemed to be a rack may prove
// to be its switch, and what hit one client may hit ten.
func (r *incidentRun) reconsider(ctx workflow.Context, s *step) {
	if s.def.Escalate == nil || s.follows {
		return
	}
	for {
		if err := workflow.Await(ctx, func() bool { return r.overtaken(s) || r.gist() != s.judged }); err != nil || r.overtaken(s) {
			return
		}
		switch now, err := r.condition(ctx, s); {
		case temporal.IsCanceledError(err):
			return
		case err != nil:
			r.failStep(ctx, s, err)
			return
		case now:
			r.tryStep(ctx, s)
			return
		}
	}
}

// mayProceed decides whether a step is done. Before it is known what has failed
// only pages go out, and a step whose condition doesn't hold yet may still come.
func (r *incidentRun) mayProceed(ctx workflow.Context, s *step) (bool, error) {
	if !r.known() && s.def.Escalate != nil {
		if now, err := r.condition(ctx, s); err != nil || now {
			return now, err
		}
	}
	if !r.known() {
		if err := workflow.Await(ctx, func() bool { return r.known() || r.overtaken(s) }); err != nil {
			return false, err
		}
		if r.overtaken(s) {
			return false, errOvertaken
		}
	}
	return r.condition(ctx, s)
}

// ended says why a step was not done.
func ended(err error) string {
	if errors.Is(err, errOvertaken) {
		return errOvertaken.Error()
	}
	return "the incident ended before it was done"
}

func (r *incidentRun) condition(ctx workflow.Context, s *step) (bool, error) {
	if s.def.If == "" {
		return true, nil
	}
	s.judged = r.gist() // it may change while the condition is decided
	f := records.RunbookFacts(r.rec)
	f.Inputs, f.Steps = r.book.Inputs, map[string]string{}
	for _, o := range r.steps {
		f.Steps[o.ID] = o.State
	}
	p := records.ConditionParams{Expression: s.def.If, Facts: f}
	if r.rec.Cut() {
		p.Incident = r.rec.ID
	}
	return recordHere[bool](ctx, rec.Condition, p)
}

func (r *incidentRun) tryStep(ctx workflow.Context, s *step) {
	s.State, s.Result, s.Since = stepRunning, "", workflow.Now(ctx).UTC()
	r.details(ctx)
	for {
		s.Attempt++
		result, err := r.doStep(ctx, s)
		switch {
		case err == nil:
			r.endStep(ctx, s, stepDone, result)
			return
		case temporal.IsCanceledError(err), errors.Is(err, errOvertaken):
			r.endStep(ctx, s, stepSkipped, ended(err))
			return
		case s.Attempt >= s.def.Retry.Attempts, final(err):
			r.failStep(ctx, s, err)
			return
		}
		if err := r.pause(ctx, s, max(s.def.Retry.Wait.Std(), time.Second)); err != nil {
			r.endStep(ctx, s, stepSkipped, ended(err))
			return
		}
	}
}

// final: trying again would come to the same, or a person has said no.
func final(err error) bool {
	var e *temporal.ApplicationError
	return errors.As(err, &e) && e.NonRetryable()
}

// pause waits, unless the incident is resolved meanwhile.
func (r *incidentRun) pause(ctx workflow.Context, s *step, d time.Duration) error {
	overtaken, err := workflow.AwaitWithTimeout(ctx, d, func() bool { return r.overtaken(s) })
	if err == nil && overtaken {
		return errOvertaken
	}
	return err
}

// doStep does a step once, within its time-out.
func (r *incidentRun) doStep(ctx workflow.Context, s *step) (string, error) {
	if s.def.Timeout.Std() <= 0 {
		return r.doKind(ctx, s)
	}
	inner, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var result string
	var err error
	done := false
	workflow.Go(inner, func(ctx workflow.Context) {
		result, err = r.doKind(ctx, s)
		done = true
	})
	inTime, werr := workflow.AwaitWithTimeout(ctx, s.def.Timeout.Std(), func() bool { return done })
	switch {
	case werr != nil:
		return "", werr
	case !inTime:
		return "", fmt.Errorf("step %s: not done within %s", s.ID, s.def.Timeout.Std())
	}
	return result, err
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
	detached, _ := workflow.NewDisconnectedContext(ctx) // the steps may be over before it is sent
	r.tell(detached, "failed/"+r.nth(s.ID), "", text, urgent)
}

// tell hands something to a person; it is sent in the background, so that a
// slow provider doesn't hold the runbook.
func (r *incidentRun) tell(ctx workflow.Context, key, team, text string, priority int) {
	r.telling++
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { r.telling-- }()
		if err := handTask(ctx, "incident/"+r.rec.ID, key, team, text, priority); err != nil {
			workflow.GetLogger(ctx).Error("Nobody could be told of a task", "incident", r.rec.ID, "task", key, "error", err)
		}
	})
}

// nth tells the runs of a reopened incident apart: what was sent in the first
// is sent again in the second.
func (r *incidentRun) nth(key string) string {
	if r.reopens == 0 {
		return key
	}
	return fmt.Sprintf("%s/reopened-%d", key, r.reopens)
}
