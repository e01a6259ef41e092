package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/maintenance"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

const (
	// lately is how far a sweep looks back: what comes and goes, and a room that drops its machines one after
	// another, show in sweeps that follow one another, and in no single one.
	lately     = 2 * time.Hour
	mostLately = 12 // sweeps, the latest
	// mostRecalled is of how many components: of a client's those that are or were silent, of an estate's those that are.
	mostRecalled = 2000
	// calmAfter is how long ago what answers now was last silent for that to be over.
	calmAfter = 30 * time.Minute
	// mostQuiet is how many rows of a sweep that found nothing are kept for those to come. Of a larger one it is
	// known when each question was last answered.
	mostQuiet = 50_000
)

// recall says what earlier sweeps saw of what this one looks at, and keeps it with it: whoever infers once more
// from what the incident keeps must come to the same.
func (a *Activities) recall(ctx context.Context, sweep string, obs []topology.Observation) ([]topology.Observation, error) {
	asked, silent := map[string]bool{}, map[string]bool{}
	for i := range obs {
		if o := &obs[i]; reaches(o.Probe) && o.Result != topology.Unknown {
			asked[o.Component] = true
			if o.Result == topology.Down {
				silent[o.Component] = true
			}
		}
	}
	ids := sorted(silent)
	if len(asked) <= mostRecalled {
		fell, err := a.store.FellSince(ctx, a.now().Add(-lately), sorted(asked))
		if err != nil {
			return nil, err
		}
		ids = append(ids, fell...)
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	if len(ids) > 0 && len(ids) <= mostRecalled { // so much at once comes of no slow failure
		rows, err := a.seenLately(ctx, sweep, ids, silent)
		if err != nil {
			return nil, err
		}
		if err := a.store.PutRecalled(ctx, sweep, rows); err != nil {
			return nil, err
		}
	}
	return a.store.Recalled(ctx, sweep)
}

// seenLately reads what earlier sweeps saw, and of those that are silent when they last answered, which a sweep saw that
// is forgotten.
func (a *Activities) seenLately(ctx context.Context, sweep string, ids []string, silent map[string]bool) ([]topology.Observation, error) {
	since := a.now().Add(-lately)
	sweeps, err := a.store.SweepsSince(ctx, since, sweep, mostLately)
	if err != nil || len(sweeps) == 0 {
		return nil, err
	}
	rows, err := a.store.Seen(ctx, sweeps, ids)
	if err != nil {
		return nil, err
	}
	lastDown := map[string]time.Time{}
	for i := range rows {
		if o := &rows[i]; o.Result == topology.Down && o.At.After(lastDown[o.Component]) {
			lastDown[o.Component] = o.At
		}
	}
	rows = condense(slices.DeleteFunc(rows, func(o topology.Observation) bool {
		return !silent[o.Component] && lastDown[o.Component].Before(a.now().Add(-calmAfter))
	}))
	var mute []string
	for _, id := range ids {
		if silent[id] {
			mute = append(mute, id)
		}
	}
	remembered, err := a.remembered(ctx, mute, since)
	if err != nil {
		return nil, err
	}
	return a.unplanned(ctx, since, append(rows, remembered...))
}

// remembered is when the questions to machines were last answered, and first not answered since, by their habits.
func (a *Activities) remembered(ctx context.Context, ids []string, since time.Time) (rows []topology.Observation, err error) {
	habits, err := a.store.Habits(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up when machines last answered: %w", err)
	}
	for i := range habits {
		h := &habits[i]
		if h.Peer != "" || h.Silent == 0 {
			continue
		}
		o := topology.Observation{Component: h.Component, Probe: h.Probe, Vantage: h.Vantage, At: h.LastUp, Result: topology.Up}
		if o.At.After(since) {
			rows = append(rows, o)
		}
		if o.At, o.Result = h.SilentAt, topology.Down; o.At.After(since) {
			rows = append(rows, o)
		}
	}
	return rows, nil
}

// unplanned leaves out that machines were silent while planned work took them down: who comes back twice in a night
// of works does not come and go.
func (a *Activities) unplanned(ctx context.Context, since time.Time, rows []topology.Observation) ([]topology.Observation, error) {
	works, err := a.store.Maintenances(ctx, since, a.now())
	if err != nil {
		return nil, fmt.Errorf("look for planned work: %w", err)
	}
	for i := range works {
		m := &works[i]
		if m.Status == maintenance.Cancelled {
			continue
		}
		off := map[string]bool{}
		for _, id := range slices.Concat(m.Off(), a.graph().Blast(m.Dark()...).Servers) {
			off[id] = true
		}
		rows = slices.DeleteFunc(rows, func(o topology.Observation) bool {
			return o.Result == topology.Down && off[o.Component] && !o.At.Before(m.StartsAt) && o.At.Before(m.EndsAt)
		})
	}
	return rows, nil
}

// condense leaves of a question that changed once at most what came just before and after that, and its last answer:
// a room that fails has hundreds of machines, of each of which many sweeps tell the same. Rows are sorted by it.
func condense(rows []topology.Observation) []topology.Observation {
	slices.SortFunc(rows, func(a, b topology.Observation) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Probe, b.Probe), cmp.Compare(a.Vantage, b.Vantage), a.At.Compare(b.At))
	})
	kept := rows[:0]
	for from := 0; from < len(rows); {
		to, changes, at := from+1, 0, from
		for ; to < len(rows) && sameQuestion(&rows[from], &rows[to]); to++ {
			if rows[to].Result != rows[to-1].Result {
				changes, at = changes+1, to
			}
		}
		for i := from; i < to; i++ {
			if changes > 1 || i == at || i == at-1 || i == to-1 {
				kept = append(kept, rows[i])
			}
		}
		from = to
	}
	return kept
}

func sameQuestion(a, b *topology.Observation) bool {
	return a.Component == b.Component && a.Probe == b.Probe && a.Vantage == b.Vantage
}

// InferAgain infers once more from what is stored of a sweep, as who looked at that time did, but for rows that were
// no news then: see [News].
func InferAgain(ctx context.Context, st *store.Store, graph *topology.Graph, sweep string, news []topology.Observation) (topology.Inference, error) {
	past, err := st.Recalled(ctx, sweep)
	if err != nil {
		return topology.Inference{}, err
	}
	return graph.InferSifted(&topology.Sifted{Observations: news, Past: past, HabitsKnown: true}), nil
}
