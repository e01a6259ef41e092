package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"vakhta/internal/incident"
)

const (
	alertColumns = `id, source, key, component, summary, firing, labels, starts_at, ends_at, received_at, incident, raised`
	selectAlert  = `SELECT ` + alertColumns + ` FROM alert`
)

// PutAlerts keeps alerts, each known again by its source and key, and returns
// them as they are stored, in the order given. The word received last counts:
// firing or resolved. One that fires again after it was resolved belongs to no
// incident yet.
func (s *Store) PutAlerts(ctx context.Context, alerts []incident.Alert) ([]incident.Alert, error) {
	var stored []incident.Alert
	err := s.write(ctx, func(tx *transaction) error {
		stored = make([]incident.Alert, 0, len(alerts))
		for _, a := range alerts {
			kept, err := putAlert(ctx, tx, a)
			if err != nil {
				return err
			}
			stored = append(stored, kept)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("keep %d alerts: %w", len(alerts), err)
	}
	return stored, nil
}

func putAlert(ctx context.Context, tx *transaction, a incident.Alert) (incident.Alert, error) {
	if a.Source == "" || a.Key == "" {
		return a, errors.New("an alert names no source or no key, by which it is known again")
	}
	if a.ID == "" {
		sum := sha256.Sum256([]byte(a.Source + "\x00" + a.Key))
		a.ID = "a" + hex.EncodeToString(sum[:10])
	}
	labels, err := encode(a.Labels)
	if err != nil {
		return a, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO alert (id, source, key, component, summary, firing, labels, starts_at, ends_at, received_at, updated_at, incident)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)
		ON CONFLICT (source, key) DO UPDATE SET
			component = CASE WHEN excluded.component = '' THEN alert.component ELSE excluded.component END,
			summary = excluded.summary, firing = excluded.firing, labels = excluded.labels,
			starts_at = excluded.starts_at, ends_at = excluded.ends_at, updated_at = excluded.updated_at,
			incident = CASE WHEN excluded.incident <> '' THEN excluded.incident
				WHEN excluded.firing AND NOT alert.firing THEN '' ELSE alert.incident END,
			raised = CASE WHEN excluded.firing AND NOT alert.firing THEN '' ELSE alert.raised END
		WHERE excluded.updated_at >= alert.updated_at`,
		a.ID, a.Source, a.Key, a.Component, a.Summary, a.Firing, labels, micros(a.StartsAt), micros(a.EndsAt), micros(a.ReceivedAt), a.Incident)
	if err != nil {
		return a, err
	}
	return scanAlert(tx.QueryRowContext(ctx, selectAlert+` WHERE source = $1 AND key = $2`, a.Source, a.Key))
}

func scanAlert(r row) (a incident.Alert, err error) {
	var labels string
	var startsAt, endsAt, receivedAt int64
	err = r.Scan(&a.ID, &a.Source, &a.Key, &a.Component, &a.Summary, &a.Firing, &labels, &startsAt, &endsAt, &receivedAt, &a.Incident, &a.Raised)
	if err != nil {
		return a, err
	}
	a.StartsAt, a.EndsAt, a.ReceivedAt = instant(startsAt), instant(endsAt), instant(receivedAt)
	err = decode(labels, &a.Labels)
	return a, err
}

// AlertFilter chooses alerts; an empty field chooses all.
type AlertFilter struct {
	IDs       []string
	Source    string
	Component string
	Incident  string
	Firing    bool   // only those that fire
	Loose     bool   // only those that belong to no incident
	Raised    string // only those that were raised to this incident
	Limit     int    // 0: no limit
}

// Alerts lists alerts, newest first.
func (s *Store) Alerts(ctx context.Context, f AlertFilter) ([]incident.Alert, error) {
	var w where
	if f.IDs != nil { // first: each is parameter 1
		w.args = append(w.args, s.dialect.list(f.IDs))
		w.conditions = append(w.conditions, "id"+s.dialect.among)
	}
	w.equal("source", f.Source)
	w.equal("component", f.Component)
	w.equal("incident", f.Incident)
	w.equal("raised", f.Raised)
	if f.Firing {
		w.add("firing")
	}
	if f.Loose {
		w.add("incident = ''")
	}
	all, err := collect(ask(s.reader.QueryContext(ctx, selectAlert+w.String()+` ORDER BY received_at DESC, id`+limit(f.Limit), w.args...)), scanAlert)
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	return all, nil
}

// SetAlertsIncident says which incident alerts belong to.
func (s *Store) SetAlertsIncident(ctx context.Context, ids []string, incidentID string) error {
	err := s.write(ctx, func(tx *transaction) error {
		_, err := tx.ExecContext(ctx, `UPDATE alert SET incident = $2 WHERE id`+s.dialect.among, s.dialect.list(ids), incidentID)
		return err
	})
	if err != nil {
		return fmt.Errorf("set incident %s of %d alerts: %w", incidentID, len(ids), err)
	}
	return nil
}
