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

// Postgres is the address of an empty schema of the test's own; without a
// server the test is skipped.
func Postgres(t testing.TB) string {
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
	u.RawQuery = q.Encode()
	return u.String()
}
