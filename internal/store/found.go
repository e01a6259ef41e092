package store

import (
	"context"
	"fmt"
	"time"

	"vakhta/internal/topology"
)

// PutFound keeps what a sweep has found; the latest counts.
func (s *Store) PutFound(ctx context.Context, sweep string, at time.Time, found topology.Found) error {
	text, err := encode(found)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sweep_found (sweep, found_at, found) VALUES ($1, $2, $3)
			ON CONFLICT (sweep) DO UPDATE SET found_at = excluded.found_at, found = excluded.found`, sweep, micros(at), text)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the findings of sweep %s: %w", sweep, err)
	}
	return nil
}

// Found reads what a sweep has found; [ErrNotFound] where it was short enough for its history.
func (s *Store) Found(ctx context.Context, sweep string) (found topology.Found, err error) {
	text, err := scanText(s.reader.QueryRowContext(ctx, `SELECT found FROM sweep_found WHERE sweep = $1`, sweep))
	if _, err := one(text, err)("findings of sweep", sweep); err != nil {
		return found, err
	}
	err = decode(text, &found)
	return found, err
}
