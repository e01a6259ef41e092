package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/described"
	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/sendgrid"
	"vakhta/activities/notify/slack"
	"vakhta/activities/notify/telegram"
	"vakhta/activities/notify/twilio"
	"vakhta/internal/config"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// hooks verify and read the callbacks of the configured providers; nil: not configured.
type hooks struct {
	sendgrid   map[string]*sendgrid.Webhook // by the account's name
	twilio     map[string]*twilio.Webhook
	telegram   *telegram.Webhook
	bot        *telegram.Channel
	slack      *slack.Webhook
	slackBot   *slack.Channel
	mattermost *mattermost.Webhook
	// mattermostToken proves its slash command; empty: none is taken.
	mattermostToken string
	described       map[string]*described.Webhook // by the provider's name
}

func newHooks(cfg config.Config, now func() time.Time) (hooks, error) {
	var h hooks
	var err error
	if err := h.accounts(cfg, now); err != nil {
		return h, err
	}
	if p := cfg.Providers.Telegram; p != nil {
		if h.telegram, err = telegram.NewWebhook(p.WebhookSecret.Reveal(), now); err != nil {
			return h, refused("providers.telegram.webhookSecret: %w", err)
		}
		if h.bot, err = telegram.New(telegram.Config{URL: p.URL, Token: p.Token.Reveal()}); err != nil {
			return h, refused("providers.telegram: %w", err)
		}
	}
	if err := h.rooms(cfg, now); err != nil {
		return h, err
	}
	h.described = map[string]*described.Webhook{}
	for _, p := range cfg.Providers.HTTP {
		w, err := described.NewWebhook(described.Config{Name: p.Name, File: p.Template, Secrets: p.RevealAll()}, now)
		if err != nil {
			return h, refused("providers.http.%s: %w", p.Name, err)
		}
		if w != nil {
			h.described[p.Name] = w
		}
	}
	return h, nil
}

// accounts are the hooks of providers that may have several.
func (h *hooks) accounts(cfg config.Config, now func() time.Time) error {
	h.sendgrid, h.twilio = map[string]*sendgrid.Webhook{}, map[string]*twilio.Webhook{}
	for name, p := range cfg.Providers.SendGrids() {
		if p.WebhookPublicKey == "" {
			continue
		}
		hook, err := sendgrid.NewWebhook(name, p.WebhookPublicKey, now)
		if err != nil {
			return refused("providers: %s.webhookPublicKey: %w", name, err)
		}
		h.sendgrid[name] = hook
	}
	for name, p := range cfg.Providers.Twilios() {
		hook, err := twilio.NewWebhook(name, p.AuthToken.Reveal(), cfg.PublicURL, now)
		if err != nil {
			return refused("providers: %s: %w", name, err)
		}
		h.twilio[name] = hook
	}
	return nil
}

// accountOf is the account that a callback says it comes from; its signature
// proves that.
func accountOf(r *http.Request, first string) string {
	return cmp.Or(r.URL.Query().Get(twilio.AccountKey), first)
}

// callbackFailed answers a callback that could not be verified or read.
func (g *gateway) callbackFailed(w http.ResponseWriter, provider string, err error) {
	g.metrics.callbacks.WithLabelValues(provider, "refused").Inc()
	g.log.Warn().Err(err).Str("provider", provider).Msg("callback refused")
	if errors.Is(err, notify.ErrSignature) {
		writeError(w, http.StatusForbidden, "the callback's signature does not hold")
		return
	}
	writeError(w, http.StatusBadRequest, "the callback is malformed")
}

// notApplied answers a callback that the ledger could not take: come again.
func (g *gateway) notApplied(w http.ResponseWriter, provider string, err error) {
	g.log.Error().Err(err).Str("provider", provider).Msg("callback not applied")
	writeError(w, http.StatusServiceUnavailable, "the callback could not be taken; send it again")
}

func notConfigured(w http.ResponseWriter, provider string) {
	writeError(w, http.StatusNotFound, provider+" is not configured here")
}

