package store

import (
	"context"
	"fmt"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// Parts cuts a rung of a sending into parts of one channel and at most size
// notifications each, ordered by channel and id. What is written later under
// the same rung belongs to one of them, too.
func (s *Store) Parts(ctx context.Context, subject, step string, revision, rung, size int) ([]ledger.Part, error) {
	type place struct {
		channel inventory.Channel
		id      string
	}
	places, err := collect(ask(s.reader.QueryContext(ctx, `SELECT channel, id FROM notification
		WHERE subject = $1 AND step = $2 AND revision = $3 AND rung = $4 ORDER BY channel, id`, subject, step, revision, rung)), func(r row) (p place, err error) {
		err = r.Scan(&p.channel, &p.id)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("cut the notifications of %s into parts: %w", subject, err)
	}
	var parts []ledger.Part
	for _, p := range places {
		last := len(parts) - 1
		if last < 0 || parts[last].Channel != p.channel || parts[last].Count == size {
			if last >= 0 && parts[last].Channel == p.channel {
				parts[last].To = p.id
			}
			parts = append(parts, ledger.Part{Subject: subject, Step: step, Revision: revision, Rung: rung, Channel: p.channel, From: p.id})
			last++
		}
		parts[last].Count++
	}
	for i := range parts { // nothing may fall before the first part of a channel
		if i == 0 || parts[i-1].Channel != parts[i].Channel {
			parts[i].From = ""
		}
	}
	return parts, nil
}

// PartStandings are the notifications of a part by id, as far as a sender asks
// before he claims them: whose each is, where it stands, and when it is due or free.
func (s *Store) PartStandings(ctx context.Context, p ledger.Part) ([]ledger.Notification, error) {
	w := where{}
	w.add("subject = ? AND step = ? AND revision = ? AND id >= ? AND rung = ? AND channel = ?", p.Subject, p.Step, p.Revision, p.From, p.Rung, string(p.Channel))
	if p.To != "" {
		w.add("id < ?", p.To)
	}
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT id, contact, channel, state, retry_at, lease_until FROM notification`+w.String()+` ORDER BY id`, w.args...)), func(r row) (n ledger.Notification, err error) {
		var retryAt, leaseUntil int64
		err = r.Scan(&n.ID, &n.Contact, &n.Channel, &n.State, &retryAt, &leaseUntil)
		n.RetryAt, n.LeaseUntil = instant(retryAt), instant(leaseUntil)
		return n, err
	})
	if err != nil {
		return nil, fmt.Errorf("read a part of the notifications of %s: %w", p.Subject, err)
	}
	return all, nil
}

// Standings is [Store.Notifications] without the texts.
func (s *Store) Standings(ctx context.Context, f NotificationFilter) ([]ledger.Notification, error) {
	w := f.where()
	all, err := collect(ask(s.reader.QueryContext(ctx, selectStanding+w.String()+` ORDER BY created_at, id`+limit(f.Limit), w.args...)), scanStanding)
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	return all, nil
}

// Sending is one sending of a subject: what one broadcast wrote.
type Sending struct {
	Step     string    `json:"step"`
	Revision int       `json:"revision"`
	Event    string    `json:"event"`
	Total    int       `json:"total"`
	At       time.Time `json:"at"` // of its first notification
}

// Sendings lists what was sent to clients about a subject, oldest first.
func (s *Store) Sendings(ctx context.Context, subject string) ([]Sending, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT step, revision, MIN(event), COUNT(*), MIN(created_at) FROM notification
		WHERE subject = $1 AND client <> '' GROUP BY step, revision ORDER BY 5, step, revision`, subject)), func(r row) (g Sending, err error) {
		var at int64
		err = r.Scan(&g.Step, &g.Revision, &g.Event, &g.Total, &at)
		g.At = instant(at)
		return g, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the sendings of %s: %w", subject, err)
	}
	return all, nil
}

// ChannelTally counts one rung of a sending by state.
type ChannelTally struct {
	ledger.Tally

	Rung    int               `json:"rung"`
	Channel inventory.Channel `json:"channel"`
}

// Tallies counts a sending by rung and channel.
func (s *Store) Tallies(ctx context.Context, subject, step string, revision int) ([]ChannelTally, error) {
	type line struct {
		rung     int
		channel  inventory.Channel
		state    ledger.State
		n, acked int
	}
	lines, err := collect(ask(s.reader.QueryContext(ctx, `SELECT rung, channel, state, COUNT(*), COALESCE(SUM(CASE WHEN acknowledged_at <> 0 THEN 1 ELSE 0 END), 0)
		FROM notification WHERE subject = $1 AND step = $2 AND revision = $3
		GROUP BY rung, channel, state ORDER BY rung, channel, state`, subject, step, revision)), func(r row) (l line, err error) {
		err = r.Scan(&l.rung, &l.channel, &l.state, &l.n, &l.acked)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("count notifications of %s: %w", subject, err)
	}
	var out []ChannelTally
	for _, l := range lines {
		if last := len(out) - 1; last < 0 || out[last].Rung != l.rung || out[last].Channel != l.channel {
			out = append(out, ChannelTally{Rung: l.rung, Channel: l.channel, Tally: ledger.Tally{ByState: map[ledger.State]int{}}})
		}
		t := &out[len(out)-1]
		t.Total += l.n
		t.Acknowledged += l.acked
		t.ByState[l.state] = l.n
	}
	return out, nil
}
