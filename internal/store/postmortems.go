package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"vakhta/internal/incident"
)

// SavePostmortem writes the revision after expectRevision, 0 for the first
// draft. Where another revision stands it is ErrConflict, unless that is this
// very text: then a try whose answer was lost wrote it.
func (s *Store) SavePostmortem(ctx context.Context, pm incident.Postmortem, expectRevision int) error {
	pm.Revision = expectRevision + 1
	document, err := encode(pm)
	if err != nil {
		return fmt.Errorf("save postmortem %s: %w", pm.Incident, err)
	}
	err = s.write(ctx, func(tx *transaction) error {
		var n int
		var err error
		if expectRevision == 0 {
			n, err = s.dialect.insert(ctx, tx, `INSERT INTO postmortem (incident, revision, status, document, created_at, updated_at)`, `ON CONFLICT (incident) DO NOTHING`,
				[][]any{{pm.Incident, pm.Revision, pm.Status, document, micros(pm.CreatedAt), micros(pm.UpdatedAt)}})
		} else {
			n, err = affect(tx.ExecContext(ctx, `UPDATE postmortem SET revision = $1, status = $2, document = $3, updated_at = $4
				WHERE incident = $5 AND revision = $6`, pm.Revision, pm.Status, document, micros(pm.UpdatedAt), pm.Incident, expectRevision))
		}
		if err != nil || n == 1 {
			return err
		}
		return samePostmortem(ctx, tx, pm)
	})
	if err != nil {
		return fmt.Errorf("save postmortem %s: %w", pm.Incident, err)
	}
	return nil
}

func samePostmortem(ctx context.Context, tx *transaction, pm incident.Postmortem) error {
	stands, err := scanPostmortem(tx.QueryRowContext(ctx, `SELECT document FROM postmortem WHERE incident = $1`, pm.Incident))
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	revision := stands.Revision
	for _, p := range []*incident.Postmortem{&stands, &pm} {
		p.CreatedAt, p.UpdatedAt = time.Time{}, time.Time{}
	}
	there, err := encode(stands)
	if err != nil {
		return err
	}
	here, err := encode(pm)
	if err != nil || there == here {
		return err
	}
	return fmt.Errorf("revision %d stands there: %w", revision, ErrConflict)
}

func scanPostmortem(r row) (pm incident.Postmortem, err error) {
	var document string
	if err := r.Scan(&document); err != nil {
		return pm, err
	}
	err = decode(document, &pm)
	return pm, err
}

// Postmortem reads the postmortem of an incident.
func (s *Store) Postmortem(ctx context.Context, incidentID string) (incident.Postmortem, error) {
	return one(scanPostmortem(s.reader.QueryRowContext(ctx, `SELECT document FROM postmortem WHERE incident = $1`, incidentID)))("postmortem", incidentID)
}

// Postmortems lists postmortems, newest first; limit 0 is all.
func (s *Store) Postmortems(ctx context.Context, most int) ([]incident.Postmortem, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT document FROM postmortem ORDER BY created_at DESC, incident`+limit(most))), scanPostmortem)
	if err != nil {
		return nil, fmt.Errorf("read postmortems: %w", err)
	}
	return all, nil
}
