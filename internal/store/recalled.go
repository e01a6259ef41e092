package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/topology"
)

// recalledBatch is how many rows one transaction writes: others write, too.
const recalledBatch = 5000

// SweepsSince returns the sweeps, at most so many, that were learned since an instant, the latest first, but for one.
func (s *Store) SweepsSince(ctx context.Context, since time.Time, but string, most int) ([]string, error) {
	sweeps, err := collect(ask(s.reader.QueryContext(ctx, `SELECT sweep FROM habit_sweep WHERE at >= $1 AND sweep <> $2 ORDER BY at DESC, sweep LIMIT $3`,
		micros(since), but, most)), func(r row) (sweep string, err error) {
		err = r.Scan(&sweep)
		return sweep, err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the sweeps since %s: %w", since.Format(time.RFC3339), err)
	}
	return sweeps, nil
}

// FellSince are those of the components that fell silent since an instant, be they back or not, by id.
func (s *Store) FellSince(ctx context.Context, since time.Time, components []string) ([]string, error) {
	ids, err := collect(ask(s.reader.QueryContext(ctx, `SELECT DISTINCT component FROM habit WHERE component`+s.dialect.among+` AND peer = '' AND silent_at >= $2
		ORDER BY component`, s.dialect.list(components), micros(since))), func(r row) (id string, err error) {
		err = r.Scan(&id)
		return id, err
	})
	if err != nil {
		return nil, fmt.Errorf("look which of %d components fell silent since %s: %w", len(components), since.Format(time.RFC3339), err)
	}
	return ids, nil
}

// Seen is what sweeps saw of components themselves: not of their peers, and not where they could not tell.
func (s *Store) Seen(ctx context.Context, sweeps, components []string) ([]topology.Observation, error) {
	var out []topology.Observation
	for _, sweep := range sweeps {
		// A sweep has few rounds: with them the primary key leads to the rows.
		rows, err := s.seen(ctx, `SELECT component, probe, vantage, at, result, detail FROM observation
			WHERE component`+s.dialect.among+` AND sweep = $2 AND round IN (1, 2, 3, 4) AND peer = '' AND result <> 'unknown'
			ORDER BY component, probe, vantage, at`, s.dialect.list(components), sweep)
		if err != nil {
			return nil, fmt.Errorf("read what sweep %s saw of %d components: %w", sweep, len(components), err)
		}
		out = append(out, rows...)
	}
	return out, nil
}

// PutRecalled keeps beside a sweep what earlier ones saw. What is kept already stays as it is.
func (s *Store) PutRecalled(ctx context.Context, sweep string, obs []topology.Observation) error {
	for batch := range slices.Chunk(obs, recalledBatch) {
		err := s.write(ctx, func(tx *transaction) error {
			rows := make([][]any, len(batch))
			for i := range batch {
				o := &batch[i]
				rows[i] = []any{sweep, o.Component, string(o.Probe), o.Vantage, micros(o.At), string(o.Result), o.Detail}
			}
			_, err := s.dialect.insert(ctx, tx, `INSERT INTO recalled (sweep, component, probe, vantage, at, result, detail)`, `ON CONFLICT DO NOTHING`, rows)
			return err
		})
		if err != nil {
			return fmt.Errorf("keep %d earlier observations with sweep %s: %w", len(obs), sweep, err)
		}
	}
	return nil
}

// Recalled is what earlier sweeps saw of what a sweep looked at, by component, probe, vantage and time.
func (s *Store) Recalled(ctx context.Context, sweep string) ([]topology.Observation, error) {
	rows, err := s.seen(ctx, `SELECT component, probe, vantage, at, result, detail FROM recalled WHERE sweep = $1 ORDER BY component, probe, vantage, at`, sweep)
	if err != nil {
		return nil, fmt.Errorf("read the earlier observations of sweep %s: %w", sweep, err)
	}
	return rows, nil
}

func (s *Store) seen(ctx context.Context, query string, args ...any) ([]topology.Observation, error) {
	return collect(ask(s.reader.QueryContext(ctx, query, args...)), func(r row) (o topology.Observation, err error) {
		var at int64
		err = r.Scan(&o.Component, (*string)(&o.Probe), &o.Vantage, &at, (*string)(&o.Result), &o.Detail)
		o.At = instant(at)
		return o, err
	})
}

// Quiet notes that a sweep found nothing: [Store.ForgetQuiet] may forget it.
func (s *Store) Quiet(ctx context.Context, sweep string) error {
	err := s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `UPDATE habit_sweep SET quiet = 1 WHERE sweep = $1`, sweep)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that sweep %s found nothing: %w", sweep, err)
	}
	return nil
}

// ForgetQuiet forgets the sweeps that found nothing and were learned before an instant.
func (s *Store) ForgetQuiet(ctx context.Context, before time.Time) error {
	sweeps, err := collect(ask(s.reader.QueryContext(ctx, `SELECT sweep FROM habit_sweep WHERE quiet = 1 AND at < $1 ORDER BY at`, micros(before))), func(r row) (sweep string, err error) {
		err = r.Scan(&sweep)
		return sweep, err
	})
	if err != nil {
		return fmt.Errorf("look for sweeps that found nothing: %w", err)
	}
	for _, sweep := range sweeps {
		if err := s.ForgetSweep(ctx, sweep); err != nil {
			return err
		}
	}
	return nil
}
