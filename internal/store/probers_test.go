package store

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestProbersOfAVantageKnowEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		ctx := t.Context()
		require.NoError(t, open().Migrate(ctx))
		one, other := open(), open()
		got, err := one.Attend(ctx, "msk", "a", 1)
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"a": 1}, got)
		_, err = other.Attend(ctx, "spb", "c", 7)
		require.NoError(t, err)
		got, err = other.Attend(ctx, "msk", "b", 1)
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"a": 1, "b": 1}, got, "another vantage has probers of its own")
		got, err = one.Attend(ctx, "msk", "a", 2)
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"a": 2, "b": 1}, got)

		require.NoError(t, other.Leave(ctx, "msk", "b", "never was there"))
		got, err = other.Probers(ctx, "msk")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"a": 2}, got)
		got, err = other.Probers(ctx, "spb")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"c": 7}, got)
	})
}

// Of workers that begin at once, all but one at most see that they aren't alone.
func TestOfTwoProbersThatBeginAtOnceOneSeesTheOther(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		require.NoError(t, open().Migrate(t.Context()))
		workers := []string{"a", "b", "c", "d"}
		seen := make([]int, len(workers))
		var begin errgroup.Group
		for i, worker := range workers {
			st := open()
			begin.Go(func() error {
				got, err := st.Attend(t.Context(), "msk", worker, 1)
				seen[i] = len(got)
				return err
			})
		}
		require.NoError(t, begin.Wait())
		alone := 0
		for _, n := range seen {
			require.NotZero(t, n)
			if n == 1 {
				alone++
			}
		}
		require.LessOrEqual(t, alone, 1, "who saw whom: %v", seen)
	})
}
