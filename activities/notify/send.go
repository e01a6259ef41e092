package notify

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
)

// SendBatchParams names the notifications of one batch: a few of any channel
// by their ids, or a part of a broadcast.
type SendBatchParams struct {
	IDs  []string     `json:"ids,omitempty"`
	Part *ledger.Part `json:"part,omitempty"`
	// Urgent ones overtake all others in their account's rate.
	Urgent bool `json:"urgent,omitempty"`
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
	t := &tally{}
	stop := a.beat(ctx, t)
	defer stop()
	if p.Urgent {
		defer a.opts.Way.Begin(0)()
	}
	if p.Part != nil {
		return t.after(a.sendPart(ctx, p, t))
	}
	if err := a.checkIDs(p.IDs); err != nil {
		return SendBatchResult{}, err
	}
	return t.after(a.sendAny(ctx, p.IDs, passage{urgent: p.Urgent}, t))
}

// passage is how a notification passes its account's rate.
type passage struct {
	urgent bool
	place  place // taken beforehand
}

// sendAny sends notifications of any channel.
func (a *Activities) sendAny(ctx context.Context, ids []string, how passage, t *tally) error {
	// Claims are made in small chunks, so that no lease runs out while its
	// notification waits for the provider's rate. What our own rate puts off
	// goes to the end of the queue.
	queue := slices.Clone(ids)
	for len(queue) > 0 {
		if leaving(ctx) {
			t.wait(queue, a.opts.Now())
			break
		}
		if !how.urgent {
			a.opts.Way.Yield(ctx)
		}
		chunk := min(2*a.opts.Concurrency, len(queue))
		late, err := a.sendChunk(ctx, queue[:chunk], how, t)
		if err != nil {
			return err
		}
		queue = append(queue[chunk:], late.ids...)
		if len(late.ids) == chunk {
			pause(ctx, late.first)
		}
	}
	return nil
}

// postponed are notifications that our own rate put off, and for how long the
// first of them.
type postponed struct {
	ids   []string
	first time.Duration
}

// sendChunk returns what it claimed and put back because of our own rate.
func (a *Activities) sendChunk(ctx context.Context, ids []string, how passage, t *tally) (postponed, error) {
	claimed, leaseEnds, err := a.claim(ctx, ids, t)
	if err != nil {
		return postponed{}, err
	}
	return a.sendEach(claimed, func(int, ledger.Notification) passage { return how }, func(n ledger.Notification, how passage) (time.Duration, error) {
		return a.sendOne(ctx, n, leaseEnds, how, t)
	})
}

