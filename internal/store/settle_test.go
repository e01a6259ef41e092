package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
)

func lostLease(t *testing.T, st *Store, critical bool) ledger.Notification {
	t.Helper()
	m := message("a")
	m.Critical = critical
	ids, err := st.Enqueue(t.Context(), []ledger.Notification{m}, t0)
	require.NoError(t, err)
	n := claimOne(t, st, ids[0], t0)
	claims, err := st.Claim(t.Context(), ids, time.Minute, at(2*time.Minute))
	require.NoError(t, err)
	require.Equal(t, ids, claims.Unknown)
	return n
}

func TestSettleIsFencedByTheLease(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		old := lostLease(t, st, true)
		state, err := st.ResolveUnknown(ctx, old.ID, ledger.Resend, "", "", at(3*time.Minute))
		require.NoError(t, err)
		require.Equal(t, ledger.Queued, state)
		fresh := claimOne(t, st, old.ID, at(3*time.Minute))
		require.Equal(t, old.LeaseToken+1, fresh.LeaseToken)
		require.True(t, fresh.Repeat)
		require.Equal(t, old.AckCode, fresh.AckCode)

		require.ErrorIs(t, st.Settle(ctx, old.ID, old.LeaseToken, accepted("SM-old"), at(3*time.Minute)), ErrFenced)
		require.Equal(t, ledger.Intent, read(t, st, old.ID).State)
		require.NoError(t, st.Settle(ctx, old.ID, fresh.LeaseToken, accepted("SM-new"), at(3*time.Minute)))
		n := read(t, st, old.ID)
		require.Equal(t, ledger.Accepted, n.State)
		require.Equal(t, "SM-new", n.ProviderID)

		// The callback of the first sending is still about this notification.
		n, _, err = st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: "k1", ProviderID: "SM-old", State: ledger.Delivered, At: at(4 * time.Minute)}, at(4*time.Minute))
		require.NoError(t, err)
		require.Equal(t, old.ID, n.ID)
		require.Equal(t, ledger.Delivered, n.State)
	})
}

func TestSettleTwiceIsRefusedUnlessItSaysTheSame(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		id := enqueue(t, st, "a")[0]
		n := claimOne(t, st, id, t0)
		require.NoError(t, st.Settle(ctx, id, n.LeaseToken, accepted("SM1"), t0))
		require.NoError(t, st.Settle(ctx, id, n.LeaseToken, accepted("SM1"), at(time.Second)), "its answer was lost, it is tried again")
		require.NoError(t, st.Settle(ctx, id, n.LeaseToken, ledger.Outcome{State: ledger.Unknown}, at(time.Second)))
		require.Equal(t, ledger.Accepted, read(t, st, id).State, "what is proved is not forgotten")
		require.ErrorIs(t, st.Settle(ctx, "nowhere", 1, accepted("SM1"), t0), ErrNotFound)
		require.ErrorContains(t, st.Settle(ctx, id, n.LeaseToken, ledger.Outcome{State: ledger.Queued}, t0), "queued")
	})
}

func TestACertainOutcomeAfterTheLeaseSettlesTheUnknown(t *testing.T) {
	for _, c := range []struct {
		outcome ledger.Outcome
		want    ledger.State
		err     error
	}{
		{accepted("SM1"), ledger.Accepted, nil},
		{ledger.Outcome{State: ledger.Refused, Class: ledger.ClassDead, Provider: "twilio"}, ledger.Refused, nil},
		{ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry}, ledger.Unknown, ErrFenced},
		{ledger.Outcome{State: ledger.Unknown, Class: ledger.ClassAmbiguous}, ledger.Unknown, ErrFenced},
	} {
		t.Run(string(c.outcome.State), func(t *testing.T) {
			onBothOnce(t, func(t *testing.T, st *Store) {
				n := lostLease(t, st, true)
				require.ErrorIs(t, st.Settle(t.Context(), n.ID, n.LeaseToken, c.outcome, at(3*time.Minute)), c.err)
				require.Equal(t, c.want, read(t, st, n.ID).State)
			})
		})
	}
}

func TestALateAcceptanceSparesTheRepeat(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		n := lostLease(t, st, true)
		_, err := st.ResolveUnknown(t.Context(), n.ID, ledger.Resend, "", "", at(3*time.Minute))
		require.NoError(t, err)
		require.NoError(t, st.Settle(t.Context(), n.ID, n.LeaseToken, accepted("SM1"), at(3*time.Minute)))
		claims, err := st.Claim(t.Context(), []string{n.ID}, time.Minute, at(4*time.Minute))
		require.NoError(t, err)
		require.Empty(t, claims.Claimed)
		require.Equal(t, ledger.Accepted, claims.Done[0].State)
	})
}

