package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// opening is a channel, and when it opens for whoever has not confirmed.
type opening struct {
	channel inventory.Channel
	at      time.Time
}

// schedule is when the channels open by the operator's ladders; empty where
// there is none: then each rung is given RungWait.
func (b *broadcast) schedule(ctx workflow.Context, rungs []ledger.Rung) []opening {
	now := workflow.Now(ctx)
	var out []opening
	for _, r := range rungs {
		switch {
		case r.Before == 0:
			out = append(out, opening{r.Channel, now.Add(r.After)})
		case !b.in.Window.IsZero():
			out = append(out, opening{r.Channel, b.in.Window.Add(-r.Before)})
		}
	}
	slices.SortStableFunc(out, func(x, y opening) int { return x.at.Compare(y.at) })
	return out
}

// wait waits for the next channel to open, and returns all that are open then.
// After the last one whoever has not confirmed is given RungWait once more. No
// channel at all means that every one is open. more is false when nothing is
// left to wait for; somebody's quiet hours are.
func (b *broadcast) wait(ctx workflow.Context, all []opening, quiet bool) (open []inventory.Channel, more bool, err error) {
	b.stage(ctx, "waiting")
	now, until := workflow.Now(ctx), time.Time{}
	for _, o := range all {
		if o.at.After(now) {
			until = o.at
			break
		}
	}
	if until.IsZero() {
		if b.last && !quiet {
			return nil, false, nil
		}
		b.last = len(all) > 0
		until = now.Add(b.in.RungWait.Std())
	}
	b.progress.NextAt = until.UTC()
	defer func() { b.progress.NextAt = time.Time{} }()
	_, err = workflow.AwaitWithTimeout(ctx, until.Sub(now), func() bool { return b.stopped })
	for _, o := range all {
		if !o.at.After(until) && !slices.Contains(open, o.channel) {
			open = append(open, o.channel)
		}
	}
	return open, true, err
}
