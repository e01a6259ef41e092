// Package pace keeps probes from becoming a storm: it bounds how many leave a
// worker per second, how many go to one address, and how many into one network.
package pace

import (
	"context"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of one worker; a zero sets none.
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
	all *rate.Limiter

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
		all: rate.NewLimiter(rate.Inf, leastBurst), seed: maphash.MakeSeed(), began: time.Now(),
		target: newWindow(l.PerTarget), network: newWindow(l.PerNetwork),
	}
	if l.PerSecond > 0 {
		p.all.SetLimit(rate.Limit(l.PerSecond))
		p.all.SetBurst(int(max(1, min(max(l.PerSecond*burstSeconds, leastBurst), l.PerSecond))))
	}
	return p
}

// Wait waits until one more probe may leave the worker.
func (p *Pacer) Wait(ctx context.Context) error { return p.all.Wait(ctx) }

// WaitN waits until n more probes may leave the worker.
func (p *Pacer) WaitN(ctx context.Context, n int) error {
	for burst := p.all.Burst(); n > burst; n -= burst {
		if err := p.all.WaitN(ctx, burst); err != nil {
			return err
		}
	}
	return p.all.WaitN(ctx, n)
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
	step  time.Duration // that one probe uses up
	depth time.Duration // that may be used up at once
	full  map[uint64]time.Duration
}

func newWindow(limit int) window {
	if limit <= 0 {
		return window{}
	}
	half := max(float64(limit)/2, 1)
	return window{
		step: time.Duration(float64(time.Second) / half), depth: time.Second,
		full: map[uint64]time.Duration{},
	}
}

// wait is how long the key must wait for n. More than fits at all waits for an
// empty bucket.
func (w *window) wait(key uint64, n int, now time.Duration) time.Duration {
	if w.full == nil {
		return 0
	}
	return max(0, w.full[key]+min(time.Duration(n)*w.step, w.depth)-now-w.depth)
}

func (w *window) take(key uint64, n int, now time.Duration) {
	if w.full != nil {
		w.full[key] = max(w.full[key], now) + time.Duration(n)*w.step
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