func TestResolveUnknown(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx, now := t.Context(), at(3*time.Minute)
		n := lostLease(t, st, true)
		state, err := st.ResolveUnknown(ctx, n.ID, ledger.Resend, "", "", now)
		require.NoError(t, err)
		require.Equal(t, ledger.Queued, state)
		state, err = st.ResolveUnknown(ctx, n.ID, ledger.GiveUp, "", "", now)
		require.NoError(t, err)
		require.Equal(t, ledger.Queued, state, "no longer unknown: nothing happens")

		claimOne(t, st, n.ID, now)
		_, err = st.Claim(ctx, []string{n.ID}, time.Minute, at(time.Hour))
		require.NoError(t, err)
		_, err = st.ResolveUnknown(ctx, n.ID, ledger.Resend, "", "", at(time.Hour))
		require.ErrorIs(t, err, ErrConflict, "a repeat is sent once")
		require.Equal(t, ledger.Unknown, read(t, st, n.ID).State)
		state, err = st.ResolveUnknown(ctx, n.ID, ledger.GiveUp, "", "", at(time.Hour))
		require.NoError(t, err)
		require.Equal(t, ledger.Refused, state)
		require.Equal(t, ledger.ClassAmbiguous, read(t, st, n.ID).Class)

		_, err = st.ResolveUnknown(ctx, "nowhere", ledger.GiveUp, "", "", now)
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestWhoSettledByHandIsKept(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx, n := t.Context(), lostLease(t, st, true)
		said := ByHand{As: ledger.Found, By: "ivan", At: at(3 * time.Minute), ProviderID: "SM7"}
		state, err := st.SettleByHand(ctx, n.ID, said)
		require.NoError(t, err)
		require.Equal(t, ledger.Accepted, state)
		_, err = st.SettleByHand(ctx, n.ID, ByHand{As: ledger.GiveUp, By: "petr", At: at(4 * time.Minute)})
		require.ErrorIs(t, err, ErrConflict, "it is not unknown any more")
		all, err := st.SettledByHand(ctx, n.ID)
		require.NoError(t, err)
		require.Equal(t, []ByHand{said}, all)
		require.Equal(t, ledger.Accepted, read(t, st, n.ID).State)
	})
}

func TestAnInformationalUnknownIsNeverRepeated(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		n := lostLease(t, st, false)
		_, err := st.ResolveUnknown(t.Context(), n.ID, ledger.Resend, "", "", at(3*time.Minute))
		require.ErrorIs(t, err, ErrConflict)
		require.Equal(t, ledger.Unknown, read(t, st, n.ID).State)
	})
}

func TestAnAcknowledgedUnknownIsNeverRepeated(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		n := lostLease(t, st, true)
		_, first, err := st.Acknowledge(t.Context(), n.AckCode, "desk", at(3*time.Minute))
		require.NoError(t, err)
		require.True(t, first)
		state, err := st.ResolveUnknown(t.Context(), n.ID, ledger.Resend, "", "", at(3*time.Minute))
		require.NoError(t, err)
		require.Equal(t, ledger.Delivered, state)
	})
}

func TestTheLookUpNamesTheProviderThatHasTheMessage(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		n := lostLease(t, st, true) // no outcome named the provider, nor did a callback
		_, err := st.ResolveUnknown(ctx, n.ID, ledger.Found, "smsgate", "17", at(3*time.Minute))
		require.NoError(t, err)
		got := read(t, st, n.ID)
		require.Equal(t, "smsgate", got.Provider)
		require.Equal(t, "17", got.ProviderID)
		told, _, err := st.ApplyEvent(ctx, ledger.Event{Provider: "smsgate", Key: "k", ProviderID: "17", State: ledger.Delivered}, at(4*time.Minute))
		require.NoError(t, err)
		require.Equal(t, n.ID, told.ID)
	})
}

func TestTheLookUpFindsTheCallbackThatCameFirst(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		n := lostLease(t, st, true) // whoever claimed it died: no outcome named the provider
		_, fresh, err := st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: "k", ProviderID: "SM7", State: ledger.Delivered}, at(3*time.Minute))
		require.NoError(t, err)
		require.True(t, fresh)
		state, err := st.ResolveUnknown(ctx, n.ID, ledger.Found, "", "SM7", at(3*time.Minute))
		require.NoError(t, err)
		require.Equal(t, ledger.Delivered, state)
		require.Equal(t, "twilio", read(t, st, n.ID).Provider)
	})
}

func TestACallbackFindsWhatTheLookUpFound(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		n := lostLease(t, st, true)
		state, err := st.ResolveUnknown(ctx, n.ID, ledger.Found, "", "SM7", at(3*time.Minute))
		require.NoError(t, err)
		require.Equal(t, ledger.Accepted, state)
		got, _, err := st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: "k", ProviderID: "SM7", State: ledger.Sent}, at(4*time.Minute))
		require.NoError(t, err)
		require.Equal(t, n.ID, got.ID)
		require.Equal(t, ledger.Sent, got.State)
	})
}

func TestManySettleAtOnceAndEachHasItsOwnAnswer(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		var names []string
		for i := range 60 {
			names = append(names, string(rune('a'+i)))
		}
		ids := enqueue(t, st, names...)
		claims, err := st.Claim(t.Context(), ids, time.Minute, t0)
		require.NoError(t, err)
		errs := make([]error, len(ids))
		var group errgroup.Group
		for i, n := range claims.Claimed {
			group.Go(func() error {
				token := n.LeaseToken
				if i%3 == 0 {
					token = 99 // somebody else's
				}
				errs[i] = st.Settle(t.Context(), n.ID, token, accepted(""), t0)
				return nil
			})
		}
		require.NoError(t, group.Wait())
		for i, id := range ids {
			if i%3 == 0 {
				require.ErrorIs(t, errs[i], ErrFenced)
				require.Equal(t, ledger.Intent, read(t, st, id).State)
				continue
			}
			require.NoError(t, errs[i])
			require.Equal(t, ledger.Accepted, read(t, st, id).State)
		}
	})
}
