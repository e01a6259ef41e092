package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func TestPartsHoldEachNotificationOfARungOnce(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		write := func(from, to, rung int) []string {
			var ns []ledger.Notification
			for i := from; i < to; i++ {
				n := message(fmt.Sprintf("%d-%d", rung, i))
				n.Subject, n.Step, n.Revision, n.Rung = "incident/i1", "update", 2, rung
				if i%3 == 0 {
					n.Channel = inventory.Email
				}
				ns = append(ns, n)
			}
			ids, err := st.Enqueue(ctx, ns, t0)
			require.NoError(t, err)
			return ids
		}
		want := write(0, 100, 0)
		write(0, 10, 1)

		parts, err := st.Parts(ctx, "incident/i1", "update", 2, 0, 30)
		require.NoError(t, err)
		require.Len(t, parts, 2+3, "34 mails, 66 others")
		collect := func() (got []string) {
			for _, p := range parts {
				got = append(got, partIDs(t, st, p)...)
			}
			return got
		}
		require.ElementsMatch(t, want, collect())
		for _, p := range parts {
			ids := partIDs(t, st, p)
			require.Len(t, ids, p.Count)
			require.True(t, slices.IsSorted(ids))
		}
		late := write(100, 110, 0)
		require.ElementsMatch(t, append(want, late...), collect(), "what is written later belongs to a part, too")

		tallies, err := st.Tallies(ctx, "incident/i1", "update", 2)
		require.NoError(t, err)
		require.Len(t, tallies, 4)
		require.Equal(t, inventory.Email, tallies[0].Channel)
		require.Equal(t, 37, tallies[0].Total)
		require.Equal(t, map[ledger.State]int{ledger.Queued: 37}, tallies[0].ByState)

		sendings, err := st.Sendings(ctx, "incident/i1")
		require.NoError(t, err)
		require.Equal(t, []Sending{{Step: "update", Revision: 2, Event: sendings[0].Event, Total: 120, At: t0}}, sendings)

		slim, err := st.Standings(ctx, NotificationFilter{Subject: "incident/i1"})
		require.NoError(t, err)
		require.Len(t, slim, 120)
		require.Empty(t, slim[0].Body)
		require.NotEmpty(t, slim[0].AckCode)
	})
}

func partIDs(t *testing.T, st *Store, p ledger.Part) []string {
	t.Helper()
	ns, err := st.PartStandings(t.Context(), p)
	require.NoError(t, err)
	ids := make([]string, len(ns))
	for i, n := range ns {
		ids[i] = n.ID
	}
	return ids
}
