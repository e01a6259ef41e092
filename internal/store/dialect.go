package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect holds the few words in which the two databases differ.
type dialect struct {
	name  string
	goose goose.Dialect
	// among compares a column with the strings of a list, given as parameter 1.
	among string
	// lock ends a SELECT whose rows are about to be updated. SQLite has the
	// whole file locked by then.
	lock string
	// prepares: the driver parses each statement anew unless we prepare it.
	prepares bool
	// arrays: a parameter may be an array, and arrays can be read as rows.
	arrays bool
}

var (
	sqliteDialect   = dialect{name: "SQLite", goose: goose.DialectSQLite3, among: ` IN (SELECT value FROM json_each($1))`, prepares: true}
	postgresDialect = dialect{name: "PostgreSQL", goose: goose.DialectPostgres, among: ` = ANY (CAST($1 AS text[]))`, lock: ` FOR UPDATE`, arrays: true}
)

// parameter is the n-th of parameters that are numbered as they come. SQLite
// looks the name of a numbered one up in a list, which thousands can't afford.
func (d dialect) parameter(n int) string {
	if d.name == sqliteDialect.name {
		return "?"
	}
	return "$" + strconv.Itoa(n)
}

// transient says that a transaction failed only because of its neighbours: it
// may be run again as a whole.
func transient(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		primary := lite.Code() & 0xff
		return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_LOCKED
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03"
	}
	return false
}

// duplicate says that a unique index refused the row.
func duplicate(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// list is a parameter for the dialect's among.
func (d dialect) list(values []string) any {
	if d.arrays {
		return values
	}
	return list(values)
}

// list is how a list of strings is stored: as a JSON array.
func list(values []string) string {
	text, _ := json.Marshal(values) // strings always marshal
	if values == nil {
		return "[]"
	}
	return string(text)
}

// encode stores a value as JSON text.
func encode(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", value, err)
	}
	return string(text), nil
}

func decode(text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("decode %T: %w", into, err)
	}
	return nil
}

// row is what QueryRow and Rows have in common.
type row interface{ Scan(dest ...any) error }

// one turns "no rows" into ErrNotFound with the name of what was asked for.
func one[T any](value T, err error) func(kind, id string) (T, error) {
	return func(kind, id string) (T, error) {
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return value, fmt.Errorf("%s %s: %w", kind, id, ErrNotFound)
		case err != nil:
			return value, fmt.Errorf("read %s %s: %w", kind, id, err)
		}
		return value, nil
	}
}
