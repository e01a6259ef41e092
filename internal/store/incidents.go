package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"vakhta/internal/incident"
)

const (
	incidentColumns = `id, component, title, site, severity, status, runbook, runbook_rev, finding, servers, clients, restored,
	eta, drill, opened_at, resolved_at, sweep, provisional`
	selectIncident = `SELECT ` + incidentColumns + ` FROM incident`
)

func scanIncident(r row) (in incident.Incident, err error) {
	var finding, servers, clients, restored string
	var eta, openedAt, resolvedAt int64
	err = r.Scan(&in.ID, &in.Component, &in.Title, &in.Site, &in.Severity, &in.Status, &in.Runbook, &in.RunbookRev,
		&finding, &servers, &clients, &restored, &eta, &in.Drill, &openedAt, &resolvedAt, &in.Sweep, &in.Provisional)
	if err != nil {
		return in, err
	}
	in.ETA, in.OpenedAt, in.ResolvedAt = instant(eta), instant(openedAt), instant(resolvedAt)
	err = errors.Join(decode(finding, &in.Finding), decode(servers, &in.Servers), decode(clients, &in.Clients), decode(restored, &in.Restored))
	return in, err
}

// incidentValues are the columns that SaveIncident may change, in the order of updateIncident.
func incidentValues(in incident.Incident) ([]any, error) {
	finding, err := encode(in.Finding)
	if err != nil {
		return nil, err
	}
	return []any{
		in.Component, in.Title, in.Site, string(in.Severity), string(in.Status), in.Runbook, in.RunbookRev,
		finding, list(in.Servers), list(in.Clients), list(in.Restored), micros(in.ETA), in.Drill, micros(in.ResolvedAt), in.Sweep, in.Provisional,
	}, nil
}

// OpenIncident opens an incident, unless one is open for its component: then it
// returns that one and created is false. The id is made here: the component's
// and a number. The same request key has the same answer for ever, also after
// the incident was resolved; created says then what it said the first time.
func (s *Store) OpenIncident(ctx context.Context, requestKey string, in incident.Incident) (opened incident.Incident, created bool, err error) {
	if requestKey == "" || in.Component == "" {
		return opened, false, errors.New("open incident: it needs a request key and a component")
	}
	if in.Status == "" {
		in.Status = incident.Investigating
	}
	if in.Status == incident.Resolved {
		return opened, false, errors.New("open incident: it can't be opened resolved")
	}
	err = s.write(ctx, func(tx *transaction) (err error) {
		opened, created, err = s.openIncident(ctx, tx, requestKey, in)
		return err
	})
	if err != nil {
		return incident.Incident{}, false, fmt.Errorf("open incident of %s: %w", in.Component, err)
	}
	return opened, created, nil
}

// openTries: each try that finds the number or the place taken sees, in the
// next, who took it.
const openTries = 8

func (s *Store) openIncident(ctx context.Context, tx *transaction, key string, in incident.Incident) (opened incident.Incident, created bool, err error) {
	for range openTries {
		opened, created, err = requested(ctx, tx, key)
		if !errors.Is(err, sql.ErrNoRows) {
			return opened, created, err
		}
		opened, err = scanIncident(tx.QueryRowContext(ctx, selectIncident+` WHERE component = $1 AND drill = $2 AND status <> 'resolved'`, in.Component, in.Drill))
		created = errors.Is(err, sql.ErrNoRows)
		if created {
			opened, err = s.insertIncident(ctx, tx, in)
		}
		if err != nil {
			return opened, false, err
		}
		if opened.ID == "" {
			continue
		}
		n, err := s.dialect.insert(ctx, tx, `INSERT INTO incident_request (key, incident, created)`, `ON CONFLICT (key) DO NOTHING`, [][]any{{key, opened.ID, created}})
		if err != nil {
			return opened, false, err
		}
		switch {
		case n == 1:
			return opened, created, nil
		case created: // undo ours: the same request, beside us, was answered with another
			return opened, false, fmt.Errorf("request %s is being answered: %w", key, ErrConflict)
		}
	}
	return opened, false, fmt.Errorf("others opened it in each of %d tries: %w", openTries, ErrConflict)
}

func requested(ctx context.Context, tx *transaction, key string) (opened incident.Incident, created bool, err error) {
	var id string
	if err := tx.QueryRowContext(ctx, `SELECT incident, created FROM incident_request WHERE key = $1`, key).Scan(&id, &created); err != nil {
		return opened, false, err
	}
	opened, err = scanIncident(tx.QueryRowContext(ctx, selectIncident+` WHERE id = $1`, id))
	return opened, created, err
}

// insertIncident gives the incident the component's next number. The zero
// incident says that somebody else took the number or the component's place.
func (s *Store) insertIncident(ctx context.Context, tx *transaction, in incident.Incident) (incident.Incident, error) {
	number, err := s.number(ctx, tx, &in)
	if err != nil {
		return in, err
	}
	in.OpenedAt = instant(micros(in.OpenedAt)) // as it will be read again
	values, err := incidentValues(in)
	if err != nil {
		return in, err
	}
	n, err := s.dialect.insert(ctx, tx, `INSERT INTO incident (component, title, site, severity, status, runbook, runbook_rev,
			finding, servers, clients, restored, eta, drill, resolved_at, sweep, provisional, id, number, opened_at)`,
		`ON CONFLICT DO NOTHING`, [][]any{append(values, in.ID, number, micros(in.OpenedAt))})
	if err != nil {
		return in, err
	}
	if n == 0 {
		return incident.Incident{}, nil
	}
	return in, s.setIncidentClients(ctx, tx, in.ID, in.Clients)
}

