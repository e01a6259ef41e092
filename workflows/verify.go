package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

// verify watches, from every vantage, until all machines that the incident
// took down answer again. Machines that nothing can ask are not waited for.
func (r *incidentRun) verify(ctx workflow.Context, s *step, d runbooks.Verify) (string, error) {
	if r.rec.Affected() == 0 && (r.nothing || r.rec.Provisional) {
		over, err := r.alertsOver(ctx, s)
		if err != nil || over {
			return "its alerts have ended", err
		}
		if r.overtaken(s) {
			return "", errOvertaken
		}
	}
	plan, err := record[[]records.Watched](ctx, rec.WatchPlan, r.rec)
	if err != nil {
		return "", err
	}
	w := &watching{up: make([][]string, len(plan)), every: d}
	for _, p := range plan {
		w.want += len(p.Components)
	}
	if w.want == 0 {
		return "", invalid("verify: none of the %d servers has an address to probe; see for yourself, then resolve by hand", r.rec.Affected())
	}
	looking, stop := workflow.WithCancel(ctx)
	defer stop()
	for i, p := range plan {
		workflow.Go(looking, func(ctx workflow.Context) { r.watch(ctx, w, i, p) })
	}
	err = workflow.Await(ctx, func() bool { return w.failed != nil || w.saved || r.overtaken(s) })
	if err := firstOf(err, w.failed); err != nil {
		return "", err
	}
	if !w.saved {
		return "", errOvertaken
	}
	return fmt.Sprintf("%d of %d back", len(r.rec.Restored), r.rec.Affected()), nil
}

// watchedPerMs bounds how many machines all watches of an incident probe in a
// millisecond: a room that comes back is looked at every ten seconds.
const watchedPerMs = 2

// watching is what the watches have seen so far.
type watching struct {
	every  runbooks.Verify
	want   int        // how many can be watched
	up     [][]string // by watch
	saved  bool       // that all are up
	failed error
}

// watch looks at one vantage's share until it is told to stop; each change is
// saved, and told.
func (r *incidentRun) watch(ctx workflow.Context, w *watching, i int, p records.Watched) {
	w.up[i] = []string{}
	var streaks map[string]int
	for {
		every := max(int(w.every.Every.Std().Milliseconds()), w.want/watchedPerMs)
		stable, looks := r.goodLooks(w.every, every)
		var got probe.WatchResult
		err := workflow.ExecuteActivity(withWatch(ctx, p.Vantage, looks), look.Watch, probe.WatchParams{
			Vantage: p.Vantage, Components: p.Components, Up: w.up[i], EveryMs: every, Stable: stable, Lost: max(w.every.Stable, 1), Streaks: streaks, MaxMs: int(looks.Milliseconds()),
		}).Get(ctx, &got)
		streaks = got.Streaks
		if err == nil && got.Changed {
			w.up[i] = got.Up
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

// calmFor is for how long what comes and goes must answer, where the runbook doesn't say.
const calmFor = 15 * time.Minute

// goodLooks is how many looks in a row must be good for a machine to be back, of which there is one in so many
// milliseconds, and how long one activity looks: what answers now and then answers at two looks, too.
func (r *incidentRun) goodLooks(d runbooks.Verify, everyMs int) (stable int, looks time.Duration) {
	stable, looks = max(d.Stable, 1), watchFor
	if m := r.rec.Finding.Mode; m != topology.Flapping && m != topology.Lossy {
		return stable, looks
	}
	calm := cmp.Or(d.Calm.Std(), calmFor)
	return max(stable, int(calm.Milliseconds())/max(everyMs, 1)), max(looks, 2*calm)
}

// seen records which machines are up now.
func (r *incidentRun) seen(ctx workflow.Context, w *watching) error {
	var all []string
	for _, up := range w.up {
		all = append(all, up...)
	}
	slices.Sort(all)
	back, gone := minus(all, r.rec.Restored), minus(r.rec.Restored, all)
	var entries []incident.Entry
	if len(back) > 0 {
		entries = append(entries, r.entry("restored", "vakhta", "", fmt.Sprintf("%d of %s again: %s", len(all), agreed(r.rec.Affected(), "server answers", "servers answer"), some(back))))
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
func some(ids []string) string { return someOf(ids, len(ids)) }

// named is how many of many a sentence names.
const named = 5

// someOf is some where only the first ones of a total are known.
func someOf(ids []string, total int) string {
	if total <= named {
		return strings.Join(ids, ", ")
	}
	few := ids[:min(len(ids), named)]
	return fmt.Sprintf("%s and %d more", strings.Join(few, ", "), total-len(few))
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
