package records

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/store"
	"vakhta/internal/topology"
)

const (
	// lately is how far a sweep looks back: what comes and goes, and a room that drops its machines one after
	// another, show in sweeps that follow one another, and in no single one.
	lately     = 2 * time.Hour
	mostLately = 12 // sweeps, the latest
	// mostRecalled is of how many components: of a client's all, of an estate's those that are silent.
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
	ids, silent := recallable(obs)
	if len(ids) > 0 {
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

// recallable are the components that earlier sweeps are asked about, and which are silent.
func recallable(obs []topology.Observation) (ids []string, silent map[string]bool) {
	asked := map[string]bool{}
	silent = map[string]bool{}
	for i := range obs {
		if o := &obs[i]; reaches(o.Probe) && o.Result != topology.Unknown {
			asked[o.Component] = true
			silent[o.Component] = silent[o.Component] || o.Result == topology.Down
		}
	}
	if len(asked) <= mostRecalled {
		return sorted(asked), silent
	}
	for id, is := range silent {
		if is {
			ids = append(ids, id)
		}
	}
	if len(ids) > mostRecalled {
		return nil, silent // so much at once comes of no slow failure
	}
	slices.Sort(ids)
	return ids, silent
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
	rows = slices.DeleteFunc(rows, func(o topology.Observation) bool {
		return !silent[o.Component] && lastDown[o.Component].Before(a.now().Add(-calmAfter))
	})
	var mute []string
	for _, id := range ids {
		if silent[id] {
			mute = append(mute, id)
		}
	}
	habits, err := a.store.Habits(ctx, mute)
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

// InferAgain infers once more from what is stored of a sweep, as who looked at that time did, but for rows that were
// no news then: see [News].
func InferAgain(ctx context.Context, st *store.Store, graph *topology.Graph, sweep string, news []topology.Observation) (topology.Inference, error) {
	past, err := st.Recalled(ctx, sweep)
	if err != nil {
		return topology.Inference{}, err
	}
	return graph.InferSifted(&topology.Sifted{Observations: news, Past: past, HabitsKnown: true}), nil
}