// number gives the incident its id. A provisional one is named after its site:
// it may come to be of something else, and clients read its id, who must not
// read the names of others' machines.
func (s *Store) number(ctx context.Context, tx *transaction, in *incident.Incident) (int, error) {
	base, number := in.Component, 0
	if in.Provisional {
		base = cmp.Or(in.Site, "alert")
		err := tx.QueryRowContext(ctx, `INSERT INTO counter (name, value) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value`,
			"incident/"+base).Scan(&number)
		if err != nil {
			return 0, err
		}
		number--
	} else if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) FROM incident WHERE component = $1`, base).Scan(&number); err != nil {
		return 0, err
	}
	for taken := true; taken; { // by one that has come to name another component since
		number++
		in.ID = base + "-" + strconv.Itoa(number)
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM incident WHERE id = $1)`, in.ID).Scan(&taken); err != nil {
			return 0, err
		}
	}
	if in.Provisional {
		return 0, nil // none of its component
	}
	return number, nil
}

func (s *Store) setIncidentClients(ctx context.Context, tx *transaction, id string, clients []string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM incident_client WHERE incident = $1`, id); err != nil {
		return err
	}
	rows := make([][]any, 0, len(clients))
	for _, client := range unique(clients) {
		rows = append(rows, []any{id, client})
	}
	_, err := s.dialect.insert(ctx, tx, `INSERT INTO incident_client (incident, client)`, "", rows)
	return err
}

// SaveIncident writes all of an incident but its id and when it was opened. To
// reopen one while its component has another open is ErrConflict. Who still
// takes it for provisional leaves the finding that it has come to.
func (s *Store) SaveIncident(ctx context.Context, in incident.Incident) error {
	err := s.write(ctx, func(tx *transaction) error {
		before, err := scanIncident(tx.QueryRowContext(ctx, selectIncident+` WHERE id = $1`+s.dialect.lock, in.ID))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		now := in
		if in.Provisional && !before.Provisional {
			now = adopted(in, before)
		}
		return s.overwrite(ctx, tx, now)
	})
	if err != nil {
		return fmt.Errorf("save incident %s: %w", in.ID, err)
	}
	return nil
}

// overwrite writes an incident in the place of what is there.
func (s *Store) overwrite(ctx context.Context, tx *transaction, in incident.Incident) error {
	values, err := incidentValues(in)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE incident SET component = $1, title = $2, site = $3, severity = $4, status = $5, runbook = $6,
			runbook_rev = $7, finding = $8, servers = $9, clients = $10, restored = $11, eta = $12, drill = $13, resolved_at = $14, sweep = $15,
			provisional = $16
		WHERE id = $17`, append(values, in.ID)...)
	if duplicate(err) {
		return fmt.Errorf("another incident of %s is open; resolve it first: %w", in.Component, ErrConflict)
	}
	if err != nil {
		return err
	}
	known, err := collect(ask(tx.QueryContext(ctx, `SELECT client FROM incident_client WHERE incident = $1`, in.ID)), scanText)
	if err != nil {
		return err
	}
	now := unique(in.Clients)
	slices.Sort(known)
	slices.Sort(now)
	if slices.Equal(known, now) {
		return nil
	}
	return s.setIncidentClients(ctx, tx, in.ID, in.Clients)
}

// Incident reads an incident.
func (s *Store) Incident(ctx context.Context, id string) (incident.Incident, error) {
	return one(scanIncident(s.reader.QueryRowContext(ctx, selectIncident+` WHERE id = $1`, id)))("incident", id)
}

// IncidentFilter chooses incidents; an empty field chooses all.
type IncidentFilter struct {
	Open      bool // only those that are not resolved
	Client    string
	Site      string
	Component string
	Found     string // only those of the component, or whose finding names it
	Limit     int    // 0: no limit
}

// Incidents lists incidents, newest first.
func (s *Store) Incidents(ctx context.Context, f IncidentFilter) ([]incident.Incident, error) {
	var w where
	if f.Open {
		w.add("status <> 'resolved'")
	}
	if f.Client != "" {
		w.add("id IN (SELECT incident FROM incident_client WHERE client = ?)", f.Client)
	}
	w.equal("site", f.Site)
	w.equal("component", f.Component)
	if f.Found != "" { // the text of the finding names more than its component: the rest is read
		w.add("(component = ? OR finding LIKE ?)", f.Found, "%\""+f.Found+"\"%")
	}
	all, err := collect(ask(s.reader.QueryContext(ctx, selectIncident+w.String()+` ORDER BY opened_at DESC, id`+limit(f.Limit), w.args...)), scanIncident)
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	if f.Found != "" {
		all = slices.DeleteFunc(all, func(in incident.Incident) bool { return in.Component != f.Found && in.Finding.Component != f.Found })
	}
	return all, nil
}

// OpenIncidentsOf lists the open incidents that affect a client, newest first.
// Drills are nobody's explanation and are left out.
func (s *Store) OpenIncidentsOf(ctx context.Context, client string) ([]incident.Incident, error) {
	all, err := s.Incidents(ctx, IncidentFilter{Open: true, Client: client})
	return slices.DeleteFunc(all, func(in incident.Incident) bool { return in.Drill }), err
}
