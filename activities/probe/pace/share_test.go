package pace

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Whoever shares the limits takes what he may as soon as he may, while others come and go: no
// second sees more than the limit in one network, over all workers. Who goes is counted for a
// second more.
func TestWorkersThatComeAndGoKeepOneLimitTogether(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const most = 4
		limit := 2 * most * rapid.IntRange(1, 20).Draw(r, "limit")
		c := crew{workers: make([]window, most), sends: make([]bool, most), counted: make([]time.Duration, most)}
		for i := range c.workers {
			c.workers[i] = newWindow(limit)
		}
		var sent []time.Duration
		const tick = 10 * time.Millisecond
		for now := tick; now < 5*time.Second; now += tick {
			if i := rapid.IntRange(0, 20*most).Draw(r, "who"); i < most {
				c.turn(i, now)
			}
			c.share(now)
			for i := range c.workers {
				for c.sends[i] && c.workers[i].wait(1, 1, now) == 0 {
					c.workers[i].take(1, 1, now)
					sent = append(sent, now)
				}
			}
			recent := 0
			for _, at := range sent {
				if now-at < time.Second {
					recent++
				}
			}
			if recent > limit {
				r.Fatalf("%d probes within a second, limit %d", recent, limit)
			}
		}
	})
}

// crew are workers of which some send and some are only counted yet.
type crew struct {
	workers []window
	sends   []bool
	counted []time.Duration // until when
}

func (c *crew) count(now time.Duration) (n int) {
	for i := range c.workers {
		if c.sends[i] || c.counted[i] > now {
			n++
		}
	}
	return n
}

// turn has a worker begin or end.
func (c *crew) turn(i int, now time.Duration) {
	if c.sends[i] {
		c.sends[i], c.counted[i] = false, now+time.Second
		return
	}
	joins := c.counted[i] <= now
	if c.sends[i] = true; joins && c.count(now) > 1 {
		c.workers[i].share(c.count(now), now)
		c.workers[i].empty(now)
	}
}

func (c *crew) share(now time.Duration) {
	for i := range c.workers {
		c.workers[i].share(c.count(now), now)
	}
}

func TestAShareIsAnNthOfEachLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 4
		p := New(Limits{PerSecond: 1000, PerTarget: 40, PerNetwork: 400})
		p.Share(workers, false)
		if n := p.all.Burst(); n != 512/workers {
			t.Errorf("%d at once, want a fourth of 512", n)
		}
		began := time.Now()
		if err := p.WaitN(t.Context(), 512/workers+500); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 2*time.Second || took > 2100*time.Millisecond {
			t.Errorf("500 probes in %s, want 2 s at a fourth of 1,000 a second", took)
		}
		if p.Admit(host, 5) != 0 || p.Admit(host, 1) == 0 {
			t.Error("want a fourth of the 20 that may go to one address at once")
		}
		if p.Admit(neighbour, 5) != 0 || p.Admit(neighbour, 1) == 0 {
			t.Error("a neighbour pays for it")
		}
		a := neighbour
		for range 8 { // fifty probes into the network, with the ten above
			if a = a.Next(); p.Admit(a, 5) != 0 {
				t.Fatal("want a fourth of the 200 that may go into one network at once")
			}
		}
		if p.Admit(a.Next(), 1) == 0 {
			t.Error("more than a fourth of the 200 at once")
		}
		p.Share(1, false)
		if p.all.Limit() != 1000 || p.all.Burst() != 512 {
			t.Errorf("alone again: %v a second, %d at once", p.all.Limit(), p.all.Burst())
		}
		if a = a.Next(); p.Admit(a, 20) != 0 || p.Admit(a, 1) == 0 {
			t.Error("alone again: want all of the 20 that may go to one address at once")
		}
	})
}

// Who joins others knows nothing of what they have sent within the second.
func TestAWorkerThatJoinsOthersSendsNothingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerSecond: 1000, PerTarget: 40, PerNetwork: 400})
		p.Share(2, true)
		if wait := p.Admit(host, 1); wait < 9*time.Millisecond || wait > 11*time.Millisecond {
			t.Errorf("the first probe into a network after %v, want 10 ms at 100 a second", wait)
		}
		began := time.Now()
		if err := p.WaitN(t.Context(), 50); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 90*time.Millisecond || took > 110*time.Millisecond {
			t.Errorf("50 probes in %v, want 100 ms at 500 a second", took)
		}
		alone := New(Limits{PerSecond: 1000, PerTarget: 40, PerNetwork: 400})
		alone.Share(1, true)
		if alone.Admit(netip.MustParseAddr("192.0.2.1"), 20) != 0 || alone.all.Tokens() < 512 {
			t.Error("there was nobody to join")
		}
	})
}

// Hundreds of connections wait for their turn when another worker begins.
func TestASmallerShareHoldsForThoseWhoWaitAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerSecond: 100})
		if err := p.WaitN(t.Context(), 100); err != nil { // what may go at once
			t.Fatal(err)
		}
		var went atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 500 {
			go func() {
				if p.Wait(ctx) == nil {
					went.Add(1)
				}
			}()
		}
		synctest.Wait()
		p.Share(4, false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := went.Load(); n < 49 || n > 51 {
			t.Errorf("%d of those who waited went within two seconds, want 50 at a fourth of 100 a second", n)
		}
	})
}

// A share that becomes smaller while a batch waits for its turn interrupts nothing.
func TestASmallerShareInterruptsNoBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerSecond: 8})
		done := make(chan error, 1)
		go func() { done <- p.WaitN(t.Context(), 40) }()
		time.Sleep(time.Second)
		p.Share(4, false)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
