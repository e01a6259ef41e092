package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
	"vakhta/internal/lab/sandbox"
)

func (r *rig) bot() *bot.Bot {
	r.t.Helper()
	b, err := bot.New(telegramToken, bot.WithServerURL(r.url), bot.WithHTTPClient(time.Second, r.http),
		bot.WithErrorsHandler(func(error) {}), bot.WithDefaultHandler(func(context.Context, *bot.Bot, *models.Update) {}))
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func buttons(data ...string) *models.InlineKeyboardMarkup {
	k := &models.InlineKeyboardMarkup{}
	for _, d := range data {
		k.InlineKeyboard = append(k.InlineKeyboard, []models.InlineKeyboardButton{{Text: "Прочитал", CallbackData: d}})
	}
	return k
}

func (r *rig) updates(list []callback) []models.Update {
	r.t.Helper()
	var all []models.Update
	for _, c := range list {
		if c.header.Get("X-Telegram-Bot-Api-Secret-Token") != hookSecret {
			r.t.Error("an update came without the webhook's secret")
		}
		var u models.Update
		if err := json.Unmarshal(c.body, &u); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}

func TestTelegramMessageIsSeenPressedAnsweredAndEdited(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("1001", sandbox.Persona{Telegram: &sandbox.Chat{Press: "ack:", After: sandbox.Duration(time.Millisecond)}})
	b, ctx := r.bot(), t.Context()
	m, err := b.SendMessage(ctx, &bot.SendMessageParams{
		ChatID: 1001, Text: "<b>Сервер</b> выключен &amp; чинится", ParseMode: models.ParseModeHTML,
		ReplyMarkup: buttons("decline:A1B2C3", "ack:A1B2C3"),
	})
	if err != nil || m.Text != "Сервер выключен & чинится" || m.Chat.ID != 1001 || m.ID == 0 {
		t.Fatalf("got %+v, %v", m, err)
	}
	u := r.updates(r.gateway.until(t, "/telegram", atLeast(1)))[0]
	if u.CallbackQuery == nil || u.CallbackQuery.Data != "ack:A1B2C3" || u.CallbackQuery.From.ID != 1001 || u.CallbackQuery.Message.Message.ID != m.ID {
		t.Fatalf("update is %+v", u)
	}
	answer := &bot.AnswerCallbackQueryParams{CallbackQueryID: u.CallbackQuery.ID, Text: "Спасибо"}
	if ok, err := b.AnswerCallbackQuery(ctx, answer); err != nil || !ok {
		t.Fatal(err)
	}
	if _, err := b.AnswerCallbackQuery(ctx, answer); !errors.Is(err, bot.ErrorBadRequest) {
		t.Errorf("second answer: %v, want a bad request", err)
	}
	edit := &bot.EditMessageTextParams{ChatID: 1001, MessageID: m.ID, Text: "Прочитано"}
	if _, err := b.EditMessageText(ctx, edit); err != nil {
		t.Fatal(err)
	}
	if _, err := b.EditMessageText(ctx, edit); err == nil || !strings.Contains(err.Error(), "message is not modified") {
		t.Errorf("same edit again: %v", err)
	}
	it := r.Inbox(sandbox.Query{To: "1001"})[0]
	if it.Text != "Прочитано" || !it.Edited || len(it.Buttons) != 0 {
		t.Errorf("the inbox says %+v", it)
	}
}

func TestTelegramRefusesWhatTheBotAPIRefuses(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("1002", sandbox.Persona{Telegram: &sandbox.Chat{Blocked: true}})
	r.SetPersona("1003", sandbox.Persona{Telegram: &sandbox.Chat{Unknown: true}})
	b := r.bot()
	cases := []struct {
		name string
		p    bot.SendMessageParams
		err  error
		says string
	}{
		{"blocked", bot.SendMessageParams{ChatID: 1002, Text: "x"}, bot.ErrorForbidden, "bot was blocked by the user"},
		{"unknown", bot.SendMessageParams{ChatID: 1003, Text: "x"}, bot.ErrorBadRequest, "chat not found"},
		{"a name", bot.SendMessageParams{ChatID: "acme", Text: "x"}, bot.ErrorBadRequest, "chat not found"},
		{"empty", bot.SendMessageParams{ChatID: 1, Text: " "}, bot.ErrorBadRequest, "message text is empty"},
		{"4097 characters", bot.SendMessageParams{ChatID: 1, Text: strings.Repeat("я", 4097)}, bot.ErrorBadRequest, "message is too long"},
		{"65 bytes of data", bot.SendMessageParams{ChatID: 1, Text: "x", ReplyMarkup: buttons(strings.Repeat("x", 65))}, bot.ErrorBadRequest, "BUTTON_DATA_INVALID"},
		{"unknown tag", bot.SendMessageParams{ChatID: 1, Text: "<h1>x</h1>", ParseMode: models.ParseModeHTML}, bot.ErrorBadRequest, `Unsupported start tag "h1"`},
		{"unclosed tag", bot.SendMessageParams{ChatID: 1, Text: "<b>x", ParseMode: models.ParseModeHTML}, bot.ErrorBadRequest, "Can't find end tag"},
		{"bare less-than", bot.SendMessageParams{ChatID: 1, Text: "a < b", ParseMode: models.ParseModeHTML}, bot.ErrorBadRequest, "can't parse entities"},
		{"unescaped dot", bot.SendMessageParams{ChatID: 1, Text: "Готово.", ParseMode: models.ParseModeMarkdown}, bot.ErrorBadRequest, "Character '.' is reserved"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := b.SendMessage(t.Context(), &c.p)
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v with %q", err, c.err, c.says)
			}
		})
	}
	if _, err := bot.New("424242:other", bot.WithServerURL(r.url), bot.WithHTTPClient(time.Second, r.http)); !errors.Is(err, bot.ErrorUnauthorized) {
		t.Errorf("wrong token: %v", err)
	}
	if n := len(r.Inbox(sandbox.Query{})); n != 0 {
		t.Errorf("the inbox holds %d items of refused messages", n)
	}
}

