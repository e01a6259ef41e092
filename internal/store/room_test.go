package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func roomMessage(event, step string) ledger.Notification {
	return ledger.Notification{
		Subject: "incident/a-1", Event: event, Step: step, Revision: 1, Contact: inventory.RoomContact("network"),
		Channel: inventory.Telegram, Language: inventory.English, Body: "x", Critical: true,
	}
}

// sentAs settles a queued notification as accepted with a provider's id.
func sentAs(t *testing.T, st *Store, id, providerID string) {
	t.Helper()
	claims, err := st.Claim(t.Context(), []string{id}, time.Minute, at(0))
	require.NoError(t, err)
	require.Len(t, claims.Claimed, 1)
	require.NoError(t, st.Settle(t.Context(), id, claims.Claimed[0].LeaseToken, ledger.Outcome{State: ledger.Accepted, Provider: "telegram", ProviderID: providerID}, at(0)))
}

func TestAnIncidentHasOneThreadInARoom(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		first, created, err := st.OpenRoomThread(ctx, "a-1", "network", roomMessage("room.topic", "room/topic"), at(0))
		require.NoError(t, err)
		require.True(t, created)
		again, created, err := st.OpenRoomThread(ctx, "a-1", "network", roomMessage("room.opened", "room/opened"), at(time.Second))
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, first, again)
		rows, err := st.Notifications(ctx, NotificationFilter{Subject: "incident/a-1"})
		require.NoError(t, err)
		require.Len(t, rows, 1, "the second opening is not sent")
		rooms, err := st.RoomsOf(ctx, "a-1")
		require.NoError(t, err)
		require.Equal(t, []string{"network"}, rooms)

		where, err := st.ThreadOf(ctx, roomMessage("room.line", "room/line/1"))
		require.NoError(t, err)
		require.Empty(t, where.ID, "it is not open yet")
		sentAs(t, st, first.Opening, "77")
		where, err = st.ThreadOf(ctx, roomMessage("room.line", "room/line/1"))
		require.NoError(t, err)
		require.Equal(t, ledger.Thread{ID: "77", Event: "room.topic"}, where)
		for _, c := range []struct {
			room string
			ids  []string
			want string
		}{{"network", []string{"12", "77"}, "a-1"}, {"admins", []string{"77"}, ""}, {"network", []string{"78"}, ""}, {"network", nil, ""}} {
			got, err := st.IncidentOfThread(ctx, c.room, c.ids)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		}
	})
}

// What a room is told and how far it was told move together: who died in
// between, or works beside it, tells nothing twice and loses nothing.
func TestAMirrorMovesItsMarkWithItsMessage(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		thread, _, err := st.OpenRoomThread(ctx, "a-1", "network", roomMessage("room.opened", "room/opened"), at(0))
		require.NoError(t, err)
		require.NoError(t, st.Mirror(ctx, thread, 5, roomMessage("room.line", "room/line/5"), at(0)))
		require.ErrorIs(t, st.Mirror(ctx, thread, 7, roomMessage("room.line", "room/line/7"), at(0)), ErrConflict, "the mark stands elsewhere")
		thread, err = st.RoomThread(ctx, "a-1", "network")
		require.NoError(t, err)
		require.Equal(t, int64(5), thread.Mirrored)
		require.NoError(t, st.Mirror(ctx, thread, 6, ledger.Notification{}, at(0)), "nothing to tell")
		require.ErrorIs(t, st.CloseRoomThread(ctx, thread, at(0), roomMessage("room.closing", "room/closing/1")), ErrConflict)
		thread, err = st.RoomThread(ctx, "a-1", "network")
		require.NoError(t, err)
		require.NoError(t, st.CloseRoomThread(ctx, thread, at(0), roomMessage("room.closing", "room/closing/1"), roomMessage("room.closed", "room/closed/1")))
		rows, err := st.Notifications(ctx, NotificationFilter{Subject: "incident/a-1"})
		require.NoError(t, err)
		require.Len(t, rows, 4)
	})
}

func TestACommandThatComesAgainIsAboutTheSameIncident(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		about, answered, err := st.PinCommand(ctx, "slack-1", "a-1", at(0))
		require.NoError(t, err)
		require.Equal(t, "a-1", about)
		require.False(t, answered)
		require.NoError(t, st.CommandAnswered(ctx, "slack-1", at(0)))
		about, answered, err = st.PinCommand(ctx, "slack-1", "b-1", at(time.Minute))
		require.NoError(t, err)
		require.Equal(t, "a-1", about)
		require.True(t, answered)
	})
}

func TestACodeLinksOneAccountOnce(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		require.NoError(t, st.PutAccountCode(ctx, "AAAA", "vera", at(time.Minute)))
		require.NoError(t, st.PutAccountCode(ctx, "BBBB", "oleg", at(time.Minute)))
		_, err := st.LinkAccount(ctx, "CCCC", inventory.Slack, "U1", at(0))
		require.ErrorIs(t, err, ErrNotFound)
		_, err = st.LinkAccount(ctx, "AAAA", inventory.Slack, "U1", at(time.Hour))
		require.ErrorIs(t, err, ErrNotFound, "its time is over")
		for range 2 { // a repeated delivery hears the same
			who, err := st.LinkAccount(ctx, "AAAA", inventory.Slack, "U1", at(0))
			require.NoError(t, err)
			require.Equal(t, "vera", who)
		}
		_, err = st.LinkAccount(ctx, "AAAA", inventory.Slack, "U2", at(0))
		require.ErrorIs(t, err, ErrNotFound, "somebody read the code over her shoulder")
		who, err := st.AccountOf(ctx, inventory.Slack, "U1")
		require.NoError(t, err)
		require.Equal(t, "vera", who)
		who, err = st.AccountOf(ctx, inventory.Mattermost, "U1")
		require.NoError(t, err)
		require.Empty(t, who)

		_, err = st.LinkAccount(ctx, "BBBB", inventory.Slack, "U1", at(time.Second))
		require.NoError(t, err)
		who, err = st.AccountOf(ctx, inventory.Slack, "U1")
		require.NoError(t, err)
		require.Equal(t, "oleg", who, "the account has changed hands")
		n, err := st.UnlinkAccounts(ctx, "oleg", "")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		all, err := st.Accounts(ctx)
		require.NoError(t, err)
		require.Empty(t, all)
	})
}
