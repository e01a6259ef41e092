package records

import (
	"context"
	"fmt"
	"slices"

	"vakhta/internal/topology"
)

// mostWitnesses is of how many machines it is looked up when they last answered.
const mostWitnesses = 100

// lastWorked says of findings whose sweep does not tell when what they explain was last
// seen working: earlier sweeps do. What none of them has seen working fails since the first of them at least.
func (a *Activities) lastWorked(ctx context.Context, fs []topology.Finding) ([]topology.Finding, error) {
	var ids []string
	for i := range fs {
		if fs[i].Worked.IsZero() {
			ids = append(ids, witnesses(&fs[i])...)
		}
	}
	if len(ids) == 0 {
		return fs, nil
	}
	slices.Sort(ids)
	habits, err := a.store.Habits(ctx, slices.Compact(ids))
	if err != nil {
		return nil, fmt.Errorf("look up when machines last answered: %w", err)
	}
	of := map[string][]*topology.Habit{}
	for i := range habits {
		if h := &habits[i]; h.Peer == "" && h.Probe != topology.ProbePower && h.Probe != topology.ProbePSU {
			of[h.Component] = append(of[h.Component], h)
		}
	}
	out := slices.Clone(fs)
	for i := range out {
		f := &out[i]
		if !f.Worked.IsZero() {
			continue
		}
		first := f.Since
		for _, id := range witnesses(f) {
			for _, h := range of[id] {
				if h.LastUp.Before(f.Since) && h.LastUp.After(f.Worked) {
					f.Worked = h.LastUp.UTC()
				}
				if h.Silent > 0 && h.Silent == h.Asked && h.FirstAt.Before(first) {
					first = h.FirstAt.UTC()
				}
			}
		}
		if f.Worked.IsZero() {
			f.Since = first
		}
	}
	return out, nil
}

// witnesses are some of what was seen failing by a finding.
func witnesses(f *topology.Finding) []string {
	if len(f.Explains) == 0 {
		return []string{f.Component}
	}
	return f.Explains[:min(len(f.Explains), mostWitnesses)]
}
