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
	return s.writeMany(ctx, 1, do)
}

// few is how many rows a transaction may write and still go before those that
// write many: a page's, not a broadcast's.
const few = 10

// writeMany is write for so many rows.
func (s *Store) writeMany(ctx context.Context, rows int, do func(tx *transaction) error) error {
	for try := 1; ; try++ {
		if rows > few {
			s.giveWay(ctx)
		}
		end := s.turn.take(ctx, rows > few)
		err := s.writeOnce(ctx, do)
		end()
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

const (
	maxParameters = 8000 // of a statement; SQLite allows 32,766
	maxRecords    = 1000 // in one array
)

// insert adds rows to a table in as few statements as may be, and returns how
// many were inserted. head is "INSERT INTO t (…)"; tail says what a conflict does.
func (d dialect) insert(ctx context.Context, tx *transaction, head, tail string, rows [][]any) (int, error) {
	inserted := 0
	for len(rows) > 0 {
		n := d.rowsAtOnce(rows)
		text, args := d.insertion(head, tail, rows[:n])
		count, err := affect(tx.ExecContext(ctx, text, args...))
		if err != nil {
			return inserted, err
		}
		inserted += count
		rows = rows[n:]
	}
	return inserted, nil
}

// insertReturning is insert with a tail that ends in RETURNING of texts.
func (d dialect) insertReturning(ctx context.Context, tx *transaction, head, tail string, rows [][]any) ([][]string, error) {
	_, returning, _ := strings.Cut(tail, "RETURNING")
	returned := strings.Count(returning, ",") + 1
	var all [][]string
	for len(rows) > 0 {
		n := d.rowsAtOnce(rows)
		text, args := d.insertion(head, tail, rows[:n])
		got, err := collect(ask(tx.QueryContext(ctx, text, args...)), scanTexts(returned))
		if err != nil {
			return all, err
		}
		all = append(all, got...)
		rows = rows[n:]
	}
	return all, nil
}

// rowsAtOnce is how many of the rows one statement takes.
func (d dialect) rowsAtOnce(rows [][]any) int {
	if d.arrays {
		return min(len(rows), maxRecords)
	}
	return min(len(rows), max(1, maxParameters/len(rows[0])))
}

func (d dialect) insertion(head, tail string, rows [][]any) (string, []any) {
	if len(rows) == 1 {
		text, args := d.tuples(rows)
		return head + " VALUES " + text + " " + tail, args
	}
	source, args := d.source(rows)
	return head + " " + source + " " + tail, args
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

// scanTexts reads rows of n texts.
func scanTexts(n int) func(row) ([]string, error) {
	return func(r row) ([]string, error) {
		texts := make([]string, n)
		into := make([]any, n)
		for i := range texts {
			into[i] = &texts[i]
		}
		err := r.Scan(into...)
		return texts, err
	}
}
