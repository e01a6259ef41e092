package workflows

import (
	"testing"

	"vakhta/activities/probe"
	"vakhta/internal/topology"
)

// What answers now and then answers at two looks, too: it is back when it has for a while.
func TestWhatComesAndGoesIsBackWhenItIsCalm(t *testing.T) {
	for mode, want := range map[topology.Mode]struct{ stable, maxMs int }{
		"":                {2, 600_000},
		topology.Heating:  {2, 600_000},
		topology.Flapping: {90, 1_800_000},
		topology.Lossy:    {90, 1_800_000},
	} {
		w := newWorld(t)
		w.record.Finding = topology.Finding{Component: "s1", Mode: mode}
		w.pin(backStep, resolveStep)
		w.playIncident()
		if len(w.watchedBy) == 0 {
			t.Fatalf("%q: nothing was watched", mode)
		}
		if p := w.watchedBy[0]; p.Stable != want.stable || p.Lost != 2 || p.MaxMs != want.maxMs || p.EveryMs != 10_000 {
			t.Errorf("%q: %+v, want %d good looks, or 2 bad ones, within %d ms", mode, p, want.stable, want.maxMs)
		}
	}
}

// The looks at which a machine was well already count on, though another one changed meanwhile.
func TestGoodLooksCountOnWhenAnotherMachineChanges(t *testing.T) {
	w := newWorld(t)
	w.record.Finding = topology.Finding{Component: "s1", Mode: topology.Flapping}
	var streaks []map[string]int
	w.watch = func(call int) (probe.WatchResult, error) {
		streaks = append(streaks, w.watchedBy[len(w.watchedBy)-1].Streaks)
		if call == 1 {
			return probe.WatchResult{Changed: true, Up: []string{"s1"}, Streaks: map[string]int{"s2": 40}}, nil
		}
		return probe.WatchResult{Changed: true, Up: []string{"s1", "s2"}}, nil
	}
	w.pin(backStep, resolveStep)
	w.playIncident()
	if len(streaks) != 2 || streaks[0] != nil || streaks[1]["s2"] != 40 {
		t.Errorf("watched with %v", streaks)
	}
}
