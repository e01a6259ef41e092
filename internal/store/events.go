package store

import (
	"cmp"
	"context"
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

// ApplyEvent keeps what a provider told us and applies it to the notification
// that it is about: by our id, else by the provider's, else by the
// acknowledgement code. fresh is false for a callback that was there already.
// A callback may come before we have committed the provider's id: it is kept,
// n is zero, and Settle applies it when it brings that id.
func (s *Store) ApplyEvent(ctx context.Context, e ledger.Event, now time.Time) (n ledger.Notification, fresh bool, err error) {
	if err := nameable(e); err != nil {
		return n, false, err
	}
	done, err := s.events.do(ctx, arrival{event: e, now: now})
	if err != nil {
		return n, false, fmt.Errorf("apply event of %s: %w", e.Provider, err)
	}
	return done.Notification, done.Fresh, nil
}

func nameable(e ledger.Event) error {
	if e.Provider == "" || e.Key == "" {
		return errors.New("apply event: it names no provider or no key, by which it is known again")
	}
	return nil
}

// ApplyEvents is [Store.ApplyEvent] for what a provider told at once. It
// answers in the same order. When it fails, some may be applied: all of them
// may be given to it again.
func (s *Store) ApplyEvents(ctx context.Context, events []ledger.Event, now time.Time) ([]ledger.Applied, error) {
	if len(events) == 1 { // others come at the same time: they share a transaction
		n, fresh, err := s.ApplyEvent(ctx, events[0], now)
		return []ledger.Applied{{Notification: n, Fresh: fresh}}, err
	}
	var done []ledger.Applied
	var failed []error
	for chunk := range slices.Chunk(events, commitMost) {
		batch := make([]arrival, len(chunk))
		for i, e := range chunk {
			if err := nameable(e); err != nil {
				return nil, err
			}
			batch[i] = arrival{event: e, now: now}
		}
		came, err := s.applyAll(ctx, batch)
		if err != nil { // one bad event must not take its neighbours with it
			came = make([]ledger.Applied, len(batch))
			for i, a := range batch {
				one, err := s.applyAll(ctx, []arrival{a})
				if err != nil {
					failed = append(failed, fmt.Errorf("apply event of %s: %w", a.event.Provider, err))
					continue
				}
				came[i] = one[0]
			}
		}
		done = append(done, came...)
	}
	return done, errors.Join(failed...)
}

// applyAll applies a batch in one transaction, in the order of the providers'
// ids over all processes, so that batches queue instead of embracing.
func (s *Store) applyAll(ctx context.Context, batch []arrival) ([]ledger.Applied, error) {
	order := make([]int, len(batch))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(batch[a].event.ProviderID, batch[b].event.ProviderID), strings.Compare(batch[a].event.Notification, batch[b].event.Notification))
	})
	var results []ledger.Applied
	err := s.writeMany(ctx, len(batch), func(tx *transaction) error {
		results = make([]ledger.Applied, len(batch))
		sorted := make([]arrival, len(batch))
		for i, at := range order {
			sorted[i] = batch[at]
		}
		done, err := s.applySorted(ctx, tx, sorted)
		for i, at := range order {
			if err == nil {
				results[at] = done[i]
			}
		}
		return err
	})
	return results, err
}

func (s *Store) applySorted(ctx context.Context, tx *transaction, batch []arrival) ([]ledger.Applied, error) {
	owners, err := s.meet(ctx, tx, batch)
	if err != nil {
		return nil, err
	}
	about, rows, err := s.about(ctx, tx, batch, owners)
	if err != nil {
		return nil, err
	}
	fresh, err := s.keep(ctx, tx, batch, about)
	if err != nil {
		return nil, err
	}
	results := make([]ledger.Applied, len(batch))
	changed := map[string]bool{}
	for i, a := range batch {
		e, at := a.event, ref{a.event.Provider, a.event.ProviderID}
		n, found := rows[about[i]]
		results[i] = ledger.Applied{Notification: n, Fresh: fresh[i]}
		if !found || !fresh[i] && (owners[at] != "" || e.ProviderID == "") {
			continue
		}
		if fresh[i] {
			n = witness(n, e, a.now)
		}
		if owners[at] == "" && e.ProviderID != "" {
			owners[at] = n.ID
			if err := s.know(ctx, tx, n.ID, e.Provider, e.ProviderID); err != nil {
				return nil, err
			}
			if n, err = s.applyEarly(ctx, tx, n, e.Provider, e.ProviderID); err != nil {
				return nil, err
			}
		}
		n.UpdatedAt = a.now
		rows[n.ID], changed[n.ID], results[i].Notification = n, true, n
	}
	if err := s.barTold(ctx, tx, batch, results); err != nil {
		return nil, err
	}
	for id := range rows {
		if !changed[id] {
			delete(rows, id)
		}
	}
	return results, s.save(ctx, tx, inIDOrder(rows)...)
}

