package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"vakhta/internal/topology"
)

// Plans reads what a sweep was planned to ask: thousands of ids stay out of
// the histories of workflows.
type Plans interface {
	Shard(ctx context.Context, sweep string, round, number int) (topology.Shard, error)
}

// ShardParams names a planned shard.
type ShardParams struct {
	Sweep   string `json:"sweep"`
	Round   int    `json:"round"`
	Shard   int    `json:"shard"`             // its number in the round's plan, from 0
	Vantage string `json:"vantage,omitempty"` // from where it is asked; default: as planned
	// TimeoutMs is the budget of one probe; 0 means the worker's.
	TimeoutMs int `json:"timeoutMs,omitempty"`
}

// ShardResult counts the components that were asked for the first time, by
// site, as [SweepResult] does; ids are in the store.
type ShardResult struct {
	BySite []SiteCount `json:"bySite,omitempty"` // by site
	Probes int         `json:"probes"`           // observations stored
	Ms     int64       `json:"ms"`               // wall time of the probes
}

// storeBatch is how many observations of a planned shard are stored at once.
const storeBatch = 5000

// alive is how often a shard says that it lives, whatever its probes are at:
// the answer to a heartbeat tells it that it is cancelled.
const alive = 200 * time.Millisecond

// SweepShard makes the probes of a planned shard once and stores what they
// found. A repeat stores the same rows again.
func (a *Activities) SweepShard(ctx context.Context, p ShardParams) (ShardResult, error) {
	if a.opts.Plans == nil {
		return ShardResult{}, errors.New("this worker has no store to read plans from; start it with the configuration that names one")
	}
	if p.Sweep == "" {
		return ShardResult{}, invalid("sweep", "is missing: give the sweep's id")
	}
	b, err := a.newBudget(p.TimeoutMs, 0)
	if err != nil {
		return ShardResult{}, err
	}
	joins := make(chan func(), 1)
	go func() { joins <- a.share.join(ctx) }() // while the plan is read
	plan, err := a.opts.Plans.Shard(ctx, p.Sweep, p.Round, p.Shard)
	defer (<-joins)()
	if err != nil {
		return ShardResult{}, fmt.Errorf("read the plan of shard %d: %w", p.Shard, err)
	}
	vantage := cmp.Or(p.Vantage, plan.Vantage, a.opts.Vantage)
	asked := make([]*shard, 0, len(plan.Asks))
	for _, ask := range plan.Asks {
		s := a.shardOf(ask.Components, ask.Probes, vantage, b)
		s.patient = p.Round > 1 // it decides, or confirms what is to wake somebody
		if p.TimeoutMs == 0 {
			s.learn(ctx, ask.Components)
		}
		asked = append(asked, s)
	}
	started := time.Now()
	defer keepAlive(ctx, func() { activity.RecordHeartbeat(ctx, progressOf(asked)) })()
	probeAll(ctx, asked)
	if err := ctx.Err(); err != nil {
		return ShardResult{}, err
	}
	out := ShardResult{Ms: time.Since(started).Milliseconds()}
	out.Probes, err = a.keep(ctx, p.Sweep, p.Round, vantage, asked)
	if err != nil {
		return ShardResult{}, err
	}
	counts := map[string]SiteCount{}
	for i, s := range asked {
		if !plan.Asks[i].First {
			continue
		}
		for _, n := range s.result().BySite {
			was := counts[n.Site]
			counts[n.Site] = SiteCount{Site: n.Site, Up: was.Up + n.Up, Down: was.Down + n.Down, Unknown: was.Unknown + n.Unknown}
		}
	}
	for _, n := range counts {
		out.BySite = append(out.BySite, n)
	}
	slices.SortFunc(out.BySite, func(x, y SiteCount) int { return cmp.Compare(x.Site, y.Site) })
	return out, nil
}

// keepAlive says that the activity lives until the answer is called.
func keepAlive(ctx context.Context, beat func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(alive)
		defer tick.Stop()
		for {
			beat()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		beating.Wait()
	}
}

// probeAll makes the probes of all asks at once.
func probeAll(ctx context.Context, asked []*shard) {
	var work sync.WaitGroup
	for _, s := range asked {
		work.Go(func() { s.probe(ctx, func(int, int) {}) })
	}
	work.Wait()
}

func progressOf(asked []*shard) (p Progress) {
	for _, s := range asked {
		p.Done += int(s.done.Load())
		p.Total += len(s.tasks)
	}
	return p
}

func (a *Activities) keep(ctx context.Context, sweep string, round int, vantage string, asked []*shard) (int, error) {
	stored := 0
	for _, s := range asked {
		for batch := range slices.Chunk(s.observations, storeBatch) {
			if err := a.sink.PutObservations(ctx, sweep, round, batch); err != nil {
				return 0, fmt.Errorf("store the observations of sweep %s, round %d: %w", sweep, round, err)
			}
		}
		stored += len(s.observations)
	}
	for _, s := range asked {
		a.opts.Observed(vantage, s.observations)
	}
	return stored, nil
}
