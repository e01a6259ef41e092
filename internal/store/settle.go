package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/ledger"
)

// settle is one outcome on its way into the ledger.
type settle struct {
	id      string
	token   int64
	outcome ledger.Outcome
	now     time.Time
}

// Settle writes what an attempt came to. token is the claim's LeaseToken: with
// another one, or where the notification has been settled by somebody else, it
// is ErrFenced, except that what is certain is never thrown away: an
// acceptance or a refusal that comes after the lease ran out settles the
// unknown, and an id that the provider gave is remembered, so that its
// callbacks find the notification. Where a callback was faster, Settle adds
// the provider's id and succeeds.
func (s *Store) Settle(ctx context.Context, id string, token int64, o ledger.Outcome, now time.Time) error {
	switch o.State {
	case ledger.Accepted, ledger.Refused, ledger.Retry, ledger.Unknown:
	default:
		return fmt.Errorf("settle notification %s: an outcome is accepted, refused, retry or unknown, not %q", id, o.State)
	}
	verdict, err := s.settles.do(ctx, settle{id: id, token: token, outcome: o, now: now})
	if err == nil {
		err = verdict
	}
	if err != nil {
		return fmt.Errorf("settle notification %s: %w", id, err)
	}
	return nil
}

// settleAll settles a batch in one transaction and returns each one's verdict.
// It goes by the providers' ids, as callbacks do, and then by our own.
func (s *Store) settleAll(ctx context.Context, batch []settle) ([]error, error) {
	order := make([]int, len(batch))
	ids := make([]string, len(batch))
	for i := range batch {
		order[i], ids[i] = i, batch[i].id
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(batch[a].outcome.ProviderID, batch[b].outcome.ProviderID), strings.Compare(batch[a].id, batch[b].id))
	})
	var verdicts []error
	err := s.write(ctx, func(tx *transaction) error {
		verdicts = make([]error, len(batch))
		for _, i := range order {
			if err := s.know(ctx, tx, batch[i].id, batch[i].outcome.Provider, batch[i].outcome.ProviderID); err != nil {
				return err
			}
		}
		found, err := s.byID(ctx, tx, ids)
		if err != nil {
			return err
		}
		for _, i := range order {
			n, ok := found[batch[i].id]
			if !ok {
				verdicts[i] = ErrNotFound
				continue
			}
			n, verdicts[i], err = s.settleOne(ctx, tx, n, batch[i])
			if err != nil {
				return err
			}
			found[n.ID] = n
		}
		return nil
	})
	return verdicts, err
}

func (s *Store) settleOne(ctx context.Context, tx *transaction, n ledger.Notification, q settle) (settled ledger.Notification, verdict, err error) {
	o := q.outcome
	certain := o.State == ledger.Accepted || o.State == ledger.Refused
	held := n.LeaseToken == q.token
	if held && (n.State == ledger.Intent || certain) || !held && o.ProviderID != "" {
		if err := closeAttempt(ctx, tx, q); err != nil {
			return n, nil, err
		}
	}
	switch {
	case !held:
		verdict = ErrFenced
	case n.State == ledger.Intent:
		n.State, n.Class = o.State, o.Class
		if o.State == ledger.Retry {
			n.RetryAt = q.now.Add(o.RetryAfter)
		}
	case n.State == ledger.Unknown && certain:
		n.State, n.Class = o.State, o.Class
	case n.State.Rank() >= ledger.Accepted.Rank(), o.State == ledger.Accepted:
		// A callback was faster; or the acceptance comes so late that a repeat
		// is queued already, and spares it.
		n = climb(n, o.State, o.Class)
	default:
		verdict = ErrFenced
	}
	if o.Provider != "" && held {
		n.Provider = o.Provider
	}
	if o.ProviderID != "" && (held || n.ProviderID == "") {
		n.Provider, n.ProviderID = o.Provider, o.ProviderID
	}
	n, err = s.applyEarly(ctx, tx, n, o.Provider, o.ProviderID)
	if err != nil {
		return n, nil, err
	}
	n.UpdatedAt = q.now
	return n, verdict, s.save(ctx, tx, n)
}

// climb applies what a provider attests.
func climb(n ledger.Notification, to ledger.State, class ledger.Class) ledger.Notification {
	if state, moved := ledger.Advance(n.State, to); moved {
		n.State, n.Class = state, ledger.ClassNone
		if state == ledger.Refused {
			n.Class = class
		}
	}
	return n
}

func closeAttempt(ctx context.Context, tx *transaction, q settle) error {
	o := q.outcome
	_, err := tx.ExecContext(ctx, `UPDATE attempt SET state = $1, class = $2, provider = $3, provider_id = $4, http_status = $5,
			code = $6, message = $7, wrote = $8, settled_at = $9 WHERE notification = $10 AND lease_token = $11`,
		string(o.State), string(o.Class), o.Provider, o.ProviderID, o.HTTPStatus, o.Code, o.Message, o.Wrote, micros(q.now), q.id, q.token)
	return err
}

// save writes what changes in a notification's life, except its lease.
func (s *Store) save(ctx context.Context, tx *transaction, n ledger.Notification) error {
	_, err := tx.ExecContext(ctx, `UPDATE notification SET state = $1, class = $2, is_repeat = $3, provider = $4, provider_id = $5,
			retry_at = $6, updated_at = $7, acknowledged_at = $8, acknowledged_via = $9 WHERE id = $10`,
		string(n.State), string(n.Class), n.Repeat, n.Provider, n.ProviderID,
		micros(n.RetryAt), micros(n.UpdatedAt), micros(n.AcknowledgedAt), n.AcknowledgedVia, n.ID)
	return err
}

// know records whose a provider's id is. It is taken before the notification's
// row, here and in ApplyEvent, so that the two meet in one order.
func (s *Store) know(ctx context.Context, tx *transaction, id, provider, providerID string) error {
	if providerID == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO provider_ref (provider, provider_id, notification) VALUES ($1, $2, $3)
		ON CONFLICT (provider, provider_id) DO UPDATE SET notification = excluded.notification WHERE provider_ref.notification = ''`,
		provider, providerID, id)
	return err
}
