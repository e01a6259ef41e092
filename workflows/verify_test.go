package workflows

import (
	"testing"

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
		if p := w.watchedBy[0]; p.Stable != want.stable || p.MaxMs != want.maxMs || p.EveryMs != 10_000 {
			t.Errorf("%q: %+v, want %d good looks within %d ms", mode, p, want.stable, want.maxMs)
		}
	}
}
