package notify

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
)

// Addressed is a notification with the address that it goes to.
type Addressed struct {
	ledger.Notification

	To string
}

// Batcher is a [Channel] that takes many messages in one request.
type Batcher interface {
	Channel
	// Most is how many it takes at once.
	Most() int
	// Bundle sorts messages into those that can go in one request; what goes
	// alone is a bundle of one.
	Bundle(messages []Addressed) [][]Addressed
	// SendMany makes one attempt for a bundle, in one request, and says what
	// became of each, in their order.
	SendMany(ctx context.Context, bundle []Addressed) []ledger.Outcome
}

// sendPart sends a part of a broadcast. Places in the account's rate are taken
// before the notifications are claimed, so that none is leased while it waits.
func (a *Activities) sendPart(ctx context.Context, p SendBatchParams, t *tally) error {
	queue, err := a.open(ctx, *p.Part, t)
	if err != nil {
		return err
	}
	for len(queue) > 0 {
		if leaving(ctx) {
			t.wait(queue, a.opts.Now())
			return nil
		}
		if !p.Urgent {
			a.opts.Way.Yield(ctx)
		}
		l := a.lane(*p.Part)
		if l == nil { // no provider, or none that works: each one's attempt says why
			return a.sendAny(ctx, queue, passage{urgent: p.Urgent}, t)
		}
		most := 2 * a.opts.Concurrency
		if batcher, ok := l.Channel.(Batcher); ok {
			most = batcher.Most()
		}
		sent, late, err := a.sendNext(ctx, l, queue, min(most, len(queue)), p.Urgent, t)
		if err != nil {
			return err
		}
		queue = append(queue[sent:], late.ids...)
	}
	return nil
}

// sendNext sends the next ones of a queue, up to most, that the account's rate
// lets pass, and says how many they were. Where none may pass, it waits.
func (a *Activities) sendNext(ctx context.Context, l *lane, queue []string, most int, isUrgent bool, t *tally) (sent int, late postponed, err error) {
	leave, ok := l.enter(ctx, isUrgent)
	if !ok {
		return 0, late, nil
	}
	defer leave()
	grant, err := a.limits.take(ctx, l.limit, most, isUrgent)
	if err != nil {
		return 0, late, err
	}
	if grant.N == 0 {
		pause(ctx, min(max(grant.First.Sub(a.opts.Now())-ahead/2, time.Millisecond), time.Second))
		return 0, late, nil
	}
	late, err = a.sendGranted(ctx, l, queue[:grant.N], grant, isUrgent, t)
	return grant.N, late, err
}

// togetherAtOnce is how many requests with many messages each a process has
// under way at one provider: their texts are in memory, and two hundred at a
// time in four requests are more than an account takes.
const togetherAtOnce = 4

// enter waits until one more request of many messages may be under way. It is
// false when the caller should begin none.
func (l *lane) enter(ctx context.Context, isUrgent bool) (leave func(), ok bool) {
	if l.together == nil || isUrgent {
		return func() {}, true
	}
	var stop <-chan struct{}
	if activity.IsActivity(ctx) {
		stop = activity.GetWorkerStopChannel(ctx)
	}
	select {
	case l.together <- struct{}{}:
		return func() { <-l.together }, true
	case <-ctx.Done():
		return nil, false
	case <-stop:
		return nil, false
	}
}

// sendGranted claims and sends notifications that have places in the account's rate.
func (a *Activities) sendGranted(ctx context.Context, l *lane, ids []string, g ledger.Grant, isUrgent bool, t *tally) (postponed, error) {
	claimed, leaseEnds, err := a.claim(ctx, ids, t)
	if err != nil {
		return postponed{}, err
	}
	if batcher, ok := l.Channel.(Batcher); ok {
		return a.sendTogether(ctx, l, batcher, claimed, leaseEnds, g, t)
	}
	return a.sendEach(claimed, func(i int, _ ledger.Notification) passage {
		return passage{urgent: isUrgent, place: place{lane: l, at: g.Slot(i)}}
	}, func(n ledger.Notification, how passage) (time.Duration, error) {
		return a.sendOne(ctx, n, leaseEnds, how, t)
	})
}

// open counts what of a part needs nothing more, and returns the rest: a part
// that is delivered again after a crash must not take places for what has left.
func (a *Activities) open(ctx context.Context, p ledger.Part, t *tally) ([]string, error) {
	all, err := a.store.PartStandings(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("read what is to be sent: %w", err)
	}
	now := a.opts.Now()
	var queue []string
	for _, n := range all {
		switch {
		case n.State.Sendable() && n.RetryAt.After(now):
			t.wait([]string{n.ID}, n.RetryAt)
		case n.State == ledger.Intent && n.LeaseUntil.After(now):
			t.wait([]string{n.ID}, n.LeaseUntil)
		case n.State.Sendable() || n.State == ledger.Intent:
			queue = append(queue, n.ID)
		default:
			t.add(n.ID, n.State, n.RetryAt)
		}
	}
	return queue, nil
}

// lane is the provider that an ordinary message of the part goes to now; nil if there is none.
func (a *Activities) lane(p ledger.Part) *lane {
	now := a.opts.Now()
	for _, l := range a.routes[p.Channel].candidates(ledger.Notification{Channel: p.Channel}, now) {
		if open, room := l.health.usable(now); open && room {
			return l
		}
	}
	return nil
}

