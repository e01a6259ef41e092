package labtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
)

// postgresVariable names a PostgreSQL superuser's URL.
const postgresVariable = "VAKHTA_TEST_POSTGRES"

// longVariable makes the tests of faults last as long as the issues say.
const longVariable = "VAKHTA_LONG"

// Postgres is the address of an empty schema of the test's own; without a
// server the test is skipped.
func Postgres(t testing.TB) string {
	t.Helper()
	dsn, _ := FragilePostgres(t)
	return dsn
}

// FragilePostgres is [Postgres] with a way to break it in the middle of things,
// as a crash does: every connection of ours ends, in the middle of a
// transaction too. What was committed stays, as a crash must leave it.
func FragilePostgres(t testing.TB) (dsn string, crash func(ctx context.Context) error) {
	t.Helper()
	base := os.Getenv(postgresVariable)
	if base == "" {
		t.Skipf("%s is not set; `make test` starts a PostgreSQL and sets it", postgresVariable)
	}
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	schema := "vakhta_lab_" + hex.EncodeToString(random[:])
	if _, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
		_ = admin.Close()
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	q.Set("synchronous_commit", "on") // the tests' server has it off
	q.Set("application_name", schema)
	u.RawQuery = q.Encode()
	return u.String(), func(ctx context.Context) error { return crashPostgres(ctx, admin, schema) }
}

// crashPostgres ends the connections of one application. In the long form of a
// test, which runs alone, it kills one of their processes with SIGKILL: then
// the whole server ends all of them and recovers from its log.
func crashPostgres(ctx context.Context, admin *sql.DB, application string) error {
	if os.Getenv(longVariable) == "" {
		_, err := admin.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, application)
		return err
	}
	var pid int
	if err := admin.QueryRowContext(ctx, `SELECT pid FROM pg_stat_activity WHERE application_name = $1 LIMIT 1`, application).Scan(&pid); err != nil {
		return err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Kill()
}
