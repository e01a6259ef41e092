package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
	if err := settles(id, o); err != nil {
		return err
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

func settles(id string, o ledger.Outcome) error {
	switch o.State {
	case ledger.Accepted, ledger.Refused, ledger.Retry, ledger.Unknown:
		return nil
	default:
		return fmt.Errorf("settle notification %s: an outcome is accepted, refused, retry or unknown, not %q", id, o.State)
	}
}

// SettleAll is [Store.Settle] for many, in one transaction. It returns each
// one's verdict, nil or ErrFenced or ErrNotFound, in their order. An error means
// that none of them is settled.
func (s *Store) SettleAll(ctx context.Context, all []ledger.Settlement, now time.Time) ([]error, error) {
	batch := make([]settle, len(all))
	for i, one := range all {
		if err := settles(one.ID, one.Outcome); err != nil {
			return nil, err
		}
		batch[i] = settle{id: one.ID, token: one.Token, outcome: one.Outcome, now: now}
	}
	if len(batch) == 0 {
		return nil, nil
	}
	verdicts, err := s.settleAll(ctx, batch)
	if err != nil {
		return nil, fmt.Errorf("settle %d notifications: %w", len(all), err)
	}
	return verdicts, nil
}

// settleAll settles a batch in one transaction and returns each one's verdict.
// It goes by the providers' ids, as callbacks do, and then by our own.
func (s *Store) settleAll(ctx context.Context, batch []settle) ([]error, error) {
	order := make([]int, len(batch))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(batch[a].outcome.ProviderID, batch[b].outcome.ProviderID), strings.Compare(batch[a].id, batch[b].id))
	})
	var verdicts []error
	err := s.writeMany(ctx, len(batch), func(tx *transaction) error {
		verdicts = make([]error, len(batch))
		owners := make([]owned, len(batch))
		for i, at := range order {
			owners[i] = owned{ref{batch[at].outcome.Provider, batch[at].outcome.ProviderID}, batch[at].id}
		}
		if err := s.known(ctx, tx, owners); err != nil {
			return err
		}
		early, err := s.withEarly(ctx, tx, owners)
		if err != nil {
			return err
		}
		done, err := s.acceptHeld(ctx, tx, batch, early)
		if err != nil {
			return err
		}
		rest := slices.DeleteFunc(slices.Clone(order), func(i int) bool { return done[i] })
		open := make([]string, len(rest))
		for at, i := range rest {
			open[at] = batch[i].id
		}
		found, err := s.byID(ctx, tx, unique(open))
		if err != nil {
			return err
		}
		return s.settleFound(ctx, tx, batch, rest, verdicts, found, early)
	})
	return verdicts, err
}

// acceptHeld settles what most attempts come to, in one statement and without
// reading anything: accepted, the lease still held, and no callback was faster.
// It returns the places in the batch of those that were so.
func (s *Store) acceptHeld(ctx context.Context, tx *transaction, batch []settle, early map[ref]bool) (map[int]bool, error) {
	first := make(map[string]int, len(batch))
	rows := make([][]any, 0, len(batch))
	for i, q := range batch {
		o := q.outcome
		if _, twice := first[q.id]; twice || o.State != ledger.Accepted || o.Provider == "" || o.ProviderID == "" || early[ref{o.Provider, o.ProviderID}] {
			continue
		}
		first[q.id] = i
		rows = append(rows, []any{q.id, q.token, string(o.Class), o.Provider, o.ProviderID, micros(q.now)})
	}
	slices.SortFunc(rows, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	done := make(map[int]bool, len(rows))
	var attempts []settle
	for len(rows) > 0 {
		n := s.dialect.rowsAtOnce(rows)
		source, args := s.dialect.source(rows[:n])
		ids, err := collect(ask(tx.QueryContext(ctx, `WITH v (id, lease_token, class, provider, provider_id, updated_at) AS (`+source+`)
			UPDATE notification SET state = 'accepted', class = v.class, provider = v.provider, provider_id = v.provider_id, updated_at = v.updated_at
			FROM v WHERE notification.id = v.id AND notification.lease_token = v.lease_token AND notification.state = 'intent'
			RETURNING notification.id`, args...)), scanText)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			done[first[id]] = true
			attempts = append(attempts, batch[first[id]])
		}
		rows = rows[n:]
	}
	return done, s.closeAttempts(ctx, tx, attempts)
}

// settleFound decides each of a batch over the rows that were read, and writes
// what changed.
func (s *Store) settleFound(ctx context.Context, tx *transaction, batch []settle, order []int, verdicts []error, found map[string]ledger.Notification, early map[ref]bool) error {
	var attempts []settle
	for _, i := range order {
		n, ok := found[batch[i].id]
		if !ok {
			verdicts[i] = ErrNotFound
			continue
		}
		var attempted bool
		n, attempted, verdicts[i] = settled(n, batch[i])
		if attempted {
			attempts = append(attempts, batch[i])
		}
		var err error
		if at := (ref{batch[i].outcome.Provider, batch[i].outcome.ProviderID}); early[at] {
			if n, err = s.applyEarly(ctx, tx, n, at.provider, at.id); err != nil {
				return err
			}
		}
		n.UpdatedAt = batch[i].now
		found[n.ID] = n
	}
	if err := s.closeAttempts(ctx, tx, attempts); err != nil {
		return err
	}
	if err := s.barSettled(ctx, tx, attempts, found); err != nil {
		return err
	}
	return s.save(ctx, tx, inIDOrder(found)...)
}

func inIDOrder(found map[string]ledger.Notification) []ledger.Notification {
	out := make([]ledger.Notification, 0, len(found))
	for _, id := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[id])
	}
	return out
}

// settled is the notification after an outcome; attempted says that the
// outcome belongs on its attempt's row, too.
func settled(n ledger.Notification, q settle) (_ ledger.Notification, attempted bool, verdict error) {
	o := q.outcome
	certain := o.State == ledger.Accepted || o.State == ledger.Refused
	held := n.LeaseToken == q.token
	attempted = held && (n.State == ledger.Intent || certain) || !held && o.ProviderID != ""
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
	return n, attempted, verdict
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

var attemptColumns = []string{
	"notification", "lease_token", "state", "class", "provider", "provider_id", "http_status", "code", "message", "wrote", "settled_at",
}

func (s *Store) closeAttempts(ctx context.Context, tx *transaction, batch []settle) error {
	rows := make([][]any, len(batch))
	for i, q := range batch {
		o := q.outcome
		rows[i] = []any{
			q.id, q.token, string(o.State), string(o.Class), o.Provider, o.ProviderID, o.HTTPStatus, o.Code, o.Message, o.Wrote, micros(q.now),
		}
	}
	return s.fromValues(ctx, tx, attemptColumns, rows, `UPDATE attempt SET state = v.state, class = v.class, provider = v.provider,
		provider_id = v.provider_id, http_status = v.http_status, code = v.code, message = v.message, wrote = v.wrote, settled_at = v.settled_at
		FROM v WHERE attempt.notification = v.notification AND attempt.lease_token = v.lease_token`)
}
