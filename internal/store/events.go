package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/ledger"
)

// arrival is a callback on its way into the ledger.
type arrival struct {
	event ledger.Event
	now   time.Time
}

// applied is what a callback came to.
type applied struct {
	n     ledger.Notification
	fresh bool
}

// ApplyEvent keeps what a provider told us and applies it to the notification
// that it is about: by our id, else by the provider's, else by the
// acknowledgement code. fresh is false for a callback that was there already.
// A callback may come before we have committed the provider's id: it is kept,
// n is zero, and Settle applies it when it brings that id.
func (s *Store) ApplyEvent(ctx context.Context, e ledger.Event, now time.Time) (n ledger.Notification, fresh bool, err error) {
	if e.Provider == "" || e.Key == "" {
		return n, false, errors.New("apply event: it names no provider or no key, by which it is known again")
	}
	done, err := s.events.do(ctx, arrival{event: e, now: now})
	if err != nil {
		return n, false, fmt.Errorf("apply event of %s: %w", e.Provider, err)
	}
	return done.n, done.fresh, nil
}

func (s *Store) applyAll(ctx context.Context, batch []arrival) ([]applied, error) {
	// In one order over all processes, so that batches queue instead of embracing.
	order := make([]int, len(batch))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(batch[a].event.ProviderID, batch[b].event.ProviderID), strings.Compare(batch[a].event.Notification, batch[b].event.Notification))
	})
	var results []applied
	err := s.write(ctx, func(tx *transaction) error {
		results = make([]applied, len(batch))
		for _, i := range order {
			var err error
			if results[i], err = s.applyOne(ctx, tx, batch[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return results, err
}

func (s *Store) applyOne(ctx context.Context, tx *transaction, a arrival) (applied, error) {
	e := a.event
	owner, err := s.meet(ctx, tx, e)
	if err != nil {
		return applied{}, err
	}
	n, found, err := s.about(ctx, tx, e, owner)
	if err != nil {
		return applied{}, err
	}
	inserted, err := s.dialect.insert(ctx, tx, `INSERT INTO provider_event (provider, key, notification, provider_id, state, class, code, ack_code,
			acknowledged, declined, at, received_at)`, `ON CONFLICT (provider, key) DO NOTHING`, [][]any{{
		e.Provider, e.Key, n.ID, e.ProviderID, string(e.State), string(e.Class), e.Code, e.AckCode,
		e.Acknowledged, e.Declined, micros(e.At), micros(a.now),
	}})
	result := applied{n: n, fresh: inserted == 1}
	if err != nil || !found || !result.fresh && owner != "" {
		return result, err
	}
	if result.fresh {
		n = witness(n, e, a.now)
	}
	if owner == "" && e.ProviderID != "" {
		if err := s.know(ctx, tx, n.ID, e.Provider, e.ProviderID); err != nil {
			return result, err
		}
		if n, err = s.applyEarly(ctx, tx, n, e.Provider, e.ProviderID); err != nil {
			return result, err
		}
	}
	n.UpdatedAt = a.now
	result.n = n
	return result, s.save(ctx, tx, n)
}

// meet takes the row where a callback and a Settle that bring the same
// provider id wait for each other, and returns whose it is, if that is known.
func (s *Store) meet(ctx context.Context, tx *transaction, e ledger.Event) (owner string, err error) {
	if e.ProviderID == "" {
		return "", nil
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO provider_ref (provider, provider_id, notification) VALUES ($1, $2, '')
		ON CONFLICT (provider, provider_id) DO UPDATE SET notification = provider_ref.notification RETURNING notification`,
		e.Provider, e.ProviderID).Scan(&owner)
	if err != nil || owner != "" {
		return owner, err
	}
	// A look-up that did not know the provider's name recorded the bare id.
	err = tx.QueryRowContext(ctx, `SELECT notification FROM provider_ref WHERE provider = '' AND provider_id = $1`, e.ProviderID).Scan(&owner)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return owner, err
}

// about finds and locks the notification that an event is about.
func (s *Store) about(ctx context.Context, tx *transaction, e ledger.Event, owner string) (n ledger.Notification, found bool, err error) {
	code, _ := ledger.NormalizeAckCode(e.AckCode)
	for _, by := range []struct{ column, value string }{{"id", e.Notification}, {"id", owner}, {"ack_code", code}} {
		if by.value == "" {
			continue
		}
		n, err = scanNotification(tx.QueryRowContext(ctx, selectNotification+` WHERE `+by.column+` = $1`+s.dialect.lock, by.value))
		if err == nil {
			return n, true, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return n, false, err
		}
	}
	return ledger.Notification{}, false, nil
}

// witness is the notification after an event.
func witness(n ledger.Notification, e ledger.Event, now time.Time) ledger.Notification {
	n = climb(n, e.State, e.Class)
	if e.Acknowledged {
		n = acknowledged(n, string(n.Channel), e.At, now)
		n = climb(n, ledger.Delivered, ledger.ClassNone) // nobody acts on what he has not got
	}
	if n.ProviderID == "" && e.ProviderID != "" {
		n.Provider, n.ProviderID = e.Provider, e.ProviderID
	}
	return n
}

// acknowledged keeps the first acknowledgement.
func acknowledged(n ledger.Notification, via string, at, now time.Time) ledger.Notification {
	if !n.AcknowledgedAt.IsZero() {
		return n
	}
	if at.IsZero() {
		at = now
	}
	n.AcknowledgedAt, n.AcknowledgedVia = at, via
	return n
}

// applyEarly applies the callbacks that came before anybody knew whose they were.
func (s *Store) applyEarly(ctx context.Context, tx *transaction, n ledger.Notification, provider, providerID string) (ledger.Notification, error) {
	if providerID == "" {
		return n, nil
	}
	early, err := collect(ask(tx.QueryContext(ctx, `SELECT state, class, acknowledged, at, received_at FROM provider_event
		WHERE provider = $1 AND provider_id = $2 AND notification = '' ORDER BY received_at, key`, provider, providerID)), scanEarly)
	if err != nil || len(early) == 0 {
		return n, err
	}
	for _, a := range early {
		n = witness(n, a.event, a.now)
	}
	_, err = tx.ExecContext(ctx, `UPDATE provider_event SET notification = $1 WHERE provider = $2 AND provider_id = $3 AND notification = ''`, n.ID, provider, providerID)
	return n, err
}

func scanEarly(r row) (a arrival, err error) {
	var at, receivedAt int64
	err = r.Scan(&a.event.State, &a.event.Class, &a.event.Acknowledged, &at, &receivedAt)
	a.event.At, a.now = instant(at), instant(receivedAt)
	return a, err
}

// Acknowledge records that somebody has acknowledged a notification, named by
// its id or by its code as a person types it. first is false where it was
// acknowledged before; the first acknowledgement stays.
func (s *Store) Acknowledge(ctx context.Context, codeOrID, via string, at time.Time) (n ledger.Notification, first bool, err error) {
	column, value := "id", codeOrID
	if code, ok := ledger.NormalizeAckCode(codeOrID); ok {
		column, value = "ack_code", code
	}
	err = s.write(ctx, func(tx *transaction) (err error) {
		n, err = scanNotification(tx.QueryRowContext(ctx, selectNotification+` WHERE `+column+` = $1`+s.dialect.lock, value))
		if n, err = one(n, err)("notification", codeOrID); err != nil {
			return err
		}
		if first = n.AcknowledgedAt.IsZero(); !first {
			return nil
		}
		n = acknowledged(n, via, at, at)
		if n.State.Rank() >= ledger.Intent.Rank() && n.State != ledger.Dropped && n.State != ledger.Refused {
			n = climb(n, ledger.Delivered, ledger.ClassNone)
		}
		n.UpdatedAt = at
		return s.save(ctx, tx, n)
	})
	if err != nil {
		return ledger.Notification{}, false, fmt.Errorf("acknowledge: %w", err)
	}
	return n, first, nil
}
