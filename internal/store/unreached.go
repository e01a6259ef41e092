package store

import (
	"context"
	"fmt"
	"time"
)

// Unreached is a contact for whom a sending had no channel left.
type Unreached struct {
	Step     string    `json:"step"`
	Revision int       `json:"revision"`
	Contact  string    `json:"contact"`
	Client   string    `json:"client"`
	At       time.Time `json:"at"`
}

// PutUnreached keeps whom a sending did not reach, each once, and returns how
// many there are of that sending by now.
func (s *Store) PutUnreached(ctx context.Context, subject string, all []Unreached) (n int, err error) {
	if len(all) == 0 {
		return 0, nil
	}
	rows := make([][]any, len(all))
	for i, u := range all {
		rows[i] = []any{subject, u.Step, u.Revision, u.Contact, u.Client, micros(u.At)}
	}
	err = s.writeMany(ctx, len(rows), func(tx *transaction) error {
		if _, err := s.dialect.insert(ctx, tx, `INSERT INTO unreached (subject, step, revision, contact, client, at)`, `ON CONFLICT DO NOTHING`, rows); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM unreached WHERE subject = $1 AND step = $2 AND revision = $3`, subject, all[0].Step, all[0].Revision).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("keep %d contacts whom %s did not reach: %w", len(all), subject, err)
	}
	return n, nil
}

// Unreached lists whom the sendings about a subject did not reach, by sending
// and contact. An empty step and a negative revision list all of them.
func (s *Store) Unreached(ctx context.Context, subject, step string, revision int) ([]Unreached, error) {
	w := where{}
	w.add("subject = ?", subject)
	w.equal("step", step)
	if revision >= 0 {
		w.add("revision = ?", revision)
	}
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT step, revision, contact, client, at FROM unreached`+w.String()+` ORDER BY step, revision, contact`, w.args...)), func(r row) (u Unreached, err error) {
		var at int64
		err = r.Scan(&u.Step, &u.Revision, &u.Contact, &u.Client, &at)
		u.At = instant(at)
		return u, err
	})
	if err != nil {
		return nil, fmt.Errorf("read whom %s did not reach: %w", subject, err)
	}
	return all, nil
}
