package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestARateThatNobodyUsedAllowsItsBurstAtOnce(t *testing.T) {
	r := Rate{PerSecond: 100, Burst: 20}
	g, free := r.Take(time.Time{}, 50, false, 0, noon)
	require.Equal(t, 18, g.N, "a tenth of the burst is kept for what is urgent")
	require.False(t, g.Slot(g.N-1).After(noon))
	g, _ = r.Take(free, 50, false, 100*time.Millisecond, noon)
	require.Equal(t, 10, g.N)
	require.Equal(t, noon.Add(10*time.Millisecond), g.First)
}

func TestAnUrgentMessageDoesNotWait(t *testing.T) {
	r := Rate{PerSecond: 1}
	_, free := r.Take(time.Time{}, 100, false, time.Hour, noon)
	g, after := r.Take(free, 1, true, 0, noon)
	require.Equal(t, noon, g.First)
	require.Equal(t, free.Add(time.Second), after, "the others wait for it")
}

func TestNoSpanSeesMoreThanBurstAndRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: rapid.Float64Range(0.5, 2000).Draw(t, "rate"), Burst: rapid.IntRange(0, 300).Draw(t, "burst")}
		now, free := noon, time.Time{}
		var sent []time.Time
		for range rapid.IntRange(1, 30).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3_000_000).Draw(t, "µs")) * time.Microsecond)
			var g Grant
			g, free = r.Take(free, rapid.IntRange(1, 200).Draw(t, "n"), false, time.Duration(rapid.IntRange(0, 500).Draw(t, "ms"))*time.Millisecond, now)
			for i := range g.N {
				at := g.Slot(i)
				if at.Before(now) {
					at = now
				}
				sent = append(sent, at)
			}
		}
		for i := range sent {
			for j := i; j < len(sent); j++ {
				span := sent[j].Sub(sent[i]).Seconds()
				if most := float64(r.burst()) + span*r.PerSecond + 1; float64(j-i+1) > most {
					t.Fatalf("%d messages in %.3f s at %g/s, burst %d", j-i+1, span, r.PerSecond, r.burst())
				}
			}
		}
	})
}