// triesTogether is how often a message goes along with others before it goes
// alone: a provider may refuse a whole request for one of them.
const triesTogether = 3

// sendTogether sends the claimed ones in as few requests as may be: what can't
// go along goes alone, and so does everything while the provider is on trial,
// or once the requests before have used up the lease: then it is put off.
func (a *Activities) sendTogether(ctx context.Context, l *lane, b Batcher, claimed []ledger.Notification, leaseEnds time.Time, g ledger.Grant, t *tally) (postponed, error) {
	pause(ctx, g.First.Sub(a.opts.Now()))
	together, alone := a.sortOut(ctx, l, claimed)
	plain := make(map[string]ledger.Notification, len(claimed)) // who goes alone is dressed for it again
	for _, n := range claimed {
		plain[n.ID] = n
	}
	trial, down := l.health.begin(a.opts.Now(), a.opts.SendTimeout)
	if trial {
		l.health.abandon()
	}
	var late postponed
	for _, bundle := range b.Bundle(together) {
		a.opts.Way.Yield(ctx)
		if trial || down > 0 || len(bundle) == 1 || a.room(leaseEnds) < 0 {
			for _, m := range bundle {
				alone = append(alone, plain[m.ID])
			}
			continue
		}
		over, err := a.attemptTogether(ctx, l, b, bundle, t)
		if err != nil {
			return late, err
		}
		late.ids = append(late.ids, over...)
	}
	rest, err := a.sendEach(alone, func(int, ledger.Notification) passage {
		return passage{place: place{lane: l, at: g.First}}
	}, func(n ledger.Notification, how passage) (time.Duration, error) {
		return a.sendOne(ctx, n, leaseEnds, how, t)
	})
	late.ids = append(late.ids, rest.ids...)
	return late, err
}

// room is how long an attempt may wait and still end within its lease.
func (a *Activities) room(leaseEnds time.Time) time.Duration {
	return leaseEnds.Sub(a.opts.Now()) - a.opts.SendTimeout - a.opts.SettleTimeout
}

// dressedAtOnce is how many mails are made ready between two looks for a page.
const dressedAtOnce = 20

// sortOut parts what may go along with others from what goes alone: what isn't
// sent at all, a second message to the same address, and what was refused
// together with others before.
func (a *Activities) sortOut(ctx context.Context, l *lane, claimed []ledger.Notification) (together []Addressed, alone []ledger.Notification) {
	at := map[string]bool{}
	for i, n := range claimed {
		if i%dressedAtOnce == 0 { // a page waits for a few mails to be dressed, not for all
			a.opts.Way.Yield(ctx)
		}
		_, to, refusal := a.address(n)
		_, stop := a.tooLate(ctx, n)
		if refusal.State != "" || stop || at[to] || !l.carries(n) || n.Attempts > triesTogether {
			alone = append(alone, n)
			continue
		}
		at[to] = true
		together = append(together, Addressed{a.dressed(ctx, n), to})
	}
	return together, alone
}

// attemptTogether makes one attempt for a bundle. It returns what another
// provider shall take at once.
func (a *Activities) attemptTogether(ctx context.Context, l *lane, b Batcher, bundle []Addressed, t *tally) ([]string, error) {
	attemptCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.SendTimeout)
	defer cancel()
	outcomes := b.SendMany(attemptCtx, bundle)
	now := a.opts.Now()
	l.health.noteTogether(outcomes[0], len(bundle), now)
	var late []string
	attempts := make([]attempted, len(bundle))
	r := a.routes[bundle[0].Channel]
	for i, m := range bundle {
		o := outcomes[i]
		o.Provider = l.Name
		o, over := r.failOver(o, m.Notification, l, now)
		delay := time.Duration(0)
		switch {
		case over:
			delay = time.Millisecond
			late = append(late, m.ID)
		case o.State == ledger.Retry && o.RetryAfter <= 0:
			o.RetryAfter = backoff(m.Attempts)
		}
		attempts[i] = attempted{m.Notification, o, delay}
	}
	return late, a.concludeAll(ctx, attempts, t)
}

// attempted is a notification with what its attempt came to; delay is not 0
// where it is tried again at once.
type attempted struct {
	ledger.Notification

	outcome ledger.Outcome
	delay   time.Duration
}

// concludeAll settles the attempts of one request in one transaction. Where
// that fails, each is offered to the store by itself, for as long as it takes.
func (a *Activities) concludeAll(ctx context.Context, attempts []attempted, t *tally) error {
	settleCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.opts.SettleTimeout/3)
	defer cancel()
	all := make([]ledger.Settlement, len(attempts))
	for i, m := range attempts {
		all[i] = ledger.Settlement{ID: m.ID, Token: m.LeaseToken, Outcome: m.outcome}
	}
	now := a.opts.Now()
	verdicts, err := a.store.SettleAll(settleCtx, all, now)
	var group errgroup.Group
	group.SetLimit(a.opts.Concurrency)
	for i, m := range attempts {
		if err == nil && verdicts[i] == nil {
			a.count(ctx, m.Notification, m.outcome, m.delay, now, t)
			continue
		}
		group.Go(func() error {
			_, err := a.conclude(ctx, m.Notification, m.outcome, m.delay, t)
			return err
		})
	}
	return group.Wait()
}
