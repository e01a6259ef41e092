package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
)

func TestEachNotificationIsClaimedExactlyOnce(t *testing.T) {
	const notifications, claimants = 120, 12
	onBoth(t, func(t *testing.T, open func() *Store) {
		stores := []*Store{open(), open()}
		require.NoError(t, stores[0].Migrate(t.Context()))
		names := make([]string, notifications)
		for i := range names {
			names[i] = fmt.Sprint(i)
		}
		ids := enqueue(t, stores[0], names...)

		var mu sync.Mutex
		claimed := map[string]int{}
		var group errgroup.Group
		for c := range claimants {
			group.Go(func() error {
				// Overlapping windows in different orders, so that every id is wanted by several.
				for start := 0; start < notifications; start += 20 {
					var batch []string
					for i := range 40 {
						batch = append(batch, ids[(start+c*7+i)%notifications])
					}
					claims, err := stores[c%2].Claim(t.Context(), batch, time.Minute, t0)
					if err != nil {
						return err
					}
					mu.Lock()
					for _, n := range claims.Claimed {
						claimed[n.ID]++
					}
					mu.Unlock()
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		require.Len(t, claimed, notifications)
		for id, times := range claimed {
			require.Equal(t, 1, times, id)
			require.EqualValues(t, 1, read(t, stores[1], id).LeaseToken)
		}
	})
}

func TestClaimSortsWhatItIsAskedFor(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		overdue, acked := message("overdue"), message("acked")
		overdue.Deadline = at(time.Minute)
		more, err := st.Enqueue(ctx, []ledger.Notification{overdue, acked}, t0)
		require.NoError(t, err)
		ids := enqueue(t, st, "due", "leased", "put-off", "done", "lost")
		due, leased, putOff, done, lost := ids[0], ids[1], ids[2], ids[3], ids[4]
		_, _, err = st.Acknowledge(ctx, more[1], "page", t0)
		require.NoError(t, err)

		claimOne(t, st, lost, t0)
		now := at(time.Minute) // its lease ends at this very instant
		claimOne(t, st, leased, at(30*time.Second))
		n := claimOne(t, st, putOff, at(30*time.Second))
		require.NoError(t, st.Settle(ctx, putOff, n.LeaseToken, ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, RetryAfter: time.Minute}, at(30*time.Second)))
		n = claimOne(t, st, done, t0)
		require.NoError(t, st.Settle(ctx, done, n.LeaseToken, accepted("SM9"), t0))

		claims, err := st.Claim(ctx, append(ids, more[0], more[1], due), time.Minute, now)
		require.NoError(t, err)
		require.Len(t, claims.Claimed, 1)
		require.Equal(t, due, claims.Claimed[0].ID)
		require.Equal(t, []string{lost}, claims.Unknown)
		require.Equal(t, []ledger.Waiting{{ID: leased, RetryAt: at(90 * time.Second)}, {ID: putOff, RetryAt: at(90 * time.Second)}}, claims.Waiting)
		require.Len(t, claims.Done, 3)
		require.Equal(t, done, claims.Done[0].ID)
		require.Equal(t, ledger.Dropped, claims.Done[1].State)
		require.Equal(t, ledger.ClassExpired, claims.Done[1].Class)
		require.Equal(t, ledger.Dropped, claims.Done[2].State, "acknowledged before it left")
		require.Equal(t, ledger.ClassNone, claims.Done[2].Class)

		attempts, err := st.Attempts(ctx, lost)
		require.NoError(t, err)
		require.Len(t, attempts, 1)
		require.Equal(t, ledger.Unknown, attempts[0].State)
		require.Equal(t, ledger.ClassAmbiguous, attempts[0].Class)
		require.Equal(t, now, attempts[0].SettledAt)
	})
}

func TestAnUnknownIsNotClaimedAgain(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		id := enqueue(t, st, "a")[0]
		claimOne(t, st, id, t0)
		for i := range 3 {
			claims, err := st.Claim(t.Context(), []string{id}, time.Minute, at(time.Duration(i+1)*time.Hour))
			require.NoError(t, err)
			require.Empty(t, claims.Claimed)
			require.Empty(t, claims.Waiting)
			require.Equal(t, ledger.Unknown, read(t, st, id).State)
		}
	})
}

func TestClaimNamesAnIDThatIsNotInTheLedger(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		id := enqueue(t, st, "a")[0]
		_, err := st.Claim(t.Context(), []string{id, "nowhere"}, time.Minute, t0)
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorContains(t, err, "nowhere")
		require.Equal(t, ledger.Queued, read(t, st, id).State, "nothing is leased by a claim that failed")
	})
}
