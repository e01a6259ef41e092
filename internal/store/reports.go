package store

import (
	"context"
	"fmt"

	"vakhta/internal/incident"
)

const reportColumns = `id, channel, sender, client, contact, body, received_at, incident, answer`

// PutReport keeps a client's report; created is false where one with that id is there.
func (s *Store) PutReport(ctx context.Context, r incident.Report) (created bool, err error) {
	err = s.write(ctx, func(tx *transaction) error {
		n, err := s.dialect.insert(ctx, tx, `INSERT INTO report (`+reportColumns+`)`, `ON CONFLICT (id) DO NOTHING`, [][]any{{
			r.ID, r.Channel, s.ring.Seal(r.From, senderOf(r.ID)), r.Client, r.Contact, r.Text, micros(r.ReceivedAt), r.Incident, r.Answer,
		}})
		created = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("keep report %s: %w", r.ID, err)
	}
	return created, nil
}

// Report reads a report.
func (s *Store) Report(ctx context.Context, id string) (incident.Report, error) {
	return one(s.scanReport(s.reader.QueryRowContext(ctx, `SELECT `+reportColumns+` FROM report WHERE id = $1`, id)))("report", id)
}

// ReportFilter chooses reports; an empty field chooses all.
type ReportFilter struct {
	Client   string
	Incident string
	Limit    int // 0: no limit
}

// Reports lists reports, newest first.
func (s *Store) Reports(ctx context.Context, f ReportFilter) ([]incident.Report, error) {
	var w where
	w.equal("client", f.Client)
	w.equal("incident", f.Incident)
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT `+reportColumns+` FROM report`+w.String()+` ORDER BY received_at DESC, id`+limit(f.Limit), w.args...)), s.scanReport)
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	return all, nil
}

// senderOf is where a report's sender stands, for his seal.
func senderOf(report string) string { return "report/" + report + "/sender" }

func (s *Store) scanReport(r row) (report incident.Report, err error) {
	var receivedAt int64
	err = r.Scan(&report.ID, &report.Channel, &report.From, &report.Client, &report.Contact, &report.Text, &receivedAt, &report.Incident, &report.Answer)
	if err != nil {
		return report, err
	}
	report.ReceivedAt = instant(receivedAt)
	report.From, err = s.ring.Open(report.From, senderOf(report.ID))
	return report, err
}

// SetReport adds to a report what has been found out. What is empty stays as it was.
func (s *Store) SetReport(ctx context.Context, id, client, contact, incidentID, answer string) error {
	err := s.write(ctx, func(tx *transaction) error {
		n, err := affect(tx.ExecContext(ctx, `UPDATE report SET
				client = CASE WHEN $2 = '' THEN client ELSE $2 END,
				contact = CASE WHEN $3 = '' THEN contact ELSE $3 END,
				incident = CASE WHEN $4 = '' THEN incident ELSE $4 END,
				answer = CASE WHEN $5 = '' THEN answer ELSE $5 END
			WHERE id = $1`, id, client, contact, incidentID, answer))
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("add to report %s: %w", id, err)
	}
	return nil
}
