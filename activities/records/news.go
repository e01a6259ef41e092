package records

import (
	"context"
	"fmt"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// News are the rows of a sweep that inference looked at who looked at that time: those that say
// something new, see Activities.news. It is for those who infer once more.
func News(ctx context.Context, st *store.Store, inv *inventory.Inventory, graph *topology.Graph, at time.Time, obs []topology.Observation) ([]topology.Observation, error) {
	a := &Activities{store: st, inv: inv, graph: func() *topology.Graph { return graph }, opts: Options{Now: func() time.Time { return at }}}
	kept, _, err := a.news(ctx, obs)
	return kept, err
}

// news leaves out the rows that say nothing new: of what never answers, of what
// ceased to answer long ago, of what planned work takes down now. They count as
// if it had not been asked, never as if it were well. What people saw who were
// sent to look is news, whatever probes get to hear there. It also returns the
// servers of which nothing else is left than that they don't answer.
//
// What is kept is the front of obs, in the same order; those left out come to stand
// behind it: a sweep of the whole estate is too large to be held twice.
func (a *Activities) news(ctx context.Context, obs []topology.Observation) (kept []topology.Observation, wasSo map[string]bool, err error) {
	silent := map[string]bool{}
	for i := range obs {
		if obs[i].Result != topology.Up {
			silent[obs[i].Component] = true
		}
	}
	if len(silent) == 0 {
		return obs, nil, nil
	}
	old, err := a.oldSilence(ctx, sorted(silent))
	if err != nil {
		return nil, nil, err
	}
	planned, err := a.underWork(ctx)
	if err != nil {
		return nil, nil, err
	}
	if len(old) == 0 && len(planned) == 0 {
		return obs, nil, nil
	}
	wasSo = map[string]bool{}
	kept = obs[:0]
	var left []topology.Observation
	for _, o := range obs {
		if o.Result != topology.Up && (planned[o.Component] != "" || o.Vantage != topology.Hands && old.has(&o)) {
			if c, ok := a.inv.Component(o.Component); ok && c.Kind == inventory.KindServer && reaches(o.Probe) {
				wasSo[o.Component] = true
			}
			left = append(left, o)
			continue
		}
		kept = append(kept, o)
	}
	copy(obs[len(kept):], left)
	for i := range kept {
		if len(wasSo) > 0 && reaches(kept[i].Probe) {
			delete(wasSo, kept[i].Component)
		}
	}
	return kept, wasSo, nil
}

// askedFromThere is a question, and from where; "" is from anywhere.
type askedFromThere struct {
	question
	vantage string
}

// habitually are questions to which silence is the usual answer.
type habitually map[askedFromThere]bool

// has: from that vantage it was so. Where it was never asked from there, what
// all others saw counts.
func (h habitually) has(o *topology.Observation) bool {
	at := askedFromThere{question{o.Component, o.Peer, o.Probe}, o.Vantage}
	if was, known := h[at]; known {
		return was
	}
	at.vantage = ""
	return h[at]
}

func (a *Activities) oldSilence(ctx context.Context, ids []string) (habitually, error) {
	habits, err := a.store.Habits(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read what was so before: %w", err)
	}
	out := habitually{}
	for i := range habits {
		h := &habits[i]
		at := askedFromThere{question{h.Component, h.Peer, h.Probe}, h.Vantage}
		was := h.WasSilent(a.now())
		out[at] = was
		at.vantage = ""
		if others, known := out[at]; known {
			was = was && others
		}
		out[at] = was
	}
	return out, nil
}

// underWork are the components that planned work takes down now, and which work.
func (a *Activities) underWork(ctx context.Context) (map[string]string, error) {
	works, err := a.store.Maintenances(ctx, a.now(), a.now())
	if err != nil {
		return nil, fmt.Errorf("look for planned work: %w", err)
	}
	out := map[string]string{}
	for i := range works {
		m := &works[i]
		if !m.Explains(a.now()) {
			continue
		}
		for _, id := range m.Off() {
			out[id] = m.ID
		}
		for _, id := range a.graph().Blast(m.Dark()...).Servers {
			out[id] = m.ID
		}
	}
	return out, nil
}
