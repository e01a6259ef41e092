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
	var state ledger.State
	err := s.write(ctx, func(tx *transaction) (err error) {
		state, _, err = s.resolve(ctx, tx, id, r, provider, providerID, now)
		return err
	})
	if err != nil {
		return state, fmt.Errorf("resolve notification %s as %s: %w", id, r, err)
	}
	return state, nil
}

// ByHand is what somebody said of a notification that nobody knew the fate of.
type ByHand struct {
	As         ledger.Resolution `json:"as"`
	By         string            `json:"by"`
	At         time.Time         `json:"at"`
	ProviderID string            `json:"providerID,omitempty"` // what the provider calls the message, with ledger.Found
}

// SettleByHand is ResolveUnknown for a person: it keeps who said so, and is
// ErrConflict where there is nothing unknown any more.
func (s *Store) SettleByHand(ctx context.Context, id string, h ByHand) (ledger.State, error) {
	var state ledger.State
	err := s.write(ctx, func(tx *transaction) (err error) {
		var was ledger.State
		if state, was, err = s.resolve(ctx, tx, id, h.As, "", h.ProviderID, h.At); err != nil {
			return err
		}
		if was != ledger.Unknown {
			return fmt.Errorf("it is %s meanwhile: %w", state, ErrConflict)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO settled_by_hand (notification, at, by_whom, resolution, provider_id) VALUES ($1, $2, $3, $4, $5)`,
			id, micros(h.At), h.By, string(h.As), h.ProviderID)
		return err
	})
	if err != nil {
		return state, fmt.Errorf("settle notification %s as %s: %w", id, h.As, err)
	}
	return state, nil
}

// SettledByHand lists what people have said of a notification, in order.
func (s *Store) SettledByHand(ctx context.Context, id string) ([]ByHand, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT resolution, by_whom, at, provider_id FROM settled_by_hand WHERE notification = $1 ORDER BY at`, id)),
		func(r row) (h ByHand, err error) {
			var at int64
			err = r.Scan(&h.As, &h.By, &at, &h.ProviderID)
			h.At = instant(at)
			return h, err
		})
	if err != nil {
		return nil, fmt.Errorf("read who settled notification %s: %w", id, err)
	}
	return all, nil
}

// resolve settles a notification if it is unknown, and says what it was.
func (s *Store) resolve(ctx context.Context, tx *transaction, id string, r ledger.Resolution, provider, providerID string, now time.Time) (state, was ledger.State, err error) {
	if r != ledger.Found {
		provider, providerID = "", ""
	}
	n, provider, err := s.meetFound(ctx, tx, id, provider, providerID)
	if err != nil {
		return "", "", err
	}
	if was = n.State; was == ledger.Unknown {
		if n, err = resolved(n, r); err != nil {
			return "", was, err
		}
	}
	if (provider != "" || providerID != "") && n.ProviderID == "" {
		n.Provider, n.ProviderID = provider, providerID
	}
	if n, err = s.applyEarly(ctx, tx, n, provider, providerID); err != nil {
		return "", was, err
	}
	n.UpdatedAt = now
	return n.State, was, s.save(ctx, tx, n)
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
