package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// applyEvents writes what a provider told us into the ledger, then tells the
// workflows that wait for it. Said is for whoever answered a question: what
// became of it, in his language. An error means that nothing may be answered 2xx.
func (g *gateway) applyEvents(ctx context.Context, provider string, events []ledger.Event) (said string, err error) {
	_, said, err = g.apply(ctx, provider, events)
	return said, err
}

// apply is applyEvents that tells what the events came to, too.
func (g *gateway) apply(ctx context.Context, provider string, events []ledger.Event) (done []ledger.Applied, said string, err error) {
	done, err = g.deps.Store.ApplyEvents(ctx, events, g.now().UTC())
	if err != nil {
		return nil, "", fmt.Errorf("apply events of %s: %w", provider, err)
	}
	for i, e := range events {
		result := "repeated"
		if done[i].Fresh {
			result = "applied"
		}
		g.metrics.callbacks.WithLabelValues(provider, result).Inc()
		n := done[i].Notification
		switch {
		case e.Answer != "":
			if said, err = g.questionAnswered(ctx, n, incident.Answer(e.Answer), string(n.Channel)); err != nil {
				return nil, "", err
			}
		case e.Acknowledged:
			if said, err = g.takenBefore(ctx, n); err != nil {
				return nil, "", err
			}
			g.pageAnswered(ctx, n, workflows.SignalAcknowledged, string(n.Channel), e.By)
		case e.HungUp && done[i].Fresh:
			g.pageAnswered(ctx, n, workflows.SignalHungUp, string(n.Channel), "")
		case e.Declined:
			g.pageAnswered(ctx, n, workflows.SignalDeclined, string(n.Channel), e.By)
		}
	}
	return done, said, nil
}

// takenBefore says who has a page's incident already, in the language of who
// acknowledges now; empty if he is the first.
func (g *gateway) takenBefore(ctx context.Context, n ledger.Notification) (string, error) {
	if n.Event != "page" || n.Channel == inventory.Slack || n.Channel == inventory.Mattermost {
		return "", nil // a room's message says so itself
	}
	rows, err := g.deps.Store.Notifications(ctx, store.NotificationFilter{Subject: n.Subject, Team: n.Team, Event: n.Event})
	if err != nil {
		return "", fmt.Errorf("read who has %s: %w", n.Subject, err)
	}
	first := n
	for _, other := range rows {
		if other.Revision == n.Revision && !other.AcknowledgedAt.IsZero() && other.AcknowledgedAt.Before(first.AcknowledgedAt) {
			first = other
		}
	}
	if first.Contact == n.Contact {
		return "", nil
	}
	return message.TakenAlready(g.deps.Inventory.Names().Person(first.Contact), n.Language), nil
}

// pageAnswered tells an escalation that a page was answered. The fact is in
// the ledger, which Escalate reads before every climb: a failure here is
// logged and costs at most that wait.
func (g *gateway) pageAnswered(ctx context.Context, n ledger.Notification, signal, via, by string) {
	inc, ok := strings.CutPrefix(n.Subject, "incident/")
	if !ok || n.Team == "" {
		return
	}
	// The provider may hang up once it has told us; the fact stays.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer cancel()
	if signal == workflows.SignalAcknowledged && n.Event == "page" {
		// Nobody shall be paged after this: not even while the workflow hears of it.
		if _, err := g.deps.Store.Drop(ctx, n.Subject, records.PageStep(n.Team)+"/", g.now().UTC()); err != nil {
			g.log.Error().Err(err).Str("notification", n.ID).Msg("pages that have not left could not be taken back at once")
		}
	}
	id := workflows.EscalateID(inc, n.Team)
	answer := workflows.PageAnswer{Contact: n.Contact, Notification: n.ID, Via: via, By: by}
	err := g.deps.Flows.SignalWorkflow(ctx, id, "", signal, answer)
	var over *serviceerror.NotFound
	switch {
	case errors.As(err, &over):
		g.log.Info().Str("workflow", id).Msg("page answered after its escalation was over")
	case err != nil:
		g.log.Error().Err(err).Str("workflow", id).Str("notification", n.ID).Msg("escalation not told of the answer; it reads the ledger before it climbs")
	}
}

// questionAnswered records what somebody on site saw, then tells the workflow
// that asked, and says what became of it: the first answer counts. An error
// means that the answer is not durable. RemoteHands reads the record before it
// asks again, and when it is told: that it could not be told costs at most that wait.
func (g *gateway) questionAnswered(ctx context.Context, n ledger.Notification, answer incident.Answer, via string) (said string, err error) {
	id, ok := incident.QuestionOf(n.Subject, n.Step)
	if !ok {
		return "", nil
	}
	q, first, err := g.deps.Store.AnswerQuestion(ctx, id, incident.Reply{Answer: answer, By: n.Contact, Via: via, At: g.now().UTC()})
	if errors.Is(err, store.ErrNotFound) {
		g.log.Error().Str("notification", n.ID).Msg("an answer came to a question that the store does not hold")
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("record an answer: %w", err)
	}
	mine := first || q.AnsweredBy == n.Contact && q.Answer == answer
	said = message.Heard(string(q.Answer), mine, n.Language)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer cancel()
	workflow := workflows.HandsID(q.Incident, q.Number)
	err = g.deps.Flows.SignalWorkflow(ctx, workflow, "", workflows.SignalAnswered, workflows.Act{By: n.Contact, Via: via})
	var over *serviceerror.NotFound
	if err != nil && !errors.As(err, &over) {
		g.log.Error().Err(err).Str("workflow", workflow).Msg("a question was not told of its answer; it reads the store before it asks again")
	}
	return said, nil
}
