package store

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/seal"
)

const phone = "+79161234567"

// everybodyAt has every contact reached at one address.
func everybodyAt(address string) func(string, inventory.Channel) string {
	return func(string, inventory.Channel) string { return address }
}

func dataKey(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }

func keys(t *testing.T, keys ...string) *seal.Ring {
	t.Helper()
	ring, err := seal.New(keys...)
	require.NoError(t, err)
	return ring
}

func TestADeadAddressIsRemembered(t *testing.T) {
	dead := ledger.Outcome{State: ledger.Refused, Class: ledger.ClassDead, Provider: "twilio", Code: "21211", HTTPStatus: 400, Wrote: true}
	ours := ledger.Outcome{State: ledger.Refused, Class: ledger.ClassDead, Message: "not in the inventory"}
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		st.addressOf = everybodyAt(phone)
		ids := enqueue(t, st, "settled", "told", "ours", "well")
		for i, o := range []ledger.Outcome{dead, accepted("SM2"), ours, accepted("SM4")} {
			n := claimOne(t, st, ids[i], t0)
			require.NoError(t, st.Settle(ctx, n.ID, n.LeaseToken, o, at(time.Second)))
		}
		bounce := ledger.Event{Provider: "twilio", Key: "SM2/undelivered", ProviderID: "SM2", State: ledger.Refused, Class: ledger.ClassDead, Code: "30005"}
		for range 2 {
			_, _, err := st.ApplyEvent(ctx, bounce, at(2*time.Second))
			require.NoError(t, err)
		}
		all, err := st.Barred(ctx, "")
		require.NoError(t, err)
		require.Equal(t, []ledger.Barred{
			{Contact: "acme/settled", Channel: inventory.SMS, Bar: ledger.BarDead, Provider: "twilio", Code: "21211", Notification: ids[0], Since: at(time.Second), Address: phone},
			{Contact: "acme/told", Channel: inventory.SMS, Bar: ledger.BarDead, Provider: "twilio", Code: "30005", Notification: ids[1], Since: at(2 * time.Second), Address: phone},
		}, all)

		was, err := st.Unbar(ctx, "acme/told", inventory.SMS)
		require.NoError(t, err)
		require.True(t, was)
		_, _, err = st.ApplyEvent(ctx, bounce, at(3*time.Second))
		require.NoError(t, err)
		all, err = st.Barred(ctx, "acme/told")
		require.NoError(t, err)
		require.Empty(t, all, "an event that was there already bars nothing anew")
		was, err = st.Unbar(ctx, "acme/told", inventory.SMS)
		require.NoError(t, err)
		require.False(t, was)
	})
}

func TestAPersonsWordOutweighsAProviders(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		bar := ledger.Barred{Contact: "acme/duty", Channel: inventory.SMS, Bar: ledger.BarOptedOut, Provider: "twilio", Since: t0, Address: phone}
		dead := bar
		dead.Bar, dead.Code, dead.Since = ledger.BarDead, "21610", at(time.Hour)
		require.NoError(t, st.Bar(ctx, bar))
		require.NoError(t, st.Bar(ctx, dead))
		all, err := st.Barred(ctx, "acme/duty")
		require.NoError(t, err)
		require.Equal(t, []ledger.Barred{bar}, all)

		dead.Address = "+79160000000"
		require.NoError(t, st.Bar(ctx, dead), "another address is another matter")
		all, err = st.Barred(ctx, "acme/duty")
		require.NoError(t, err)
		require.Equal(t, []ledger.Barred{dead}, all)
	})
}

func TestNoAddressStandsInTheDatabaseInTheClear(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		report := incident.Report{ID: "r1", Channel: "sms", From: phone, Text: "лежит", ReceivedAt: t0}
		bar := ledger.Barred{Contact: "acme/duty", Channel: inventory.SMS, Bar: ledger.BarDead, Since: t0, Address: phone}
		written := func() (texts []string) {
			for _, q := range []string{`SELECT sender FROM report`, `SELECT address FROM barred`} {
				rows, err := collect(ask(st.writer.QueryContext(ctx, q)), scanText)
				require.NoError(t, err)
				texts = append(texts, rows...)
			}
			require.Len(t, texts, 2)
			return texts
		}
		readable := func() {
			got, err := st.Report(ctx, "r1")
			require.NoError(t, err)
			require.Equal(t, report, got)
			all, err := st.Barred(ctx, "acme/duty")
			require.NoError(t, err)
			require.Equal(t, []ledger.Barred{bar}, all)
		}
		_, err := st.PutReport(ctx, report)
		require.NoError(t, err)
		require.NoError(t, st.Bar(ctx, bar))
		require.Equal(t, []string{phone, phone}, written(), "no key, no seal")

		st.ring = keys(t, dataKey(1))
		readable()
		n, err := st.Reseal(ctx, func(int) {})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		first := written()
		for _, text := range first {
			require.NotContains(t, text, phone)
		}
		readable()
		n, err = st.Reseal(ctx, func(int) {})
		require.NoError(t, err)
		require.Zero(t, n, "what is sealed stays")

		st.ring = keys(t, dataKey(2), dataKey(1))
		readable()
		n, err = st.Reseal(ctx, func(int) {})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		st.ring = keys(t, dataKey(2))
		readable()

		st.ring = nil
		_, err = st.Report(ctx, "r1")
		require.ErrorIs(t, err, seal.ErrNoKey)
		_, err = st.Reseal(ctx, func(int) {})
		require.ErrorContains(t, err, "dataKeys")

		st.ring = keys(t, dataKey(2))
		other := report
		other.ID, other.From = "r2", "+79160000000"
		_, err = st.PutReport(ctx, other)
		require.NoError(t, err)
		_, err = st.writer.ExecContext(ctx, `UPDATE report SET sender = (SELECT sender FROM report WHERE id = 'r2') WHERE id = 'r1'`)
		require.NoError(t, err)
		_, err = st.Report(ctx, "r1")
		require.Error(t, err, "a seal that was moved")
		require.False(t, strings.Contains(err.Error(), "7916"), err)
	})
}
