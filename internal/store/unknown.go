package store

import (
	"context"
	"fmt"
	"time"

	"vakhta/internal/ledger"
)

// ResolveUnknown settles an unknown notification and returns its state. Found
// accepts it, with the provider that has it, as far as that is known, and its
// id of the message. Resend queues it once more, as a marked
// repeat: only if it is critical and has not been repeated, else ErrConflict.
// GiveUp refuses it. Where something has settled it meanwhile, or somebody has
// acknowledged it, nothing is sent again and the state is what that says.
func (s *Store) ResolveUnknown(ctx context.Context, id string, r ledger.Resolution, provider, providerID string, now time.Time) (ledger.State, error) {
	if r != ledger.Found {
		provider, providerID = "", ""
	}
	var state ledger.State
	err := s.write(ctx, func(tx *transaction) error {
		n, provider, err := s.meetFound(ctx, tx, id, provider, providerID)
		if err != nil {
			return err
		}
		if n.State == ledger.Unknown {
			if n, err = resolved(n, r); err != nil {
				return err
			}
		}
		if (provider != "" || providerID != "") && n.ProviderID == "" {
			n.Provider, n.ProviderID = provider, providerID
		}
		if n, err = s.applyEarly(ctx, tx, n, provider, providerID); err != nil {
			return err
		}
		state, n.UpdatedAt = n.State, now
		return s.save(ctx, tx, n)
	})
	if err != nil {
		return state, fmt.Errorf("resolve notification %s as %s: %w", id, r, err)
	}
	return state, nil
}

// meetFound locks the notification, after it has recorded whose the id is that
// a look-up found. Whoever died before his outcome left no provider's name; a
// callback that came meanwhile did.
func (s *Store) meetFound(ctx context.Context, tx *transaction, id, of, providerID string) (n ledger.Notification, provider string, err error) {
	n, err = scanStanding(tx.QueryRowContext(ctx, selectStanding+` WHERE id = $1`, id))
	if n, err = one(n, err)("notification", id); err != nil {
		return n, "", err
	}
	if provider = of; provider == "" {
		provider = n.Provider
	}
	if provider == "" && providerID != "" {
		names, err := collect(ask(tx.QueryContext(ctx, `SELECT provider FROM provider_ref WHERE provider_id = $1 AND notification = '' ORDER BY provider`, providerID)), scanText)
		if err != nil {
			return n, "", err
		}
		if len(names) == 1 {
			provider = names[0]
		}
	}
	if err := s.know(ctx, tx, n.ID, provider, providerID); err != nil || s.dialect.lock == "" {
		return n, provider, err
	}
	n, err = scanStanding(tx.QueryRowContext(ctx, selectStanding+` WHERE id = $1`+s.dialect.lock, id))
	return n, provider, err
}

func resolved(n ledger.Notification, r ledger.Resolution) (ledger.Notification, error) {
	if !n.AcknowledgedAt.IsZero() && r != ledger.Found {
		n.State, n.Class = ledger.Delivered, ledger.ClassNone // nobody acknowledges what he has not got
		return n, nil
	}
	switch r {
	case ledger.Found:
		n.State, n.Class = ledger.Accepted, ledger.ClassNone
	case ledger.Resend:
		if !n.MayRepeat() {
			return n, fmt.Errorf("only what must arrive is repeated, and only once: %w", ErrConflict)
		}
		n.State, n.Class, n.Repeat, n.RetryAt = ledger.Queued, ledger.ClassNone, true, time.Time{}
	case ledger.GiveUp:
		n.State, n.Class = ledger.Refused, ledger.ClassAmbiguous
	default:
		return n, fmt.Errorf("a resolution is found, resend or give-up, not %q", r)
	}
	return n, nil
}
