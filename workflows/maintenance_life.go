package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

// proclaim tells those whom an impact befalls of the work's present revision.
// Where they must confirm, it climbs until each has, or the work begins, and
// goes on in the background.
func (m *maintained) proclaim(ctx workflow.Context, i maintenance.Impact, event string) error {
	w, now := m.work(), workflow.Now(ctx)
	m.told[i] = now
	if w.Announced.IsZero() {
		w.Announced = now.UTC()
		if err := m.save(ctx, "announced", itself, fmt.Sprintf("Its clients are told (%s), revision %d", i, w.Revision)); err != nil {
			return err
		}
	}
	in := BroadcastInput{Event: event, Step: records.StepAnnounce(i), Impacts: []maintenance.Impact{i}}
	if !i.MustConfirm() {
		return m.broadcast(ctx, in)
	}
	m.retract()
	if m.status.Clients == 0 {
		return nil
	}
	until := max(w.StartsAt.Sub(now), 4*time.Second)
	in.Work, in.Revision, in.Team, in.RequireAck, in.Window = w.ID, w.Revision, w.Owner, true, w.StartsAt
	in.RungWait = runbooks.Duration(min(24*time.Hour, until/4).Round(time.Second))
	child, cancel := workflow.WithCancel(ctx)
	m.announce = cancel
	return broadcastChild(child, in, until+24*time.Hour).GetChildWorkflowExecution().Get(ctx, nil)
}

// retract ends the announcement that climbs: what has not left is taken back.
func (m *maintained) retract() {
	if m.announce != nil {
		m.announce()
		m.announce = nil
	}
}

// broadcast tells one message about the work, and waits until it is sent. A
// message for nobody is not begun.
func (m *maintained) broadcast(ctx workflow.Context, in BroadcastInput) error {
	w := m.work()
	impacts := in.Impacts
	if impacts == nil {
		impacts = w.Told()
	}
	if (m.status.Clients == 0 || !slices.Contains(impacts, maintenance.Outage)) &&
		(m.status.Slowed == 0 || !slices.Contains(impacts, maintenance.Degraded)) &&
		(m.status.Reduced == 0 || !slices.Contains(impacts, maintenance.ReducedRedundancy)) {
		return nil
	}
	in.Work, in.Revision, in.Team = w.ID, w.Revision, w.Owner
	_, err := startBroadcast(ctx, in)
	return err
}

// tellKnowing tells one message to those who have heard of the work.
func (m *maintained) tellKnowing(ctx workflow.Context, event, step string) error {
	var who []maintenance.Impact
	for _, i := range maintenance.Impacts {
		if _, told := m.told[i]; told {
			who = append(who, i)
		}
	}
	if len(who) == 0 {
		return nil
	}
	return m.broadcast(ctx, BroadcastInput{Event: event, Step: step, Impacts: who})
}

// begin opens the window. What is up at this moment must be up after it.
func (m *maintained) begin(ctx workflow.Context, by Act) error {
	m.retract() // who has not confirmed by now is told that it has begun
	w := m.work()
	w.Status = maintenance.Running
	if now := workflow.Now(ctx); now.Before(w.StartsAt) { // its window is open from now on
		w.StartsAt = now.UTC()
	}
	before, swept := m.sweep(ctx, "before")
	if swept {
		m.status.Before, m.status.DownThen = before.Sweep, before.Progress.Down
	}
	text := "Begun"
	switch {
	case !swept:
		text = "Begun; what it touches could not be swept before"
	case m.status.DownThen > 0:
		text = fmt.Sprintf("Begun; of what it touches %s down before", agreed(m.status.DownThen, "machine was", "machines were"))
	}
	if err := m.save(ctx, "begun", by, text); err != nil {
		return err
	}
	if !swept {
		if err := m.task(ctx, "unswept/before", fmt.Sprintf("Before planned work %s the machines could not be swept: after it nobody can compare", w.ID)); err != nil {
			return err
		}
	}
	return m.broadcast(ctx, BroadcastInput{Event: "maintenance.begun", Step: "begun"})
}

// sweep looks at everything that the work touches.
func (m *maintained) sweep(ctx workflow.Context, when string) (out LocalizeResult, ok bool) {
	w := m.work()
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: LocalizeID("maintenance-"+w.ID, fmt.Sprintf("%s-%d", when, w.Revision)), StaticSummary: when + " planned work " + w.ID,
		WorkflowExecutionTimeout: 10 * time.Minute,
	}), Localize, LocalizeInput{Work: w.ID}).Get(ctx, &out)
	if err != nil {
		workflow.GetLogger(ctx).Error("A sweep around planned work failed", "work", w.ID, "when", when, "error", err)
	}
	return out, err == nil
}