func TestTelegramMarkdownIsReadAsTheUserSeesIt(t *testing.T) {
	r := newRig(t, nil)
	m, err := r.bot().SendMessage(t.Context(), &bot.SendMessageParams{
		ChatID: 1, Text: "*Готово*\\. [страница](https://example.net/a.b)\\! `x.y`", ParseMode: models.ParseModeMarkdown,
	})
	if err != nil || m.Text != "Готово. страница! x.y" {
		t.Errorf("got %q, %v", m.Text, err)
	}
}

func TestTelegramLimitsAnswerWithRetryAfter(t *testing.T) {
	r := newRig(t, func(c *sandbox.Config) { c.Limits.TelegramChat = 1 })
	b := r.bot()
	send := func(chat int) error {
		_, err := b.SendMessage(t.Context(), &bot.SendMessageParams{ChatID: chat, Text: "x"})
		return err
	}
	if err := send(1); err != nil {
		t.Fatal(err)
	}
	var limited *bot.TooManyRequestsError
	if err := send(1); !errors.As(err, &limited) || limited.RetryAfter != 1 {
		t.Errorf("second message in a second: %v, want retry_after 1", err)
	}
	if err := send(2); err != nil {
		t.Errorf("another chat: %v", err)
	}
}

func TestTelegramUpdatesOfAChatComeInOrderThroughAnOutage(t *testing.T) {
	r := newRig(t, nil)
	var posts atomic.Int32
	r.gateway.answers(func(callback) (int, string) {
		if posts.Add(1) <= 4 {
			return http.StatusBadGateway, ""
		}
		return http.StatusOK, ""
	})
	for i := range 5 {
		if err := r.WriteTelegram("1001", fmt.Sprint("message ", i)); err != nil {
			t.Fatal(err)
		}
	}
	list := r.updates(r.gateway.until(t, "/telegram", atLeast(9)))
	for i, u := range list[4:] {
		if want := fmt.Sprint("message ", i); u.Message.Text != want || u.Message.From.ID != 1001 {
			t.Errorf("update %d is %q of %d, want %q", i, u.Message.Text, u.Message.From.ID, want)
		}
	}
	for i, u := range list[:4] {
		if u.Message.Text != "message 0" {
			t.Errorf("attempt %d brought %q before message 0 was taken", i, u.Message.Text)
		}
	}
}

