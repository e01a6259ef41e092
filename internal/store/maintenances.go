package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vakhta/internal/maintenance"
)

const (
	maintenanceColumns = `id, title, components, starts_at, ends_at, announced, revision, status, document`
	selectMaintenance  = `SELECT ` + maintenanceColumns + ` FROM maintenance`
)

// PutMaintenance keeps planned work. An older revision than the one that is
// there is ErrConflict; the same one is written again.
func (s *Store) PutMaintenance(ctx context.Context, m maintenance.Work) error {
	return s.putMaintenance(ctx, m, func(tx *transaction) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM maintenance_client WHERE maintenance = $1`, m.ID); err != nil {
			return err
		}
		var rows [][]any
		for _, client := range m.Audience(maintenance.Impacts...) {
			rows = append(rows, []any{m.ID, client, list(m.ByClient[client]), list(m.Degraded[client]), list(m.Reduced[client])})
		}
		_, err := s.dialect.insert(ctx, tx, `INSERT INTO maintenance_client (maintenance, client, servers, degraded, reduced)`, "", rows)
		return err
	})
}

// SetMaintenance keeps what has changed of planned work; whose machines it
// touches stays as it is.
func (s *Store) SetMaintenance(ctx context.Context, m maintenance.Work) error {
	if _, err := s.MaintenanceBare(ctx, m.ID); err != nil {
		return err
	}
	return s.putMaintenance(ctx, m, func(*transaction) error { return nil })
}

func (s *Store) putMaintenance(ctx context.Context, m maintenance.Work, clients func(*transaction) error) error {
	title, err := encode(m.Title)
	if err != nil {
		return fmt.Errorf("keep maintenance %s: %w", m.ID, err)
	}
	rest := m // what has no column of its own
	rest.Title, rest.Components, rest.ByClient, rest.Degraded, rest.Reduced = nil, nil, nil, nil, nil
	document, err := encode(rest)
	if err != nil {
		return fmt.Errorf("keep maintenance %s: %w", m.ID, err)
	}
	err = s.write(ctx, func(tx *transaction) error {
		n, err := s.dialect.insert(ctx, tx, `INSERT INTO maintenance (`+maintenanceColumns+`)`, `ON CONFLICT (id) DO UPDATE SET title = excluded.title,
				components = excluded.components, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
				announced = excluded.announced, revision = excluded.revision, status = excluded.status, document = excluded.document WHERE excluded.revision >= maintenance.revision`,
			[][]any{{m.ID, title, list(m.Components), micros(m.StartsAt), micros(m.EndsAt), micros(m.Announced), m.Revision, string(m.Status), document}})
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("revision %d is older than what is kept: %w", m.Revision, ErrConflict)
		}
		return clients(tx)
	})
	if err != nil {
		return fmt.Errorf("keep maintenance %s: %w", m.ID, err)
	}
	return nil
}

// Maintenance reads planned work.
func (s *Store) Maintenance(ctx context.Context, id string) (maintenance.Work, error) {
	m, err := s.MaintenanceBare(ctx, id)
	if err != nil {
		return m, err
	}
	all := []maintenance.Work{m}
	err = s.affectedBy(ctx, all, "")
	return all[0], err
}

// MaintenanceBare reads planned work without whose machines it touches.
func (s *Store) MaintenanceBare(ctx context.Context, id string) (maintenance.Work, error) {
	return one(scanMaintenance(s.reader.QueryRowContext(ctx, selectMaintenance+` WHERE id = $1`, id)))("maintenance", id)
}

// MaintenanceFor reads planned work with one client's machines only.
func (s *Store) MaintenanceFor(ctx context.Context, id, client string) (maintenance.Work, error) {
	m, err := s.MaintenanceBare(ctx, id)
	if err != nil {
		return m, err
	}
	all := []maintenance.Work{m}
	err = s.affectedBy(ctx, all, client)
	return all[0], err
}

// Maintenances lists the planned work that touches the time between from and
// to, or is under way, by its start; zero instants are no limit. Whose machines
// it touches is not read: there may be millions.
func (s *Store) Maintenances(ctx context.Context, from, to time.Time) ([]maintenance.Work, error) {
	return s.maintenances(ctx, "", from, to)
}

// MaintenancesFor lists those that affect a client; ByClient names his servers only.
func (s *Store) MaintenancesFor(ctx context.Context, client string, from, to time.Time) ([]maintenance.Work, error) {
	return s.maintenances(ctx, client, from, to)
}

func (s *Store) maintenances(ctx context.Context, client string, from, to time.Time) ([]maintenance.Work, error) {
	var w where
	if !from.IsZero() {
		w.add("(ends_at > ? OR status = 'running')", micros(from))
	}
	if !to.IsZero() {
		w.add("(starts_at <= ? OR status = 'running')", micros(to))
	}
	if client != "" {
		w.add("id IN (SELECT maintenance FROM maintenance_client WHERE client = ?)", client)
	}
	all, err := collect(ask(s.reader.QueryContext(ctx, selectMaintenance+w.String()+` ORDER BY starts_at, id`, w.args...)), scanMaintenance)
	if err == nil && client != "" {
		err = s.affectedBy(ctx, all, client)
	}
	if err != nil {
		return nil, fmt.Errorf("read maintenances: %w", err)
	}
	return all, nil
}

func scanMaintenance(r row) (m maintenance.Work, err error) {
	var id, title, components, status, document string
	var startsAt, endsAt, announced int64
	var revision int
	if err := r.Scan(&id, &title, &components, &startsAt, &endsAt, &announced, &revision, &status, &document); err != nil {
		return m, err
	}
	if err := decode(document, &m); err != nil {
		return m, err
	}
	m.ID, m.Revision, m.Status = id, revision, maintenance.Status(status)
	m.StartsAt, m.EndsAt, m.Announced = instant(startsAt), instant(endsAt), instant(announced)
	err = errors.Join(decode(title, &m.Title), decode(components, &m.Components))
	return m, err
}

// affectedBy fills in whose servers each maintenance takes down.
func (s *Store) affectedBy(ctx context.Context, all []maintenance.Work, client string) error {
	if len(all) == 0 {
		return nil
	}
	ids, at := make([]string, len(all)), make(map[string]*maintenance.Work, len(all))
	for i := range all {
		ids[i], at[all[i].ID] = all[i].ID, &all[i]
	}
	w := where{args: []any{s.dialect.list(ids)}, conditions: []string{"maintenance" + s.dialect.among}}
	w.equal("client", client)
	type line struct{ maintenance, client, servers, degraded, reduced string }
	lines, err := collect(ask(s.reader.QueryContext(ctx, `SELECT maintenance, client, servers, degraded, reduced FROM maintenance_client`+w.String(), w.args...)), func(r row) (l line, err error) {
		err = r.Scan(&l.maintenance, &l.client, &l.servers, &l.degraded, &l.reduced)
		return l, err
	})
	if err != nil {
		return err
	}
	for _, l := range lines {
		m := at[l.maintenance]
		if err := errors.Join(touched(&m.ByClient, l.client, l.servers), touched(&m.Degraded, l.client, l.degraded), touched(&m.Reduced, l.client, l.reduced)); err != nil {
			return err
		}
	}
	return nil
}

// touched adds a client's servers, if there are any.
func touched(by *map[string][]string, client, text string) error {
	if text == "[]" {
		return nil
	}
	var servers []string
	if err := decode(text, &servers); err != nil || len(servers) == 0 {
		return err
	}
	if *by == nil {
		*by = map[string][]string{}
	}
	(*by)[client] = servers
	return nil
}
