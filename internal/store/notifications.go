package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vakhta/internal/ledger"
)

const (
	textColumns        = `title, body, html, calendar`
	selectNotification = `SELECT ` + standingColumns + `, ` + textColumns + ` FROM notification JOIN notification_text ON notification = id`
	insertNotification = `INSERT INTO notification (` + standingColumns + `)`
)

func scanNotification(r row) (n ledger.Notification, err error) {
	err = scanInto(r, &n, &n.Title, &n.Body, &n.HTML, &n.Calendar)
	return n, err
}

func standingValues(n ledger.Notification) []any {
	return []any{
		n.ID, n.Key, n.Subject, n.Event, n.Step, n.Revision, n.Client, n.Team, n.Contact, string(n.Channel), string(n.Language),
		n.Rung, n.Critical, n.AckCode, string(n.State), string(n.Class), n.Attempts, n.Repeat, n.Provider, n.ProviderID,
		micros(n.Deadline), micros(n.RetryAt), micros(n.CreatedAt), micros(n.UpdatedAt), micros(n.AcknowledgedAt), n.AcknowledgedVia, n.AcknowledgedBy,
		n.LeaseToken, micros(n.LeaseUntil),
	}
}

// codeTries bounds the salts tried for an acknowledgement code; of 244 million
// codes a second one is nearly always free.
const codeTries = 16

// Enqueue queues each notification whose key is not in the ledger yet, with
// its id and a free acknowledgement code, and returns the ids of all of them
// in the order given, new and old. What is there already stays as it is.
// An empty Key is made from the notification's subject, contact, channel, step
// and revision.
func (s *Store) Enqueue(ctx context.Context, ns []ledger.Notification, now time.Time) ([]string, error) {
	ids := make([]string, len(ns))
	missing := map[string]ledger.Notification{}
	var order []string
	for i, n := range ns {
		if n.Key == "" {
			n.Key = ledger.Key(n.Subject, n.Contact, n.Channel, n.Step, n.Revision)
		}
		ids[i] = ledger.ID(n.Key)
		if _, twice := missing[n.Key]; !twice {
			order = append(order, n.Key)
			missing[n.Key] = queued(n, now)
		}
	}
	if len(ns) == 0 {
		return ids, nil
	}
	err := s.writeMany(ctx, len(order), func(tx *transaction) error { return s.enqueue(ctx, tx, order, missing) })
	if err != nil {
		return nil, fmt.Errorf("enqueue %d notifications: %w", len(ns), err)
	}
	return ids, nil
}

// queued is the notification as it enters the ledger: what only the ledger may say is cleared.
func queued(n ledger.Notification, now time.Time) ledger.Notification {
	n.ID, n.State, n.Class = ledger.ID(n.Key), ledger.Queued, ledger.ClassNone
	n.Attempts, n.Repeat, n.Provider, n.ProviderID = 0, false, "", ""
	n.RetryAt, n.CreatedAt, n.UpdatedAt = time.Time{}, now, now
	n.AcknowledgedAt, n.AcknowledgedVia, n.AcknowledgedBy = time.Time{}, "", ""
	n.LeaseToken, n.LeaseUntil = 0, time.Time{}
	return n
}

// enqueue inserts the keys that are missing. An insert that a unique index
// refuses did nothing: either the key is there now, or the code is taken and
// the next salt is tried.
func (s *Store) enqueue(ctx context.Context, tx *transaction, keys []string, ns map[string]ledger.Notification) error {
	for salt := range codeTries {
		rows, texts := make([][]any, len(keys)), make(map[string][]any, len(keys))
		for i, key := range keys {
			n := coded(ns[key], ledger.AckCode(key, salt))
			rows[i], texts[n.ID] = standingValues(n), []any{n.ID, n.Title, n.Body, n.HTML, n.Calendar}
		}
		inserted, err := s.dialect.insertReturning(ctx, tx, insertNotification, `ON CONFLICT DO NOTHING RETURNING id`, rows)
		if err != nil {
			return err
		}
		if err := s.writeTexts(ctx, tx, inserted, texts); err != nil || len(inserted) == len(keys) {
			return err
		}
		present, err := collect(ask(tx.QueryContext(ctx, `SELECT key FROM notification WHERE key`+s.dialect.among, s.dialect.list(keys))), scanText)
		if err != nil {
			return err
		}
		keys = without(keys, present)
		if len(keys) == 0 {
			return nil
		}
	}
	return fmt.Errorf("no free acknowledgement code in %d tries: %w", codeTries, ErrConflict)
}

// writeTexts writes the texts of those that were inserted.
func (s *Store) writeTexts(ctx context.Context, tx *transaction, inserted [][]string, texts map[string][]any) error {
	rows := make([][]any, len(inserted))
	for i, id := range inserted {
		rows[i] = texts[id[0]]
	}
	_, err := s.dialect.insert(ctx, tx, `INSERT INTO notification_text (notification, `+textColumns+`)`, "", rows)
	return err
}

// coded gives the notification a code, also where its text says the one that
// it was written with: that one may acknowledge another's notification.
func coded(n ledger.Notification, code string) ledger.Notification {
	if was := n.AckCode; was != "" && was != code {
		for _, text := range []*string{&n.Title, &n.Body, &n.HTML} {
			*text = strings.ReplaceAll(*text, was, code)
		}
	}
	n.AckCode = code
	return n
}

