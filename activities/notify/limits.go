package notify

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// Rate is what a provider's account allows on one channel.
type Rate = ledger.Rate

const (
	// ahead is how far ahead of its sending a message of a broadcast takes its
	// place in the account's rate: what a worker that dies has taken is lost.
	ahead = 500 * time.Millisecond
	// stale is how old a place may be that nobody used.
	stale = time.Second
)

// limits hand out the rates of the accounts, one per provider and channel
// ([limitKey]), which all workers share through the store.
type limits struct {
	store Ledger
	now   func() time.Time
	pools map[string]*pool
}

// pool holds the places in an account's rate that this process has taken and
// not used yet.
type pool struct {
	rate    Rate
	waiting atomic.Int64
	mu      sync.Mutex
	grant   ledger.Grant
	next    int
}

func newLimits(store Ledger, routes Routes, rates map[inventory.Channel]Rate, now func() time.Time) limits {
	l := limits{store: store, now: now, pools: map[string]*pool{}}
	for channel, providers := range routes {
		for _, p := range providers {
			r := p.Rate
			if !r.Limited() {
				r = rates[channel]
			}
			if r.Limited() {
				l.pools[limitKey(channel, p.Name)] = &pool{rate: r}
			}
		}
	}
	return l
}

// account takes the place of an urgent message that has left already: it waits
// for no place, nor for the store to write that down.
func (l limits) account(ctx context.Context, key string) {
	p := l.pools[key]
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := l.store.Allow(ctx, key, p.rate, 1, true, 0, l.now()); err != nil {
		log(ctx).Warn("an urgent message is not counted in its provider's rate", "limit", key, "error", err.Error())
	}
}

// reserve takes a place and says how long to wait for it. A wait that is longer
// than room is not reserved. What is urgent does not wait; see account.
func (l limits) reserve(ctx context.Context, key string, urgent bool, room time.Duration) (time.Duration, error) {
	p := l.pools[key]
	if p == nil || urgent {
		return 0, nil
	}
	p.waiting.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.waiting.Add(-1)
	now := l.now()
	for p.next < p.grant.N && p.grant.Slot(p.next).Before(now.Add(-stale)) {
		p.next++
	}
	if p.next >= p.grant.N {
		// One transaction for all that wait here, but not for more than leave soon.
		most := int64(math.Ceil(p.rate.PerSecond * ahead.Seconds()))
		grant, err := l.store.Allow(ctx, key, p.rate, int(max(1, min(p.waiting.Load(), most))), false, max(room, 0), now)
		if err != nil {
			return 0, err
		}
		p.grant, p.next = grant, 0
	}
	wait := max(p.grant.Slot(p.next).Sub(now), 0)
	if p.next < p.grant.N && wait <= room {
		p.next++
	}
	return wait, nil
}

// take takes up to n places of an account's rate, all of which come up soon.
func (l limits) take(ctx context.Context, key string, n int, urgent bool) (ledger.Grant, error) {
	p := l.pools[key]
	if p == nil {
		return ledger.Grant{N: n, First: l.now()}, nil
	}
	return l.store.Allow(ctx, key, p.rate, n, urgent, ahead, l.now())
}
