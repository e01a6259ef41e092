package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Two processes hold a store each; here both are ours.
func TestAPageIsSeenByTheOtherProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		pager, other := open(), open()
		ctx := t.Context()
		require.False(t, other.lamp.lit(ctx))
		out := pager.Light()
		second := pager.Light()
		require.Eventually(t, func() bool { return other.lamp.lit(ctx) }, 5*time.Second, time.Millisecond)
		out()
		require.Eventually(t, func() bool { return other.lamp.lit(ctx) }, 5*time.Second, time.Millisecond, "the second page is still under way")
		second()
		require.False(t, other.lamp.lit(ctx))
	})
}

func TestWhoWritesMuchHoldsStillForAPageOfAnotherProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		pager, other := open(), open()
		out := pager.Light()
		require.Eventually(t, func() bool { return other.lamp.lit(t.Context()) }, 5*time.Second, time.Millisecond)
		wrote := make(chan error, 1)
		begin := time.Now()
		go func() {
			wrote <- other.writeMany(t.Context(), few+1, func(*transaction) error { return nil })
		}()
		require.NoError(t, other.write(t.Context(), func(*transaction) error { return nil }), "what is small goes at once")
		require.NoError(t, <-wrote, "it goes on although the page never ends")
		require.GreaterOrEqual(t, time.Since(begin), lampPatience)
		out()
	})
}

func TestADatabaseInMemoryHasNoLamp(t *testing.T) {
	s, err := Open(t.Context(), "sqlite::memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	s.Light()()
	s.giveWay(t.Context())
}
