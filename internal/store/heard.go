package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vakhta/internal/inventory"
)

// Hear remembers when a contact wrote to us by a channel; the latest counts.
func (s *Store) Hear(ctx context.Context, contact string, ch inventory.Channel, at time.Time) error {
	err := s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO heard (contact, channel, at) VALUES ($1, $2, $3)
			ON CONFLICT (contact, channel) DO UPDATE SET at = excluded.at WHERE excluded.at > heard.at`, contact, string(ch), micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("remember that contact %s wrote by %s: %w", contact, ch, err)
	}
	return nil
}

// Heard is when a contact last wrote to us by a channel; zero: never.
func (s *Store) Heard(ctx context.Context, contact string, ch inventory.Channel) (time.Time, error) {
	var at int64
	err := s.reader.QueryRowContext(ctx, `SELECT at FROM heard WHERE contact = $1 AND channel = $2`, contact, string(ch)).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look when contact %s last wrote by %s: %w", contact, ch, err)
	}
	return instant(at), nil
}
