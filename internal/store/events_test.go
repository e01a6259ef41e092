package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
)

func TestACallbackIsAppliedOnce(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		id := enqueue(t, st, "a")[0]
		n := claimOne(t, st, id, t0)
		require.NoError(t, st.Settle(ctx, id, n.LeaseToken, accepted("SM1"), t0))
		e := ledger.Event{Provider: "twilio", Key: "SM1/delivered", ProviderID: "SM1", State: ledger.Delivered, At: at(time.Second)}
		n, fresh, err := st.ApplyEvent(ctx, e, at(2*time.Second))
		require.NoError(t, err)
		require.True(t, fresh)
		require.Equal(t, ledger.Delivered, n.State)
		n, fresh, err = st.ApplyEvent(ctx, e, at(3*time.Second))
		require.NoError(t, err)
		require.False(t, fresh)
		require.Equal(t, id, n.ID)

		n, fresh, err = st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: "SM1/sent", ProviderID: "SM1", State: ledger.Sent}, at(4*time.Second))
		require.NoError(t, err)
		require.True(t, fresh)
		require.Equal(t, ledger.Delivered, n.State, "late, and less than what is known")
		n, _, err = st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: "SM1/failed", ProviderID: "SM1", State: ledger.Refused, Class: ledger.ClassDead}, at(4*time.Second))
		require.NoError(t, err)
		require.Equal(t, ledger.Delivered, n.State)
		require.Equal(t, ledger.ClassNone, n.Class)
	})
}

func TestACallbackBeforeOurCommitIsKeptAndAppliedBySettle(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		id := enqueue(t, st, "a")[0]
		claimed := claimOne(t, st, id, t0)
		n, fresh, err := st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: "k", ProviderID: "SM1", State: ledger.Delivered, Acknowledged: true, At: at(time.Second)}, at(time.Second))
		require.NoError(t, err)
		require.True(t, fresh)
		require.Zero(t, n)
		require.Equal(t, ledger.Intent, read(t, st, id).State)

		require.NoError(t, st.Settle(ctx, id, claimed.LeaseToken, accepted("SM1"), at(2*time.Second)))
		n = read(t, st, id)
		require.Equal(t, ledger.Delivered, n.State)
		require.Equal(t, at(time.Second), n.AcknowledgedAt)
		require.Equal(t, "sms", n.AcknowledgedVia)
	})
}

func TestACallbackBesideOurCommitIsNeverStranded(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		sender, gateway := open(), open()
		require.NoError(t, sender.Migrate(t.Context()))
		var names []string
		for i := range 150 {
			names = append(names, fmt.Sprint(i))
		}
		ids := enqueue(t, sender, names...)
		claims, err := sender.Claim(t.Context(), ids, time.Minute, t0)
		require.NoError(t, err)
		var group errgroup.Group
		group.SetLimit(24)
		for i, n := range claims.Claimed {
			sid := fmt.Sprint("SM", i)
			group.Go(func() error { return sender.Settle(t.Context(), n.ID, n.LeaseToken, accepted(sid), t0) })
			group.Go(func() error {
				_, _, err := gateway.ApplyEvent(t.Context(), ledger.Event{Provider: "twilio", Key: sid, ProviderID: sid, State: ledger.Delivered}, t0)
				return err
			})
		}
		require.NoError(t, group.Wait())
		for _, id := range ids {
			require.Equal(t, ledger.Delivered, read(t, sender, id).State)
		}
	})
}

func TestACallbackThatIsFasterThanSettle(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		id := enqueue(t, st, "a")[0]
		claimed := claimOne(t, st, id, t0)
		n, _, err := st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: "k", Notification: id, State: ledger.Sent}, at(time.Second))
		require.NoError(t, err)
		require.Equal(t, ledger.Sent, n.State)
		require.NoError(t, st.Settle(ctx, id, claimed.LeaseToken, accepted("SM1"), at(2*time.Second)))
		n = read(t, st, id)
		require.Equal(t, ledger.Sent, n.State)
		require.Equal(t, "SM1", n.ProviderID)
	})
}

func TestAcknowledgementByCode(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		id := enqueue(t, st, "a")[0]
		claimed := claimOne(t, st, id, t0)
		require.NoError(t, st.Settle(ctx, id, claimed.LeaseToken, accepted("SM1"), t0))
		code := claimed.AckCode
		typed := " " + code[:3] + "-" + code[3:]
		n, fresh, err := st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: "reply", AckCode: typed, Acknowledged: true, At: at(time.Minute)}, at(time.Minute))
		require.NoError(t, err)
		require.True(t, fresh)
		require.Equal(t, id, n.ID)
		require.Equal(t, at(time.Minute), n.AcknowledgedAt)

		n, first, err := st.Acknowledge(ctx, code, "desk", at(time.Hour))
		require.NoError(t, err)
		require.False(t, first)
		require.Equal(t, at(time.Minute), n.AcknowledgedAt, "the first one counts")
		require.Equal(t, "sms", n.AcknowledgedVia)

		_, _, err = st.Acknowledge(ctx, "222222", "desk", at(time.Hour))
		require.ErrorIs(t, err, ErrNotFound)
		_, _, err = st.Acknowledge(ctx, "nowhere", "page", at(time.Hour))
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestDeclineIsKeptAndAcknowledgesNothing(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		id := enqueue(t, st, "a")[0]
		claimOne(t, st, id, t0)
		n, fresh, err := st.ApplyEvent(t.Context(), ledger.Event{Provider: "twilio", Key: "k", Notification: id, Declined: true}, t0)
		require.NoError(t, err)
		require.True(t, fresh)
		require.True(t, n.AcknowledgedAt.IsZero())
	})
}

