package store

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func TestNotificationIsQueuedOnceHoweverOftenItIsAskedFor(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		first := enqueue(t, st, "a", "b")
		again := enqueue(t, st, "b", "c", "a", "b")
		require.Equal(t, []string{first[1], again[1], first[0], first[1]}, again)

		all, err := st.Notifications(t.Context(), NotificationFilter{Subject: "incident/srv-1-1"})
		require.NoError(t, err)
		require.Len(t, all, 3)
		codes := map[string]bool{}
		for _, n := range all {
			require.Equal(t, ledger.Queued, n.State)
			require.Equal(t, t0, n.CreatedAt)
			require.Equal(t, ledger.ID(n.Key), n.ID)
			codes[n.AckCode] = true
		}
		require.Len(t, codes, 3)
	})
}

// twins are two keys that would have the same acknowledgement code.
func twins(t *testing.T) (a, b string) {
	t.Helper()
	seen := map[string]string{}
	for i := range 1_000_000 {
		key := ledger.Key("incident/srv-1-1", strconv.Itoa(i), inventory.SMS, "update", 1)
		code := ledger.AckCode(key, 0)
		if twin, ok := seen[code]; ok {
			return twin, key
		}
		seen[code] = key
	}
	t.Fatal("no two keys of a million share a code")
	return "", ""
}

func TestANotificationSaysItsOwnCodeThoughTheFirstChoiceWasTaken(t *testing.T) {
	a, b := twins(t)
	onBothOnce(t, func(t *testing.T, st *Store) {
		write := func(key string) ledger.Notification {
			code := ledger.AckCode(key, 0)
			ids, err := st.Enqueue(t.Context(), []ledger.Notification{{
				Key: key, Subject: "incident/srv-1-1", AckCode: code, Title: "Код " + code, Body: "Код " + code + ".", HTML: "<b>" + code + "</b>",
			}}, t0)
			require.NoError(t, err)
			return read(t, st, ids[0])
		}
		first, second := write(a), write(b)
		require.NotEqual(t, first.AckCode, second.AckCode)
		for _, n := range []ledger.Notification{first, second, write(b)} {
			require.Equal(t, []string{"Код " + n.AckCode, "Код " + n.AckCode + ".", "<b>" + n.AckCode + "</b>"}, []string{n.Title, n.Body, n.HTML})
		}
	})
}

func TestClaimIsFollowedByOneOutcome(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		id := enqueue(t, st, "a")[0]
		n := claimOne(t, st, id, t0)
		require.Equal(t, ledger.Intent, n.State)
		require.EqualValues(t, 1, n.LeaseToken)
		require.Equal(t, at(time.Minute), n.LeaseUntil)

		require.NoError(t, st.Settle(t.Context(), id, n.LeaseToken, accepted("SM1"), at(time.Second)))
		n = read(t, st, id)
		require.Equal(t, ledger.Accepted, n.State)
		require.Equal(t, "SM1", n.ProviderID)

		attempts, err := st.Attempts(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []ledger.Attempt{{
			Notification: id, N: 1, LeaseToken: 1, State: ledger.Accepted, Provider: "twilio", ProviderID: "SM1",
			HTTPStatus: 201, Wrote: true, IntentAt: t0, SettledAt: at(time.Second),
		}}, attempts)
	})
}
