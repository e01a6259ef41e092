package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/incident"
)

const (
	questionColumns = `id, incident, number, component, probe, peer, site, team, state, asked_by, asked_at, deadline,
	answer, answered_by, via, note, answered_at`
	selectQuestion = `SELECT ` + questionColumns + ` FROM question`
)

func scanQuestion(r row) (q incident.Question, err error) {
	var askedAt, deadline, answeredAt int64
	err = r.Scan(&q.ID, &q.Incident, &q.Number, &q.Component, (*string)(&q.Probe), &q.Peer, &q.Site, &q.Team, (*string)(&q.State), &q.AskedBy, &askedAt, &deadline,
		(*string)(&q.Answer), &q.AnsweredBy, &q.Via, &q.Note, &answeredAt)
	q.AskedAt, q.Deadline, q.AnsweredAt = instant(askedAt), instant(deadline), instant(answeredAt)
	return q, err
}

// PutQuestion keeps a question that is asked from now on, and returns it as it
// stands: one with that id that is there already stays as it is.
func (s *Store) PutQuestion(ctx context.Context, q incident.Question) (incident.Question, error) {
	q.ID = incident.QuestionID(q.Incident, q.Number)
	if q.State == "" {
		q.State = incident.Asking
	}
	var stands incident.Question
	err := s.write(ctx, func(tx *transaction) error {
		_, err := s.dialect.insert(ctx, tx, `INSERT INTO question (`+questionColumns+`)`, `ON CONFLICT (id) DO NOTHING`, [][]any{{
			q.ID, q.Incident, q.Number, q.Component, string(q.Probe), q.Peer, q.Site, q.Team, string(q.State), q.AskedBy, micros(q.AskedAt), micros(q.Deadline),
			string(q.Answer), q.AnsweredBy, q.Via, q.Note, micros(q.AnsweredAt),
		}})
		if err != nil {
			return err
		}
		stands, err = scanQuestion(tx.QueryRowContext(ctx, selectQuestion+` WHERE id = $1`, q.ID))
		return err
	})
	if err != nil {
		return q, fmt.Errorf("keep question %s: %w", q.ID, err)
	}
	return stands, nil
}

// AnswerQuestion records what somebody saw. The first answer stays; first is
// false where there is one, or where the question is no longer open.
func (s *Store) AnswerQuestion(ctx context.Context, id string, r incident.Reply) (q incident.Question, first bool, err error) {
	if !slices.Contains(incident.Answers, r.Answer) {
		return q, false, fmt.Errorf("answer question %s: %q is none of %v", id, r.Answer, incident.Answers)
	}
	err = s.changeQuestion(ctx, id, func(now *incident.Question) bool {
		if first = now.Open(); first {
			now.State, now.Answer, now.AnsweredBy, now.Via, now.Note, now.AnsweredAt = incident.Answered, r.Answer, r.By, r.Via, r.Note, r.At
		}
		q = *now
		return first
	})
	if err != nil {
		return q, false, fmt.Errorf("answer question %s: %w", id, err)
	}
	q.AnsweredAt = instant(micros(q.AnsweredAt)) // as it will be read again
	return q, first, nil
}

// SetQuestion says where a question that is open stands now: overdue,
// withdrawn, unheard. One that was answered, or is over, stays as it is.
func (s *Store) SetQuestion(ctx context.Context, id string, state incident.QuestionState) (q incident.Question, err error) {
	err = s.changeQuestion(ctx, id, func(now *incident.Question) bool {
		open := now.Open()
		if open {
			now.State = state
		}
		q = *now
		return open
	})
	if err != nil {
		return q, fmt.Errorf("set question %s to %s: %w", id, state, err)
	}
	return q, nil
}

// changeQuestion writes a question back if change says that it changed it.
func (s *Store) changeQuestion(ctx context.Context, id string, change func(*incident.Question) bool) error {
	return s.write(ctx, func(tx *transaction) error {
		q, err := scanQuestion(tx.QueryRowContext(ctx, selectQuestion+` WHERE id = $1`+s.dialect.lock, id))
		if q, err = one(q, err)("question", id); err != nil {
			return err
		}
		if !change(&q) {
			return nil
		}
		_, err = tx.ExecContext(ctx, `UPDATE question SET state = $1, answer = $2, answered_by = $3, via = $4, note = $5, answered_at = $6 WHERE id = $7`,
			string(q.State), string(q.Answer), q.AnsweredBy, q.Via, q.Note, micros(q.AnsweredAt), id)
		return err
	})
}

// Question reads a question.
func (s *Store) Question(ctx context.Context, id string) (incident.Question, error) {
	return one(scanQuestion(s.reader.QueryRowContext(ctx, selectQuestion+` WHERE id = $1`, id)))("question", id)
}

// QuestionFilter chooses questions; an empty field chooses all.
type QuestionFilter struct {
	Incident string
	Site     string
	Open     bool // only those that an answer is still wanted to
	// AnsweredSince chooses those that were answered at this instant or later.
	AnsweredSince time.Time
	Limit         int // 0: no limit
}

// Questions lists questions, newest first.
func (s *Store) Questions(ctx context.Context, f QuestionFilter) ([]incident.Question, error) {
	var w where
	w.equal("incident", f.Incident)
	w.equal("site", f.Site)
	if f.Open {
		w.add("state IN (?, ?)", string(incident.Asking), string(incident.Overdue))
	}
	if !f.AnsweredSince.IsZero() {
		w.add("answer <> '' AND answered_at >= ?", micros(f.AnsweredSince))
	}
	all, err := collect(ask(s.reader.QueryContext(ctx, selectQuestion+w.String()+` ORDER BY asked_at DESC, id DESC`+limit(f.Limit), w.args...)), scanQuestion)
	if err != nil {
		return nil, fmt.Errorf("read questions: %w", err)
	}
	return all, nil
}
