package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A transaction that a neighbour spoiled is tried again, this often at most.
const (
	writeTries = 12
	writePause = 5 * time.Millisecond
)

// write runs do in one transaction (SQLite: BEGIN IMMEDIATE) and commits it. do
// may be run several times; it must not keep anything from a failed run.
func (s *Store) write(ctx context.Context, do func(tx *transaction) error) error {
	for try := 1; ; try++ {
		err := s.writeOnce(ctx, do)
		if err == nil || !transient(err) || try == writeTries {
			return err
		}
		pause := min(writePause<<min(try, 6), 200*time.Millisecond)
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause/2 + rand.N(pause)): // apart from the neighbour's own retry
		}
	}
}

func (s *Store) writeOnce(ctx context.Context, do func(tx *transaction) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := do(&transaction{Tx: tx, sparing: s.dialect.prepares}); err != nil {
		return errors.Join(err, rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// maxParameters keeps a statement under the parameter limits of both databases (32,766 and 65,535).
const maxParameters = 8000

// insert adds rows to a table in as few statements as may be, and returns how
// many were inserted. head is "INSERT INTO t (…)"; tail says what a conflict does.
func (d dialect) insert(ctx context.Context, tx *transaction, head, tail string, rows [][]any) (int, error) {
	inserted := 0
	for len(rows) > 0 {
		n := min(len(rows), max(1, maxParameters/len(rows[0])))
		var sqlText strings.Builder
		sqlText.WriteString(head)
		sqlText.WriteString(" VALUES ")
		args := make([]any, 0, n*len(rows[0]))
		for i, values := range rows[:n] {
			if i > 0 {
				sqlText.WriteByte(',')
			}
			for j := range values {
				sqlText.WriteByte("(,"[min(j, 1)])
				sqlText.WriteString(d.parameter(len(args) + j + 1))
			}
			sqlText.WriteByte(')')
			args = append(args, values...)
		}
		sqlText.WriteByte(' ')
		sqlText.WriteString(tail)
		count, err := affect(tx.ExecContext(ctx, sqlText.String(), args...))
		if err != nil {
			return inserted, err
		}
		inserted += count
		rows = rows[n:]
	}
	return inserted, nil
}

// affect is the number of rows that a statement changed.
func affect(result sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// answer is what a query returned.
type answer struct {
	rows *sql.Rows
	err  error
}

func ask(rows *sql.Rows, err error) answer { return answer{rows, err} }

// collect reads all rows of an answer.
func collect[T any](a answer, scan func(row) (T, error)) ([]T, error) {
	if a.err != nil {
		return nil, a.err
	}
	defer a.rows.Close() // Err tells what Close would
	var all []T
	for a.rows.Next() {
		value, err := scan(a.rows)
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, a.rows.Err()
}

func scanText(r row) (text string, err error) {
	err = r.Scan(&text)
	return text, err
}
