package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/slack"
	"vakhta/activities/notify/telegram"
	"vakhta/internal/config"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
)

// rooms makes the hooks of the teams' rooms.
func (h *hooks) rooms(cfg config.Config, now func() time.Time) (err error) {
	if p := cfg.Providers.Slack; p != nil {
		if h.slack, err = slack.NewWebhook(p.SigningSecret.Reveal(), now); err != nil {
			return refused("providers.slack.signingSecret: %w", err)
		}
		if h.slackBot, err = slack.New(slack.Config{URL: p.URL, Token: p.Token.Reveal()}); err != nil {
			return refused("providers.slack: %w", err)
		}
	}
	if p := cfg.Providers.Mattermost; p != nil {
		account := mattermost.Config{ActionSecret: p.ActionSecret.Reveal(), PublicURL: cfg.PublicURL}
		if h.mattermost, err = mattermost.NewWebhook(account, now); err != nil {
			return refused("providers.mattermost.actionSecret: %w", err)
		}
		if p.CommandToken.Set() {
			h.mattermostToken = p.CommandToken.Reveal()
		}
	}
	return nil
}

// aftermath is what a room is told of a press.
type aftermath struct {
	n       ledger.Notification
	line    string
	buttons bool // somebody else may still press one
}

// pressed commits what somebody did in a room, and says what the room is told
// of it; nil: nothing, no message of ours was meant. name is his at the
// provider; who stands in the inventory by his own address there is known by that.
func (g *gateway) pressed(ctx context.Context, ch inventory.Channel, user, name string, events []ledger.Event) (*aftermath, error) {
	who := cmp.Or(clip(name, maxName), "somebody")
	if contact, known := g.deps.Inventory.ContactByAddress(ch, user); known {
		who = contact.ID
	} else if linked, err := g.deps.Store.AccountOf(ctx, ch, user); err != nil {
		return nil, err
	} else if linked != "" {
		who = linked
	}
	if err := g.deps.Inventory.May(who, inventory.Responder); err != nil {
		return g.turnedAway(ctx, who, err, events)
	}
	for i := range events {
		events[i].By = who
	}
	done, said, err := g.apply(ctx, string(ch), events)
	if err != nil || len(done) == 0 || done[0].Notification.ID == "" {
		return nil, err
	}
	n, err := g.deps.Store.Notification(ctx, done[0].Notification.ID)
	if err != nil {
		return nil, err
	}
	if said != "" {
		return &aftermath{n: n, line: g.personOf(who) + ": " + said}, nil
	}
	before, err := g.holder(ctx, n)
	if err != nil {
		return nil, err
	}
	p := message.Press{Who: g.personOf(who), Declined: events[0].Declined}
	if before != "" && before != who {
		p.Before = g.personOf(before)
	}
	if p.Declined && before != "" { // it is taken: nobody need press any more
		p.Declined = false
	}
	return &aftermath{n: n, line: p.Line(n.Event, n.Language), buttons: before == "" && p.Declined}, nil
}

// turnedAway tells a room that somebody may not press its buttons; others may.
func (g *gateway) turnedAway(ctx context.Context, who string, why error, events []ledger.Event) (*aftermath, error) {
	if len(events) == 0 {
		return nil, nil //nolint:nilnil // no message of ours was meant
	}
	n, err := g.deps.Store.NotificationByCode(ctx, events[0].AckCode)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // no message of ours was meant
	}
	if err != nil {
		return nil, err
	}
	return &aftermath{n: n, line: g.mayNot(who, why, n.Language), buttons: true}, nil
}

func (g *gateway) mayNot(who string, why error, in inventory.Language) string {
	if in == inventory.Russian {
		return g.personOf(who) + ": нет прав работать с инцидентами; их даёт role в описи команд"
	}
	return g.personOf(who) + ": " + why.Error()
}

