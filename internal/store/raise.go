package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/incident"
)

// Raising is an alert and what to do if nobody works on its cause yet.
type Raising struct {
	Alert incident.Alert
	// Places are the components whose failure would explain the alert, its own
	// among them. None: the alert is kept, and raises nothing.
	Places []string
	// Incident is opened, as provisional, if no other speaks for the alert.
	Incident incident.Incident
}

// Raised is an alert as it is stored, and the provisional incident that speaks
// for it; the zero incident: none does, and whoever looks for the cause decides.
type Raised struct {
	Alert    incident.Alert
	Incident incident.Incident
	Opened   bool // by this alert, now or when it was sent before
}

// Raise keeps alerts as [Store.PutAlerts] does, and in the same transaction
// opens a provisional incident for each that has places and is spoken for by no
// other: not by an open incident of one of its places that counts its
// component, nor by a provisional one that was raised from one of its places
// within the time given. A repeated alert has the same answer.
func (s *Store) Raise(ctx context.Context, all []Raising, within time.Duration, now time.Time) ([]Raised, error) {
	var places []string
	for _, r := range all {
		places = append(places, r.Places...)
	}
	places = unique(places)
	slices.Sort(places)
	var out []Raised
	err := s.write(ctx, func(tx *transaction) error {
		out = make([]Raised, 0, len(all))
		if err := s.lockPlaces(ctx, tx, places); err != nil {
			return err
		}
		for _, r := range all {
			kept, err := putAlert(ctx, tx, r.Alert)
			if err != nil {
				return err
			}
			done := Raised{Alert: kept}
			if len(r.Places) > 0 && kept.Firing && kept.Incident == "" {
				if done, err = s.raise(ctx, tx, kept, r, now.Add(within), now); err != nil {
					return err
				}
			}
			out = append(out, done)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("keep %d alerts and raise what is critical: %w", len(all), err)
	}
	return out, nil
}

// lockPlaces keeps who raises from the same places apart, on PostgreSQL; in
// order, so that two never wait for each other.
func (s *Store) lockPlaces(ctx context.Context, tx *transaction, places []string) error {
	rows := make([][]any, len(places))
	for i, p := range places {
		rows[i] = []any{p, "", int64(0)}
	}
	_, err := s.dialect.insert(ctx, tx, `INSERT INTO raised_place (component, incident, until)`,
		`ON CONFLICT (component) DO UPDATE SET until = raised_place.until`, rows)
	return err
}

func (s *Store) raise(ctx context.Context, tx *transaction, kept incident.Alert, r Raising, until, now time.Time) (Raised, error) {
	out := Raised{Alert: kept}
	var err error
	if kept.Raised != "" { // it comes again
		out.Incident, err = scanIncident(tx.QueryRowContext(ctx, selectIncident+` WHERE id = $1`, kept.Raised))
		out.Opened = out.Incident.Component == kept.Component
		return out, err
	}
	spoken, err := collect(ask(tx.QueryContext(ctx, selectIncident+` WHERE status <> 'resolved' AND NOT drill AND (component`+s.dialect.among+`
			OR id IN (SELECT incident FROM raised_place WHERE component`+s.dialect.among+` AND until > $2))
		ORDER BY opened_at, id`, s.dialect.list(r.Places), micros(now))), scanIncident)
	if err != nil {
		return out, err
	}
	for _, in := range spoken {
		switch {
		case in.Provisional && (out.Incident.ID == ""):
			out.Incident = in
		case !in.Provisional && (in.Component == kept.Component || in.Finding.Component == kept.Component || slices.Contains(in.Servers, kept.Component)):
			return Raised{Alert: kept}, nil // known: its incident is told by whoever groups the alerts
		}
	}
	if out.Incident.ID == "" {
		if out.Incident, err = s.openProvisional(ctx, tx, r.Incident); err != nil {
			return out, err
		}
		out.Opened = true
	}
	out.Alert.Raised = out.Incident.ID
	if _, err := tx.ExecContext(ctx, `UPDATE alert SET raised = $2 WHERE id = $1`, kept.ID, out.Incident.ID); err != nil {
		return out, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE raised_place SET incident = $2, until = $3 WHERE component`+s.dialect.among, s.dialect.list(r.Places), out.Incident.ID, micros(until))
	return out, err
}

func (s *Store) openProvisional(ctx context.Context, tx *transaction, in incident.Incident) (incident.Incident, error) {
	in.Provisional, in.Status = true, incident.Investigating
	for range openTries {
		opened, err := s.insertIncident(ctx, tx, in)
		if err != nil || opened.ID != "" {
			return opened, err
		}
	}
	return in, fmt.Errorf("another incident of %s is being opened: %w", in.Component, ErrConflict)
}

// Adoption is a finding that looks for the provisional incidents which were
// raised for what it explains.
type Adoption struct {
	Key    string   // names the request: a repeat has the same answer
	Alerts []string // ids of the alerts that the finding was made from
	About  []string // the components that it names or explains
	// Into is the open incident of the same failure; the zero incident: the
	// oldest of the provisional ones becomes the incident of the finding.
	Into  string
	Found incident.Incident // what is known now; its id and when it was opened count for nothing
}

// Adopt gives a finding to the oldest provisional incident that was raised for
// what it explains, or that is about its component. It answers with all of
// these, the one that has the finding now first unless there is Into: the
// others are of the same failure and are to be closed.
func (s *Store) Adopt(ctx context.Context, a Adoption) ([]incident.Incident, error) {
	if a.Key == "" {
		return nil, errors.New("adopt: it needs a request key")
	}
	var out []incident.Incident
	err := s.write(ctx, func(tx *transaction) (err error) {
		out, err = collect(ask(tx.QueryContext(ctx, selectIncident+` WHERE found_by = $1 ORDER BY opened_at, id`, a.Key)), scanIncident)
		if err != nil || len(out) > 0 {
			return err // done by an earlier try
		}
		if out, err = s.adoptable(ctx, tx, a); err != nil || len(out) == 0 {
			return err
		}
		ids := make([]string, len(out))
		for i := range out {
			ids[i] = out[i].ID
		}
		if _, err := tx.ExecContext(ctx, `UPDATE incident SET found_by = $2 WHERE id`+s.dialect.among, s.dialect.list(ids), a.Key); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM raised_place WHERE incident`+s.dialect.among, s.dialect.list(ids)); err != nil {
			return err
		}
		if a.Into != "" {
			return nil
		}
		out[0] = adopted(out[0], a.Found)
		return s.overwrite(ctx, tx, out[0])
	})
	if err != nil {
		return nil, fmt.Errorf("adopt what was raised for %s: %w", a.Found.Component, err)
	}
	return out, nil
}