// claim leases what is due to us and counts the rest.
func (a *Activities) claim(ctx context.Context, ids []string, t *tally) (claimed []ledger.Notification, leaseEnds time.Time, err error) {
	now := a.opts.Now()
	claims, err := a.store.Claim(ctx, ids, a.opts.Lease, now)
	if err != nil {
		return nil, now, fmt.Errorf("claim %d notifications: %w", len(ids), err)
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
	return claims.Claimed, now.Add(a.opts.Lease), nil
}

// sendEach sends side by side and collects what is put off.
func (a *Activities) sendEach(ns []ledger.Notification, how func(int, ledger.Notification) passage, send func(ledger.Notification, passage) (time.Duration, error)) (postponed, error) {
	var mu sync.Mutex
	var late postponed
	var group errgroup.Group
	group.SetLimit(a.opts.Concurrency)
	for i, n := range ns {
		group.Go(func() error {
			delay, err := send(n, how(i, n))
			if delay > 0 {
				mu.Lock()
				defer mu.Unlock()
				late.add(n.ID, delay)
			}
			return err
		})
	}
	err := group.Wait()
	slices.Sort(late.ids)
	return late, err
}

func (p *postponed) add(id string, delay time.Duration) {
	if p.first == 0 || delay < p.first {
		p.first = delay
	}
	p.ids = append(p.ids, id)
}

// sendOne makes one attempt and settles it, whatever becomes of ctx: an
// attempt that has begun is carried to its end. It returns the delay if our own
// rate put the notification off.
func (a *Activities) sendOne(ctx context.Context, n ledger.Notification, leaseEnds time.Time, how passage, t *tally) (time.Duration, error) {
	outcome, delay := a.attempt(ctx, n, leaseEnds, how)
	late, err := a.conclude(ctx, n, outcome, delay, t)
	if how.urgent && how.place.lane == nil && outcome.Provider != "" {
		a.limits.account(ctx, limitKey(n.Channel, outcome.Provider))
	}
	return late, err
}

// conclude settles an attempt and counts it.
func (a *Activities) conclude(ctx context.Context, n ledger.Notification, outcome ledger.Outcome, delay time.Duration, t *tally) (time.Duration, error) {
	now := a.opts.Now()
	if err := a.settle(ctx, n, outcome); err != nil {
		// Somebody else may have settled it: a callback, or the next holder of
		// the lease. The ledger knows better than we do.
		current, lookErr := a.store.Notification(context.WithoutCancel(ctx), n.ID)
		if lookErr != nil || isOurs(current, n) {
			return 0, fmt.Errorf("settle notification %s as %s: %w", n.ID, outcome.State, err)
		}
		t.add(n.ID, current.State, current.RetryAt)
		return 0, nil
	}
	return a.count(ctx, n, outcome, delay, now, t), nil
}

// count counts an attempt that is settled.
func (a *Activities) count(ctx context.Context, n ledger.Notification, outcome ledger.Outcome, delay time.Duration, now time.Time, t *tally) time.Duration {
	if delay > 0 && outcome.Provider == "" {
		return delay // it was not even tried
	}
	a.opts.Attempted(n.Channel, outcome)
	if outcome.State != ledger.Accepted {
		log(ctx).Warn("notification not accepted", "notification", n.ID, "channel", n.Channel,
			"provider", outcome.Provider, "state", outcome.State, "class", outcome.Class, "status", outcome.HTTPStatus,
			"code", outcome.Code, "reason", outcome.Message)
	}
	if delay == 0 {
		t.add(n.ID, outcome.State, now.Add(outcome.RetryAfter))
	}
	return delay
}

func isOurs(current, claimed ledger.Notification) bool {
	return current.LeaseToken == claimed.LeaseToken && current.State == ledger.Intent
}

// attempt sends by the best provider that works, or says why not. A delay says
// that the batch itself shall try again: our own rate is in the way, or another
// provider takes what this one didn't.
func (a *Activities) attempt(ctx context.Context, n ledger.Notification, leaseEnds time.Time, how passage) (o ledger.Outcome, delay time.Duration) {
	r, to, refusal := a.address(n)
	if refusal.State != "" {
		return refusal, 0
	}
	if n, refusal = a.threaded(ctx, n); refusal.State != "" {
		return refusal, 0
	}
	t, wait, own := a.choose(ctx, r, n, a.room(leaseEnds), how)
	if t.lane == nil {
		return a.putOff(wait, own)
	}
	if t.wait > 0 {
		pause(ctx, t.wait)
	}
	if o, stop := a.tooLate(ctx, n); stop {
		if t.trial {
			t.health.abandon()
		}
		return o, 0
	}
	n = a.dressed(ctx, n)
	n.Silent = a.silent(n)
	attemptCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.SendTimeout)
	defer cancel()
	o = t.Channel.Send(attemptCtx, n, to)
	o.Provider = t.Name
	now := a.opts.Now()
	t.health.note(o, t.trial, now)
	o, over := r.failOver(o, n, t.lane, now)
	if over {
		return o, time.Millisecond
	}
	if o.State == ledger.Retry && o.RetryAfter <= 0 {
		o.RetryAfter = backoff(n.Attempts)
	}
	return o, 0
}

// putOff is the outcome of an attempt that found no provider to send by.
func (a *Activities) putOff(wait time.Duration, own bool) (ledger.Outcome, time.Duration) {
	o := ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, RetryAfter: min(wait, a.opts.Lease)}
	if own {
		o.Message = "our own rate limit"
		return o, o.RetryAfter
	}
	o.Message = "every provider of the channel is down"
	return o, 0
}

// tooLate says why an attempt should not begin any more.
func (a *Activities) tooLate(ctx context.Context, n ledger.Notification) (ledger.Outcome, bool) {
	if leaving(ctx) {
		return ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, Message: "stopped before it was sent"}, true
	}
	if !n.Deadline.IsZero() && !a.opts.Now().Before(n.Deadline) {
		return ledger.Outcome{
			State: ledger.Refused, Class: ledger.ClassExpired,
			Message: "its deadline passed before it could be sent",
		}, true
	}
	return ledger.Outcome{}, false
}

// settle offers the outcome to the store until it takes it or the time for it is over.
func (a *Activities) settle(ctx context.Context, n ledger.Notification, o ledger.Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.SettleTimeout)
	defer cancel()
	again := 50 * time.Millisecond
	for {
		err := a.store.Settle(ctx, n.ID, n.LeaseToken, o, a.opts.Now())
		if err == nil {
			return nil
		}
		current, lookErr := a.store.Notification(ctx, n.ID)
		if lookErr == nil && !isOurs(current, n) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(again):
			again = min(2*again, 2*time.Second)
		}
	}
}

// backoff spaces the attempts where the provider doesn't say when to come back.
func backoff(attempts int) time.Duration {
	d := time.Second << min(max(attempts-1, 0), 6)
	return min(d, time.Minute)
}

// leaving says that no new attempt should begin: the activity was cancelled,
// its time is nearly over, or the worker is stopping.
func leaving(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < time.Second {
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

// pause waits, but not beyond ctx and not while the worker stops.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var stop <-chan struct{}
	if activity.IsActivity(ctx) {
		stop = activity.GetWorkerStopChannel(ctx)
	}
	select {
	case <-ctx.Done():
	case <-stop:
	case <-timer.C:
	}
}
