package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"vakhta/internal/incident"
)

const entryColumns = `seq, key, subject, at, kind, actor, via, body, internal`

// Append adds lines to timelines; a line whose key is there already is left as
// it stands. Seq is given here and grows in the order of commits, so that
// whoever reads on from the last one he has seen misses none.
func (s *Store) Append(ctx context.Context, entries []incident.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	err := s.write(ctx, func(tx *transaction) error {
		var last int64
		err := tx.QueryRowContext(ctx, `UPDATE counter SET value = value + $1 WHERE name = 'timeline' RETURNING value`, len(entries)).Scan(&last)
		if err != nil {
			return err
		}
		rows := make([][]any, len(entries))
		for i, e := range entries {
			if e.Key == "" || e.Subject == "" {
				return fmt.Errorf("line %d names no key or no subject", i)
			}
			seq := last - int64(len(entries)) + int64(i) + 1
			rows[i] = []any{seq, e.Key, e.Subject, micros(e.At), e.Kind, e.Actor, e.Via, e.Text, e.Internal}
		}
		_, err = s.dialect.insert(ctx, tx, `INSERT INTO timeline (`+entryColumns+`)`, `ON CONFLICT (key) DO NOTHING`, rows)
		return err
	})
	if err != nil {
		return fmt.Errorf("append %d lines to the timeline: %w", len(entries), err)
	}
	return nil
}

// Timeline reads the lines of a subject that were appended after afterSeq, at
// most so many (0: all), in the order in which things happened.
func (s *Store) Timeline(ctx context.Context, subject string, afterSeq int64, most int) ([]incident.Entry, error) {
	all, err := collect(ask(s.reader.QueryContext(ctx, `SELECT `+entryColumns+` FROM timeline WHERE subject = $1 AND seq > $2 ORDER BY seq`+limit(most),
		subject, afterSeq)), func(r row) (e incident.Entry, err error) {
		var at int64
		err = r.Scan(&e.Seq, &e.Key, &e.Subject, &at, &e.Kind, &e.Actor, &e.Via, &e.Text, &e.Internal)
		e.At = instant(at)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read timeline of %s: %w", subject, err)
	}
	slices.SortStableFunc(all, func(a, b incident.Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq))
	})
	return all, nil
}
