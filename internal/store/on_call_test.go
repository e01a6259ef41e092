package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/roster"
)

func TestOverridesAreReadInTheOrderInWhichTheyWereMade(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		swap := []roster.Override{
			{ID: "o2", Team: "network", Rotation: "primary", Person: "vera", From: at(0), To: at(time.Hour), Author: "olga", Reason: "swap", MadeAt: at(0)},
			{ID: "o1", Team: "network", Rotation: "primary", Person: "oleg", From: at(time.Hour), To: at(2 * time.Hour), Author: "olga", Reason: "swap", MadeAt: at(0)},
		}
		require.NoError(t, st.PutOverrides(ctx, swap...))
		require.NoError(t, st.PutOverrides(ctx, swap...), "again")
		got, err := st.Overrides(ctx, at(0))
		require.NoError(t, err)
		require.Equal(t, roster.Overrides(swap), got)
		got, err = st.Overrides(ctx, at(time.Hour))
		require.NoError(t, err)
		require.Equal(t, roster.Overrides(swap[1:]), got)

		require.NoError(t, st.RemoveOverride(ctx, "o1", "olga", at(0)))
		require.ErrorIs(t, st.RemoveOverride(ctx, "o1", "olga", at(0)), ErrNotFound)
		got, err = st.Overrides(ctx, at(time.Hour))
		require.NoError(t, err)
		require.Empty(t, got)
	})
}

func TestAnIncidentKeepsItsTurn(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		for _, c := range []struct {
			level, incident string
			want            int
		}{{"network/1", "a", 0}, {"network/1", "b", 1}, {"network/1", "a", 0}, {"network/2", "c", 0}, {"network/1", "c", 2}, {"network/1", "b", 1}} {
			n, err := st.Turn(t.Context(), c.level, c.incident)
			require.NoError(t, err)
			require.Equal(t, c.want, n, c.level+" "+c.incident)
		}
	})
}
