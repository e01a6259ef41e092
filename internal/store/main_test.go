package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// postgresVariable names a PostgreSQL superuser's URL. Each test makes a schema
// of its own there and drops it.
const postgresVariable = "VAKHTA_TEST_POSTGRES"

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// t0 is when the tests begin; they move the clock by hand.
var t0 = time.Date(2026, 3, 14, 3, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return t0.Add(d) }

// onBoth runs a test on SQLite and on PostgreSQL. It is given a way to open the
// same empty database any number of times, as several processes do.
func onBoth(t *testing.T, test func(t *testing.T, open func() *Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(t, opener(t, sqliteDSN(t)))
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, opener(t, postgresDSN(t)))
	})
}

// onBothOnce is onBoth for a test that needs one store, migrated.
func onBothOnce(t *testing.T, test func(t *testing.T, st *Store)) {
	t.Helper()
	onBoth(t, func(t *testing.T, open func() *Store) {
		st := open()
		require.NoError(t, st.Migrate(t.Context()))
		test(t, st)
	})
}

func opener(t testing.TB, dsn string) func() *Store {
	return func() *Store {
		st, err := Open(t.Context(), dsn)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		return st
	}
}

func sqliteDSN(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "vakhta test.db")
}

func postgresDSN(t testing.TB) string {
	base := os.Getenv(postgresVariable)
	if base == "" {
		t.Skipf("%s is not set; `make test` starts a PostgreSQL and sets it", postgresVariable)
	}
	admin, err := sql.Open("pgx", base)
	require.NoError(t, err)
	var random [6]byte
	_, err = rand.Read(random[:])
	require.NoError(t, err)
	schema := "vakhta_test_" + hex.EncodeToString(random[:])
	_, err = admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	u, err := url.Parse(base)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	q.Set("synchronous_commit", "off") // nobody cuts the power in a test
	u.RawQuery = q.Encode()
	return u.String()
}

// message is a notification to be queued; the number makes it another contact's.
func message(n string) ledger.Notification {
	return ledger.Notification{
		Subject: "incident/srv-1-1", Event: "incident.update", Step: "update", Revision: 1,
		Client: "acme", Contact: "acme/" + n, Channel: inventory.SMS, Language: inventory.Russian, Body: "Сервер srv-1 недоступен",
	}
}

// enqueue queues a message per name and returns the ids.
func enqueue(t testing.TB, st *Store, names ...string) []string {
	t.Helper()
	ns := make([]ledger.Notification, len(names))
	for i, name := range names {
		ns[i] = message(name)
	}
	ids, err := st.Enqueue(t.Context(), ns, t0)
	require.NoError(t, err)
	return ids
}

// claimOne claims a notification that must be due.
func claimOne(t testing.TB, st *Store, id string, now time.Time) ledger.Notification {
	t.Helper()
	claims, err := st.Claim(t.Context(), []string{id}, time.Minute, now)
	require.NoError(t, err)
	require.Len(t, claims.Claimed, 1, "%+v", claims)
	return claims.Claimed[0]
}

func read(t testing.TB, st *Store, id string) ledger.Notification {
	t.Helper()
	n, err := st.Notification(t.Context(), id)
	require.NoError(t, err)
	return n
}

func accepted(providerID string) ledger.Outcome {
	return ledger.Outcome{State: ledger.Accepted, Provider: "twilio", ProviderID: providerID, HTTPStatus: 201, Wrote: true}
}
