package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// KnownElsewhere reports whether a provider's id belongs to another
// notification than except: a look-up by recipient sees them all, and must not
// take another's message for the one that it seeks.
func (s *Store) KnownElsewhere(ctx context.Context, providerID, except string) (bool, error) {
	var owner string
	err := s.reader.QueryRowContext(ctx, `SELECT notification FROM provider_ref WHERE provider_id = $1 AND notification <> '' AND notification <> $2`,
		providerID, except).Scan(&owner)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up whose provider id it is: %w", err)
	}
	return true, nil
}