func (s *Store) adoptable(ctx context.Context, tx *transaction, a Adoption) ([]incident.Incident, error) {
	about := map[string]bool{a.Found.Component: true}
	for _, id := range a.About {
		about[id] = true
	}
	alerts, err := collect(ask(tx.QueryContext(ctx, selectAlert+` WHERE id`+s.dialect.among+` AND raised <> ''`, s.dialect.list(a.Alerts))), scanAlert)
	if err != nil {
		return nil, err
	}
	raised := []string{}
	for _, al := range alerts {
		if about[al.Component] {
			raised = append(raised, al.Raised)
		}
	}
	return collect(ask(tx.QueryContext(ctx, selectIncident+` WHERE provisional AND found_by = '' AND status <> 'resolved' AND NOT drill
		AND (component = $2 OR id`+s.dialect.among+`) ORDER BY opened_at, id`+s.dialect.lock, s.dialect.list(raised), a.Found.Component)), scanIncident)
}

// adopted is a provisional incident with its finding. What people did stays.
func adopted(was, found incident.Incident) incident.Incident {
	was.Provisional = false
	was.Component, was.Title, was.Site, was.Finding, was.Sweep = found.Component, found.Title, found.Site, found.Finding, found.Sweep
	was.Servers, was.Clients, was.Severity = found.Servers, found.Clients, min(was.Severity, found.Severity)
	if was.Status == incident.Investigating {
		was.Status = found.Status
	}
	return was
}
