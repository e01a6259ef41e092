// Package telegram sends messages through the Telegram Bot API and reads its
// webhook. Telegram has no receipts and no look-up: the button below a message
// is the only proof that somebody saw it.
package telegram

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"

	"vakhta/activities/notify"
	"vakhta/internal/incident"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// Provider is the name of this provider in the ledger.
const Provider = "telegram"

// ackPrefix begins the data of the acknowledgement button, answerPrefix that of
// the buttons that answer a question: "answer:yes:CODE".
const (
	ackPrefix    = "ack:"
	answerPrefix = "answer:"
)

// maxText is how long a message may be, in UTF-16 units.
const maxText = 4096

// Config is the bot.
type Config struct {
	URL       string // origin of the API; empty: https://api.telegram.org
	Token     string
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// Channel sends messages. It is safe for concurrent use.
type Channel struct{ cfg Config }

var _ notify.Channel = (*Channel)(nil)

// New checks the bot's settings.
func New(cfg Config) (*Channel, error) {
	if strings.TrimSpace(cfg.Token) == "" {
		return nil, errors.New("telegram: the bot token is empty; configure one")
	}
	if cfg.URL == "" {
		cfg.URL = "https://api.telegram.org"
	}
	if u, err := url.Parse(cfg.URL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("telegram: API URL %q has no host; write https://…", cfg.URL)
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	return &Channel{cfg: cfg}, nil
}

// open returns the bot for one request, and the exchange that watches it.
func (c *Channel) open(ctx context.Context) (*bot.Bot, *notify.Exchange, error) {
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	b, err := bot.New(c.cfg.Token,
		bot.WithSkipGetMe(),
		bot.WithServerURL(c.cfg.URL),
		bot.WithHTTPClient(time.Minute, x.Client()),
		bot.WithUpdatesChannelCap(1),
		bot.WithErrorsHandler(func(error) {}), // of its own pipes; the call's error says it all
	)
	return b, x, err
}

// Send implements [notify.Channel].
func (c *Channel) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	chat, err := strconv.ParseInt(strings.TrimSpace(to), 10, 64)
	if err != nil {
		return ledger.Outcome{
			State: ledger.Refused, Class: ledger.ClassDead, Provider: Provider,
			Message: "the contact's telegram address is no chat id",
		}
	}
	b, x, err := c.open(ctx)
	if err != nil {
		return ledger.Outcome{State: ledger.Refused, Class: ledger.ClassConfig, Provider: Provider, Message: notify.Scrub(err.Error(), c.cfg.Token, to)}
	}
	if do := topicOf(n); do != nil {
		return c.topic(ctx, b, x, do, n, chat, to)
	}
	disabled := true
	params := &bot.SendMessageParams{
		ChatID: chat, Text: cut(n.Body),
		LinkPreviewOptions:  &models.LinkPreviewOptions{IsDisabled: &disabled},
		DisableNotification: n.Silent,
	}
	into(params, n.Thread)
	if keyboard := buttons(n); keyboard != nil {
		params.ReplyMarkup = keyboard
	}
	sent, err := b.SendMessage(ctx, params)
	return c.outcome(x, sent, err, to)
}

// Capabilities implements [notify.Channel].
func (*Channel) Capabilities() notify.Capabilities {
	return notify.Capabilities{Acknowledge: true}
}

// LookUp implements [notify.Channel]: a bot can't read what it has sent.
func (c *Channel) LookUp(context.Context, ledger.Notification, string) (string, bool, error) {
	return "", false, notify.ErrNoLookUp
}

// AnswerButton tells who pressed a button what came of it; Telegram shows the
// button as busy until then.
func (c *Channel) AnswerButton(ctx context.Context, callbackQueryID, text string) error {
	b, _, err := c.open(ctx)
	if err != nil {
		return errors.New("answer a telegram button: " + notify.Scrub(err.Error(), c.cfg.Token))
	}
	params := &bot.AnswerCallbackQueryParams{CallbackQueryID: callbackQueryID, Text: text}
	if _, err := b.AnswerCallbackQuery(ctx, params); err != nil {
		return errors.New("answer a telegram button: " + notify.Scrub(err.Error(), c.cfg.Token))
	}
	return nil
}

// Say answers what somebody wrote, in the chat and the topic where he did.
func (c *Channel) Say(ctx context.Context, to InboundMessage, text string) error {
	b, _, err := c.open(ctx)
	if err == nil {
		params := &bot.SendMessageParams{ChatID: to.ChatID, Text: cut(text), MessageThreadID: to.Topic}
		if to.Group && to.MessageID != 0 {
			params.ReplyParameters = &models.ReplyParameters{MessageID: to.MessageID, AllowSendingWithoutReply: true}
		}
		_, err = b.SendMessage(ctx, params)
	}
	if err != nil {
		return errors.New("answer a telegram message: " + notify.Scrub(err.Error(), c.cfg.Token))
	}
	return nil
}

// buttons is the keyboard below a message that wants an acknowledgement.
func buttons(n ledger.Notification) *models.InlineKeyboardMarkup {
	if n.AckCode == "" || !message.WantsAck(n.Event) {
		return nil
	}
	if message.TakesAnswer(n.Event) {
		return answers(n)
	}
	return &models.InlineKeyboardMarkup{InlineKeyboard: [][]models.InlineKeyboardButton{{
		{Text: notify.AckLabel(n.Event, n.Language), CallbackData: ackPrefix + n.AckCode},
	}}}
}

// answers are the buttons below a question.
func answers(n ledger.Notification) *models.InlineKeyboardMarkup {
	row := make([]models.InlineKeyboardButton, 0, len(incident.Answers))
	for _, a := range incident.Answers {
		text := message.AnswerWord(string(a), n.Language)
		row = append(row, models.InlineKeyboardButton{Text: message.Capital(text), CallbackData: answerPrefix + string(a) + ":" + n.AckCode})
	}
	return &models.InlineKeyboardMarkup{InlineKeyboard: [][]models.InlineKeyboardButton{row}}
}

// outcome reads what a request came to. The id alone is kept: the chat is the
// contact's address.
func (c *Channel) outcome(x *notify.Exchange, sent *models.Message, err error, to string) ledger.Outcome {
	o := ledger.Outcome{Provider: Provider, HTTPStatus: x.Status(), Wrote: x.Wrote()}
	if err == nil && sent != nil {
		o.State, o.ProviderID = ledger.Accepted, strconv.Itoa(sent.ID)
		return o
	}
	var limited *bot.TooManyRequestsError
	if errors.As(err, &limited) {
		o.State, o.Class = ledger.Retry, ledger.ClassRetry
		o.RetryAfter = time.Duration(max(limited.RetryAfter, 1)) * time.Second
		o.Code, o.Message = "429", "the provider's rate limit is reached"
		return o
	}
	if verdict, decided := x.Verdict(Provider, err, c.cfg.Token, to); decided {
		return verdict
	}
	if o.HTTPStatus >= 200 && o.HTTPStatus < 300 {
		// It answered well, and the answer can't be read: nobody knows.
		o.State, o.Class, o.Message = ledger.Unknown, ledger.ClassAmbiguous, "the provider's answer could not be read"
		return o
	}
	o.State, o.Class = ledger.Refused, refusalClass(err)
	o.OptedOut = o.Class == ledger.ClassDead && strings.Contains(strings.ToLower(err.Error()), "blocked by the user")
	o.Code = strconv.Itoa(o.HTTPStatus)
	if err != nil {
		o.Message = notify.Scrub(err.Error(), c.cfg.Token, to)
	}
	return o
}

// refusalClass tells a chat that is closed to us from a mistake of ours.
func refusalClass(err error) ledger.Class {
	if err == nil {
		return ledger.ClassConfig
	}
	text := strings.ToLower(err.Error())
	switch {
	case errors.Is(err, bot.ErrorForbidden):
		return ledger.ClassDead // blocked, kicked, or the user is gone
	case errors.Is(err, bot.ErrorBadRequest):
		for _, dead := range []string{"chat not found", "user not found", "user_id_invalid", "peer_id_invalid", "deactivated"} {
			if strings.Contains(text, dead) {
				return ledger.ClassDead
			}
		}
	}
	return ledger.ClassConfig
}

// cut keeps a text within what Telegram takes, at a whole character.
func cut(text string) string {
	if len(utf16.Encode([]rune(text))) <= maxText {
		return text
	}
	units := 0
	for i, r := range text {
		units += utf16.RuneLen(r)
		if units > maxText-1 {
			return text[:i] + "…"
		}
	}
	return text
}
