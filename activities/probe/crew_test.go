package probe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vakhta/internal/inventory"
)

// board is what all workers of a vantage see.
type board struct {
	mu     sync.Mutex
	beats  map[string]int64
	wrote  int
	broken error
}

func (b *board) Attend(_ context.Context, _, worker string, beat int64) (map[string]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken != nil {
		return nil, b.broken
	}
	b.wrote++
	if b.beats == nil {
		b.beats = map[string]int64{}
	}
	b.beats[worker] = beat
	return maps.Clone(b.beats), nil
}

// Probers can be read where nothing can be written.
func (b *board) Probers(context.Context, string) (map[string]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.beats), nil
}

func (b *board) Leave(_ context.Context, _ string, workers ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken != nil {
		return b.broken
	}
	b.wrote++
	for _, worker := range workers {
		delete(b.beats, worker)
	}
	return nil
}

func (b *board) seen() (wrote, probers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wrote, len(b.beats)
}

func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = err
}

// crewed is a worker of the vantage whose limits a test looks at.
func crewed(t *testing.T, b *board) *Activities {
	t.Helper()
	a := New(&inventory.Inventory{}, &memory{}, Options{Vantage: "msk", PerTarget: 2 * together, PerNetwork: 1_000_000, Crew: b})
	t.Cleanup(func() { Leave(a) })
	return a
}

// together is how many probes a worker that is alone may send to one address at once.
const together = 60

var target = netip.MustParseAddr("192.0.2.1")

// among is among how many the worker shares the limits, as an address that wasn't asked before sees it.
func among(a *Activities) int {
	time.Sleep(time.Millisecond) // the network's allowance of one that joins is empty
	n := 0
	for target = target.Next(); a.pace.Admit(target, 1) == 0; n++ {
		if n > together {
			return 0
		}
	}
	return together / n
}

func shares(t *testing.T, when string, want int, workers ...*Activities) {
	t.Helper()
	for i, a := range workers {
		if got := among(a); got != want {
			t.Errorf("%s, worker %d shares the limits among %d, want %d", when, i+1, got, want)
		}
	}
}

func TestTheWorkersThatProbeShareTheLimitsOfTheirVantage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		one, two, idle := crewed(t, b), crewed(t, b), crewed(t, b)
		leaveOne := one.share.join(t.Context())
		shares(t, "alone", 1, one)
		leaveTwo := two.share.join(t.Context())
		shares(t, "at once", 2, two)
		time.Sleep(lookEvery)
		synctest.Wait()
		shares(t, "a moment later", 2, one, two)
		shares(t, "without work", 1, idle)

		leaveTwo()
		time.Sleep(lingers - lookEvery)
		synctest.Wait()
		shares(t, "while its last probes count", 2, one)
		time.Sleep(3 * lookEvery)
		synctest.Wait()
		shares(t, "after the other has ended", 1, one)
		leaveOne()
	})
}

// Rounds follow each other within a second: each would cost two writes.
func TestTheNextRoundFindsItsShareKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		a := crewed(t, b)
		for range 4 {
			a.share.join(t.Context())()
			time.Sleep(lookEvery / 2)
		}
		if wrote, _ := b.seen(); wrote != 1 {
			t.Errorf("%d writes in half a second, want one", wrote)
		}
		time.Sleep(lingers + lookEvery)
		synctest.Wait()
		if _, probers := b.seen(); probers != 0 {
			t.Errorf("%d probe, want nobody", probers)
		}
		leave := a.share.join(t.Context())
		if _, probers := b.seen(); probers != 1 {
			t.Errorf("%d probe, want the worker anew", probers)
		}
		leave()
	})
}

// A worker that died leaves its part to the others, soon, and doesn't count for ever.
func TestTheShareOfADeadWorkerGoesToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{beats: map[string]int64{"died": 17}}
		a := crewed(t, b)
		defer a.share.join(t.Context())()
		time.Sleep(beatsMissed * beatEvery)
		synctest.Wait()
		shares(t, "as long as it may only be slow", 2, a)
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		shares(t, "after four missed beats", 1, a)
		if _, probers := b.seen(); probers != 1 {
			t.Error("who is dead is counted by the next one, too")
		}
	})
}

// While the store takes nobody's beats, silence is no death.
func TestWithoutTheStoreAWorkerKeepsTheShareThatItHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		one, two := crewed(t, b), crewed(t, b)
		leaveTwo := two.share.join(t.Context())
		leaveOne := one.share.join(t.Context())
		b.fail(errors.New("the disk is full"))
		time.Sleep(time.Minute)
		synctest.Wait()
		shares(t, "while nothing can be written", 2, one, two)
		leaveOne()
		time.Sleep(time.Minute)
		leave := one.share.join(t.Context()) // it doesn't hold the probes
		shares(t, "after a pause", 2, one)
		b.fail(nil)
		leave()
		leaveTwo()
	})
}

// What the store did not take from us, it did not take from others either.
func TestNobodyIsDeadBecauseTheStoreWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{beats: map[string]int64{"other": 17}}
		a := crewed(t, b)
		defer a.share.join(t.Context())()
		b.fail(errors.New("the disk is full"))
		time.Sleep(time.Minute)
		b.fail(nil)
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		shares(t, "before the other could say anything", 2, a)
		time.Sleep(beatsMissed*beatEvery + lookEvery)
		synctest.Wait()
		shares(t, "after it missed four beats", 1, a)
	})
}

// One that others took for dead, because it was stopped for a while, is counted again.
func TestAWorkerThatWasForgottenIsCountedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		a := crewed(t, b)
		defer a.share.join(t.Context())()
		_ = b.Leave(t.Context(), "msk", a.share.worker)
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		if _, probers := b.seen(); probers != 1 {
			t.Errorf("%d probe, want the worker", probers)
		}
	})
}

// All that probes takes part.
func TestSweepsAndWatchesTakePartInTheLimits(t *testing.T) {
	port := listening(t)
	for name, do := range map[string]func(*testing.T, *Activities) error{
		"a sweep": func(t *testing.T, a *Activities) error {
			_, err := run(t.Context(), t, a, a.Sweep, SweepParams{Sweep: "s", Components: []string{"s0"}})
			return err
		},
		"a planned shard": func(t *testing.T, a *Activities) error {
			_, err := runShard(t.Context(), t, a, ShardParams{Sweep: "s", Round: 1})
			return err
		},
		"a watch": func(t *testing.T, a *Activities) error {
			_, err := run(t.Context(), t, a, a.Watch, WatchParams{Components: []string{"s0"}, Stable: 1, TimeoutMs: patient})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := &board{}
			a := New(estateOf(t, fmt.Sprintf("{address: 127.0.0.1, tcp: [%d]}", port)), &memory{}, Options{Vantage: "msk", Crew: b, Plans: planned{}})
			defer Leave(a)
			if err := do(t, a); err != nil {
				t.Fatal(err)
			}
			if wrote, _ := b.seen(); wrote == 0 || a.share.busy != 0 {
				t.Errorf("%d writes, %d under way; want it counted, and over", wrote, a.share.busy)
			}
		})
	}
}
