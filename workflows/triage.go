package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
)

// gatherFor is how long triage waits for the alerts that follow the first one:
// one failure sets off many.
const gatherFor = 2 * time.Second

// TriageStatus is what triage has in hand.
type TriageStatus struct {
	Region    string   `json:"region"`
	Pending   int      `json:"pending"`
	Incidents []string `json:"incidents"` // opened or joined lately
}

// Triage turns the alerts of a region into incidents: it gathers them for a
// moment, localizes what they point at, and opens one incident per finding.
// There is one per region, and it runs for ever, as new.
func Triage(ctx workflow.Context, in TriageInput) error {
	if err := required("region", in.Region); err != nil {
		return err
	}
	t := &triage{in: in, pending: in.Pending, status: TriageStatus{Region: in.Region, Incidents: []string{}}}
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryGroups, func() (TriageStatus, error) {
		t.status.Pending = len(t.pending)
		return t.status, nil
	}, workflow.QueryHandlerOptions{Description: "Alerts in hand, incidents they came to"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryGroups, err)
	}
	if err := upsert(ctx, AttrSite.ValueSet(in.Region)); err != nil {
		return err
	}
	return t.run(ctx)
}

type triage struct {
	in      TriageInput
	pending []string // alert ids
	status  TriageStatus
	round   int
}

func (t *triage) run(ctx workflow.Context) error {
	signals := workflow.GetSignalChannel(ctx, SignalAlerts)
	for {
		if len(t.pending) == 0 {
			t.take(ctx, signals)
		}
		if err := workflow.Sleep(ctx, gatherFor); err != nil {
			return err
		}
		t.drain(signals)
		batch := t.pending
		t.pending = nil
		if err := t.group(ctx, batch); err != nil {
			return err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			t.drain(signals)
			return workflow.NewContinueAsNewError(ctx, Triage, TriageInput{Region: t.in.Region, Pending: t.pending})
		}
	}
}

func (t *triage) take(ctx workflow.Context, signals workflow.ReceiveChannel) {
	var s AlertsSignal
	signals.Receive(ctx, &s)
	t.add(s)
}

func (t *triage) drain(signals workflow.ReceiveChannel) {
	for {
		var s AlertsSignal
		if !signals.ReceiveAsync(&s) {
			return
		}
		t.add(s)
	}
}

func (t *triage) add(s AlertsSignal) {
	for _, id := range s.IDs {
		if !slices.Contains(t.pending, id) {
			t.pending = append(t.pending, id)
		}
	}
}

func (t *triage) group(ctx workflow.Context, ids []string) error {
	scope, err := record[records.TriageScope](ctx, rec.ScopeAlerts, ids)
	if err != nil {
		return err
	}
	if len(scope.Unknown) > 0 {
		if err := t.task(ctx, scope.Unknown); err != nil {
			return err
		}
	}
	if len(scope.Components) == 0 {
		return nil
	}
	t.round++
	key := fmt.Sprintf("%s-%d", workflow.GetInfo(ctx).WorkflowExecution.RunID[:8], t.round)
	var found LocalizeResult
	err = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: LocalizeID("triage-"+t.in.Region, key), StaticSummary: fmt.Sprintf("%d components that alerts point at", len(scope.Components)),
	}), Localize, LocalizeInput{Components: scope.Components}).Get(ctx, &found)
	if err != nil {
		workflow.GetLogger(ctx).Error("Alerts could not be localized", "region", t.in.Region, "error", err)
		return nil
	}
	return t.open(ctx, key, ids, found)
}

func (t *triage) open(ctx workflow.Context, key string, ids []string, found LocalizeResult) error {
	for i, f := range found.Findings {
		o, err := openIncident(ctx, fmt.Sprintf("triage/%s/%s/%d", t.in.Region, key, i), f, found.Sweep, nil)
		if err != nil {
			return err
		}
		about := append([]string{f.Component}, f.Explains...)
		if _, err := record[int](ctx, rec.LinkAlerts, records.LinkAlertsParams{IDs: ids, Incident: o.Incident.ID, Servers: about}); err != nil {
			return err
		}
		t.status.Incidents = append(t.status.Incidents, o.Incident.ID)
		if n := len(t.status.Incidents); n > 20 {
			t.status.Incidents = t.status.Incidents[n-20:]
		}
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d rounds; last incidents: %s", t.round, some(t.status.Incidents)))
	return nil
}

// task: alerts about something that the inventory doesn't know are a person's.
func (t *triage) task(ctx workflow.Context, unknown []string) error {
	text := fmt.Sprintf("%d alerts name nothing in the inventory; look at %s", len(unknown), some(unknown))
	c, err := record[records.Composed](ctx, rec.ComposeTask, records.TaskParams{Subject: "triage/" + t.in.Region, Key: "unknown/" + unknown[0], Text: text})
	if err != nil {
		return err
	}
	_, err = deliver(ctx, c, normal)
	return err
}
