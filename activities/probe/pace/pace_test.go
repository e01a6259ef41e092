package pace

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var (
	host      = netip.MustParseAddr("192.0.2.17")
	neighbour = netip.MustParseAddr("192.0.2.18")
	elsewhere = netip.MustParseAddr("198.51.100.1")
)

func TestOneAddressIsNotAskedMoreOftenThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerTarget: 10})
		for range 5 {
			if wait := p.Admit(host, 1); wait != 0 {
				t.Fatalf("wait %s, want none within half of the limit", wait)
			}
		}
		wait := p.Admit(host, 1)
		if wait <= 0 || wait > 200*time.Millisecond {
			t.Fatalf("wait %s, want a fifth of a second", wait)
		}
		if p.Admit(neighbour, 5) != 0 {
			t.Error("a neighbour pays for it")
		}
		time.Sleep(wait)
		if p.Admit(host, 1) != 0 {
			t.Error("still refused after the time that was named")
		}
	})
}

func TestOneNetworkIsNotAskedMoreOftenThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerNetwork: 4})
		if p.Admit(host, 1) != 0 || p.Admit(neighbour, 1) != 0 || p.Admit(netip.MustParseAddr("::ffff:192.0.2.19"), 1) == 0 {
			t.Error("a /24 shares its allowance, however its addresses are written")
		}
		if p.Admit(elsewhere, 1) != 0 {
			t.Error("another network pays for it")
		}
		if p.Admit(netip.MustParseAddr("2001:db8::1"), 2) != 0 || p.Admit(netip.MustParseAddr("2001:db8::2:1"), 1) == 0 {
			t.Error("a /64 shares its allowance")
		}
		if p.Admit(netip.MustParseAddr("2001:db8:0:1::1"), 1) != 0 {
			t.Error("another /64 pays for it")
		}
	})
}

func TestRefusalTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerTarget: 4, PerNetwork: 100})
		p.Admit(host, 2)
		for range 100 {
			if p.Admit(host, 1) == 0 {
				t.Fatal("admitted beyond the limit")
			}
		}
		if p.Admit(neighbour, 2) != 0 {
			t.Error("refused probes have used up the network's allowance")
		}
	})
}

// Whatever is asked for and when, no second sees more than the limit of probes
// to one address, and whoever waits as he is told gets through.
func TestNoSecondSeesMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		limit := rapid.IntRange(2, 50).Draw(r, "limit")
		w := newWindow(limit)
		var admitted []time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(r, "probes") {
			now += time.Duration(rapid.IntRange(0, 300).Draw(r, "pause")) * time.Millisecond
			n := rapid.IntRange(1, max(1, limit/2)).Draw(r, "n")
			if wait := w.wait(1, n, now); wait > 0 {
				if rapid.Bool().Draw(r, "give up") {
					continue
				}
				now += wait
			}
			if wait := w.wait(1, n, now); wait > 0 {
				r.Fatalf("must wait another %s", wait)
			}
			w.take(1, n, now)
			for range n {
				admitted = append(admitted, now)
			}
			recent := 0
			for _, at := range admitted {
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

func TestWaitingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerTarget: 2})
		if err := p.AdmitWait(t.Context(), host, 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if err := p.AdmitWait(ctx, host, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want cancelled", err)
		}
	})
}

func TestWorkersPaceHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerSecond: 1000})
		began := time.Now()
		if err := p.WaitN(t.Context(), 512+2000); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 2*time.Second || took > 2100*time.Millisecond {
			t.Errorf("2,512 probes in %s, want 2 s at 1,000 a second after a burst of 512", took)
		}
		if n := p.Batch(32); n != 3 {
			t.Errorf("batches of %d at 1,000 a second, want 3", n)
		}
	})
	slow := New(Limits{PerSecond: 2})
	if n := slow.all.Burst(); n != 2 {
		t.Errorf("%d at once at 2 a second", n)
	}
}

func TestPacerForgetsWhoIsWholeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{PerTarget: 4, PerNetwork: 4})
		a := host
		for range 1000 {
			a = a.Next()
			p.Admit(a, 1)
		}
		time.Sleep(time.Hour)
		p.Admit(host, 1)
		if len(p.target.full) != 1 || len(p.network.full) != 1 {
			t.Errorf("remembers %d addresses and %d networks, want 1 of each", len(p.target.full), len(p.network.full))
		}
	})
}