func TestTelegramWebhookAndPollingExcludeEachOther(t *testing.T) {
	r := newRig(t, func(c *sandbox.Config) { c.TelegramWebhookURL = "" })
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 10)
	b, err := bot.New(telegramToken, bot.WithServerURL(r.url), bot.WithHTTPClient(2*time.Second, r.http),
		bot.WithDefaultHandler(func(_ context.Context, _ *bot.Bot, u *models.Update) { got <- u.Message.Text }))
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); b.Start(ctx) }()
	if err := r.WriteTelegram("1001", "polled"); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "polled" {
		t.Errorf("polled %q", text)
	}
	cancel()
	<-stopped
	ctx = t.Context()
	if _, err := b.SetWebhook(ctx, &bot.SetWebhookParams{URL: r.gateway.url + "/telegram", SecretToken: "bad secret"}); !errors.Is(err, bot.ErrorBadRequest) {
		t.Errorf("secret with a space: %v", err)
	}
	if _, err := b.SetWebhook(ctx, &bot.SetWebhookParams{URL: r.gateway.url + "/telegram", SecretToken: hookSecret, AllowedUpdates: []string{"message"}}); err != nil {
		t.Fatal(err)
	}
	if info, err := b.GetWebhookInfo(ctx); err != nil || info.URL != r.gateway.url+"/telegram" {
		t.Errorf("webhook is %+v, %v", info, err)
	}
	resp, err := r.get(r.url + "/bot" + telegramToken + "/getUpdates")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusConflict {
		t.Errorf("getUpdates beside a webhook: %d, want 409", resp.StatusCode)
	}
	if err := r.WriteTelegram("1001", "pushed"); err != nil {
		t.Fatal(err)
	}
	r.gateway.until(t, "/telegram", func(l []callback) bool {
		u := r.updates(l)
		return len(u) > 0 && u[len(u)-1].Message.Text == "pushed"
	})
}

func TestTelegramFaults(t *testing.T) {
	r := newRig(t, nil)
	b := r.bot()
	send := func() error {
		_, err := b.SendMessage(t.Context(), &bot.SendMessageParams{ChatID: 1, Text: "x"})
		return err
	}
	r.fault(sandbox.Fault{Provider: sandbox.Telegram, Kind: sandbox.FaultRateLimit, Count: 1, RetryAfter: sandbox.Duration(7 * time.Second)})
	var limited *bot.TooManyRequestsError
	if err := send(); !errors.As(err, &limited) || limited.RetryAfter != 7 {
		t.Errorf("got %v, want retry_after 7", err)
	}
	r.fault(sandbox.Fault{Provider: sandbox.Telegram, Kind: sandbox.FaultError, Count: 1})
	if err := send(); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("got %v, want a 500", err)
	}
	if n := len(r.Inbox(sandbox.Query{})); n != 0 {
		t.Errorf("%d items recorded of refused sends", n)
	}
	r.fault(sandbox.Fault{Provider: sandbox.Telegram, Kind: sandbox.FaultReset, Count: 1})
	if err := send(); err == nil {
		t.Error("the answer came, want a reset")
	}
	if n := len(r.Inbox(sandbox.Query{})); n != 1 {
		t.Errorf("%d items recorded, want the one that was accepted", n)
	}
}

func TestTelegramCallbackFaultRepeatsTheSameUpdate(t *testing.T) {
	r := newRig(t, nil)
	r.fault(sandbox.Fault{Provider: sandbox.Telegram, Kind: sandbox.FaultDuplicate, Count: 1})
	if err := r.WriteTelegram("1001", "hi"); err != nil {
		t.Fatal(err)
	}
	list := r.updates(r.gateway.until(t, "/telegram", atLeast(2)))
	if list[0].ID != list[1].ID {
		t.Errorf("update ids are %d and %d, want the same", list[0].ID, list[1].ID)
	}
}
