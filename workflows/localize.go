package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/topology"
)

// maxRounds bounds the deciding rounds of a localization.
const maxRounds = 3

// Localize finds the point of failure in a scope: it sweeps, infers, makes the
// probes that decide, infers again, and confirms what is down once more before
// anybody is woken.
func Localize(ctx workflow.Context, in LocalizeInput) (LocalizeResult, error) {
	if err := in.validate(); err != nil {
		return LocalizeResult{}, err
	}
	l := &localization{in: in, sweep: workflow.GetInfo(ctx).WorkflowExecution.RunID}
	if err := l.setup(ctx); err != nil {
		return LocalizeResult{}, err
	}
	return l.run(ctx)
}

func (in LocalizeInput) validate() error {
	set := 0
	for _, given := range []bool{in.Client != "", in.Site != "", len(in.Components) > 0, in.All} {
		if given {
			set++
		}
	}
	if set != 1 {
		return invalid(`scope: give exactly one of "client", "site", "components" and "all", for example {"client":"acme"}`)
	}
	if in.TimeoutMillis < 0 || in.TimeoutMillis > 30_000 {
		return invalid("timeoutMs: %d must be between 0 and 30000", in.TimeoutMillis)
	}
	return nil
}

func (in LocalizeInput) scope() string {
	switch {
	case in.Client != "":
		return in.Client
	case in.Site != "":
		return in.Site
	case in.All:
		return "all"
	default:
		return "components"
	}
}

type localization struct {
	in       LocalizeInput
	sweep    string // key of the observations in the store
	progress LocalizeProgress
	result   LocalizeResult
}

func (l *localization) setup(ctx workflow.Context) error {
	l.progress = LocalizeProgress{Scope: l.in.scope(), Stage: "planning", Sites: []SiteProgress{}}
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress, func() (LocalizeProgress, error) { return l.progress, nil },
		workflow.QueryHandlerOptions{Description: "How far the sweep is"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryProgress, err)
	}
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryFindings, func() (LocalizeResult, error) { return l.result, nil },
		workflow.QueryHandlerOptions{Description: "The findings so far"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryFindings, err)
	}
	if l.in.Client != "" {
		return upsert(ctx, AttrClient.ValueSet(l.in.Client))
	}
	return nil
}

func (l *localization) run(ctx workflow.Context) (LocalizeResult, error) {
	plan, err := record[records.SweepPlan](ctx, rec.PlanSweep, records.Scope{
		Client: l.in.Client, Site: l.in.Site, Components: l.in.Components, All: l.in.All,
	})
	if err != nil {
		return l.result, err
	}
	l.expect(plan)
	l.stage(ctx, "sweeping")
	l.probe(ctx, plan.Shards, true)

	inferred, err := l.decide(ctx)
	if err != nil {
		return l.result, err
	}
	if len(inferred.Confirm) > 0 {
		l.stage(ctx, "confirming")
		l.probe(ctx, inferred.Confirm, false)
		if inferred, err = record[records.Inferred](ctx, rec.Infer, l.sweep); err != nil {
			return l.result, err
		}
	}
	l.conclude(inferred)
	l.stage(ctx, "done")
	return l.result, nil
}

// decide infers and makes the deciding probes, at most maxRounds times.
func (l *localization) decide(ctx workflow.Context) (records.Inferred, error) {
	inferred, err := record[records.Inferred](ctx, rec.Infer, l.sweep)
	for round := 1; err == nil && len(inferred.Decide) > 0 && round < maxRounds; round++ {
		l.conclude(inferred)
		l.stage(ctx, "deciding")
		l.probe(ctx, inferred.Decide, false)
		inferred, err = record[records.Inferred](ctx, rec.Infer, l.sweep)
	}
	return inferred, err
}

func (l *localization) expect(plan records.SweepPlan) {
	l.progress.Total = plan.Total
	for _, s := range plan.Sites {
		l.progress.Sites = append(l.progress.Sites, SiteProgress{Site: s.Site, Total: s.Servers})
	}
}

// probe makes all shards at once; the vantages' workers pace themselves. The
// first sweep counts, site by site, and says so to a parent that waits.
func (l *localization) probe(ctx workflow.Context, shards []records.Shard, counts bool) {
	l.progress.Round++
	round := l.progress.Round
	wg := workflow.NewWaitGroup(ctx)
	for _, s := range shards {
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			var r probe.SweepResult
			err := workflow.ExecuteActivity(withProbe(ctx, s.Vantage), look.Sweep, probe.SweepParams{
				Sweep: l.sweep, Round: round, Vantage: s.Vantage, Components: s.Components, Probes: s.Probes, TimeoutMs: l.in.TimeoutMillis,
			}).Get(ctx, &r)
			if err != nil {
				l.absent(ctx, s.Vantage, err)
				r = probe.SweepResult{Unknown: len(s.Components)}
			}
			if counts {
				l.count(ctx, s, r)
			}
		})
	}
	wg.Wait(ctx)
}

// absent remembers a vantage that could not probe: its machines are unknown,
// never down.
func (l *localization) absent(ctx workflow.Context, vantage string, err error) {
	workflow.GetLogger(ctx).Warn("A vantage did not probe", "vantage", vantage, "error", err)
	for _, v := range l.progress.Absent {
		if v == vantage {
			return
		}
	}
	l.progress.Absent = append(l.progress.Absent, vantage)
}

func (l *localization) count(ctx workflow.Context, s records.Shard, r probe.SweepResult) {
	n := r.Up + r.Down + r.Unknown
	l.progress.Checked += n
	l.progress.Down += r.Down
	finished := false
	for i := range l.progress.Sites {
		site := &l.progress.Sites[i]
		if site.Site != s.Site {
			continue
		}
		before := site.Checked
		site.Checked += n
		site.Down += r.Down
		site.Unknown += r.Unknown
		finished = before < site.Total && site.Checked >= site.Total
	}
	if finished && l.progress.Checked < l.progress.Total {
		l.tellParent(ctx)
	}
}

// tellParent signals a report that waits for the answer that one more site is
// done, so that its client hears of it.
func (l *localization) tellParent(ctx workflow.Context) {
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	if parent == nil {
		return
	}
	workflow.SignalExternalWorkflow(ctx, parent.ID, parent.RunID, SignalProgress, l.progress)
}

func (l *localization) conclude(inferred records.Inferred) {
	l.result = LocalizeResult{Sweep: l.sweep, Progress: l.progress, Findings: inferred.Findings, Unexplained: inferred.Unexplained}
}

func (l *localization) stage(ctx workflow.Context, stage string) {
	l.progress.Stage = stage
	l.result.Progress = l.progress
	workflow.SetCurrentDetails(ctx, l.details())
}

func (l *localization) details() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**: %d of %d checked, %d down\n\n", l.progress.Stage, l.progress.Checked, l.progress.Total, l.progress.Down)
	for _, s := range l.progress.Sites {
		fmt.Fprintf(&b, "- %s: %d of %d, %d down, %d unknown\n", s.Site, s.Checked, s.Total, s.Down, s.Unknown)
	}
	for _, v := range l.progress.Absent {
		fmt.Fprintf(&b, "- **vantage %s is absent**: start its worker with `--vantage %s`\n", v, v)
	}
	for _, f := range l.result.Findings {
		fmt.Fprintf(&b, "\nFinding: **%s** (%s), %d %%, explains %d\n", f.Component, f.Kind, topology.Percent(f.Confidence), len(f.Explains))
	}
	return b.String()
}
