package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
)

// written is what somebody wrote to us, who may have been asked a question.
type written struct {
	provider, key string // of the message: one that comes again is the same
	contact       *inventory.Contact
	channel       inventory.Channel
	text          string
}

const (
	// askedWithin is how far back a message that asks is looked for. No question
	// is open for longer.
	askedWithin = 7 * 24 * time.Hour
	// lateWithin is how long who answers too late is told so.
	lateWithin = time.Hour
)

// answered takes what somebody on site wrote for his answer to the question
// that he was asked, if it reads as one; said is for him. Not taken: he was
// asked nothing, or names the code of something else.
func (g *gateway) answered(ctx context.Context, w written) (said string, taken bool, err error) {
	if w.contact.Client != "" {
		return "", false, nil // only a team is asked to look
	}
	code, coded := ledger.AckCodeIn(w.text)
	open, err := g.askedOf(ctx, w.contact.ID, code)
	if err != nil || len(open) == 0 {
		return "", false, err
	}
	answer, ok := message.WrittenAnswer(withoutCode(w.text, code))
	switch {
	case !ok && (coded || w.channel == inventory.Telegram):
		return "", false, nil // he takes it on, or writes of something else
	case !ok:
		return message.AskAgain(nil, w.contact.Language), true, nil
	case len(open) > 1:
		codes := make([]string, len(open))
		for i, n := range open {
			codes[i] = n.AckCode
		}
		return message.AskAgain(codes, w.contact.Language), true, nil
	}
	said, err = g.applyEvents(ctx, w.provider, []ledger.Event{{
		Provider: w.provider, Key: w.key + "/answer", State: ledger.Read, AckCode: open[0].AckCode, Acknowledged: true, Answer: answer, At: g.now().UTC(),
	}})
	return said, true, err
}

// askedOf lists the last message about each open question that a contact was
// asked; with a code, only the one that has it. Where none is open, it is the
// last that was answered lately: he may be late, or a callback be repeated.
func (g *gateway) askedOf(ctx context.Context, contact, code string) ([]ledger.Notification, error) {
	rows, err := g.deps.Store.Notifications(ctx, store.NotificationFilter{Contact: contact, Event: message.EventQuestion, Since: g.now().Add(-askedWithin)})
	if err != nil {
		return nil, fmt.Errorf("read what %s was asked: %w", contact, err)
	}
	last := map[string]ledger.Notification{}
	var ids []string
	for _, n := range rows { // the oldest first
		id, ok := incident.QuestionOf(n.Subject, n.Step)
		if !ok || code != "" && n.AckCode != code {
			continue
		}
		if _, seen := last[id]; !seen {
			ids = append(ids, id)
		}
		last[id] = n
	}
	var out, late []ledger.Notification
	for _, id := range ids {
		q, err := g.deps.Store.Question(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("read question %s: %w", id, err)
		}
		switch {
		case q.Open():
			out = append(out, last[id])
		case q.State == incident.Answered && g.now().Sub(q.AnsweredAt) < lateWithin:
			late = []ledger.Notification{last[id]}
		}
	}
	if len(out) == 0 {
		return late, nil
	}
	return out, nil
}

// withoutCode takes a code out of what somebody typed, however he spaced it.
func withoutCode(text, code string) string {
	if code == "" {
		return text
	}
	words := strings.Fields(text)
	for from := range words {
		for to := len(words); to > from; to-- {
			if typed, ok := ledger.NormalizeAckCode(strings.Trim(strings.Join(words[from:to], " "), ".,:;!?()\"'«»")); ok && typed == code {
				return strings.Join(slices.Concat(words[:from], words[to:]), " ")
			}
		}
	}
	return text
}
