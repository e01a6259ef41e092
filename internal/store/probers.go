package store

import (
	"context"
	"fmt"
)

// Attend says that a worker probes from a vantage, and returns the beats of all
// who do, its own among them: of two that begin at the same time, one at least
// sees the other. The beat grows each time.
func (s *Store) Attend(ctx context.Context, vantage, worker string, beat int64) (map[string]int64, error) {
	err := s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO prober (vantage, worker, beat) VALUES ($1, $2, $3) ON CONFLICT (vantage, worker) DO UPDATE SET beat = excluded.beat`, vantage, worker, beat)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("say that a worker probes from %s: %w", vantage, err)
	}
	return s.Probers(ctx, vantage)
}

// Probers returns the beats of those who probe from a vantage, by worker.
func (s *Store) Probers(ctx context.Context, vantage string) (map[string]int64, error) {
	type prober struct {
		worker string
		beat   int64
	}
	rows, err := collect(ask(s.reader.QueryContext(ctx, `SELECT worker, beat FROM prober WHERE vantage = $1`, vantage)), func(r row) (p prober, err error) {
		err = r.Scan(&p.worker, &p.beat)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("read who probes from %s: %w", vantage, err)
	}
	beats := make(map[string]int64, len(rows))
	for _, p := range rows {
		beats[p.worker] = p.beat
	}
	return beats, nil
}

// Leave says that workers no longer probe from a vantage.
func (s *Store) Leave(ctx context.Context, vantage string, workers ...string) error {
	err := s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM prober WHERE worker`+s.dialect.among+` AND vantage = $2`, s.dialect.list(workers), vantage)
		return err
	})
	if err != nil {
		return fmt.Errorf("say that %d workers no longer probe from %s: %w", len(workers), vantage, err)
	}
	return nil
}
