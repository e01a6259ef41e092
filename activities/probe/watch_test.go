package probe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

func watching(ids, up []string) WatchParams {
	return WatchParams{Components: ids, Up: up, Vantage: "msk", EveryMs: 5, Stable: 2, MaxMs: 600_000, TimeoutMs: patient}
}

// onFirstBeat calls do when the watch has begun.
func onFirstBeat(do func()) func(*testsuite.TestActivityEnvironment) {
	var once sync.Once
	return func(e *testsuite.TestActivityEnvironment) {
		e.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { once.Do(do) })
	}
}

func TestWatchTellsWhenMachinesComeBack(t *testing.T) {
	l := lab(t, estate.Options{})
	fault(t, l, "m2-0401", estate.Off)
	fault(t, l, "m2-0402", estate.Off)
	a := New(l.Inventory(), &memory{}, Options{})
	ids := []string{"m2-0402", "m2-0401", "m2-0403"}
	r, err := run(t.Context(), t, a, a.Watch, watching(ids, []string{"m2-0403"}), onFirstBeat(func() {
		if err := l.ClearFault("m2-0401"); err != nil {
			t.Error(err)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Changed || !slices.Equal(r.Up, []string{"m2-0401", "m2-0403"}) || r.Rounds < 2 {
		t.Errorf("%+v, want m2-0401 back, after two rounds at least", r)
	}
}

func TestWatchTellsWhenAMachineGoesDown(t *testing.T) {
	l := lab(t, estate.Options{})
	a := New(l.Inventory(), &memory{}, Options{})
	ids := []string{"m2-0401", "m2-0402"}
	r, err := run(t.Context(), t, a, a.Watch, watching(ids, ids), onFirstBeat(func() { fault(t, l, "m2-0402", estate.Off) }))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Changed || !slices.Equal(r.Up, []string{"m2-0401"}) {
		t.Errorf("%+v, want m2-0402 gone", r)
	}
}

func TestWatchGivesUpAtItsEnd(t *testing.T) {
	l := lab(t, estate.Options{})
	a := New(l.Inventory(), &memory{}, Options{})
	p := watching([]string{"m2-0401", "ghost"}, []string{"m2-0401"})
	p.MaxMs = 1
	r, err := run(t.Context(), t, a, a.Watch, p)
	if err != nil {
		t.Fatal(err)
	}
	if r.Changed || !slices.Equal(r.Up, []string{"m2-0401"}) || !slices.Equal(r.NotHeld, []string{"ghost"}) {
		t.Errorf("%+v, want no change", r)
	}
}

func TestWatchGoesOnWhereADeadWorkerStopped(t *testing.T) {
	l := lab(t, estate.Options{})
	a := New(l.Inventory(), &memory{}, Options{})
	p := watching([]string{"m2-0401"}, nil)
	p.Stable = 1000
	// 999 of the 1,000 rounds were made by another worker.
	resume := func(e *testsuite.TestActivityEnvironment) {
		e.SetHeartbeatDetails(watchState{Ends: time.Now().Add(time.Hour), Streaks: map[string]int{"m2-0401": 999}})
	}
	r, err := run(t.Context(), t, a, a.Watch, p, resume)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Changed || r.Rounds != 1 {
		t.Errorf("%+v, want the change after one round", r)
	}
	p.Stable = 1_000_000
	over := func(e *testsuite.TestActivityEnvironment) {
		e.SetHeartbeatDetails(watchState{Ends: time.Now().Add(-time.Second)})
	}
	if r, err = run(t.Context(), t, a, a.Watch, p, over); err != nil || r.Changed || r.Rounds != 1 {
		t.Errorf("%+v (%v), want the end, which the first worker had set", r, err)
	}
}

func TestWatchEndsWhenCancelled(t *testing.T) {
	l := lab(t, estate.Options{})
	a := New(l.Inventory(), &memory{}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := run(ctx, t, a, a.Watch, watching([]string{"m2-0401"}, []string{"m2-0401"}), onFirstBeat(cancel)); err == nil {
		t.Error("a cancelled watch has a result")
	}
}

func TestWatchHandsOverWhenItsWorkerStops(t *testing.T) {
	l := lab(t, estate.Options{})
	a := New(l.Inventory(), &memory{}, Options{})
	stop := make(chan struct{})
	close(stop)
	_, err := run(t.Context(), t, a, a.Watch, watching([]string{"m2-0401"}, []string{"m2-0401"}),
		func(e *testsuite.TestActivityEnvironment) { e.SetWorkerStopChannel(stop) })
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.NonRetryable() || app.Type() != "WorkerStopping" {
		t.Errorf("error %v, want one that another worker retries", err)
	}
}

func TestOnlyRoundsInARowChangeWhatIsKnown(t *testing.T) {
	const up, down, unknown = topology.Up, topology.Down, topology.Unknown
	tests := []struct {
		name    string
		known   bool
		rounds  []topology.Result
		changed int // round that tells, 0 for none
	}{
		{"back", false, []topology.Result{up, up, up}, 3},
		{"gone", true, []topology.Result{down, down, down}, 3},
		{"as it was", true, []topology.Result{up, up, up, up}, 0},
		{"flapping", false, []topology.Result{up, up, down, up, up, down}, 0},
		{"flapping, then back", false, []topology.Result{up, down, up, up, up}, 5},
		{"cannot tell", false, []topology.Result{up, up, unknown, up, up}, 0},
		{"nothing to tell", true, []topology.Result{unknown, unknown, unknown, unknown}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := WatchParams{Components: []string{"x"}, Stable: 3}
			if tt.known {
				p.Up = []string{"x"}
			}
			w := newWatch(p)
			told := 0
			for i, r := range tt.rounds {
				if w.take(map[string]topology.Result{"x": r}) {
					told = i + 1
					break
				}
			}
			if told != tt.changed {
				t.Errorf("told after round %d, want %d", told, tt.changed)
			}
		})
	}
}

// What comes and goes is back when many rounds agree, and gone when few do; what one component does is nothing to another.
func TestItMayTakeMoreRoundsToBeBackThanToBeGone(t *testing.T) {
	p := WatchParams{Components: []string{"x", "y"}, Up: []string{"y"}, Stable: 5, Lost: 2}
	w := newWatch(p)
	rounds := func(n int, x, y topology.Result) (changed bool) {
		for range n {
			changed = w.take(map[string]topology.Result{"x": x, "y": y})
		}
		return changed
	}
	if rounds(2, topology.Up, topology.Up) || rounds(1, topology.Up, topology.Down) || !rounds(1, topology.Up, topology.Down) {
		t.Fatal("want y gone after two rounds, and x not yet back")
	}
	got := w.result(true, nil)
	if len(got.Up) > 0 || got.Streaks["x"] != 4 {
		t.Fatalf("%+v, want x after four good rounds", got)
	}
	p.Up, p.Streaks = got.Up, got.Streaks
	w = newWatch(p)
	if !rounds(1, topology.Up, topology.Down) {
		t.Error("x has to begin anew after y is gone")
	}
	p.Lost = p.Stable
	if got := newWatch(p).result(true, nil); got.Streaks != nil {
		t.Errorf("%+v: histories need no streaks of two rounds", got)
	}
}

func TestWrongWatchNamesItsField(t *testing.T) {
	a := New(&inventory.Inventory{}, &memory{}, Options{})
	tests := []struct {
		field  string
		change func(*WatchParams)
	}{
		{"components", func(p *WatchParams) { p.Components = nil }},
		{"components", func(p *WatchParams) { p.Components = make([]string, MaxWatch+1) }},
		{"up", func(p *WatchParams) { p.Up = []string{"another"} }},
		{"everyMs", func(p *WatchParams) { p.EveryMs = -1 }},
		{"stable", func(p *WatchParams) { p.Stable = -1 }},
		{"lost", func(p *WatchParams) { p.Lost = -1 }},
		{"maxMs", func(p *WatchParams) { p.MaxMs = 1 << 40 }},
		{"timeoutMs", func(p *WatchParams) { p.TimeoutMs = -1 }},
		{"vantage", func(p *WatchParams) { p.Vantage = "" }},
	}
	for _, tt := range tests {
		p := watching([]string{"m1-0101"}, nil)
		tt.change(&p)
		_, err := run(t.Context(), t, a, a.Watch, p)
		var app *temporal.ApplicationError
		if !errors.As(err, &app) || !app.NonRetryable() || !strings.HasPrefix(app.Message(), tt.field+" ") {
			t.Errorf("%s: error %v, want one that is final and names the field", tt.field, err)
		}
	}
}
