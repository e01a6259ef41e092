package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// While Temporal takes one signal, the alerts of a storm gather for the next.
func TestAStormIsAFewSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		signals := map[string]int{}
		l := triageLines{tell: func(_ context.Context, region string, ids []string) error {
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			signals[region]++
			told = append(told, ids...)
			return nil
		}}
		var all sync.WaitGroup
		var want []string
		for i := range 300 {
			id := fmt.Sprintf("a%03d", i)
			want = append(want, id)
			all.Go(func() {
				if err := l.Tell(t.Context(), []string{"msk", "spb"}[i%2], []string{id}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if !slices.Contains(told, id) {
					t.Errorf("%s is said to be told, and is not", id)
				}
			})
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		l.Wait()
		slices.Sort(told)
		require.Equal(t, want, told, "each alert is told once")
		require.LessOrEqual(t, signals["msk"], 5)
		require.LessOrEqual(t, signals["spb"], 5)
	})
}

func TestWhoWaitsInVainHearsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		calls := 0
		l := triageLines{tell: func(ctx context.Context, _ string, _ []string) error {
			if calls++; calls == 2 {
				return away
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		}}
		first := make(chan error, 1)
		go func() { first <- l.Tell(t.Context(), "msk", []string{"a"}) }()
		synctest.Wait()
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, l.Tell(gone, "msk", []string{"b"}), context.DeadlineExceeded, "nobody waits longer than he wants to")
		second := make(chan error, 1)
		go func() { second <- l.Tell(t.Context(), "msk", []string{"c"}) }()
		require.ErrorIs(t, <-first, context.DeadlineExceeded, "Temporal is not waited for for ever")
		require.ErrorIs(t, <-second, away, "an error is that of its own signal")
		l.Wait()
		require.Equal(t, 2, calls)
	})
}
