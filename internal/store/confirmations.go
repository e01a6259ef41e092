package store

import (
	"context"
	"fmt"
	"time"

	"vakhta/internal/maintenance"
)

// Confirmation is a client's word that he knows of a work's revision.
type Confirmation struct {
	Client  string    `json:"client"`
	Contact string    `json:"contact,omitempty"` // who of his confirmed; empty where one of us told him
	Via     string    `json:"via"`               // a channel, page, desk; where one of us told him: "told by" and the name
	At      time.Time `json:"at"`
}

// TellMaintenance records that a person has told a client of a work's revision.
// The first word stands.
func (s *Store) TellMaintenance(ctx context.Context, work string, revision int, client, by string, at time.Time) error {
	err := s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO maintenance_told (maintenance, revision, client, told_by, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			work, revision, client, by, micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("record that %s was told of maintenance %s: %w", client, work, err)
	}
	return nil
}

// Confirmations are the clients of whom somebody has confirmed a work's
// revision, each with the first word of it; of one client only, if it is given.
func (s *Store) Confirmations(ctx context.Context, work string, revision int, client string) (map[string]Confirmation, error) {
	acked := where{}
	acked.add("subject = ?", "maintenance/"+work)
	acked.add("revision = ?", revision)
	acked.add("acknowledged_at <> 0")
	acked.equal("client", client)
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT client, contact, acknowledged_via, acknowledged_at FROM notification`+acked.String(), acked.args...)), scanConfirmation)
	if err != nil {
		return nil, fmt.Errorf("read who has confirmed maintenance %s: %w", work, err)
	}
	told := where{}
	told.add("maintenance = ?", work)
	told.add("revision = ?", revision)
	told.equal("client", client)
	by, err := collect(ask(s.reader.QueryContext(ctx, `SELECT client, '', 'told by ' || told_by, at FROM maintenance_told`+told.String(), told.args...)), scanConfirmation)
	if err != nil {
		return nil, fmt.Errorf("read who was told of maintenance %s: %w", work, err)
	}
	out := make(map[string]Confirmation, len(all))
	for _, c := range append(all, by...) {
		if was, known := out[c.Client]; !known || c.At.Before(was.At) {
			out[c.Client] = c
		}
	}
	return out, nil
}

func scanConfirmation(r row) (c Confirmation, err error) {
	var at int64
	err = r.Scan(&c.Client, &c.Contact, &c.Via, &at)
	c.At = instant(at)
	return c, err
}

// WorkCount is how far the telling of a work is.
type WorkCount struct {
	Clients   int `json:"clients"` // who lose service
	Degraded  int `json:"degraded,omitempty"`
	Confirmed int `json:"confirmed"` // of those who lose service, the present revision
}

// MaintenanceCounts counts the clients of works, and who of them has confirmed,
// without reading them one by one.
func (s *Store) MaintenanceCounts(ctx context.Context, works []maintenance.Work) (map[string]WorkCount, error) {
	ids := make([]string, len(works))
	for i := range works {
		ids[i] = works[i].ID
	}
	type line struct {
		id string
		WorkCount
	}
	lines, err := collect(ask(s.reader.QueryContext(ctx, `SELECT c.maintenance, SUM(CASE WHEN c.servers <> '[]' THEN 1 ELSE 0 END),
			SUM(CASE WHEN c.servers = '[]' AND c.degraded <> '[]' THEN 1 ELSE 0 END)
		FROM maintenance_client c WHERE c.maintenance`+s.dialect.among+` GROUP BY c.maintenance`, s.dialect.list(ids))), func(r row) (l line, err error) {
		err = r.Scan(&l.id, &l.Clients, &l.Degraded)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("count the clients of %d maintenances: %w", len(works), err)
	}
	out := make(map[string]WorkCount, len(lines))
	for _, l := range lines {
		out[l.id] = l.WorkCount
	}
	for i := range works {
		c := out[works[i].ID]
		if c.Clients == 0 {
			continue
		}
		err := s.reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM maintenance_client c JOIN (
				SELECT client FROM notification WHERE subject = $1 AND revision = $2 AND acknowledged_at <> 0
				UNION SELECT client FROM maintenance_told WHERE maintenance = $3 AND revision = $2) k ON k.client = c.client
			WHERE c.maintenance = $3 AND c.servers <> '[]'`, "maintenance/"+works[i].ID, works[i].Revision, works[i].ID).Scan(&c.Confirmed)
		if err != nil {
			return nil, fmt.Errorf("count who has confirmed maintenance %s: %w", works[i].ID, err)
		}
		out[works[i].ID] = c
	}
	return out, nil
}