// keep writes the callbacks down and says which were not there yet.
func (s *Store) keep(ctx context.Context, tx *transaction, batch []arrival, about []string) ([]bool, error) {
	fresh := make([]bool, len(batch))
	type name struct{ provider, key string }
	first := make(map[name]int, len(batch))
	rows := make([][]any, 0, len(batch))
	for i, a := range batch {
		e := a.event
		if _, twice := first[name{e.Provider, e.Key}]; twice {
			continue
		}
		first[name{e.Provider, e.Key}] = i
		rows = append(rows, []any{
			e.Provider, e.Key, about[i], e.ProviderID, string(e.State), string(e.Class), e.Code, e.AckCode,
			e.Acknowledged, e.Declined, e.By, micros(e.At), micros(a.now),
		})
	}
	inserted, err := s.dialect.insertReturning(ctx, tx, `INSERT INTO provider_event (provider, key, notification, provider_id, state, class, code, ack_code,
		acknowledged, declined, who, at, received_at)`, `ON CONFLICT (provider, key) DO NOTHING RETURNING provider, key`, rows)
	for _, r := range inserted {
		fresh[first[name{r[0], r[1]}]] = true
	}
	return fresh, err
}

// meet returns whose the events' provider ids are, if that is known. What is
// known stays so, and is only read. For the others it takes the rows where a
// callback and a Settle that bring the same id wait for each other.
func (s *Store) meet(ctx context.Context, tx *transaction, batch []arrival) (map[ref]string, error) {
	owners := make(map[ref]string, len(batch))
	var rows [][]any
	for _, a := range batch {
		at := ref{a.event.Provider, a.event.ProviderID}
		if _, seen := owners[at]; seen || at.id == "" {
			continue
		}
		owners[at] = ""
		rows = append(rows, []any{at.provider, at.id, ""})
	}
	if err := s.ownersKnown(ctx, tx, rows, owners); err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(r []any) bool { return owners[ref{r[0].(string), r[1].(string)}] != "" })
	known, err := s.dialect.insertReturning(ctx, tx, `INSERT INTO provider_ref (provider, provider_id, notification)`,
		`ON CONFLICT (provider, provider_id) DO UPDATE SET notification = provider_ref.notification RETURNING provider, provider_id, notification`, rows)
	if err != nil {
		return nil, err
	}
	var bare []string
	for _, r := range known {
		if owners[ref{r[0], r[1]}] = r[2]; r[2] == "" {
			bare = append(bare, r[1])
		}
	}
	return owners, s.bareOwners(ctx, tx, bare, owners)
}

// ownersKnown reads whose the ids are, without a lock.
func (s *Store) ownersKnown(ctx context.Context, tx *transaction, rows [][]any, owners map[ref]string) error {
	for len(rows) > 0 {
		n := s.dialect.rowsAtOnce(rows)
		source, args := s.dialect.source(rows[:n])
		found, err := collect(ask(tx.QueryContext(ctx, `WITH v (provider, provider_id, nobody) AS (`+source+`)
			SELECT r.provider, r.provider_id, r.notification FROM v JOIN provider_ref AS r ON r.provider = v.provider AND r.provider_id = v.provider_id`, args...)), scanTexts(3))
		if err != nil {
			return err
		}
		for _, r := range found {
			owners[ref{r[0], r[1]}] = r[2]
		}
		rows = rows[n:]
	}
	return nil
}

// bareOwners adds what a look-up recorded that did not know the provider's name.
func (s *Store) bareOwners(ctx context.Context, tx *transaction, ids []string, owners map[ref]string) error {
	if len(ids) == 0 {
		return nil
	}
	found, err := collect(ask(tx.QueryContext(ctx, `SELECT provider_id, notification FROM provider_ref
		WHERE provider = '' AND provider_id`+s.dialect.among, s.dialect.list(ids))), scanTexts(2))
	if err != nil {
		return err
	}
	for _, r := range found {
		for at, owner := range owners {
			if owner == "" && at.id == r[0] {
				owners[at] = r[1]
			}
		}
	}
	return nil
}

