package notify

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
)

// SendBatchParams names the notifications of one batch, of any channel.
type SendBatchParams struct {
	IDs []string `json:"ids"`
}

// SendBatchResult is where the batch stands: every id is counted once. Only
// what somebody has to act on is listed.
type SendBatchResult struct {
	Accepted int `json:"accepted"` // at the provider, by this call or before
	Dropped  int `json:"dropped,omitempty"`
	// Refused want the next rung of their ladder.
	Refused []string `json:"refused,omitempty"`
	// Unknown want [Activities.SettleUnknown]; never send them again before.
	Unknown []string `json:"unknown,omitempty"`
	// Retry and Waiting want another SendBatch, at NextAt or later: the first
	// were put off by the provider, the others are leased or not due.
	Retry   []string  `json:"retry,omitempty"`
	Waiting []string  `json:"waiting,omitempty"`
	NextAt  time.Time `json:"nextAt,omitzero"` // the earliest of Retry and Waiting
}

// Open lists what another SendBatch is wanted for.
func (r SendBatchResult) Open() []string {
	return append(append([]string(nil), r.Retry...), r.Waiting...)
}

// SendBatch claims the notifications, sends what was claimed and settles each.
// It may be run any number of times, side by side and after any crash: the
// ledger lets one attempt through at a time.
func (a *Activities) SendBatch(ctx context.Context, p SendBatchParams) (SendBatchResult, error) {
	if err := a.checkIDs(p.IDs); err != nil {
		return SendBatchResult{}, err
	}
	t := &tally{}
	stop := a.beat(ctx, t)
	defer stop()

	// Claims are made in small chunks, so that no lease runs out while its
	// notification waits for the provider's rate.
	chunk := 2 * a.opts.Concurrency
	for at := 0; at < len(p.IDs); at += chunk {
		ids := p.IDs[at:min(at+chunk, len(p.IDs))]
		if leaving(ctx) {
			t.wait(p.IDs[at:], a.opts.Now())
			break
		}
		if err := a.sendChunk(ctx, ids, t); err != nil {
			return t.result(), err
		}
	}
	return t.result(), nil
}

func (a *Activities) sendChunk(ctx context.Context, ids []string, t *tally) error {
	now := a.opts.Now()
	claims, err := a.store.Claim(ctx, ids, a.opts.Lease, now)
	if err != nil {
		return fmt.Errorf("claim %d notifications: %w", len(ids), err)
	}
	for _, id := range claims.Unknown {
		t.add(id, ledger.Unknown, time.Time{})
	}
	for _, w := range claims.Waiting {
		t.wait([]string{w.ID}, w.RetryAt)
	}
	for _, n := range claims.Done {
		t.add(n.ID, n.State, n.RetryAt)
	}
	leaseEnds := now.Add(a.opts.Lease)
	var group errgroup.Group
	group.SetLimit(a.opts.Concurrency)
	for _, n := range claims.Claimed {
		group.Go(func() error {
			return a.sendOne(ctx, n, leaseEnds, t)
		})
	}
	return group.Wait()
}

// sendOne makes one attempt and settles it, whatever becomes of ctx: an
// attempt that has begun is carried to its end.
func (a *Activities) sendOne(ctx context.Context, n ledger.Notification, leaseEnds time.Time, t *tally) error {
	outcome := a.attempt(ctx, n, leaseEnds)
	if outcome.State == ledger.Retry && outcome.RetryAfter <= 0 && outcome.Wrote {
		outcome.RetryAfter = backoff(n.Attempts)
	}
	now := a.opts.Now()
	if err := a.settle(ctx, n, outcome); err != nil {
		// Somebody else may have settled it: a callback, or the next holder of
		// the lease. The ledger knows better than we do.
		current, lookErr := a.store.Notification(context.WithoutCancel(ctx), n.ID)
		if lookErr != nil || current.LeaseToken == n.LeaseToken && current.State == ledger.Intent {
			return fmt.Errorf("settle notification %s as %s: %w", n.ID, outcome.State, err)
		}
		t.add(n.ID, current.State, current.RetryAt)
		return nil
	}
	if outcome.State != ledger.Accepted {
		log(ctx).Warn("notification not accepted", "notification", n.ID, "channel", n.Channel,
			"state", outcome.State, "class", outcome.Class, "status", outcome.HTTPStatus,
			"code", outcome.Code, "reason", outcome.Message)
	}
	t.add(n.ID, outcome.State, now.Add(outcome.RetryAfter))
	return nil
}

func (a *Activities) attempt(ctx context.Context, n ledger.Notification, leaseEnds time.Time) ledger.Outcome {
	ch, to, refusal := a.address(n)
	if ch == nil {
		return refusal
	}
	untouched := ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, Provider: string(n.Channel)}
	if limiter := a.limits[n.Channel]; limiter != nil {
		if err := limiter.Wait(ctx); err != nil {
			untouched.Message = "stopped before it was sent"
			return untouched
		}
	}
	now := a.opts.Now()
	switch {
	case leaving(ctx):
		untouched.Message = "stopped before it was sent"
		return untouched
	case !n.Deadline.IsZero() && !now.Before(n.Deadline):
		return ledger.Outcome{State: ledger.Refused, Class: ledger.ClassExpired, Provider: string(n.Channel), Message: "its deadline passed before it could be sent"}
	case leaseEnds.Sub(now) < a.opts.SendTimeout+a.opts.SettleTimeout:
		untouched.Message = "the rate limit left too little of the lease"
		return untouched
	}
	if n.Repeat {
		n = marked(n)
	}
	attemptCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.SendTimeout)
	defer cancel()
	return ch.Send(attemptCtx, n, to)
}

// settle offers the outcome to the store until it takes it or the time for it is over.
func (a *Activities) settle(ctx context.Context, n ledger.Notification, o ledger.Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.SettleTimeout)
	defer cancel()
	pause := 50 * time.Millisecond
	for {
		err := a.store.Settle(ctx, n.ID, n.LeaseToken, o, a.opts.Now())
		if err == nil {
			return nil
		}
		current, lookErr := a.store.Notification(ctx, n.ID)
		if lookErr == nil && (current.LeaseToken != n.LeaseToken || current.State != ledger.Intent) {
			return err // no longer ours to settle
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		}
	}
}

// backoff spaces the attempts where the provider doesn't say when to come back.
func backoff(attempts int) time.Duration {
	d := time.Second << min(max(attempts-1, 0), 6)
	return min(d, time.Minute)
}

// leaving says that no new attempt should begin: the activity was cancelled or
// the worker is stopping.
func leaving(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	if !activity.IsActivity(ctx) {
		return false
	}
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return false
	}
}
