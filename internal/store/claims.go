package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/ledger"
)

// Claim leases those of the notifications that are due to the caller and says
// what became of the others. It has committed when it returns: every claimed
// one is in Intent, and whoever claims the same ids meanwhile waits for the lease.
//
// A notification found in Intent with its lease expired becomes Unknown. One
// whose deadline has passed, or that was acknowledged before it left, is dropped.
func (s *Store) Claim(ctx context.Context, ids []string, lease time.Duration, now time.Time) (ledger.Claims, error) {
	var claims ledger.Claims
	if lease <= 0 {
		return claims, fmt.Errorf("claim %d notifications: the lease must last longer than nothing", len(ids))
	}
	ids = unique(ids)
	err := s.write(ctx, func(tx *transaction) (err error) {
		claims, err = s.claim(ctx, tx, ids, lease, now)
		return err
	})
	if err != nil {
		return ledger.Claims{}, fmt.Errorf("claim %d notifications: %w", len(ids), err)
	}
	return claims, nil
}

// unique drops repeated ids and keeps the order.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	var out []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

func (s *Store) claim(ctx context.Context, tx *transaction, ids []string, lease time.Duration, now time.Time) (claims ledger.Claims, err error) {
	if err := s.lock(ctx, tx, ids); err != nil {
		return claims, err
	}
	if err := s.dropOverdue(ctx, tx, ids, now); err != nil {
		return claims, err
	}
	if claims.Unknown, err = s.expireLeases(ctx, tx, ids, now); err != nil {
		return claims, err
	}
	if claims.Claimed, err = s.takeDue(ctx, tx, ids, lease, now); err != nil {
		return claims, err
	}
	taken := slices.Clone(claims.Unknown)
	for _, n := range claims.Claimed {
		taken = append(taken, n.ID)
	}
	rest := without(ids, taken)
	found, err := s.byID(ctx, tx, rest)
	if err != nil {
		return claims, err
	}
	for _, id := range rest {
		n, ok := found[id]
		switch {
		case !ok:
			return claims, fmt.Errorf("notification %s: %w", id, ErrNotFound)
		case n.State == ledger.Retry:
			claims.Waiting = append(claims.Waiting, ledger.Waiting{ID: id, RetryAt: n.RetryAt})
		case n.State == ledger.Intent:
			claims.Waiting = append(claims.Waiting, ledger.Waiting{ID: id, RetryAt: n.LeaseUntil})
		default:
			claims.Done = append(claims.Done, n)
		}
	}
	return claims, nil
}

// lock takes the rows in one order, so that two transactions over the same
// notifications queue instead of embracing.
func (s *Store) lock(ctx context.Context, tx *transaction, ids []string) error {
	if s.dialect.lock == "" {
		return nil
	}
	_, err := collect(ask(tx.QueryContext(ctx, `SELECT id FROM notification WHERE id IN `+s.dialect.each+` ORDER BY id`+s.dialect.lock, list(ids))), scanText)
	return err
}

func (s *Store) dropOverdue(ctx context.Context, tx *transaction, ids []string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE notification SET state = 'dropped', updated_at = $2,
			class = CASE WHEN acknowledged_at <> 0 THEN '' ELSE 'expired' END
		WHERE id IN `+s.dialect.each+` AND state IN ('queued', 'retry')
			AND (acknowledged_at <> 0 OR (deadline <> 0 AND deadline <= $2))`, list(ids), micros(now))
	return err
}

// expireLeases finds those whose sender died between intent and outcome.
func (s *Store) expireLeases(ctx context.Context, tx *transaction, ids []string, now time.Time) ([]string, error) {
	expired, err := collect(ask(tx.QueryContext(ctx, `UPDATE notification SET state = 'unknown', class = 'ambiguous', updated_at = $2
		WHERE id IN `+s.dialect.each+` AND state = 'intent' AND lease_until <= $2 RETURNING id`, list(ids), micros(now))), scanText)
	if err != nil || len(expired) == 0 {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE attempt SET state = 'unknown', class = 'ambiguous', settled_at = $2,
			message = 'the lease ran out before an outcome was known'
		WHERE notification IN `+s.dialect.each+` AND state = 'intent'`, list(expired), micros(now))
	return inOrder(ids, expired), err
}

func (s *Store) takeDue(ctx context.Context, tx *transaction, ids []string, lease time.Duration, now time.Time) ([]ledger.Notification, error) {
	taken, err := collect(ask(tx.QueryContext(ctx, `UPDATE notification SET state = 'intent', class = '', attempts = attempts + 1,
			lease_token = lease_token + 1, lease_until = $3, retry_at = 0, updated_at = $2
		WHERE id IN `+s.dialect.each+` AND state IN ('queued', 'retry') AND retry_at <= $2
		RETURNING `+notificationColumns, list(ids), micros(now), micros(now.Add(lease)))), scanNotification)
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	byID := make(map[string]ledger.Notification, len(taken))
	rows := make([][]any, len(taken))
	for i, n := range taken {
		byID[n.ID] = n
		rows[i] = []any{n.ID, n.Attempts, n.LeaseToken, n.Repeat, string(ledger.Intent), "", "", "", 0, "", "", false, micros(now), 0}
	}
	_, err = s.dialect.insert(ctx, tx, `INSERT INTO attempt (notification, n, lease_token, is_repeat, state, class, provider, provider_id,
		http_status, code, message, wrote, intent_at, settled_at)`, "", rows)
	if err != nil {
		return nil, err
	}
	ordered := make([]ledger.Notification, 0, len(taken))
	for _, id := range ids {
		if n, ok := byID[id]; ok {
			ordered = append(ordered, n)
		}
	}
	return ordered, nil
}

// inOrder sorts some of the ids as they were given.
func inOrder(ids, some []string) []string {
	return without(ids, without(ids, some))
}

func (s *Store) byID(ctx context.Context, tx *transaction, ids []string) (map[string]ledger.Notification, error) {
	found := make(map[string]ledger.Notification, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := collect(ask(tx.QueryContext(ctx, selectNotification+` WHERE id IN `+s.dialect.each+` ORDER BY id`+s.dialect.lock, list(ids))), scanNotification)
	for _, n := range rows {
		found[n.ID] = n
	}
	return found, err
}
