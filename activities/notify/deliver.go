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

// urgentAgain is after how long at most a page that is not settled is looked at again.
const urgentAgain = 3 * time.Second

// DeliverResult is what became of a batch, once each of it is settled.
type DeliverResult struct {
	Accepted int `json:"accepted"`
	Dropped  int `json:"dropped,omitempty"`
	Refused  int `json:"refused,omitempty"` // want the next rung of their ladder; the ledger knows who
}

// Deliver sends a batch until each of it is settled. While some wait (a
// provider's limit or outage, an unknown whose callback may still come), it
// fails with TypeWaiting and the delay to its next try, so the waiting is
// Temporal's, survives any restart and costs no history. Each try counts the
// whole batch anew: the last one's result is the batch's.
func (a *Activities) Deliver(ctx context.Context, p SendBatchParams) (DeliverResult, error) {
	sent, err := a.SendBatch(ctx, p)
	if err != nil {
		return DeliverResult{}, err
	}
	out := DeliverResult{Accepted: sent.Accepted, Dropped: sent.Dropped, Refused: len(sent.Refused)}
	w := waits{n: len(sent.Open()), next: sent.NextAt}
	if err := a.settleRipe(ctx, sent.Unknown, &out, &w); err != nil {
		return out, err
	}
	if w.n == 0 {
		return out, nil
	}
	delay := max(w.next.Sub(a.opts.Now()), 50*time.Millisecond)
	if p.Urgent { // who has it leased may have settled it long before
		delay = min(delay, urgentAgain)
	}
	return out, temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("%d of %d notifications wait for their provider or for word of it", w.n, p.count()), TypeWaiting,
		temporal.ApplicationErrorOptions{NextRetryDelay: delay, Category: temporal.ApplicationErrorCategoryBenign})
}

// waits counts what a delivery is not done with, and when the first of it is due.
type waits struct {
	n    int
	next time.Time
}

func (w *waits) add(n int, due time.Time) {
	if n == 0 {
		return
	}
	if w.n += n; w.next.IsZero() || due.Before(w.next) {
		w.next = due
	}
}

// settleRipe settles the unknowns that are old enough: no callback came while
// there was time for one. Where the provider can't even be asked for
// LookUpFor, the policy decides without its word.
func (a *Activities) settleRipe(ctx context.Context, unknown []string, out *DeliverResult, w *waits) error {
	now := a.opts.Now()
	ripe := map[bool][]string{} // by whether the look-up has had its time
	for _, id := range unknown {
		n, err := a.store.Notification(ctx, id)
		if err != nil {
			return fmt.Errorf("read unknown notification %s: %w", id, err)
		}
		age := now.Sub(n.UpdatedAt)
		if age < a.opts.SettleAfter {
			w.add(1, n.UpdatedAt.Add(a.opts.SettleAfter))
			continue
		}
		final := age >= a.opts.LookUpFor
		ripe[final] = append(ripe[final], id)
	}
	for _, final := range []bool{false, true} {
		if len(ripe[final]) == 0 {
			continue
		}
		settled, err := a.SettleUnknown(ctx, SettleUnknownParams{IDs: ripe[final], Final: final})
		if err != nil {
			return err
		}
		out.Accepted += len(settled.Found)
		out.Refused += len(settled.GaveUp)
		// A callback may have told anything: what it said is read by the next try.
		w.add(len(settled.Resend)+len(settled.Settled), now)
		w.add(len(settled.Open), now.Add(a.opts.SettleAfter))
	}
	return nil
}

func (p SendBatchParams) count() int {
	if p.Part != nil {
		return p.Part.Count
	}
	return len(p.IDs)
}
