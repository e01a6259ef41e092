package store

import (
	"context"
	"fmt"
	"time"

	"vakhta/internal/topology"
)

// PutShards keeps the plan of one round of a sweep; shards are numbered from 0.
// A plan made again replaces the first.
func (s *Store) PutShards(ctx context.Context, sweep string, round int, at time.Time, shards []topology.Shard) error {
	rows := make([][]any, 0, len(shards))
	for i, shard := range shards {
		text, err := encode(shard)
		if err != nil {
			return err
		}
		rows = append(rows, []any{sweep, round, i, micros(at), text})
	}
	err := s.write(ctx, func(tx *transaction) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM sweep_shard WHERE sweep = $1 AND round = $2`, sweep, round); err != nil || len(rows) == 0 {
			return err
		}
		_, err := s.dialect.insert(ctx, tx, `INSERT INTO sweep_shard (sweep, round, number, planned_at, shard)`, `ON CONFLICT DO NOTHING`, rows)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep %d shards of sweep %s, round %d: %w", len(shards), sweep, round, err)
	}
	return nil
}

// Shard reads one shard of a round.
func (s *Store) Shard(ctx context.Context, sweep string, round, number int) (topology.Shard, error) {
	var shard topology.Shard
	text, err := scanText(s.reader.QueryRowContext(ctx, `SELECT shard FROM sweep_shard WHERE sweep = $1 AND round = $2 AND number = $3`, sweep, round, number))
	if _, err := one(text, err)("shard", fmt.Sprintf("%s/%d/%d", sweep, round, number)); err != nil {
		return shard, err
	}
	if err := decode(text, &shard); err != nil {
		return shard, err
	}
	return shard, nil
}
