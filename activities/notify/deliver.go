package notify

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
)

// TypeWaiting is the error type of a delivery that is not over: some
// notifications wait for their provider or for the word on an unknown.
const TypeWaiting = "Waiting"

// DeliverResult is what became of a batch, once each of it is settled.
type DeliverResult struct {
	Accepted int      `json:"accepted"`
	Dropped  int      `json:"dropped,omitempty"`
	Refused  []string `json:"refused,omitempty"` // want the next rung of their ladder
}

// Deliver sends a batch until each of it is settled. While some wait (a
// provider's limit or outage, an unknown whose callback may still come), it
// fails with TypeWaiting and the delay to its next try, so the waiting is
// Temporal's, survives any restart and costs no history.
func (a *Activities) Deliver(ctx context.Context, p SendBatchParams) (DeliverResult, error) {
	sent, err := a.SendBatch(ctx, p)
	if err != nil {
		return DeliverResult{}, err
	}
	next := sent.NextAt
	open := len(sent.Open())
	out := DeliverResult{Accepted: sent.Accepted, Dropped: sent.Dropped, Refused: sent.Refused}
	ripe, at, err := a.ripe(ctx, sent.Unknown)
	if err != nil {
		return out, err
	}
	if young := len(sent.Unknown) - len(ripe); young > 0 {
		open += young
		next = earlier(next, at)
	}
	if len(ripe) > 0 {
		settled, err := a.SettleUnknown(ctx, SettleUnknownParams{IDs: ripe})
		if err != nil {
			return out, err
		}
		out.Refused = append(out.Refused, settled.GaveUp...)
		out.Accepted += len(settled.Found)
		// A callback may have told anything: what it said is read by the next try.
		if again := len(settled.Resend) + len(settled.Open) + len(settled.Settled); again > 0 {
			open += again
			next = a.opts.Now()
			if len(settled.Open) == again {
				next = next.Add(a.opts.SettleAfter)
			}
		}
	}
	if open == 0 {
		return out, nil
	}
	delay := max(next.Sub(a.opts.Now()), 50*time.Millisecond)
	return out, temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("%d of %d notifications wait for their provider or for word of it", open, len(p.IDs)), TypeWaiting,
		temporal.ApplicationErrorOptions{NextRetryDelay: delay, Category: temporal.ApplicationErrorCategoryBenign})
}

// ripe are the unknowns old enough to be settled without waiting for a
// callback any longer, and when the first of the others will be.
func (a *Activities) ripe(ctx context.Context, ids []string) (ripe []string, next time.Time, err error) {
	for _, id := range ids {
		n, err := a.store.Notification(ctx, id)
		if err != nil {
			return nil, next, fmt.Errorf("read unknown notification %s: %w", id, err)
		}
		if due := n.UpdatedAt.Add(a.opts.SettleAfter); due.After(a.opts.Now()) {
			next = earlier(next, due)
			continue
		}
		ripe = append(ripe, id)
	}
	return ripe, next, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
