package probe

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"vakhta/internal/topology"
)

const (
	defaultEvery  = time.Second
	defaultStable = 3
	defaultWatch  = 5 * time.Minute
	maxWatch      = time.Hour
)

// WatchParams asks to be told when the set of components that are up changes.
type WatchParams struct {
	Components []string `json:"components"`        // at most MaxWatch
	Up         []string `json:"up,omitempty"`      // those that are known to be up
	Vantage    string   `json:"vantage,omitempty"` // default: the worker's
	EveryMs    int      `json:"everyMs,omitempty"` // from the start of a round to the next; 0 is 1,000
	// Stable is how many rounds in a row must agree before a component's state
	// counts as changed; 0 is 3.
	Stable int `json:"stable,omitempty"`
	// Lost is the same of those that are up, where fewer are enough to count them as gone; 0 is Stable.
	Lost int `json:"lost,omitempty"`
	// Streaks are in how many rounds in a row components differed from what is known when the last watch ended:
	// where many rounds must agree, one that changes must not have all the others begin anew.
	Streaks   map[string]int `json:"streaks,omitempty"`
	MaxMs     int            `json:"maxMs,omitempty"`     // 0 is 300,000
	TimeoutMs int            `json:"timeoutMs,omitempty"` // budget of one probe; 0 is 300
	Attempts  int            `json:"attempts,omitempty"`  // 0 is 3
}

// WatchResult tells who is up now.
type WatchResult struct {
	Up      []string `json:"up"`      // of the components watched; by id
	Changed bool     `json:"changed"` // false: maxMs went by first
	// Streaks are for the next watch, where it takes more rounds to be back than to be gone.
	Streaks map[string]int `json:"streaks,omitempty"`
	NotHeld []string       `json:"notHeld,omitempty"` // ids that the inventory doesn't hold; by id
	Rounds  int            `json:"rounds"`            // made by this attempt
}

// watchState is what a heartbeat carries to the next attempt, should this
// worker die: when the watch ends, and how far each change has got.
type watchState struct {
	Ends    time.Time      `json:"ends"`
	Streaks map[string]int `json:"streaks,omitempty"`
}

// Watch polls until the set of components that are stably up differs from the
// known one, or until maxMs are over. A component that is not told apart
// (unknown) stays as it was and has to agree anew.
//
// The result of a component is as in SweepResult: by its tcp and icmp profile.
func (a *Activities) Watch(ctx context.Context, p WatchParams) (WatchResult, error) {
	b, err := a.checkWatch(&p)
	if err != nil {
		return WatchResult{}, err
	}
	defer a.share.join(ctx)()
	w := newWatch(p)
	if activity.HasHeartbeatDetails(ctx) {
		var last watchState
		if activity.GetHeartbeatDetails(ctx, &last) == nil && !last.Ends.IsZero() {
			w.state = last
		}
	}
	beat := func(int, int) { activity.RecordHeartbeat(ctx, w.state) }
	every := time.NewTicker(time.Duration(p.EveryMs) * time.Millisecond)
	defer every.Stop()
	ends := time.NewTimer(time.Until(w.state.Ends))
	defer ends.Stop()
	for {
		round := a.shardOf(p.Components, nil, p.Vantage, b)
		if len(round.tasks) == 0 {
			return WatchResult{}, invalid("components", "names nothing that the inventory gives an address to probe")
		}
		round.probe(ctx, beat)
		if err := ctx.Err(); err != nil {
			return WatchResult{}, err
		}
		w.rounds++
		changed := w.take(round.verdicts())
		beat(0, 0)
		if changed || !time.Now().Before(w.state.Ends) {
			return w.result(changed, round.notHeld), nil
		}
		select {
		case <-ctx.Done():
			return WatchResult{}, ctx.Err()
		case <-activity.GetWorkerStopChannel(ctx):
			return WatchResult{}, temporal.NewApplicationErrorWithOptions("the worker is stopping, another goes on watching",
				"WorkerStopping", temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond})
		case <-ends.C: // one more round, then the answer
		case <-every.C:
		}
	}
}

func (a *Activities) checkWatch(p *WatchParams) (budget, error) {
	if p.Vantage == "" {
		p.Vantage = a.opts.Vantage
	}
	switch {
	case p.Vantage == "":
		return budget{}, invalid("vantage", "is missing: name the vantage, or start the worker with one")
	case len(p.Components) == 0:
		return budget{}, invalid("components", "is empty: name at least one component")
	case len(p.Components) > MaxWatch:
		return budget{}, invalid("components", "holds %d ids: at most %d per watch", len(p.Components), MaxWatch)
	case p.EveryMs < 0:
		return budget{}, invalid("everyMs", "must not be negative, got %d", p.EveryMs)
	case p.Stable < 0:
		return budget{}, invalid("stable", "must not be negative, got %d", p.Stable)
	case p.Lost < 0:
		return budget{}, invalid("lost", "must not be negative, got %d", p.Lost)
	case p.MaxMs < 0 || time.Duration(p.MaxMs)*time.Millisecond > maxWatch:
		return budget{}, invalid("maxMs", "must be between 0 and %d, got %d", maxWatch.Milliseconds(), p.MaxMs)
	}
	watched := make(map[string]bool, len(p.Components))
	for _, id := range p.Components {
		watched[id] = true
	}
	for _, id := range p.Up {
		if !watched[id] {
			return budget{}, invalid("up", "names %q, which is not among the components", id)
		}
	}
	if p.EveryMs == 0 {
		p.EveryMs = int(defaultEvery.Milliseconds())
	}
	if p.Stable == 0 {
		p.Stable = defaultStable
	}
	if p.MaxMs == 0 {
		p.MaxMs = int(defaultWatch.Milliseconds())
	}
	return a.newBudget(p.TimeoutMs, p.Attempts)
}

// watch is the state of one Watch.
type watch struct {
	stable int
	lost   int
	up     map[string]bool
	state  watchState
	rounds int
}

func newWatch(p WatchParams) *watch {
	w := &watch{stable: p.Stable, lost: cmp.Or(p.Lost, p.Stable), up: make(map[string]bool, len(p.Up))}
	for _, id := range p.Up {
		w.up[id] = true
	}
	w.state = watchState{Ends: time.Now().Add(time.Duration(p.MaxMs) * time.Millisecond), Streaks: maps.Clone(p.Streaks)}
	return w
}

// take folds one round in and says whether the stable set has changed by it.
// Only components that differ from what is known have a streak. The map of
// streaks is made anew: heartbeats may still hold the last one.
func (w *watch) take(verdicts map[string]topology.Result) bool {
	changed := false
	streaks := make(map[string]int, len(w.state.Streaks))
	for id, verdict := range verdicts {
		if verdict == topology.Unknown || (verdict == topology.Up) == w.up[id] {
			continue
		}
		n, enough := w.state.Streaks[id]+1, w.stable
		if w.up[id] {
			enough = w.lost
		}
		if n < enough {
			streaks[id] = n
			continue
		}
		changed = true
		w.up[id] = verdict == topology.Up
	}
	w.state.Streaks = streaks
	return changed
}

func (w *watch) result(changed bool, notHeld []string) WatchResult {
	r := WatchResult{Up: []string{}, Changed: changed, NotHeld: notHeld, Rounds: w.rounds}
	for id, up := range w.up {
		if up {
			r.Up = append(r.Up, id)
		}
	}
	slices.Sort(r.Up)
	if w.stable != w.lost {
		r.Streaks = w.state.Streaks
	}
	return r
}
