package store

import (
	"context"
	"fmt"
	"time"

	"vakhta/internal/ledger"
)

// Allow takes up to n messages of a provider account's rate, which all
// processes share under the account's name; see [ledger.Rate.Take]. Callers'
// clocks may differ by as much as a message may be early.
func (s *Store) Allow(ctx context.Context, name string, r ledger.Rate, n int, urgent bool, horizon time.Duration, now time.Time) (ledger.Grant, error) {
	if !r.Limited() {
		return ledger.Grant{N: n, First: now}, nil
	}
	var grant ledger.Grant
	err := s.write(ctx, func(tx *transaction) error {
		// The row first: two that don't find it would both begin with a full burst.
		if _, err := tx.ExecContext(ctx, `INSERT INTO allowance (name, free) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING`, name); err != nil {
			return err
		}
		var taken int64
		if err := tx.QueryRowContext(ctx, `SELECT free FROM allowance WHERE name = $1`+s.dialect.lock, name).Scan(&taken); err != nil {
			return err
		}
		var free time.Time
		grant, free = r.Take(instant(taken), n, urgent, horizon, now)
		_, err := tx.ExecContext(ctx, `UPDATE allowance SET free = $1 WHERE name = $2`, micros(free), name)
		return err
	})
	if err != nil {
		return ledger.Grant{}, fmt.Errorf("take %d messages of the rate of %s: %w", n, name, err)
	}
	return grant, nil
}
