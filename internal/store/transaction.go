package store

import (
	"context"
	"database/sql"
)

// transaction prepares a statement that it is given a second time: SQLite
// would otherwise parse it anew for each row of a batch, at two fifths of the
// whole cost. (pgx keeps prepared statements by itself.)
type transaction struct {
	*sql.Tx
	sparing  bool
	prepared map[string]*sql.Stmt // nil: seen once
}

func (t *transaction) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if !t.sparing {
		return nil, nil
	}
	statement, seen := t.prepared[query]
	if !seen {
		if t.prepared == nil {
			t.prepared = map[string]*sql.Stmt{}
		}
		t.prepared[query] = nil
		return nil, nil
	}
	if statement != nil {
		return statement, nil
	}
	statement, err := t.PrepareContext(ctx, query) // closed by the end of the transaction
	if err != nil {
		return nil, err
	}
	t.prepared[query] = statement
	return statement, nil
}

// ExecContext runs a statement that returns no rows.
func (t *transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, err := t.statement(ctx, query) //nolint:sqlclosecheck // closed with the transaction
	if err != nil {
		return nil, err
	}
	if statement != nil {
		return statement.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// QueryContext runs a statement that returns rows.
func (t *transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := t.statement(ctx, query) //nolint:sqlclosecheck // closed with the transaction
	if err != nil {
		return nil, err
	}
	if statement != nil {
		return statement.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, query, args...)
}

// QueryRowContext runs a statement that returns one row.
func (t *transaction) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if statement, err := t.statement(ctx, query); err == nil && statement != nil { //nolint:sqlclosecheck // closed with the transaction
		return statement.QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, query, args...) // a statement that can't be prepared says so here
}
