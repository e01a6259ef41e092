// Package pace keeps probes from becoming a storm: it bounds how many leave a
// worker per second, how many go to one address, and how many into one network.
// Workers that have their limits in common keep an equal share each.
package pace

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of one worker, or of those that share them; a zero sets none.
type Limits struct {
	PerSecond  float64 // probes of all kinds
	PerTarget  int     // probes within any second to one address
	PerNetwork int     // probes within any second to one /24 (IPv4) or /64 (IPv6)
}

const (
	// A small sweep starts at once: a twentieth of a second's probes may leave
	// together, or leastBurst, if that is no more than a second's.
	leastBurst   = 512
	burstSeconds = .05
)

const (
	networkBits4 = 24
	networkBits6 = 64

	forgetEvery = time.Second
)

// Pacer applies the limits over everything that a worker does; safe for
// concurrent use.
type Pacer struct {
	limits Limits
	all    *rate.Limiter
	// line holds one token: only the first of those who wait has its time, so that
	// a share that becomes smaller holds for all behind it.
	line chan struct{}

	mu        sync.Mutex
	seed      maphash.Seed
	target    window
	network   window
	forgotten time.Time
	began     time.Time
}

// New returns a pacer.
func New(l Limits) *Pacer {
	p := &Pacer{
		limits: l, all: rate.NewLimiter(rate.Inf, leastBurst), line: make(chan struct{}, 1), seed: maphash.MakeSeed(), began: time.Now(),
		target: newWindow(l.PerTarget), network: newWindow(l.PerNetwork),
	}
	if l.PerSecond > 0 {
		p.all.SetLimit(rate.Limit(l.PerSecond))
		p.all.SetBurst(burst(l.PerSecond, 1))
	}
	return p
}

// burst is how many probes one of n workers may send at once.
func burst(perSecond float64, n int) int {
	return int(max(1, min(max(perSecond*burstSeconds, leastBurst), perSecond)/float64(n)))
}

// Share makes the limits those of n workers, of which this is one. One that joins
// the others sends nothing at once: what they may, they may have sent just now.
// Only of single addresses it is believed that they ask others.
func (p *Pacer) Share(n int, joins bool) {
	n = max(n, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.began)
	p.target.share(n, now)
	p.network.share(n, now)
	if p.limits.PerSecond > 0 {
		p.all.SetLimit(rate.Limit(p.limits.PerSecond / float64(n)))
		p.all.SetBurst(burst(p.limits.PerSecond, n))
	}
	if joins && n > 1 {
		p.network.empty(now)
		if left := int(p.all.Tokens()); left > 0 && p.limits.PerSecond > 0 {
			p.all.AllowN(time.Now(), left)
		}
	}
}

// Wait waits until one more probe may leave the worker.
func (p *Pacer) Wait(ctx context.Context) error { return p.WaitN(ctx, 1) }

// WaitN waits until n more probes may leave the worker.
func (p *Pacer) WaitN(ctx context.Context, n int) error {
	select {
	case p.line <- struct{}{}:
		defer func() { <-p.line }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for n > 0 {
		some := min(n, p.all.Burst())
		err := p.all.WaitN(ctx, some)
		switch {
		case err == nil:
			n -= some
		case ctx.Err() != nil || some <= p.all.Burst():
			return err
		} // else the share has become smaller than what was asked for at once
	}
	return ctx.Err()
}

// Owe counts n probes that leave at once, because those before them left already: others wait
// the longer.
func (p *Pacer) Owe(n int) {
	for range n {
		p.all.Reserve()
	}
}

// Batch is how many probes may be asked for at once, of at most n, so that a
// slow pace is an even one.
func (p *Pacer) Batch(n int) int {
	const perSecond = 500
	if l := p.all.Limit(); l != rate.Inf {
		n = min(n, 1+int(l)/perSecond)
	}
	return n
}

// Admit takes n probes from the allowances of the address and of its network,
// and returns 0. If one of them is used up it takes nothing, and returns after
// what time to ask again.
func (p *Pacer) Admit(a netip.Addr, n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := time.Now()
	now := at.Sub(p.began)
	if at.Sub(p.forgotten) > forgetEvery {
		p.forgotten = at
		p.target.forget(now)
		p.network.forget(now)
	}
	a = a.Unmap().WithZone("")
	target, network := maphash.Comparable(p.seed, a), maphash.Comparable(p.seed, networkOf(a))
	wait := max(p.target.wait(target, n, now), p.network.wait(network, n, now))
	if wait > 0 {
		return wait
	}
	p.target.take(target, n, now)
	p.network.take(network, n, now)
	return 0
}

// AdmitWait waits until Admit lets the probes go.
func (p *Pacer) AdmitWait(ctx context.Context, a netip.Addr, n int) error {
	for {
		wait := p.Admit(a, n)
		if wait == 0 {
			return ctx.Err()
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

func networkOf(a netip.Addr) netip.Prefix {
	n := networkBits6
	if a.Is4() {
		n = networkBits4
	}
	prefix, _ := a.Prefix(n) // fails for a wrong number of bits only
	return prefix
}

// window keeps a count per second below a limit for each key. It is a token
// bucket in its GCRA form, one instant per key: half of the limit may go at
// once, and half of it is refilled within a second, so that no second sees more
// than the whole. Keys are hashes: two that collide share one allowance.
type window struct {
	whole time.Duration // that one probe uses up where nobody shares the limit
	step  time.Duration // that one probe uses up
	depth time.Duration // that may be used up at once
	full  map[uint64]time.Duration
	floor time.Duration // no key is full before
}

func newWindow(limit int) window {
	if limit <= 0 {
		return window{}
	}
	half := max(float64(limit)/2, 1)
	step := time.Duration(float64(time.Second) / half)
	return window{whole: step, step: step, depth: time.Second, full: map[uint64]time.Duration{}}
}

// share gives this worker an n-th of the limit. What was used up stays used up.
func (w *window) share(n int, now time.Duration) {
	step := time.Duration(n) * w.whole
	if w.full == nil || step == w.step {
		return
	}
	for key, full := range w.full {
		if full > now {
			w.full[key] = now + time.Duration(float64(full-now)*float64(step)/float64(w.step))
		}
	}
	w.step = step
}

// empty uses up what any key might take at once.
func (w *window) empty(now time.Duration) { w.floor = now + w.depth }

// wait is how long the key must wait for n. More than fits at all waits for an
// empty bucket.
func (w *window) wait(key uint64, n int, now time.Duration) time.Duration {
	if w.full == nil {
		return 0
	}
	return max(0, max(w.full[key], w.floor)+min(time.Duration(n)*w.step, w.depth)-now-w.depth)
}

func (w *window) take(key uint64, n int, now time.Duration) {
	if w.full != nil {
		w.full[key] = max(w.full[key], w.floor, now) + time.Duration(n)*w.step
	}
}

// forget drops the keys whose allowance is whole again.
func (w *window) forget(now time.Duration) {
	for key, full := range w.full {
		if full <= now {
			delete(w.full, key)
		}
	}
}
