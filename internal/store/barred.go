package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

const barredColumns = `contact, channel, address, bar, provider, code, notification, since`

// Bar remembers addresses to which nothing is sent any more. Of one address a
// person's word stays where a provider's comes later.
func (s *Store) Bar(ctx context.Context, all ...ledger.Barred) error {
	err := s.write(ctx, func(tx *transaction) error { return s.bar(ctx, tx, all) })
	if err != nil {
		return fmt.Errorf("bar %d addresses: %w", len(all), err)
	}
	return nil
}

func (s *Store) bar(ctx context.Context, tx *transaction, all []ledger.Barred) error {
	for _, b := range all {
		before, err := s.barred(ctx, tx, b.Contact, b.Channel)
		if err != nil {
			return err
		}
		for _, old := range before {
			if old.Address == b.Address && (old.Bar == b.Bar || old.Bar == ledger.BarOptedOut) {
				b = old
			}
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO barred (`+barredColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (contact, channel) DO UPDATE SET address = excluded.address, bar = excluded.bar, provider = excluded.provider,
				code = excluded.code, notification = excluded.notification, since = excluded.since`,
			b.Contact, string(b.Channel), s.ring.Seal(b.Address, barredAt(b.Contact, b.Channel)), string(b.Bar), b.Provider, b.Code, b.Notification, micros(b.Since))
		if err != nil {
			return err
		}
	}
	return nil
}

// Unbar forgets that an address is barred; was says whether it was.
func (s *Store) Unbar(ctx context.Context, contact string, ch inventory.Channel) (was bool, err error) {
	err = s.write(ctx, func(tx *transaction) error {
		n, err := affect(tx.ExecContext(ctx, `DELETE FROM barred WHERE contact = $1 AND channel = $2`, contact, string(ch)))
		was = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("unbar the %s address of contact %s: %w", ch, contact, err)
	}
	return was, nil
}

// Barred lists what is barred, by contact and channel; an empty contact lists
// all. An entry holds as long as its Address is still the contact's.
func (s *Store) Barred(ctx context.Context, contact string) ([]ledger.Barred, error) {
	all, err := s.barred(ctx, s.reader, contact, "")
	if err != nil {
		return nil, fmt.Errorf("read barred addresses: %w", err)
	}
	return all, nil
}

// querier is a database, or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (s *Store) barred(ctx context.Context, db querier, contact string, ch inventory.Channel) ([]ledger.Barred, error) {
	var w where
	w.equal("contact", contact)
	w.equal("channel", string(ch))
	return collect(ask(db.QueryContext(ctx, `SELECT `+barredColumns+` FROM barred`+w.String()+` ORDER BY contact, channel`, w.args...)),
		func(r row) (b ledger.Barred, err error) {
			var since int64
			if err = r.Scan(&b.Contact, &b.Channel, &b.Address, &b.Bar, &b.Provider, &b.Code, &b.Notification, &since); err != nil {
				return b, err
			}
			b.Since = instant(since)
			b.Address, err = s.ring.Open(b.Address, barredAt(b.Contact, b.Channel))
			return b, err
		})
}

// barredAt is where a barred address stands, for its seal.
func barredAt(contact string, ch inventory.Channel) string {
	return "barred/" + contact + "/" + string(ch)
}

// lost is the bar that an outcome or an event puts on the address of a
// notification; ok is false where it puts none, or where nobody knows the address.
func (s *Store) lost(n ledger.Notification, told ledger.Barred) (b ledger.Barred, ok bool) {
	if s.addressOf == nil || n.ID == "" {
		return b, false
	}
	told.Contact, told.Channel, told.Notification = n.Contact, n.Channel, n.ID
	told.Address = s.addressOf(n.Contact, n.Channel)
	return told, told.Address != ""
}

// barOf is what refused and opted out mean for the address.
func barOf(state ledger.State, class ledger.Class, optedOut bool) ledger.Bar {
	switch {
	case optedOut:
		return ledger.BarOptedOut
	case state == ledger.Refused && class == ledger.ClassDead:
		return ledger.BarDead
	default:
		return ""
	}
}

// barSettled bars the addresses that a batch of outcomes has found dead. A
// refusal of our own, which no provider made, says nothing of an address.
func (s *Store) barSettled(ctx context.Context, tx *transaction, batch []settle, found map[string]ledger.Notification) error {
	var all []ledger.Barred
	for _, q := range batch {
		bar := barOf(q.outcome.State, q.outcome.Class, q.outcome.OptedOut)
		if bar == "" || q.outcome.Provider == "" {
			continue
		}
		if b, ok := s.lost(found[q.id], ledger.Barred{Bar: bar, Provider: q.outcome.Provider, Code: q.outcome.Code, Since: q.now}); ok {
			all = append(all, b)
		}
	}
	return s.bar(ctx, tx, all)
}

// barTold bars the addresses of which fresh events say that they are dead, or
// that their owner has had enough.
func (s *Store) barTold(ctx context.Context, tx *transaction, batch []arrival, done []ledger.Applied) error {
	var all []ledger.Barred
	for i, a := range batch {
		bar := barOf(a.event.State, a.event.Class, a.event.OptedOut)
		if bar == "" || !done[i].Fresh {
			continue
		}
		if b, ok := s.lost(done[i].Notification, ledger.Barred{Bar: bar, Provider: a.event.Provider, Code: a.event.Code, Since: a.now}); ok {
			all = append(all, b)
		}
	}
	return s.bar(ctx, tx, all)
}

// resealAtOnce is how many rows are sealed anew in one transaction.
const resealAtOnce = 500

// Reseal seals with the ring's first key whatever is in the clear or under
// another key, and returns how many texts that were. It may be run at any
// time, beside working processes that have both keys, and again.
func (s *Store) Reseal(ctx context.Context, progress func(done int)) (int, error) {
	if s.ring == nil {
		return 0, errors.New("seal the addresses: no data key is configured; set dataKeys")
	}
	total := 0
	for _, table := range []struct {
		read, write string
		place       func(id []string) string
	}{
		{
			`SELECT sender, id, '' FROM report WHERE id > $1 ORDER BY id LIMIT `, `UPDATE report SET sender = $1 WHERE id = $2 AND $3 = '' AND sender = $4`,
			func(id []string) string { return senderOf(id[0]) },
		},
		{
			`SELECT address, contact, channel FROM barred WHERE contact || '/' || channel > $1 ORDER BY contact || '/' || channel LIMIT `,
			`UPDATE barred SET address = $1 WHERE contact = $2 AND channel = $3 AND address = $4`,
			func(id []string) string { return barredAt(id[0], inventory.Channel(id[1])) },
		},
	} {
		after := ""
		for {
			rows, err := collect(ask(s.reader.QueryContext(ctx, table.read+fmt.Sprint(resealAtOnce), after)), scanTexts(3))
			if err != nil {
				return total, fmt.Errorf("seal the addresses: %w", err)
			}
			if len(rows) == 0 {
				break
			}
			n, err := s.resealRows(ctx, rows, table.write, table.place)
			if total += n; err != nil {
				return total, fmt.Errorf("seal the addresses: %w", err)
			}
			progress(total)
			if after = rows[len(rows)-1][1]; rows[len(rows)-1][2] != "" {
				after += "/" + rows[len(rows)-1][2]
			}
		}
	}
	return total, nil
}

// resealRows seals rows of a text, and the two parts of its row's key. A row
// that has changed meanwhile was sealed by whoever changed it.
func (s *Store) resealRows(ctx context.Context, rows [][]string, write string, place func([]string) string) (n int, err error) {
	err = s.write(ctx, func(tx *transaction) error {
		n = 0
		for _, r := range rows {
			if !s.ring.Stale(r[0]) {
				continue
			}
			at := place(r[1:])
			text, err := s.ring.Open(r[0], at)
			if err != nil {
				return err
			}
			changed, err := affect(tx.ExecContext(ctx, write, s.ring.Seal(text, at), r[1], r[2], r[0]))
			if err != nil {
				return err
			}
			n += changed
		}
		return nil
	})
	return n, err
}
