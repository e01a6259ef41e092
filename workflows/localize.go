package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/topology"
)

// maxRounds bounds the rounds of a localization that decide, its first sweep included.
const maxRounds = 3

// Localize finds the point of failure in a scope: it sweeps, infers, makes the
// probes that decide, infers again, and confirms what is down once more before
// anybody is woken. What is asked of whom stays in the store: histories hold
// numbers and counts, for five hundred machines and for a hundred thousand.
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
	for _, given := range []bool{in.Client != "", in.Site != "", len(in.Components) > 0, in.All, in.Work != ""} {
		if given {
			set++
		}
	}
	if set != 1 {
		return invalid(`scope: give exactly one of "client", "site", "components", "work" and "all", for example {"client":"acme"}`)
	}
	if in.Full && !in.All {
		return invalid(`full: goes with "all"; other scopes are always asked everything`)
	}
	if in.TimeoutMillis < 0 || in.TimeoutMillis > 30_000 {
		return invalid("timeoutMs: %d must be between 0 and 30000", in.TimeoutMillis)
	}
	return nil
}

func (in LocalizeInput) scopeName() string {
	switch {
	case in.Client != "":
		return in.Client
	case in.Site != "":
		return in.Site
	case in.Work != "":
		return in.Work
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
	news     bool // a site is done
	result   LocalizeResult
}

func (l *localization) setup(ctx workflow.Context) error {
	l.progress = LocalizeProgress{Scope: l.in.scopeName(), Stage: "planning", Sites: []SiteProgress{}}
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
	plan, err := record[records.SweepPlan](ctx, rec.PlanSweep, records.PlanSweepParams{Sweep: l.sweep, Scope: l.scope(), Routine: l.in.Routine})
	if err != nil {
		return l.result, err
	}
	l.expect(plan)
	l.stage(ctx, "sweeping")
	for shards := plan.Shards; ; {
		if err := l.probe(ctx, shards); err != nil {
			return l.result, err
		}
		inferred, err := record[records.Inferred](ctx, rec.Infer, records.InferParams{
			Sweep: l.sweep, Scope: l.scope(), Round: l.progress.Round, Decide: l.progress.Round < maxRounds, Last: l.progress.Round > maxRounds,
			Absent: l.progress.Absent, Routine: l.in.Routine,
		})
		if err != nil {
			return l.result, err
		}
		l.conclude(inferred)
		// One round more than those that decide, so that what the last of them found is confirmed.
		if shards = inferred.Next; len(shards) == 0 || l.progress.Round > maxRounds {
			break
		}
		l.stage(ctx, stageOf(inferred))
	}
	l.stage(ctx, "done")
	return l.result, nil
}

func stageOf(inferred records.Inferred) string {
	if inferred.Deciding {
		return "deciding"
	}
	return "confirming"
}

func (l *localization) scope() records.Scope {
	return records.Scope{Client: l.in.Client, Site: l.in.Site, Components: l.in.Components, All: l.in.All, Full: l.in.Full, Work: l.in.Work}
}

func (l *localization) expect(plan records.SweepPlan) {
	l.progress.Total = plan.Total
	for _, s := range plan.Sites {
		l.progress.Sites = append(l.progress.Sites, SiteProgress{Site: s.Site, Total: s.Servers})
	}
}

// probe makes a round: all shards at once; the vantages' workers pace
// themselves. It tells a parent that waits when a site is done before others.
// A second view is not waited for longer than it takes when all is well.
func (l *localization) probe(ctx workflow.Context, shards []records.ShardRef) error {
	l.progress.Round++
	probing, stop := workflow.WithCancel(ctx)
	defer stop()
	pending, extra := 0, 0
	for _, s := range shards {
		left := &pending
		if s.Extra {
			left = &extra
		}
		*left++
		workflow.Go(probing, func(ctx workflow.Context) {
			l.shard(ctx, s)
			*left--
		})
	}
	for pending > 0 {
		if err := workflow.Await(ctx, func() bool { return pending == 0 || l.news }); err != nil {
			return err
		}
		if l.news && pending > 0 {
			l.tellParent(ctx)
		}
		l.news = false
	}
	if extra > 0 {
		patience := extraPatience + time.Duration(l.in.TimeoutMillis)*time.Millisecond
		if _, err := workflow.AwaitWithTimeout(ctx, patience, func() bool { return extra == 0 }); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// shard is asked from the first of its vantages that answers. Where none does,
// its machines are unknown, never down.
func (l *localization) shard(ctx workflow.Context, s records.ShardRef) {
	began := workflow.Now(ctx)
	for i, v := range s.Vantages {
		last := i == len(s.Vantages)-1
		if !last && slices.Contains(l.progress.Absent, v) {
			continue
		}
		var r probe.ShardResult
		err := workflow.ExecuteActivity(withProbe(ctx, v, patience(last && !s.Extra, workflow.Now(ctx).Sub(began))), look.SweepShard, probe.ShardParams{
			Sweep: l.sweep, Round: l.progress.Round, Shard: s.Number, Vantage: v, TimeoutMs: l.in.TimeoutMillis,
		}).Get(ctx, &r)
		if err == nil {
			l.count(r.BySite)
			return
		}
		if ctx.Err() != nil {
			return
		}
		l.absent(ctx, v, err)
	}
	unknown := make([]probe.SiteCount, 0, len(s.Sites))
	for _, n := range s.Sites {
		unknown = append(unknown, probe.SiteCount{Site: n.Site, Unknown: n.Servers})
	}
	l.count(unknown)
}

// absent remembers a vantage that could not probe.
func (l *localization) absent(ctx workflow.Context, vantage string, err error) {
	workflow.GetLogger(ctx).Warn("A vantage did not probe", "vantage", vantage, "error", err)
	if !slices.Contains(l.progress.Absent, vantage) {
		l.progress.Absent = append(l.progress.Absent, vantage)
	}
}

func (l *localization) count(counts []probe.SiteCount) {
	for _, c := range counts {
		l.progress.Checked += c.Up + c.Down + c.Unknown
		l.progress.Down += c.Down
		for i := range l.progress.Sites {
			site := &l.progress.Sites[i]
			if site.Site != c.Site {
				continue
			}
			before := site.Checked
			site.Checked += c.Up + c.Down + c.Unknown
			site.Down += c.Down
			site.Unknown += c.Unknown
			l.news = l.news || before < site.Total && site.Checked >= site.Total
		}
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
	l.progress.WasSo = inferred.WasSo
	l.result = LocalizeResult{Sweep: l.sweep, Progress: l.progress, Findings: inferred.Findings, Unexplained: inferred.Unexplained, UnexplainedCount: inferred.UnexplainedCount, Blind: inferred.Blind, Notices: inferred.Notices, Troubles: inferred.Troubles}
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
		fmt.Fprintf(&b, "- **the vantage %s does not answer**: start its worker with `--vantage %s`\n", v, v)
	}
	for _, text := range l.result.Troubles {
		fmt.Fprintf(&b, "- %s\n", text)
	}
	for _, n := range l.result.Notices {
		fmt.Fprintf(&b, "- %s, %s: %s\n", n.Component, strings.ToUpper(string(n.Probe)), n.Text)
	}
	for _, f := range l.result.Findings {
		fmt.Fprintf(&b, "\nFinding: **%s** (%s), %d %%, explains %d\n", f.Component, f.Kind, topology.Percent(f.Itself()), f.Impact())
	}
	return b.String()
}