// without returns what of all is not in out, in order.
func without(all, out []string) []string {
	gone := make(map[string]bool, len(out))
	for _, x := range out {
		gone[x] = true
	}
	var rest []string
	for _, x := range all {
		if !gone[x] {
			rest = append(rest, x)
		}
	}
	return rest
}

// NotificationFilter chooses notifications; an empty field chooses all.
type NotificationFilter struct {
	Subject  string
	Step     string
	Revision *int
	Client   string
	Contact  string
	Team     string
	State    ledger.State
	Event    string
	Since    time.Time // written then or later
	After    string    // the id of the last one of the page before
	Limit    int       // 0: no limit
}

func (f NotificationFilter) where() where {
	var w where
	w.equal("subject", f.Subject)
	w.equal("step", f.Step)
	if f.Revision != nil {
		w.add("revision = ?", *f.Revision)
	}
	w.equal("client", f.Client)
	w.equal("contact", f.Contact)
	w.equal("team", f.Team)
	w.equal("state", string(f.State))
	w.equal("event", f.Event)
	if !f.Since.IsZero() {
		w.add("created_at >= ?", micros(f.Since))
	}
	if f.After != "" {
		w.add("(created_at, id) > (SELECT created_at, id FROM notification WHERE id = ?)", f.After)
	}
	return w
}

// Notifications lists notifications, oldest first, then by id.
func (s *Store) Notifications(ctx context.Context, f NotificationFilter) ([]ledger.Notification, error) {
	w := f.where()
	all, err := collect(ask(s.reader.QueryContext(ctx, selectNotification+w.String()+` ORDER BY created_at, id`+limit(f.Limit), w.args...)), scanNotification)
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	return all, nil
}

// Attempts lists the attempts of a notification, first to last.
func (s *Store) Attempts(ctx context.Context, id string) ([]ledger.Attempt, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT notification, n, lease_token, is_repeat, state, class, provider, provider_id,
		http_status, code, message, wrote, intent_at, settled_at FROM attempt WHERE notification = $1 ORDER BY n`, id)), scanAttempt)
	if err != nil {
		return nil, fmt.Errorf("read attempts of notification %s: %w", id, err)
	}
	return all, nil
}

func scanAttempt(r row) (a ledger.Attempt, err error) {
	var intentAt, settledAt int64
	err = r.Scan(&a.Notification, &a.N, &a.LeaseToken, &a.Repeat, &a.State, &a.Class, &a.Provider, &a.ProviderID,
		&a.HTTPStatus, &a.Code, &a.Message, &a.Wrote, &intentAt, &settledAt)
	a.IntentAt, a.SettledAt = instant(intentAt), instant(settledAt)
	return a, err
}

// Tally counts the notifications of a subject by state. An empty step counts
// all of them; a negative revision, all revisions.
func (s *Store) Tally(ctx context.Context, subject, step string, revision int) (ledger.Tally, error) {
	w := where{}
	w.add("subject = ?", subject)
	w.equal("step", step)
	if revision >= 0 {
		w.add("revision = ?", revision)
	}
	type line struct {
		state    ledger.State
		n, acked int
	}
	lines, err := collect(ask(s.reader.QueryContext(ctx, `SELECT state, COUNT(*), COALESCE(SUM(CASE WHEN acknowledged_at <> 0 THEN 1 ELSE 0 END), 0)
		FROM notification`+w.String()+` GROUP BY state`, w.args...)), func(r row) (l line, err error) {
		err = r.Scan(&l.state, &l.n, &l.acked)
		return l, err
	})
	if err != nil {
		return ledger.Tally{}, fmt.Errorf("count notifications of %s: %w", subject, err)
	}
	tally := ledger.Tally{ByState: map[ledger.State]int{}}
	for _, l := range lines {
		tally.Total += l.n
		tally.Acknowledged += l.acked
		tally.ByState[l.state] = l.n
	}
	return tally, nil
}

// Drop drops what of a subject has not been sent: the queued and the put-off
// notifications of the steps that begin with stepPrefix. It returns how many.
func (s *Store) Drop(ctx context.Context, subject, stepPrefix string, now time.Time) (int, error) {
	var n int
	err := s.write(ctx, func(tx *transaction) (err error) {
		n, err = affect(tx.ExecContext(ctx, `UPDATE notification SET state = 'dropped', updated_at = $1,
				class = CASE WHEN is_repeat THEN 'ambiguous' ELSE '' END
			WHERE subject = $2 AND substr(step, 1, length($3)) = $3 AND state IN ('queued', 'retry')`,
			micros(now), subject, stepPrefix))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop notifications of %s: %w", subject, err)
	}
	return n, nil
}

// NotificationByCode reads the notification that an acknowledgement code stands for.
func (s *Store) NotificationByCode(ctx context.Context, code string) (ledger.Notification, error) {
	return one(scanNotification(s.reader.QueryRowContext(ctx, selectNotification+` WHERE ack_code = $1`, code)))("notification", code)
}
