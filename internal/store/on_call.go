package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vakhta/internal/roster"
)

const overrideColumns = `id, team, rotation, person, starts_at, ends_at, author, reason, made_at, number`

// PutOverrides keeps overrides made together, such as the two of a swap: all or
// none. One whose id is there already stays as it is.
func (s *Store) PutOverrides(ctx context.Context, list ...roster.Override) error {
	err := s.write(ctx, func(tx *transaction) error {
		var last int64
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) FROM on_call_override`).Scan(&last); err != nil {
			return err
		}
		var rows [][]any
		for i, o := range list {
			rows = append(rows, []any{
				o.ID, o.Team, o.Rotation, o.Person, micros(o.From), micros(o.To), o.Author, o.Reason, micros(o.MadeAt), last + int64(i) + 1,
			})
		}
		_, err := s.dialect.insert(ctx, tx, `INSERT INTO on_call_override (`+overrideColumns+`)`, `ON CONFLICT (id) DO NOTHING`, rows)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep %d overrides: %w", len(list), err)
	}
	return nil
}

// Overrides are those that hold at the instant or later, in the order in which they were made.
func (s *Store) Overrides(ctx context.Context, since time.Time) (roster.Overrides, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT `+overrideColumns+` FROM on_call_override WHERE ends_at > $1 AND removed_at = 0 ORDER BY number`,
		micros(since))), scanOverride)
	if err != nil {
		return nil, fmt.Errorf("read overrides: %w", err)
	}
	return all, nil
}

func scanOverride(r row) (o roster.Override, err error) {
	var from, to, made, number int64
	err = r.Scan(&o.ID, &o.Team, &o.Rotation, &o.Person, &from, &to, &o.Author, &o.Reason, &made, &number)
	o.From, o.To, o.MadeAt = instant(from), instant(to), instant(made)
	return o, err
}

// RemoveOverride takes an override back. It is ErrNotFound if there is none that holds.
func (s *Store) RemoveOverride(ctx context.Context, id, by string, at time.Time) error {
	err := s.write(ctx, func(tx *transaction) error {
		r, err := tx.ExecContext(ctx, `UPDATE on_call_override SET removed_at = $1, removed_by = $2 WHERE id = $3 AND removed_at = 0`, micros(at), by, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrNotFound
	})
	if err != nil {
		return fmt.Errorf("remove override %s: %w", id, err)
	}
	return nil
}

// Turn is the number of an incident among those that a level was paged for: the
// first is 0. The same incident has the same number for ever.
func (s *Store) Turn(ctx context.Context, level, incident string) (int, error) {
	var number int
	err := s.write(ctx, func(tx *transaction) error {
		err := tx.QueryRowContext(ctx, `SELECT number FROM on_call_turn WHERE level = $1 AND incident = $2`, level, incident).Scan(&number)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM on_call_turn WHERE level = $1`, level).Scan(&number); err != nil {
			return err
		}
		_, err = s.dialect.insert(ctx, tx, `INSERT INTO on_call_turn (level, incident, number)`, "", [][]any{{level, incident, number}})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("take the turn of %s in %s: %w", incident, level, err)
	}
	return number, nil
}
