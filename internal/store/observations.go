package store

import (
	"context"
	"fmt"
	"time"

	"vakhta/internal/topology"
)

// PutObservations keeps what a round of a sweep has seen. The same component,
// probe, peer and vantage in the same round is one observation: the latest counts.
func (s *Store) PutObservations(ctx context.Context, sweep string, round int, obs []topology.Observation) error {
	type asked struct{ component, probe, peer, vantage string }
	place := make(map[asked]int, len(obs))
	kept := make([]*topology.Observation, 0, len(obs))
	for i := range obs {
		o := &obs[i]
		question := asked{o.Component, string(o.Probe), o.Peer, o.Vantage}
		at, twice := place[question]
		switch {
		case !twice:
			place[question] = len(kept)
			kept = append(kept, o)
		case !o.At.Before(kept[at].At):
			kept[at] = o
		}
	}
	if len(kept) == 0 {
		return nil
	}
	err := s.writeMany(ctx, len(kept), func(tx *transaction) error { // many wait here: each makes its rows when it is its turn
		rows := make([][]any, len(kept))
		var of, in any = sweep, round
		for i, o := range kept {
			rows[i] = []any{of, in, o.Component, string(o.Probe), o.Peer, o.Vantage, micros(o.At), string(o.Result), o.Detail, o.RTTMicros}
		}
		_, err := s.dialect.insert(ctx, tx, `INSERT INTO observation (sweep, round, component, probe, peer, vantage, at, result, detail, rtt_micros)`,
			`ON CONFLICT (sweep, round, component, probe, peer, vantage) DO UPDATE SET at = excluded.at, result = excluded.result,
			detail = excluded.detail, rtt_micros = excluded.rtt_micros WHERE excluded.at >= observation.at`, rows)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep %d observations of sweep %s: %w", len(obs), sweep, err)
	}
	return nil
}

// Observations reads all rounds of a sweep, by round, component, probe, peer and vantage.
func (s *Store) Observations(ctx context.Context, sweep string) ([]topology.Observation, error) {
	all, _, err := s.Rounds(ctx, sweep)
	return all, err
}

// Rounds reads a sweep in the order of [Store.Observations], and the parts of
// it that its rounds are; those in which nothing was observed are left out.
func (s *Store) Rounds(ctx context.Context, sweep string) (all []topology.Observation, rounds [][]topology.Observation, err error) {
	var held int // a large sweep is read into the room that it takes, not into twice as much
	if err := s.reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM observation WHERE sweep = $1`, sweep).Scan(&held); err != nil {
		return nil, nil, fmt.Errorf("count the observations of sweep %s: %w", sweep, err)
	}
	all = make([]topology.Observation, 0, held)
	last, words := -1, map[string]string{}
	var starts []int
	// The same few words stand in all rows: one copy of each is enough.
	same := func(text *string) {
		if known, ok := words[*text]; ok {
			*text = known
			return
		}
		words[*text] = *text
	}
	var at int64
	var round int
	var o topology.Observation
	into := []any{&round, &o.Component, (*string)(&o.Probe), &o.Peer, &o.Vantage, &at, (*string)(&o.Result), &o.Detail, &o.RTTMicros}
	_, err = collect(ask(s.reader.QueryContext(ctx, `SELECT round, component, probe, peer, vantage, at, result, detail, rtt_micros FROM observation
		WHERE sweep = $1 ORDER BY round, component, probe, peer, vantage`, sweep)), func(r row) (none struct{}, err error) {
		if err = r.Scan(into...); err != nil {
			return none, err
		}
		o.At = instant(at)
		for _, text := range []*string{(*string)(&o.Probe), &o.Vantage, (*string)(&o.Result), &o.Detail} {
			same(text)
		}
		if round != last {
			last, starts = round, append(starts, len(all))
		}
		all = append(all, o)
		return none, nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read observations of sweep %s: %w", sweep, err)
	}
	for i, from := range starts {
		to := len(all)
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		rounds = append(rounds, all[from:to:to])
	}
	return all, rounds, nil
}

// PruneObservations forgets what was observed, and planned to be, before an
// instant, and returns how many observations that was. Those that led to an
// incident stay with it. Each sweep goes by itself, so that others can write
// meanwhile, and a call that is cut short has not been in vain.
func (s *Store) PruneObservations(ctx context.Context, before time.Time) (int, error) {
	sweeps, err := collect(ask(s.reader.QueryContext(ctx, `SELECT DISTINCT sweep FROM observation WHERE at < $1
		AND sweep NOT IN (SELECT sweep FROM incident WHERE sweep <> '')`, micros(before))), func(r row) (sweep string, err error) {
		err = r.Scan(&sweep)
		return sweep, err
	})
	if err != nil {
		return 0, fmt.Errorf("look for old observations: %w", err)
	}
	total := 0
	for _, sweep := range sweeps {
		err := s.write(ctx, func(tx *transaction) error { // an incident may have been opened since
			n, err := affect(tx.ExecContext(ctx, `DELETE FROM observation WHERE sweep = $1 AND at < $2
				AND sweep NOT IN (SELECT sweep FROM incident WHERE sweep <> '')`, sweep, micros(before)))
			total += n
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `DELETE FROM recalled WHERE sweep = $1 AND NOT EXISTS (SELECT 1 FROM observation WHERE sweep = $1)`, sweep)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("prune the observations of sweep %s: %w", sweep, err)
		}
	}
	err = s.write(ctx, func(tx *transaction) error {
		for _, statement := range []string{`DELETE FROM sweep_shard WHERE planned_at < $1`, `DELETE FROM habit_sweep WHERE at < $1`, `DELETE FROM sweep_found WHERE found_at < $1`} {
			if _, err := tx.ExecContext(ctx, statement, micros(before)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return total, fmt.Errorf("prune the plans of sweeps: %w", err)
	}
	return total, nil
}
