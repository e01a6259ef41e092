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
	// Before, because nobody may be left with a claim whose text can't be read;
	// outside, because a text never changes, and other writers wait.
	texts, err := s.texts(ctx, ids)
	if err == nil {
		err = s.writeMany(ctx, len(ids), func(tx *transaction) (err error) {
			claims, err = s.claim(ctx, tx, ids, lease, now)
			return err
		})
	}
	if err != nil {
		return ledger.Claims{}, fmt.Errorf("claim %d notifications: %w", len(ids), err)
	}
	for i := range claims.Claimed {
		n := &claims.Claimed[i]
		t := texts[n.ID]
		n.Title, n.Body, n.HTML, n.Calendar = t.title, t.body, t.html, t.calendar
	}
	return claims, nil
}

// wording is what a notification says.
type wording struct{ id, title, body, html, calendar string }

func (s *Store) texts(ctx context.Context, ids []string) (map[string]wording, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT notification, `+textColumns+` FROM notification_text
		WHERE notification`+s.dialect.among, s.dialect.list(ids))), func(r row) (w wording, err error) {
		err = r.Scan(&w.id, &w.title, &w.body, &w.html, &w.calendar)
		return w, err
	})
	texts := make(map[string]wording, len(all))
	for _, w := range all {
		texts[w.id] = w
	}
	return texts, err
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

// claim leases what is due in one statement, and only asks about the others,
// of which a broadcast has few.
func (s *Store) claim(ctx context.Context, tx *transaction, ids []string, lease time.Duration, now time.Time) (claims ledger.Claims, err error) {
	claims.Claimed, err = s.takeDue(ctx, tx, ids, lease, now)
	if err != nil || len(claims.Claimed) == len(ids) {
		return claims, err
	}
	taken := make([]string, len(claims.Claimed))
	for i, n := range claims.Claimed {
		taken[i] = n.ID
	}
	err = s.claimRest(ctx, tx, without(ids, taken), lease, now, &claims)
	return claims, err
}

// claimRest says what became of those that were not due.
func (s *Store) claimRest(ctx context.Context, tx *transaction, ids []string, lease time.Duration, now time.Time, claims *ledger.Claims) error {
	found, err := s.byID(ctx, tx, ids)
	if err != nil {
		return err
	}
	var overdue, expired, due []string
	for _, id := range ids {
		n, ok := found[id]
		switch {
		case !ok:
			return fmt.Errorf("notification %s: %w", id, ErrNotFound)
		case n.State.Sendable() && (!n.AcknowledgedAt.IsZero() || !n.Deadline.IsZero() && !n.Deadline.After(now)):
			overdue = append(overdue, id)
			claims.Done = append(claims.Done, dropped(n, now))
		case n.State.Sendable() && n.RetryAt.After(now):
			claims.Waiting = append(claims.Waiting, ledger.Waiting{ID: id, RetryAt: n.RetryAt})
		case n.State.Sendable():
			due = append(due, id) // a neighbour has put it back since
		case n.State == ledger.Intent && n.LeaseUntil.After(now):
			claims.Waiting = append(claims.Waiting, ledger.Waiting{ID: id, RetryAt: n.LeaseUntil})
		case n.State == ledger.Intent:
			expired = append(expired, id)
		default:
			claims.Done = append(claims.Done, n)
		}
	}
	if err := s.dropOverdue(ctx, tx, overdue, now); err != nil {
		return err
	}
	if err := s.expireLeases(ctx, tx, expired, now); err != nil {
		return err
	}
	claims.Unknown = expired
	late, err := s.takeDue(ctx, tx, due, lease, now)
	claims.Claimed = append(claims.Claimed, late...)
	return err
}

// dropped is a notification that is not sent any more: somebody acknowledged
// it before it left, or its deadline is over.
func dropped(n ledger.Notification, now time.Time) ledger.Notification {
	n.State, n.Class, n.UpdatedAt = ledger.Dropped, ledger.ClassExpired, now
	if !n.AcknowledgedAt.IsZero() {
		n.Class = ledger.ClassNone
	}
	return n
}

func (s *Store) dropOverdue(ctx context.Context, tx *transaction, ids []string, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `UPDATE notification SET state = 'dropped', updated_at = $2,
			class = CASE WHEN acknowledged_at <> 0 THEN '' ELSE 'expired' END
		WHERE id`+s.dialect.among, s.dialect.list(ids), micros(now))
	return err
}

// expireLeases gives up those whose sender died between intent and outcome.
func (s *Store) expireLeases(ctx context.Context, tx *transaction, ids []string, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `UPDATE notification SET state = 'unknown', class = 'ambiguous', updated_at = $2
		WHERE id`+s.dialect.among, s.dialect.list(ids), micros(now))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE attempt SET state = 'unknown', class = 'ambiguous', settled_at = $2,
			message = 'the lease ran out before an outcome was known'
		WHERE notification`+s.dialect.among+` AND state = 'intent'`, s.dialect.list(ids), micros(now))
	return err
}

// takeDue leases those of the notifications that are due, begins an attempt for
// each, and returns them in the order of ids.
func (s *Store) takeDue(ctx context.Context, tx *transaction, ids []string, lease time.Duration, now time.Time) ([]ledger.Notification, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	due, err := collect(ask(tx.QueryContext(ctx, `UPDATE notification SET state = 'intent', class = '', attempts = attempts + 1,
			lease_token = lease_token + 1, lease_until = $3, retry_at = 0, updated_at = $2
		WHERE id`+s.dialect.among+` AND state IN ('queued', 'retry') AND retry_at <= $2 AND acknowledged_at = 0 AND (deadline = 0 OR deadline > $2)
		RETURNING `+standingColumns, s.dialect.list(ids), micros(now), micros(now.Add(lease)))), scanStanding)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	order := make(map[string]int, len(ids))
	for i, id := range ids {
		order[id] = i
	}
	slices.SortFunc(due, func(a, b ledger.Notification) int { return order[a.ID] - order[b.ID] })
	rows := make([][]any, len(due))
	for i, n := range due {
		rows[i] = []any{n.ID, n.Attempts, n.LeaseToken, n.Repeat, string(ledger.Intent), "", "", "", 0, "", "", false, micros(now), 0}
	}
	_, err = s.dialect.insert(ctx, tx, `INSERT INTO attempt (notification, n, lease_token, is_repeat, state, class, provider, provider_id,
		http_status, code, message, wrote, intent_at, settled_at)`, "", rows)
	return due, err
}