// pressedInChat commits what somebody pressed in Telegram. Pressing a page in a
// group is his own act, not the group's, and his role is asked; who was paged
// personally may always answer.
func (g *gateway) pressedInChat(ctx context.Context, u telegram.Update) (said string, err error) {
	at := u.Pressed
	if len(u.Events) == 0 || at.ChatID == "" || at.UserID == at.ChatID {
		return g.applyEvents(ctx, telegram.Provider, u.Events)
	}
	n, err := g.deps.Store.NotificationByCode(ctx, u.Events[0].AckCode)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if err == nil && n.Event == "page" {
		who := cmp.Or(clip(at.Name, maxName), "somebody")
		c, known, err := g.colleague(ctx, inventory.Telegram, at.UserID)
		if err != nil {
			return "", err
		}
		if known {
			who = c.ID
		}
		if err := g.deps.Inventory.May(who, inventory.Responder); err != nil {
			return g.mayNot(who, err, n.Language), nil
		}
		for i := range u.Events {
			u.Events[i].By = who
		}
	}
	return g.applyEvents(ctx, telegram.Provider, u.Events)
}

// maxName bounds what a provider says somebody is called.
const maxName = 80

func (g *gateway) personOf(who string) string {
	if name := g.deps.Inventory.Names().Person(who); name != "" {
		return name
	}
	return who
}

// holder is who was the first to acknowledge a message; of a page, any page of
// the same round counts: a colleague may have pressed 1 on the phone.
func (g *gateway) holder(ctx context.Context, n ledger.Notification) (string, error) {
	all := []ledger.Notification{n}
	if n.Event == "page" {
		pages, err := g.deps.Store.Notifications(ctx, store.NotificationFilter{Subject: n.Subject, Team: n.Team, Event: n.Event})
		if err != nil {
			return "", fmt.Errorf("read who has it: %w", err)
		}
		all = pages
	}
	var who string
	var first time.Time
	for _, p := range all {
		if at := p.AcknowledgedAt; p.Revision == n.Revision && !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first, who = at, cmp.Or(p.AcknowledgedBy, p.Contact)
		}
	}
	return who, nil
}

// slackAction takes a pressed button in Slack, and has the message say who has it.
func (g *gateway) slackAction(w http.ResponseWriter, r *http.Request, body []byte) {
	if g.hooks.slack == nil {
		notConfigured(w, slack.Provider)
		return
	}
	press, err := g.hooks.slack.Press(r, body)
	if err != nil {
		g.callbackFailed(w, slack.Provider, err)
		return
	}
	after, err := g.pressed(r.Context(), inventory.Slack, press.User, press.Name, press.Events)
	if err != nil {
		g.notApplied(w, slack.Provider, err)
		return
	}
	if after != nil {
		// A courtesy: what it stands for is committed. Slack waits three seconds.
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := g.hooks.slackBot.Update(ctx, after.n, press.At, after.line, after.buttons); err != nil {
			g.log.Warn().Err(err).Str("notification", after.n.ID).Msg("a message does not say who pressed its button")
		}
	}
	w.WriteHeader(http.StatusOK)
}

// mattermostAction takes a pressed button in Mattermost, and answers with the
// message as it is to be from now on.
func (g *gateway) mattermostAction(w http.ResponseWriter, r *http.Request, body []byte) {
	if g.hooks.mattermost == nil {
		notConfigured(w, mattermost.Provider)
		return
	}
	press, err := g.hooks.mattermost.Press(r, body)
	if err != nil {
		g.callbackFailed(w, mattermost.Provider, err)
		return
	}
	after, err := g.pressed(r.Context(), inventory.Mattermost, press.User, press.Name, press.Events)
	switch {
	case err != nil:
		g.notApplied(w, mattermost.Provider, err)
	case after == nil:
		writeJSON(w, http.StatusOK, map[string]any{})
	default:
		writeJSON(w, http.StatusOK, g.hooks.mattermost.Answer(after.n, after.line, after.buttons))
	}
}
