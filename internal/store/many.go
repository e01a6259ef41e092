package store

import (
	"context"
	"reflect"
	"strings"

	"vakhta/internal/ledger"
)

// standingColumns are a notification without its texts, which only its sender
// needs and which have a table of their own: an outcome or a callback must not
// move ten kilobytes of mail.
const standingColumns = `id, key, subject, event, step, revision, client, team, contact, channel, language,
	rung, critical, ack_code, state, class, attempts, is_repeat, provider, provider_id,
	deadline, retry_at, created_at, updated_at, acknowledged_at, acknowledged_via, acknowledged_by, lease_token, lease_until`

const selectStanding = `SELECT ` + standingColumns + ` FROM notification`

func scanStanding(r row) (n ledger.Notification, err error) {
	err = scanInto(r, &n)
	return n, err
}

// scanInto reads a standing, and what the row holds after it.
func scanInto(r row, n *ledger.Notification, after ...any) error {
	var deadline, retryAt, createdAt, updatedAt, acknowledgedAt, leaseUntil int64
	err := r.Scan(append([]any{
		&n.ID, &n.Key, &n.Subject, &n.Event, &n.Step, &n.Revision, &n.Client, &n.Team, &n.Contact, &n.Channel, &n.Language,
		&n.Rung, &n.Critical, &n.AckCode, &n.State, &n.Class, &n.Attempts, &n.Repeat, &n.Provider, &n.ProviderID,
		&deadline, &retryAt, &createdAt, &updatedAt, &acknowledgedAt, &n.AcknowledgedVia, &n.AcknowledgedBy, &n.LeaseToken, &leaseUntil,
	}, after...)...)
	n.Deadline, n.RetryAt, n.CreatedAt, n.UpdatedAt = instant(deadline), instant(retryAt), instant(createdAt), instant(updatedAt)
	n.AcknowledgedAt, n.LeaseUntil = instant(acknowledgedAt), instant(leaseUntil)
	return err
}

// byID reads and locks notifications, without their texts. They are taken in
// one order, so that two transactions over the same ones queue instead of embracing.
func (s *Store) byID(ctx context.Context, tx *transaction, ids []string) (map[string]ledger.Notification, error) {
	return s.standing(ctx, tx, "id", ids)
}

func (s *Store) standing(ctx context.Context, tx *transaction, column string, values []string) (map[string]ledger.Notification, error) {
	found := make(map[string]ledger.Notification, len(values))
	if len(values) == 0 {
		return found, nil
	}
	rows, err := collect(ask(tx.QueryContext(ctx, selectStanding+` WHERE `+column+s.dialect.among+` ORDER BY id`+s.dialect.lock, s.dialect.list(values))), scanStanding)
	for _, n := range rows {
		found[n.ID] = n
	}
	return found, err
}

// fromValues runs a statement over a table v of values with those columns:
// "WITH v (…) AS (…) " is put before what.
func (s *Store) fromValues(ctx context.Context, tx *transaction, columns []string, rows [][]any, what string) error {
	for len(rows) > 0 {
		n := s.dialect.rowsAtOnce(rows)
		source, args := s.dialect.source(rows[:n])
		if _, err := tx.ExecContext(ctx, "WITH v ("+strings.Join(columns, ", ")+") AS ("+source+") "+what, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// source is a query that yields rows of values. PostgreSQL is given an array
// for each column, so that one prepared statement serves any number of rows;
// SQLite, which has none, a list of parameters.
func (d dialect) source(rows [][]any) (string, []any) {
	if !d.arrays {
		text, args := d.tuples(rows)
		return "VALUES " + text, args
	}
	casts, args := make([]string, len(rows[0])), make([]any, len(rows[0]))
	for i, like := range rows[0] {
		casts[i], args[i] = column(rows, i, like)
		casts[i] = d.parameter(i+1) + "::" + casts[i]
	}
	return "SELECT * FROM unnest(" + strings.Join(casts, ", ") + ")", args
}

// column is the i-th of each row's values as an array, with PostgreSQL's name
// for its type. The schema knows no others.
func column(rows [][]any, i int, like any) (string, any) {
	switch reflect.TypeOf(like).Kind() {
	case reflect.String:
		return "text[]", values(rows, i, reflect.Value.String)
	case reflect.Bool:
		return "boolean[]", values(rows, i, reflect.Value.Bool)
	case reflect.Float64:
		return "double precision[]", values(rows, i, reflect.Value.Float)
	default:
		return "bigint[]", values(rows, i, reflect.Value.Int)
	}
}

func values[T any](rows [][]any, i int, read func(reflect.Value) T) []T {
	out := make([]T, len(rows))
	for at, row := range rows {
		out[at] = read(reflect.ValueOf(row[i]))
	}
	return out
}

// tuples are rows of numbered parameters.
func (d dialect) tuples(rows [][]any) (string, []any) {
	var text strings.Builder
	args := make([]any, 0, len(rows)*len(rows[0]))
	for i, values := range rows {
		if i > 0 {
			text.WriteByte(',')
		}
		for j := range values {
			text.WriteByte("(,"[min(j, 1)])
			text.WriteString(d.parameter(len(args) + j + 1))
		}
		text.WriteByte(')')
		args = append(args, values...)
	}
	return text.String(), args
}

// saveColumns are what changes in a notification's life, except its lease.
var saveColumns = []string{
	"id", "state", "class", "is_repeat", "provider", "provider_id", "retry_at", "updated_at", "acknowledged_at", "acknowledged_via", "acknowledged_by",
}

// save writes what changes in the notifications' lives, except their leases.
func (s *Store) save(ctx context.Context, tx *transaction, ns ...ledger.Notification) error {
	rows := make([][]any, len(ns))
	for i, n := range ns {
		rows[i] = []any{
			n.ID, string(n.State), string(n.Class), n.Repeat, n.Provider, n.ProviderID,
			micros(n.RetryAt), micros(n.UpdatedAt), micros(n.AcknowledgedAt), n.AcknowledgedVia, n.AcknowledgedBy,
		}
	}
	return s.fromValues(ctx, tx, saveColumns, rows, `UPDATE notification SET state = v.state, class = v.class, is_repeat = v.is_repeat,
		provider = v.provider, provider_id = v.provider_id, retry_at = v.retry_at, updated_at = v.updated_at,
		acknowledged_at = v.acknowledged_at, acknowledged_via = v.acknowledged_via, acknowledged_by = v.acknowledged_by FROM v WHERE notification.id = v.id`)
}

// ref is a provider's id of a message.
type ref struct{ provider, id string }

// known records whose the providers' ids are. They are taken before the
// notifications' rows, here and in ApplyEvent, so that the two meet in one order.
func (s *Store) known(ctx context.Context, tx *transaction, owners []owned) error {
	rows := make([][]any, 0, len(owners))
	seen := make(map[ref]bool, len(owners))
	for _, o := range owners {
		if o.id == "" || seen[o.ref] {
			continue
		}
		seen[o.ref] = true
		rows = append(rows, []any{o.provider, o.id, o.notification})
	}
	_, err := s.dialect.insert(ctx, tx, `INSERT INTO provider_ref (provider, provider_id, notification)`,
		`ON CONFLICT (provider, provider_id) DO UPDATE SET notification = excluded.notification WHERE provider_ref.notification = ''`, rows)
	return err
}

// owned is a provider's id with the notification that it belongs to.
type owned struct {
	ref
	notification string
}

// know is known for one, if the provider gave an id.
func (s *Store) know(ctx context.Context, tx *transaction, id, provider, providerID string) error {
	return s.known(ctx, tx, []owned{{ref{provider, providerID}, id}})
}