func (g *gateway) sendgridCallback(w http.ResponseWriter, r *http.Request, body []byte) {
	account := accountOf(r, sendgrid.Provider)
	hook := g.hooks.sendgrid[account]
	if hook == nil {
		notConfigured(w, "this account of "+sendgrid.Provider) // a stranger may have written the name
		return
	}
	events, err := hook.Events(r, body)
	g.finishCallback(w, r, account, events, err)
}

// describedCallback takes the callback of a provider that a file describes.
func (g *gateway) describedCallback(w http.ResponseWriter, r *http.Request, body []byte) {
	name := r.PathValue("name")
	hook := g.hooks.described[name]
	if hook == nil {
		notConfigured(w, "this provider") // a stranger may have written the name
		return
	}
	events, err := hook.Events(r, body)
	if err != nil || hook.Reply() == "" {
		g.finishCallback(w, r, name, events, err)
		return
	}
	if _, err := g.applyEvents(r.Context(), name, events); err != nil {
		g.notApplied(w, name, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(hook.Reply()))
}

// finishCallback commits what a callback proves, then answers.
func (g *gateway) finishCallback(w http.ResponseWriter, r *http.Request, provider string, events []ledger.Event, err error) {
	if err != nil {
		g.callbackFailed(w, provider, err)
		return
	}
	if _, err := g.applyEvents(r.Context(), provider, events); err != nil {
		g.notApplied(w, provider, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// telegramUpdate takes a pressed button or a client's message. A message is a
// report; its id comes of the update's, so that Telegram's repeats are one.
func (g *gateway) telegramUpdate(w http.ResponseWriter, r *http.Request, body []byte) {
	if g.hooks.telegram == nil {
		notConfigured(w, telegram.Provider)
		return
	}
	update, err := g.hooks.telegram.Parse(r, body)
	if err != nil {
		g.callbackFailed(w, telegram.Provider, err)
		return
	}
	said, err := g.pressedInChat(r.Context(), update)
	if err != nil {
		g.notApplied(w, telegram.Provider, err)
		return
	}
	if c := update.Chat; c != nil {
		if err := g.chatChanged(r.Context(), *c); err != nil {
			g.notApplied(w, telegram.Provider, err)
			return
		}
	}
	if m := update.Message; m != nil {
		if err := g.written(r.Context(), m); err != nil {
			g.notApplied(w, telegram.Provider, err)
			return
		}
	}
	if update.CallbackQueryID != "" {
		g.answerButton(r.Context(), update, said)
	}
	w.WriteHeader(http.StatusNoContent)
}

// written takes what somebody wrote: a command, an answer of somebody on site,
// or else a report.
func (g *gateway) written(ctx context.Context, m *telegram.InboundMessage) error {
	handled, err := g.commanded(ctx, m)
	if err != nil || handled {
		return err
	}
	// What a team says among itself in its room is no client's report.
	if _, room := g.deps.Inventory.RoomAt(inventory.Telegram, m.ChatID); room {
		return nil
	}
	if taken, err := g.answeredInChat(ctx, m); err != nil || taken {
		return err
	}
	report := incident.Report{
		ID: "tg" + strconv.FormatInt(m.UpdateID, 10), Channel: telegram.Provider, From: m.ChatID,
		Text: clip(m.Text, maxReportText), ReceivedAt: g.now().UTC(),
	}
	if c, known := g.deps.Inventory.ContactByAddress(inventory.Telegram, m.ChatID); known {
		report.Client, report.Contact = c.Client, c.ID
	}
	// A second bot, or a new one, counts its updates anew: the report that
	// has this id already is another one, and this one needs its own.
	if err = g.acceptReport(ctx, report); errors.Is(err, errOtherReport) {
		report.ID += derivedID("-", m.ChatID, m.Text, m.At.String())
		err = g.acceptReport(ctx, report)
	}
	return err
}

// commanded does what a colleague commands, and answers him where he wrote. An
// error says that it may come again.
func (g *gateway) commanded(ctx context.Context, m *telegram.InboundMessage) (bool, error) {
	// A second bot, or a new one, counts its updates anew.
	id := strconv.FormatInt(m.UpdateID, 10) + derivedID("-", m.ChatID, m.Text, m.At.String())
	answer, handled, err := g.obey(ctx, said{id: id, channel: inventory.Telegram, chat: m.ChatID, threads: m.Threads(), user: m.UserID, text: m.Text})
	if err != nil || !handled || answer.text == "" {
		return handled, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := g.hooks.bot.Say(ctx, *m, answer.text); err != nil {
		g.log.Warn().Err(err).Msg("a command is not answered")
		return true, nil
	}
	answer.heard(ctx)
	return true, nil
}

// answeredInChat takes what somebody on site wrote for his answer, and thanks him.
func (g *gateway) answeredInChat(ctx context.Context, m *telegram.InboundMessage) (taken bool, err error) {
	contact, known := g.deps.Inventory.ContactByAddress(inventory.Telegram, m.ChatID)
	if !known || m.Group { // a word that falls among many people answers nothing; the buttons do
		return false, nil
	}
	said, taken, err := g.answered(ctx, written{
		provider: telegram.Provider, key: "update/" + strconv.FormatInt(m.UpdateID, 10), contact: contact, channel: inventory.Telegram, text: m.Text,
	})
	if err != nil || !taken {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := g.hooks.bot.Say(ctx, *m, said); err != nil {
		g.log.Warn().Err(err).Msg("an answer in words is not thanked for")
	}
	return true, nil
}

// chatChanged honours that somebody stopped the bot, or started it anew. A
// chat that the inventory doesn't know gets nothing anyway.
func (g *gateway) chatChanged(ctx context.Context, c telegram.ChatChange) error {
	contact, known := g.deps.Inventory.ContactByAddress(inventory.Telegram, c.ChatID)
	if !known {
		return nil
	}
	return g.wants(ctx, contact, inventory.Telegram, telegram.Provider, !c.Left)
}

// wants honours that a contact wants messages by a channel, or no more.
func (g *gateway) wants(ctx context.Context, contact *inventory.Contact, ch inventory.Channel, provider string, more bool) error {
	if more {
		_, err := g.deps.Store.Unbar(ctx, contact.ID, ch)
		return err
	}
	return g.deps.Store.Bar(ctx, ledger.Barred{
		Contact: contact.ID, Channel: ch, Bar: ledger.BarOptedOut, Provider: provider,
		Since: g.now().UTC(), Address: contact.Addresses[ch],
	})
}

// optOutPage is who bars an address on the page for it, in place of a provider.
const optOutPage = "page"

// wantsMails is wants for the recipient of a mail.
func (g *gateway) wantsMails(ctx context.Context, n ledger.Notification, more bool) error {
	contact, known := g.deps.Inventory.Contact(n.Contact)
	if !known || n.Channel != inventory.Email {
		return nil // nobody writes to him any more
	}
	return g.wants(ctx, contact, n.Channel, optOutPage, more)
}

// optedOut reports whether the recipient of a mail wants no more at his present address.
func (g *gateway) optedOut(ctx context.Context, n ledger.Notification) (bool, error) {
	contact, known := g.deps.Inventory.Contact(n.Contact)
	if !known {
		return true, nil
	}
	all, err := g.deps.Store.Barred(ctx, n.Contact)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(all, func(b ledger.Barred) bool {
		return b.Channel == n.Channel && b.Bar == ledger.BarOptedOut && b.Address == contact.Addresses[n.Channel]
	}), nil
}

// answerButton takes the waiting mark off a pressed button. It is a courtesy:
// what it stands for is committed, and its failure is only logged.
func (g *gateway) answerButton(ctx context.Context, update telegram.Update, said string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	text := said
	if text == "" && len(update.Events) > 0 {
		text = "✓"
	}
	if err := g.hooks.bot.AnswerButton(ctx, update.CallbackQueryID, text); err != nil {
		g.log.Warn().Err(fmt.Errorf("answer a button: %w", err)).Msg("button not answered")
	}
}
