package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/internal/incident"
)

// handle registers an update: validated before it is accepted, then done.
func handle[U any](ctx workflow.Context, r *incidentRun, name, about string, validate func(U) error, do func(workflow.Context, U) error) error {
	err := workflow.SetUpdateHandlerWithOptions(ctx, name, func(ctx workflow.Context, u U) (IncidentStatus, error) {
		err := do(ctx, u)
		return r.status(), err
	}, workflow.UpdateHandlerOptions{Description: about, Validator: func(u U) error {
		if r.rec.ID == "" || len(r.steps) == 0 {
			return invalid("incident: is still being opened; try again in a moment")
		}
		return validate(u)
	}})
	if err != nil {
		return fmt.Errorf("set update %s: %w", name, err)
	}
	return nil
}

func (r *incidentRun) updates(ctx workflow.Context) error {
	steps := []error{
		handle(ctx, r, UpdateAcknowledge, "Take the incident", r.validateAcknowledge, r.acknowledge),
		handle(ctx, r, UpdateNote, "Add a line to the timeline", func(u NoteUpdate) error { return firstOf(u.validate(), required("text", u.Text)) }, r.note),
		handle(ctx, r, UpdateChecked, "Say what was looked at and found", func(u CheckedUpdate) error {
			return firstOf(u.validate(), required("component", u.Component, "result", u.Result))
		}, r.checked),
		handle(ctx, r, UpdateRestored, "Say which machines are back", r.validateRestored, r.restored),
		handle(ctx, r, UpdateSetETA, "Say when the rest will be back", r.validateETA(ctx), r.setETA),
		handle(ctx, r, UpdateSetSeverity, "Change the severity", func(u SetSeverityUpdate) error {
			return firstOf(u.validate(), r.unresolved(), required("severity", string(u.Severity)), IncidentInput{Incident: r.rec.ID, Severity: u.Severity}.validate())
		}, r.setSeverity),
		handle(ctx, r, UpdateCompleteTask, "Complete a manual step", func(u CompleteTaskUpdate) error { return firstOf(u.validate(), r.waitsFor(u.Step, "task")) }, r.completeTask),
		handle(ctx, r, UpdateApprove, "Pass or refuse a gate", func(u ApproveUpdate) error { return firstOf(u.validate(), r.waitsFor(u.Step, "approve")) }, r.approve),
		handle(ctx, r, UpdateResolve, "Resolve by hand", r.validateResolve, func(ctx workflow.Context, u ResolveUpdate) error {
			return r.resolve(ctx, u.Act, "Resolved by hand: "+u.Reason)
		}),
		handle(ctx, r, UpdateAskHands, "Have people at the site look at one thing", r.validateAskHands, r.askHands),
		handle(ctx, r, UpdateReopen, "Open a resolved incident again", r.validateReopen, r.reopen),
	}
	return firstOf(steps...)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// unresolved refuses what makes no sense once the incident is over.
func (r *incidentRun) unresolved() error {
	if r.rec.Status == incident.Resolved {
		return invalid("incident: %s is resolved; reopen it first", r.rec.ID)
	}
	return nil
}

func (r *incidentRun) validateAcknowledge(u AcknowledgeUpdate) error {
	if err := firstOf(u.validate(), r.unresolved()); err != nil {
		return err
	}
	if _, ok := r.pages[u.Team]; u.Team != "" && !ok {
		return invalid("team: %q is not being paged; there are: %s", u.Team, strings.Join(sortedKeys(r.pages), ", "))
	}
	return nil
}

// acknowledge passes it to the escalations, which tell the others to stand down.
func (r *incidentRun) acknowledge(ctx workflow.Context, u AcknowledgeUpdate) error {
	for _, team := range sortedKeys(r.pages) {
		if u.Team != "" && u.Team != team {
			continue
		}
		workflow.SignalExternalWorkflow(ctx, EscalateID(r.rec.ID, team), "", SignalAcknowledged, PageAnswer{Contact: u.By, Via: u.Via})
	}
	return r.save(ctx, r.entry("acknowledged", u.By, u.Via, u.By+" has taken the incident"))
}

func (r *incidentRun) note(ctx workflow.Context, u NoteUpdate) error {
	r.alive(ctx, u.Act)
	e := r.entry("note", u.By, u.Via, u.Text)
	e.Internal = u.Internal
	return r.save(ctx, e)
}

func (r *incidentRun) checked(ctx workflow.Context, u CheckedUpdate) error {
	r.alive(ctx, u.Act)
	return r.save(ctx, r.entry("check", u.By, u.Via, u.Component+": "+u.Result))
}

func (r *incidentRun) validateRestored(u RestoredUpdate) error {
	if err := firstOf(u.validate(), r.unresolved()); err != nil {
		return err
	}
	if len(u.Components) == 0 {
		return invalid("components: name at least one")
	}
	for i, id := range u.Components {
		if id != r.rec.Component && id != r.rec.Finding.Component && !r.rec.Cut() && !slices.Contains(r.rec.Servers, id) {
			return invalid("components[%d]: %q is no part of incident %s", i, id, r.rec.ID)
		}
	}
	return nil
}

// restored records a person's word. Clients are told by what the probes see,
// never by belief: the verify step has the last word.
func (r *incidentRun) restored(ctx workflow.Context, u RestoredUpdate) error {
	r.alive(ctx, u.Act)
	return r.save(ctx, r.entry("repair", u.By, u.Via, "Said to be repaired: "+strings.Join(u.Components, ", ")))
}

func (r *incidentRun) validateETA(ctx workflow.Context) func(SetETAUpdate) error {
	return func(u SetETAUpdate) error {
		if err := firstOf(u.validate(), r.unresolved()); err != nil {
			return err
		}
		if u.At.IsZero() || !u.At.After(workflow.Now(ctx)) {
			return invalid(`at: must be an instant in the future, like "2026-03-01T04:30:00+03:00"`)
		}
		return nil
	}
}

func (r *incidentRun) setETA(ctx workflow.Context, u SetETAUpdate) error {
	r.rec.ETA = u.At.UTC()
	r.alive(ctx, u.Act)
	if err := r.save(ctx, r.entry("eta", u.By, u.Via, "Expected to be back by "+u.At.UTC().Format(time.RFC3339))); err != nil {
		return err
	}
	r.changed(ctx, "eta")
	return nil
}

func (r *incidentRun) setSeverity(ctx workflow.Context, u SetSeverityUpdate) error {
	was := r.rec.Severity
	r.rec.Severity = u.Severity
	r.alive(ctx, u.Act)
	return r.save(ctx, r.entry("severity", u.By, u.Via, fmt.Sprintf("Severity %s, was %s", u.Severity, was)))
}

func (r *incidentRun) waitsFor(id, kind string) error {
	if err := required("step", id); err != nil {
		return err
	}
	for _, s := range r.steps {
		if s.ID == id && s.Kind == kind && s.State == stepRunning && s.answer == nil {
			return nil
		}
	}
	return invalid("step: no %s step %q is waiting for a person now", kind, id)
}

func (r *incidentRun) completeTask(ctx workflow.Context, u CompleteTaskUpdate) error {
	r.find(u.Step).answer = &stepAnswer{result: u.Result}
	r.alive(ctx, u.Act)
	return r.save(ctx, r.entry("task", u.By, u.Via, fmt.Sprintf("Done: %s %s", u.Step, u.Result)))
}

func (r *incidentRun) approve(ctx workflow.Context, u ApproveUpdate) error {
	r.find(u.Step).answer = &stepAnswer{refused: u.Refuse, result: u.Reason}
	word := "Approved"
	if u.Refuse {
		word = "Refused"
	}
	return r.save(ctx, r.entry("approval", u.By, u.Via, strings.TrimSpace(fmt.Sprintf("%s: %s %s", word, u.Step, u.Reason))))
}

func (r *incidentRun) find(id string) *step {
	for _, s := range r.steps {
		if s.ID == id {
			return s
		}
	}
	return &step{}
}

func (r *incidentRun) validateResolve(u ResolveUpdate) error {
	if r.rec.Status == incident.Resolved {
		return invalid("incident: %s is resolved already", r.rec.ID)
	}
	return firstOf(u.validate(), required("reason", u.Reason))
}