// about finds and locks the notifications that the events are about: by our
// id, else by the provider's, else by the acknowledgement code. It returns the
// id for each event, empty where there is none, and the rows.
func (s *Store) about(ctx context.Context, tx *transaction, batch []arrival, owners map[ref]string) ([]string, map[string]ledger.Notification, error) {
	var codes []string
	ids := make([]string, 0, 2*len(batch))
	for _, a := range batch {
		if code, ok := ledger.NormalizeAckCode(a.event.AckCode); ok {
			codes = append(codes, code)
		}
		for _, id := range []string{a.event.Notification, owners[ref{a.event.Provider, a.event.ProviderID}]} {
			if id != "" {
				ids = append(ids, id)
			}
		}
	}
	byCode := map[string]string{}
	if len(codes) > 0 { // by id first, so that all rows are locked in one order
		pairs, err := collect(ask(tx.QueryContext(ctx, `SELECT ack_code, id FROM notification WHERE ack_code`+s.dialect.among, s.dialect.list(codes))), scanTexts(2))
		if err != nil {
			return nil, nil, err
		}
		for _, p := range pairs {
			byCode[p[0]] = p[1]
			ids = append(ids, p[1])
		}
	}
	rows, err := s.byID(ctx, tx, unique(ids))
	if err != nil {
		return nil, nil, err
	}
	about := make([]string, len(batch))
	revealed := map[ref]string{} // by an event of this very batch
	for i, a := range batch {
		at := ref{a.event.Provider, a.event.ProviderID}
		code, _ := ledger.NormalizeAckCode(a.event.AckCode)
		for _, id := range []string{a.event.Notification, owners[at], revealed[at], byCode[code]} {
			if _, ok := rows[id]; ok && id != "" {
				about[i] = id
				break
			}
		}
		if at.id != "" && owners[at] == "" && revealed[at] == "" {
			revealed[at] = about[i]
		}
	}
	return about, rows, nil
}

// witness is the notification after an event.
func witness(n ledger.Notification, e ledger.Event, now time.Time) ledger.Notification {
	n = climb(n, e.State, e.Class)
	if e.Acknowledged {
		n = acknowledged(n, string(n.Channel), e.By, e.At, now)
		n = climb(n, ledger.Delivered, ledger.ClassNone) // nobody acts on what he has not got
	}
	if n.ProviderID == "" && e.ProviderID != "" {
		n.Provider, n.ProviderID = e.Provider, e.ProviderID
	}
	return n
}

// acknowledged keeps the first acknowledgement.
func acknowledged(n ledger.Notification, via, by string, at, now time.Time) ledger.Notification {
	if !n.AcknowledgedAt.IsZero() {
		return n
	}
	if at.IsZero() {
		at = now
	}
	n.AcknowledgedAt, n.AcknowledgedVia, n.AcknowledgedBy = at, via, by
	return n
}

// applyEarly applies the callbacks that came before anybody knew whose they were.
func (s *Store) applyEarly(ctx context.Context, tx *transaction, n ledger.Notification, provider, providerID string) (ledger.Notification, error) {
	if providerID == "" {
		return n, nil
	}
	early, err := collect(ask(tx.QueryContext(ctx, `SELECT state, class, acknowledged, who, at, received_at FROM provider_event
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

// withEarly tells which of the ids have callbacks that wait for their owner.
func (s *Store) withEarly(ctx context.Context, tx *transaction, owners []owned) (map[ref]bool, error) {
	early := map[ref]bool{}
	var ids []string
	for _, o := range owners {
		if o.id != "" {
			ids = append(ids, o.id)
		}
	}
	if len(ids) == 0 {
		return early, nil
	}
	found, err := collect(ask(tx.QueryContext(ctx, `SELECT DISTINCT provider, provider_id FROM provider_event
		WHERE provider_id`+s.dialect.among+` AND notification = ''`, s.dialect.list(ids))), scanTexts(2))
	for _, r := range found {
		early[ref{r[0], r[1]}] = true
	}
	return early, err
}

func scanEarly(r row) (a arrival, err error) {
	var at, receivedAt int64
	err = r.Scan(&a.event.State, &a.event.Class, &a.event.Acknowledged, &a.event.By, &at, &receivedAt)
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
		n, err = scanStanding(tx.QueryRowContext(ctx, selectStanding+` WHERE `+column+` = $1`+s.dialect.lock, value))
		if n, err = one(n, err)("notification", codeOrID); err != nil {
			return err
		}
		text := tx.QueryRowContext(ctx, `SELECT `+textColumns+` FROM notification_text WHERE notification = $1`, n.ID)
		if err := text.Scan(&n.Title, &n.Body, &n.HTML, &n.Calendar); err != nil {
			return err
		}
		if first = n.AcknowledgedAt.IsZero(); !first {
			return nil
		}
		n = acknowledged(n, via, "", at, at)
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
