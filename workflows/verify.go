package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/runbooks"
)

// verify watches, from every vantage, until all machines that the incident
// took down answer again. Machines that nothing can ask are not waited for.
func (r *incidentRun) verify(ctx workflow.Context, s *step, d runbooks.Verify) (string, error) {
	plan, err := record[[]records.Watched](ctx, rec.WatchPlan, r.rec.Servers)
	if err != nil {
		return "", err
	}
	w := &watching{up: map[string][]string{}, every: d}
	for _, p := range plan {
		w.want += len(p.Components)
	}
	if w.want == 0 {
		return "", invalid("verify: none of the %d servers has an address to probe; see for yourself, then resolve by hand", len(r.rec.Servers))
	}
	looking, stop := workflow.WithCancel(ctx)
	defer stop()
	for _, p := range plan {
		workflow.Go(looking, func(ctx workflow.Context) { r.watch(ctx, w, p) })
	}
	err = workflow.Await(ctx, func() bool { return w.failed != nil || w.saved || r.overtaken(s) })
	if err := firstOf(err, w.failed); err != nil {
		return "", err
	}
	if !w.saved {
		return "", errOvertaken
	}
	return fmt.Sprintf("%d of %d back", len(r.rec.Restored), len(r.rec.Servers)), nil
}

// watching is what the vantages have seen so far.
type watching struct {
	every  runbooks.Verify
	want   int                 // how many can be watched
	up     map[string][]string // by vantage
	saved  bool                // that all are up
	failed error
}

// watch looks at one vantage's share until it is told to stop; each change is
// saved, and told.
func (r *incidentRun) watch(ctx workflow.Context, w *watching, p records.Watched) {
	w.up[p.Vantage] = []string{}
	for {
		var got probe.WatchResult
		err := workflow.ExecuteActivity(withWatch(ctx, p.Vantage), look.Watch, probe.WatchParams{
			Vantage: p.Vantage, Components: p.Components, Up: w.up[p.Vantage],
			EveryMs: int(w.every.Every.Std().Milliseconds()), Stable: max(w.every.Stable, 1), MaxMs: int(watchFor.Milliseconds()),
		}).Get(ctx, &got)
		if err == nil && got.Changed {
			w.up[p.Vantage] = got.Up
			err = r.seen(ctx, w)
		}
		if err != nil {
			if ctx.Err() == nil {
				w.failed = err
			}
			return
		}
	}
}

// seen records which machines are up now.
func (r *incidentRun) seen(ctx workflow.Context, w *watching) error {
	var all []string
	for _, v := range sortedKeys(w.up) {
		all = append(all, w.up[v]...)
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
	if err := r.save(ctx, entries...); err != nil {
		return err
	}
	if len(r.rec.Restored) >= w.want { // the whole is told by the resolution
		w.saved = true
		return nil
	}
	r.changed(ctx, "restored")
	return nil
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
