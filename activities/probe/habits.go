package probe

import (
	"context"
	"time"
)

// Habits knows how hosts answered in earlier sweeps.
type Habits interface {
	// UsualRTTs returns the usual round trip of those of the components that have
	// answered often enough for it to be known, seen from the vantage: of their
	// slower answers (the 95th percentile or so), over all probes of the component
	// itself. Components that are missing in the answer get the default spacing.
	// It is asked once per sweep activity, for at most MaxSweep components.
	UsualRTTs(ctx context.Context, vantage string, components []string) (map[string]time.Duration, error)
}

const (
	// The gap between two attempts at a host whose usual round trip is known is
	// rttFactor round trips and rttMargin, within Options.GapFloor and GapCeiling,
	// and no longer than where nothing is known.
	rttFactor = 3
	rttMargin = 10 * time.Millisecond

	// lingerGaps is how many gaps the last attempt of such a host waits at least: it
	// is the last chance, so that it gets more than the others.
	lingerGaps = 2
)

// habit is the spacing of the attempts at a host whose usual round trip is known.
type habit struct {
	gap    time.Duration // from one attempt to the next
	linger time.Duration // what the last one gets
}

// habitOf spaces attempts by the usual round trip. The earlier ones stay on, so
// that they need be no further apart than those at a host of which nothing is
// known; the last one waits half as long again as usual, or two gaps.
func (s *shard) habitOf(usual time.Duration) habit {
	o := s.a.opts
	gap := min(max(rttFactor*usual+rttMargin, o.GapFloor), o.GapCeiling)
	linger := max(lingerGaps*min(gap, s.budget.gap()), min(usual+usual/2+rttMargin, lingerGaps*o.GapCeiling))
	return habit{gap: min(gap, s.budget.gap()), linger: linger}
}

// learn asks for the usual round trips, where the parameters left the budget
// to the worker. What can't be learned is no failure: the default holds.
func (s *shard) learn(ctx context.Context, components []string) {
	if s.a.opts.Habits == nil {
		return
	}
	usual, err := s.a.opts.Habits.UsualRTTs(ctx, s.vantage, components)
	if err != nil {
		return
	}
	s.tight = make(map[string]habit, len(usual))
	for id, rtt := range usual {
		s.tight[id] = s.habitOf(rtt)
	}
}

// budgetOf is the component's own budget. With fewer attempts than the worker's
// default it is never tight, nor where the shard is patient: speed is not to
// cost a false alarm.
func (s *shard) budgetOf(component string) budget {
	h, ok := s.tight[component]
	if !ok || s.budget.attempts < s.a.opts.Attempts {
		return s.budget
	}
	b := s.budget
	b.timeout, b.spacing = h.gap*time.Duration(b.attempts-1)+h.linger, h.gap
	if s.patient && b.timeout < s.budget.timeout {
		return s.budget
	}
	return b
}
