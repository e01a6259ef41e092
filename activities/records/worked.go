package records

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/topology"
)

// mostWitnesses is of how many machines it is looked up when they last answered.
const mostWitnesses = 100

// fewWitnesses must have been seen failing by earlier sweeps for what takes more down to have failed then:
// one may have failed by itself.
const fewWitnesses = 2

// lastWorked says of findings whose sweep does not tell when what they explain was last
// seen working: earlier sweeps do. What one of them has seen failing since then fails since that sweep, what none of
// them has seen working since the first of them at least.
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
		if out[i].Worked.IsZero() {
			remember(&out[i], of)
		}
	}
	return out, nil
}

// remember dates a finding by what earlier sweeps saw of its witnesses.
func remember(f *topology.Finding, of map[string][]*topology.Habit) {
	first, fell := f.Since, []time.Time(nil)
	for _, id := range witnesses(f) {
		var silent time.Time
		for _, h := range of[id] {
			if h.LastUp.Before(f.Since) && h.LastUp.After(f.Worked) {
				f.Worked = h.LastUp.UTC()
			}
			if h.Silent > 0 && h.Silent == h.Asked && h.FirstAt.Before(first) {
				first = h.FirstAt.UTC()
			}
			if h.SilentAt.After(silent) {
				silent = h.SilentAt.UTC()
			}
		}
		if !silent.IsZero() {
			fell = append(fell, silent)
		}
	}
	if f.Worked.IsZero() {
		f.Since = first
		return
	}
	fell = slices.DeleteFunc(fell, func(at time.Time) bool { return !at.After(f.Worked) || !at.Before(f.Since) })
	if least := min(fewWitnesses, max(1, len(f.Explains))); len(fell) >= least {
		slices.SortFunc(fell, time.Time.Compare)
		f.Since = fell[least-1]
	}
}

// witnesses are some of what was seen failing by a finding.
func witnesses(f *topology.Finding) []string {
	if len(f.Explains) == 0 {
		return []string{f.Component}
	}
	return f.Explains[:min(len(f.Explains), mostWitnesses)]
}