func TestTallyAndDrop(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		ids := enqueue(t, st, "a", "b", "c")
		page := message("d")
		page.Step, page.Team = "page/emergency/1", "emergency"
		more, err := st.Enqueue(ctx, []ledger.Notification{page}, at(time.Second))
		require.NoError(t, err)
		claimOne(t, st, ids[0], t0)
		_, _, err = st.Acknowledge(ctx, ids[0], "page", at(time.Second))
		require.NoError(t, err)

		dropped, err := st.Drop(ctx, "incident/srv-1-1", "page/emergency", at(time.Minute))
		require.NoError(t, err)
		require.Equal(t, 1, dropped)
		require.Equal(t, ledger.Dropped, read(t, st, more[0]).State)
		dropped, err = st.Drop(ctx, "incident/srv-1-1", "update", at(time.Minute))
		require.NoError(t, err)
		require.Equal(t, 2, dropped, "what is on its way is not dropped")

		tally, err := st.Tally(ctx, "incident/srv-1-1", "update", 1)
		require.NoError(t, err)
		require.Equal(t, ledger.Tally{Total: 3, Acknowledged: 1, ByState: map[ledger.State]int{ledger.Delivered: 1, ledger.Dropped: 2}}, tally)
		tally, err = st.Tally(ctx, "incident/srv-1-1", "", -1)
		require.NoError(t, err)
		require.Equal(t, 4, tally.Total)

		got, err := st.Notifications(ctx, NotificationFilter{Team: "emergency"})
		require.NoError(t, err)
		require.Len(t, got, 1)
	})
}

func TestNotificationsArePagedWithoutGapOrRepeat(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		var names []string
		for i := range 25 {
			names = append(names, fmt.Sprint(i))
		}
		want := map[string]bool{}
		for _, id := range enqueue(t, st, names...) {
			want[id] = true
		}
		f := NotificationFilter{Subject: "incident/srv-1-1", Limit: 10}
		for pages := 0; ; pages++ {
			page, err := st.Notifications(t.Context(), f)
			require.NoError(t, err)
			if len(page) == 0 {
				require.Equal(t, 3, pages)
				break
			}
			for _, n := range page {
				require.True(t, want[n.ID], "twice or unknown: %s", n.ID)
				delete(want, n.ID)
			}
			f.After = page[len(page)-1].ID
		}
		require.Empty(t, want)
	})
}

func TestACallbackThatCarriesOurIDIntroducesTheProvidersID(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		id := enqueue(t, st, "a")[0]
		claimOne(t, st, id, t0)
		for i, e := range []ledger.Event{
			{Key: "k1", State: ledger.Sent},
			{Key: "k2", State: ledger.Accepted, Notification: id},
			{Key: "k3", State: ledger.Delivered},
		} {
			e.Provider, e.ProviderID = "twilio", "SM1"
			n, fresh, err := st.ApplyEvent(ctx, e, t0)
			require.NoError(t, err)
			require.True(t, fresh)
			require.Equal(t, []ledger.State{"", ledger.Sent, ledger.Delivered}[i], n.State)
		}
	})
}

func TestWhatAProviderTellsAtOnceIsAppliedTogether(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		names := make([]string, commitMost+50) // more than one transaction's worth
		for i := range names {
			names[i] = fmt.Sprint(i)
		}
		ids := enqueue(t, st, names...)
		claims, err := st.Claim(ctx, ids, time.Minute, t0)
		require.NoError(t, err)
		var all []ledger.Settlement
		for _, n := range claims.Claimed {
			all = append(all, ledger.Settlement{ID: n.ID, Token: n.LeaseToken, Outcome: accepted("one-request")})
		}
		verdicts, err := st.SettleAll(ctx, all, t0)
		require.NoError(t, err)
		for _, v := range verdicts {
			require.NoError(t, v)
		}
		var events []ledger.Event
		for _, id := range ids {
			for _, state := range []ledger.State{ledger.Delivered, ledger.Sent} { // in the wrong order
				events = append(events, ledger.Event{Provider: "twilio", Key: id + string(state), Notification: id, ProviderID: "one-request", State: state})
			}
		}
		for _, fresh := range []bool{true, false} {
			done, err := st.ApplyEvents(ctx, events, at(time.Second))
			require.NoError(t, err)
			require.Len(t, done, len(events))
			for i, d := range done {
				require.Equal(t, fresh, d.Fresh, i)
				require.Equal(t, events[i].Notification, d.Notification.ID, i)
			}
		}
		tally, err := st.Tally(ctx, message("").Subject, "", -1)
		require.NoError(t, err)
		require.Equal(t, map[ledger.State]int{ledger.Delivered: len(ids)}, tally.ByState)
	})
}

func TestOneBadEventTakesNoneOfItsNeighboursWithIt(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		if st.dialect.name != postgresDialect.name {
			t.Skip("SQLite takes any text")
		}
		ids := enqueue(t, st, "a", "b")
		events := []ledger.Event{
			{Provider: "twilio", Key: "1", Notification: ids[0], State: ledger.Sent},
			{Provider: "twilio", Key: "2", Code: "a\x00b", State: ledger.Sent},
			{Provider: "twilio", Key: "3", Notification: ids[1], State: ledger.Sent},
		}
		done, err := st.ApplyEvents(t.Context(), events, t0)
		require.Error(t, err)
		require.Len(t, done, 3)
		require.Equal(t, ledger.Sent, read(t, st, ids[0]).State)
		require.Equal(t, ledger.Sent, read(t, st, ids[1]).State)
	})
}
