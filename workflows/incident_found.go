package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/internal/incident"
)

// An incident that a critical alert has raised is provisional: somebody is
// paged, and everything else waits until it is known what has failed.

// known: what has failed is known, or that no probe sees it, or it is over.
func (r *incidentRun) known() bool {
	return !r.rec.Provisional || r.nothing || r.rec.Status == incident.Resolved
}

// tellFound tells a provisional incident what its cause is. Its workflow may
// not have begun: whoever raised it died before.
func tellFound(ctx workflow.Context, in incident.Incident, s FoundSignal) error {
	err := workflow.SignalExternalWorkflow(ctx, IncidentID(in.ID), "", SignalFound, s).Get(ctx, nil)
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	if err := startIncident(ctx, in, "", nil); err != nil {
		return err
	}
	err = workflow.SignalExternalWorkflow(ctx, IncidentID(in.ID), "", SignalFound, s).Get(ctx, nil)
	if gone(err) {
		return nil // resolved meanwhile
	}
	return err
}

// gone: there is no such workflow any more.
func gone(err error) bool {
	var unknown *temporal.UnknownExternalWorkflowExecutionError
	var missing *serviceerror.NotFound
	return errors.As(err, &unknown) || errors.As(err, &missing)
}

// learn takes in what is found.
func (r *incidentRun) learn(ctx workflow.Context) {
	for {
		if err := workflow.Await(ctx, func() bool { return len(r.found) > 0 }); err != nil {
			return
		}
		s := r.found[0]
		r.found = r.found[1:]
		if err := r.takeFound(ctx, s); err != nil && ctx.Err() == nil {
			workflow.GetLogger(ctx).Error("A finding could not be taken in", "incident", r.rec.ID, "error", err)
		}
	}
}

func (r *incidentRun) takeFound(ctx workflow.Context, s FoundSignal) error {
	switch {
	case !r.rec.Provisional || r.rec.Status == incident.Resolved:
		return nil
	case s.Into != "":
		return r.mergeInto(ctx, s.Into)
	case s.Nothing:
		if r.nothing {
			return nil
		}
		r.nothing = true
		return r.save(ctx, r.entry("unexplained", "vakhta", "", "No probe finds a failure that explains the alert; a person must look"))
	}
	if err := r.reload(ctx); err != nil {
		return err
	}
	r.hands.look = r.hands.look || r.ambiguous()
	r.details(ctx)
	if r.untold != nil {
		if err := r.inform(ctx, *r.untold); err != nil {
			return err
		}
	}
	r.changed(ctx, "finding")
	return r.show(ctx)
}

// reload takes the finding from the store, which never gives up one that it has.
func (r *incidentRun) reload(ctx workflow.Context) error {
	if err := r.writing.Lock(ctx); err != nil {
		return err
	}
	defer r.writing.Unlock()
	got, err := recordHere[incident.Incident](ctx, rec.Incident, r.rec.ID)
	if err != nil {
		return err
	}
	r.rec.Provisional = got.Provisional
	r.rec.Component, r.rec.Title, r.rec.Site, r.rec.Finding, r.rec.Sweep = got.Component, got.Title, got.Site, got.Finding, got.Sweep
	r.rec.Servers, r.rec.ServerCount, r.rec.Clients = got.Servers, got.ServerCount, got.Clients
	r.rec.Severity = min(r.rec.Severity, got.Severity)
	if r.rec.Status == incident.Investigating {
		r.rec.Status = got.Status
	}
	return nil
}

// mergeInto ends it in favour of the incident of the same failure: who has
// taken it has taken that one, and nobody else hears anything.
func (r *incidentRun) mergeInto(ctx workflow.Context, other string) error {
	r.merged = other
	for _, team := range sortedKeys(r.pages) {
		if t := r.teams[team]; t.State == "acknowledged" {
			workflow.SignalExternalWorkflow(ctx, EscalateID(other, team), "", SignalAcknowledged, PageAnswer{Contact: t.AcknowledgedBy, Via: t.Via})
		}
	}
	return r.resolve(ctx, Act{By: "vakhta"}, fmt.Sprintf("It is the failure of incident %s, which goes on", other))
}

// alertsOver waits until none of its alerts fires any more: of an incident that
// counts no machine nothing else can be seen. It ends early when it comes to count some.
func (r *incidentRun) alertsOver(ctx workflow.Context, s *step) (bool, error) {
	for {
		over, err := record[bool](ctx, rec.AlertsOver, r.rec.ID)
		if err != nil || over {
			return over, err
		}
		r.quieter = false
		err = workflow.Await(ctx, func() bool { return r.quieter || r.rec.Affected() > 0 || r.overtaken(s) })
		if err != nil || !r.quieter {
			return false, err
		}
	}
}