// extend moves the end of a running work, and tells everybody.
func (m *maintained) extend(ctx workflow.Context, by Act, end time.Time) error {
	m.work().EndsAt = end.UTC()
	if err := m.save(ctx, "extended", by, "It takes until "+end.UTC().Format("2006-01-02 15:04 UTC")); err != nil {
		return err
	}
	m.sent++
	return m.broadcast(ctx, BroadcastInput{Event: "maintenance.delayed", Step: fmt.Sprintf("delayed/%d", m.sent)})
}

// end ends the work: everything that it touched is swept first, and what didn't
// come back is an incident before its owner notices. Everybody else hears that
// it is over.
func (m *maintained) end(ctx workflow.Context, by Act, status maintenance.Status, event string) error {
	w := m.work()
	w.Status = status
	if now := workflow.Now(ctx); now.Before(w.EndsAt) {
		w.EndsAt = now.UTC()
	}
	if err := m.save(ctx, string(status), by, "The work is "+string(status)); err != nil { // what is down from now on is news
		return err
	}
	found, swept := m.sweep(ctx, "after")
	if !swept {
		if err := m.task(ctx, "unswept", fmt.Sprintf("After planned work %s the machines could not be swept: check by hand that all are back", w.ID)); err != nil {
			return err
		}
	}
	m.status.After = found.Sweep
	except, err := m.comeBack(ctx, found)
	if err != nil {
		return err
	}
	return m.broadcast(ctx, BroadcastInput{Event: event, Step: "done", Except: except})
}

// comeBack opens an incident for each failure that the sweep after the work
// found, and for whatever was up before and is not now; alerts that were silent
// meanwhile and fire still are tied to them, or go to triage. It returns the
// clients who hear from an incident.
func (m *maintained) comeBack(ctx workflow.Context, found LocalizeResult) (except []string, err error) {
	w := m.work()
	var explained []string
	for i, f := range found.Findings {
		clients, err := m.missing(ctx, fmt.Sprint(i), f, found.Sweep, false)
		if err != nil {
			return nil, err
		}
		except = append(except, clients...)
		explained = append(append(explained, f.Component), f.Explains...)
	}
	if m.status.Before != "" && found.Sweep != "" {
		lost, err := record[[]records.Missing](ctx, rec.WhatIsMissing, records.MissingParams{Before: m.status.Before, After: found.Sweep, Explained: explained})
		if err != nil {
			return nil, err
		}
		for _, l := range lost {
			f := topology.Finding{Component: l.Component, Evidence: []topology.Evidence{{Component: l.Component, Text: l.Text}}}
			if l.Down {
				f.Explains = []string{l.Component}
			}
			clients, err := m.missing(ctx, l.Component, f, found.Sweep, !l.Down)
			if err != nil {
				return nil, err
			}
			except = append(except, clients...)
		}
	}
	return except, m.wake(ctx, w.ID)
}

// missing opens the incident of something that did not come back.
func (m *maintained) missing(ctx workflow.Context, key string, f topology.Finding, sweep string, working bool) ([]string, error) {
	w := m.work()
	o, err := openIncidentAs(ctx, records.OpenIncidentParams{
		RequestKey: fmt.Sprintf("maintenance/%s/%d/%s", w.ID, w.Revision, key), Finding: f, Sweep: sweep, Work: w.ID, Working: working,
	}, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(m.status.Incidents, o.Incident.ID) {
		m.status.Incidents = append(m.status.Incidents, o.Incident.ID)
	}
	return o.Incident.Clients, nil
}

// wake gives the alerts back to triage that the work silenced and that fire
// still, by the site of their machines.
func (m *maintained) wake(ctx workflow.Context, work string) error {
	alerts, err := record[records.Silenced](ctx, rec.SilencedAlerts, work)
	if err != nil {
		return err
	}
	for _, region := range sortedKeys(alerts.ByRegion) {
		ids := alerts.ByRegion[region]
		child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
			WorkflowID: TriageID(region), TaskQueue: QueueRunbooks, ParentClosePolicy: abandon, StaticSummary: "alerts at " + region,
		})
		err := workflow.ExecuteChildWorkflow(child, Triage, TriageInput{Region: region, Pending: ids}).GetChildWorkflowExecution().Get(ctx, nil)
		if alreadyStarted(err) {
			err = workflow.SignalExternalWorkflow(ctx, TriageID(region), "", SignalAlerts, AlertsSignal{IDs: ids}).Get(ctx, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
