package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/incident"
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
		if err := workflow.Await(ctx, func() bool { return len(t.pending) > 0 || signals.Len() > 0 }); err != nil {
			return err
		}
		if err := workflow.Sleep(ctx, gatherFor); err != nil {
			return err
		}
		t.drain(signals)
		batch := t.pending
		t.pending = nil
		if err := t.handle(ctx, batch); err != nil {
			return err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			t.drain(signals)
			return workflow.NewContinueAsNewError(ctx, Triage, TriageInput{Region: t.in.Region, Pending: t.pending})
		}
	}
}

// handle makes incidents of a batch. What can't be understood is a person's:
// one bad batch must not end the triage of a region.
func (t *triage) handle(ctx workflow.Context, batch []string) error {
	if len(batch) == 0 {
		return nil
	}
	err := t.group(ctx, batch)
	if err == nil || ctx.Err() != nil {
		return err
	}
	workflow.GetLogger(ctx).Error("Alerts could not be turned into incidents", "region", t.in.Region, "error", err)
	if _, err := t.settleRaised(ctx, records.SettleRaisedParams{RequestKey: "failed/" + batch[0], IDs: batch, All: true}); err != nil {
		return err
	}
	text := fmt.Sprintf("%s could not be turned into incidents; look at %s", agreed(len(batch), "alert", "alerts"), some(batch))
	return t.task(ctx, "failed/"+batch[0], text)
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
		text := fmt.Sprintf("%s nothing in the inventory; look at %s", agreed(len(scope.Unknown), "alert names", "alerts name"), some(scope.Unknown))
		if err := t.task(ctx, "unknown/"+scope.Unknown[0], text); err != nil {
			return err
		}
	}
	for _, id := range scope.Quieter {
		workflow.SignalExternalWorkflow(ctx, IncidentID(id), "", SignalQuieter, nil)
	}
	if len(scope.Components) == 0 {
		_, err := t.settleRaised(ctx, records.SettleRaisedParams{RequestKey: "ended/" + ids[0], IDs: ids})
		return err
	}
	t.round++
	key := fmt.Sprintf("%s-%d", workflow.GetInfo(ctx).WorkflowExecution.RunID[:8], t.round)
	var found LocalizeResult
	err = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: LocalizeID("triage-"+t.in.Region, key), StaticSummary: fmt.Sprintf("%d components that alerts point at", len(scope.Components)),
	}), Localize, LocalizeInput{Components: scope.Components}).Get(ctx, &found)
	if err != nil {
		return err
	}
	return t.open(ctx, key, ids, scope.Components, found)
}

// open opens an incident for each finding. Components that alerts point at and
// no finding explains are a person's: the probes may not see what the alert does.
func (t *triage) open(ctx workflow.Context, key string, ids, components []string, found LocalizeResult) error {
	left, cut := components, false
	for i, f := range found.Findings {
		o, err := openIncidentAs(ctx, records.OpenIncidentParams{
			RequestKey: fmt.Sprintf("triage/%s/%s/%d", t.in.Region, key, i), Finding: f, Sweep: found.Sweep, Alerts: ids,
		}, nil)
		if err != nil {
			return err
		}
		about := append([]string{f.Component}, f.Explains...)
		cut = cut || f.Cut()
		if _, err := record[int](ctx, rec.LinkAlerts, records.LinkAlertsParams{IDs: ids, Incident: o.Incident.ID, Servers: about, Whole: f.Cut()}); err != nil {
			return err
		}
		left = minus(left, about)
		t.status.Incidents = append(t.status.Incidents, o.Incident.ID)
		if n := len(t.status.Incidents); n > 20 {
			t.status.Incidents = t.status.Incidents[n-20:]
		}
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d rounds; last incidents: %s", t.round, some(t.status.Incidents)))
	if cut && len(left) > 0 {
		var err error
		left, err = record[[]string](ctx, rec.Unaccounted, records.UnaccountedParams{Sweep: found.Sweep, Components: left, Findings: found.Findings})
		if err != nil {
			return err
		}
	}
	left, err := t.settleRaised(ctx, records.SettleRaisedParams{RequestKey: "unexplained/" + key, IDs: ids, Unexplained: left})
	if err != nil || len(left) == 0 {
		return err
	}
	return t.task(ctx, "unexplained/"+ids[0], fmt.Sprintf("Alerts point at %s, and the probes find no failure that explains them; look at it", some(left)))
}

// settleRaised lets the incidents of critical alerts go on of which no probe
// sees the cause, and those whose alerts ended before it was looked for. It
// answers with the components that are left to a person.
func (t *triage) settleRaised(ctx workflow.Context, p records.SettleRaisedParams) ([]string, error) {
	p.RequestKey = "triage/" + t.in.Region + "/" + p.RequestKey
	s, err := record[records.SettledRaised](ctx, rec.SettleRaised, p)
	if err != nil {
		return nil, err
	}
	for _, in := range s.Opened {
		if err := startIncident(ctx, in, "", nil); err != nil {
			return nil, err
		}
		s.Incidents = append(s.Incidents, in.ID)
	}
	for _, id := range s.Incidents {
		if err := tellFound(ctx, incident.Incident{ID: id}, FoundSignal{Nothing: true}); err != nil {
			return nil, err
		}
	}
	return s.Left, nil
}

// task hands alerts that Vakhta can't make anything of to a person.
func (t *triage) task(ctx workflow.Context, key, text string) error {
	return handTask(ctx, "triage/"+t.in.Region, key, "", text, normal)
}
