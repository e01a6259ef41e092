package telegram_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"vakhta/activities/notify"
	"vakhta/activities/notify/notifytest"
	"vakhta/activities/notify/telegram"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/couriertest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

const (
	token  = "7654321:AAabcdefghijklmnopqrstuvwxyz0123456"
	secret = "webhook-secret"
	to     = "424242424"
)

func page() ledger.Notification {
	return ledger.Notification{
		ID: "n-3", Event: "page", Channel: inventory.Telegram, Language: inventory.Russian,
		AckCode: "4F7K2M", Body: "SEV2 · инцидент i-1\nОтказ PDU.",
	}
}

func open(t *testing.T, url string) notify.Channel {
	t.Helper()
	c, err := telegram.New(telegram.Config{URL: url, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContract(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: open, Notification: page(), To: to, Secrets: []string{token}})
}

func TestContractAtSandbox(t *testing.T) {
	couriertest.Contract(t, couriertest.Tenant{
		Provider: sandbox.Telegram, Config: sandbox.Config{TelegramToken: token}, Notification: page(), To: to, Secrets: []string{token},
		Open: func(t *testing.T, box *sandbox.Sandbox) notify.Channel { return open(t, box.URL(sandbox.Telegram)) },
		Dead: &sandbox.Persona{Telegram: &sandbox.Chat{Blocked: true}},
	})
}

func TestRefusalsAreSorted(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       ledger.Class
	}{
		{"blocked", `{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}`, 403, ledger.ClassDead},
		{"unknown chat", `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, 400, ledger.ClassDead},
		{"our text", `{"ok":false,"error_code":400,"description":"Bad Request: message text is empty"}`, 400, ledger.ClassConfig},
		{"a group that moved", `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded","parameters":{"migrate_to_chat_id":-1001}}`, 400, ledger.ClassConfig},
		{"the token", `{"ok":false,"error_code":401,"description":"Unauthorized"}`, 401, ledger.ClassConfig},
		{"the token's form", `{"ok":false,"error_code":404,"description":"Not Found"}`, 404, ledger.ClassConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(answer(c.status, c.body))
			defer srv.Close()
			if o := open(t, srv.URL).Send(t.Context(), page(), to); o.State != ledger.Refused || o.Class != c.want {
				t.Errorf("%+v, want a refusal of class %s", o, c.want)
			}
		})
	}
	if o := open(t, "http://127.0.0.1:1").Send(t.Context(), page(), "@irina"); o.State != ledger.Refused || o.Class != ledger.ClassDead {
		t.Errorf("an address that is no chat id came to %+v", o)
	}
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestAnAnswerThatCannotBeReadIsUnknown(t *testing.T) {
	srv := httptest.NewServer(answer(200, "<html>"))
	defer srv.Close()
	if o := open(t, srv.URL).Send(t.Context(), page(), to); o.State != ledger.Unknown || o.Class != ledger.ClassAmbiguous {
		t.Errorf("%+v, want unknown", o)
	}
}

func TestTheChatIsNotKept(t *testing.T) {
	srv := httptest.NewServer(answer(200, `{"ok":true,"result":{"message_id":17,"date":1,"chat":{"id":424242424,"type":"private"}}}`))
	defer srv.Close()
	if o := open(t, srv.URL).Send(t.Context(), page(), to); o.State != ledger.Accepted || o.ProviderID != "17" {
		t.Errorf("%+v, want accepted as 17", o)
	}
}

func TestThereIsNoLookUp(t *testing.T) {
	if _, _, err := open(t, "http://127.0.0.1:1").LookUp(t.Context(), page(), to); !errors.Is(err, notify.ErrNoLookUp) {
		t.Errorf("%v, want ErrNoLookUp", err)
	}
}

// lab is the sandbox with a gateway that reads its updates.
func lab(t *testing.T) (*sandbox.Sandbox, *telegram.Channel, chan telegram.Update) {
	t.Helper()
	updates := make(chan telegram.Update, 16)
	hook, err := telegram.NewWebhook(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		u, err := hook.Parse(r, body)
		if err != nil {
			t.Error(err)
		}
		updates <- u
	}))
	box, err := sandbox.New(sandbox.Config{TelegramToken: token, TelegramWebhookURL: gateway.URL, TelegramSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(func() {
		srv.Close()
		box.Close()
		gateway.Close()
	})
	c, err := telegram.New(telegram.Config{URL: srv.URL, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return box, c, updates
}

func next(t *testing.T, updates chan telegram.Update) telegram.Update {
	t.Helper()
	select {
	case u := <-updates:
		return u
	case <-time.After(10 * time.Second):
		t.Fatal("no update")
		return telegram.Update{}
	}
}

func TestTheButtonAcknowledges(t *testing.T) {
	box, c, updates := lab(t)
	box.SetPersona(to, sandbox.Persona{Telegram: &sandbox.Chat{Press: "ack:"}})
	if o := c.Send(t.Context(), page(), to); o.State != ledger.Accepted {
		t.Fatalf("%+v", o)
	}
	u := next(t, updates)
	if len(u.Events) != 1 || !u.Events[0].Acknowledged || u.Events[0].AckCode != "4F7K2M" || u.Events[0].Key == "" || u.CallbackQueryID == "" {
		t.Fatalf("%+v", u)
	}
	if err := c.AnswerButton(t.Context(), u.CallbackQueryID, "Принято"); err != nil {
		t.Error(err)
	}
}

func TestAQuestionHasAButtonForEachAnswer(t *testing.T) {
	for _, answer := range []string{"yes", "no", "cant-tell"} {
		t.Run(answer, func(t *testing.T) {
			box, c, updates := lab(t)
			box.SetPersona(to, sandbox.Persona{Telegram: &sandbox.Chat{Press: "answer:" + answer + ":"}})
			n := page()
			n.Event = message.EventQuestion
			if o := c.Send(t.Context(), n, to); o.State != ledger.Accepted {
				t.Fatalf("%+v", o)
			}
			u := next(t, updates)
			if len(u.Events) != 1 || u.Events[0].Answer != answer || !u.Events[0].Acknowledged || u.Events[0].AckCode != n.AckCode {
				t.Fatalf("%+v", u)
			}
			items := box.Inbox(sandbox.Query{})
			if len(items) != 1 || len(items[0].Buttons) != 3 || items[0].Buttons[0].Text != "Да" {
				t.Errorf("%+v, want a message with three buttons", items)
			}
		})
	}
}

func TestWhatNobodyHasToConfirmHasNoButton(t *testing.T) {
	box, c, _ := lab(t)
	n := page()
	n.Event = "page.standdown"
	if o := c.Send(t.Context(), n, to); o.State != ledger.Accepted {
		t.Fatalf("%+v", o)
	}
	items := box.Inbox(sandbox.Query{})
	if len(items) != 1 || len(items[0].Buttons) != 0 {
		t.Errorf("%+v, want one message without a button", items)
	}
}

func TestAClientsWordsComeThrough(t *testing.T) {
	box, _, updates := lab(t)
	if err := box.WriteTelegram(to, "у меня лежит сервер"); err != nil {
		t.Fatal(err)
	}
	u := next(t, updates)
	if u.Message == nil || u.Message.ChatID != to || u.Message.Text != "у меня лежит сервер" || u.Message.UpdateID == 0 || len(u.Events) != 0 {
		t.Errorf("%+v", u)
	}
}

func TestALongTextIsCutToWhatTelegramTakes(t *testing.T) {
	box, c, _ := lab(t)
	n := page()
	n.Body = strings.Repeat("🔥", 3000)
	if o := c.Send(t.Context(), n, to); o.State != ledger.Accepted {
		t.Fatalf("%+v", o)
	}
	text := box.Inbox(sandbox.Query{})[0].Text
	if units := len(utf16.Encode([]rune(text))); units > 4096 || units < 4090 || !strings.HasSuffix(text, "🔥…") {
		t.Errorf("%d units, ending %q", units, text[len(text)-8:])
	}
}

func TestUpdatesAreVerified(t *testing.T) {
	hook, err := telegram.NewWebhook(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, secret, body string
		want               error
	}{
		{"good", secret, `{"update_id":5,"callback_query":{"id":"q","from":{"id":1},"data":"ack:4F7K2M"}}`, nil},
		{"an answer that is none", secret, `{"update_id":5,"callback_query":{"id":"q","from":{"id":1},"data":"answer:maybe:4F7K2M"}}`, nil},
		{"an answer to nothing", secret, `{"update_id":5,"callback_query":{"id":"q","from":{"id":1},"data":"answer:yes:"}}`, nil},
		{"another button", secret, `{"update_id":5,"callback_query":{"id":"q","from":{"id":1},"data":"menu:1"}}`, nil},
		{"a photo", secret, `{"update_id":5,"message":{"message_id":1,"date":1,"chat":{"id":1,"type":"private"}}}`, nil},
		{"a kind of tomorrow", secret, `{"update_id":5,"telepathy":{}}`, nil},
		{"no secret", "", `{"update_id":5}`, notify.ErrSignature},
		{"a wrong secret", secret + "x", `{"update_id":5}`, notify.ErrSignature},
		{"no JSON", secret, `<html>`, notify.ErrMalformed},
		{"no id", secret, `{}`, notify.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/callbacks/telegram", nil)
			r.Header.Set("X-Telegram-Bot-Api-Secret-Token", c.secret)
			u, err := hook.Parse(r, []byte(c.body))
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if got := len(u.Events); got != 0 && c.name != "good" {
				t.Errorf("%d events", got)
			}
		})
	}
}

func TestAChatIsLeftAndJoinedAgain(t *testing.T) {
	hook, err := telegram.NewWebhook(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	member := func(status string) string {
		return `"my_chat_member":{"chat":{"id":1001,"type":"private"},"from":{"id":1001},"date":60,"old_chat_member":{"status":"member","user":{"id":7}},"new_chat_member":{"status":"` + status + `","user":{"id":7}}}`
	}
	says := func(text string) string {
		return `"message":{"message_id":1,"date":60,"chat":{"id":1001,"type":"private"},"text":"` + text + `"}`
	}
	for part, want := range map[string]*telegram.ChatChange{
		member("kicked"): {ChatID: "1001", Left: true, At: time.Unix(60, 0).UTC()},
		member("member"): {ChatID: "1001", At: time.Unix(60, 0).UTC()},
		says("/stop"):    {ChatID: "1001", Left: true, At: time.Unix(60, 0).UTC()},
		says("/start x"): {ChatID: "1001", At: time.Unix(60, 0).UTC()},
		says("stop it"):  nil,
	} {
		r := httptest.NewRequest(http.MethodPost, "/callbacks/telegram", nil)
		r.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
		u, err := hook.Parse(r, []byte(`{"update_id":5,`+part+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if (u.Chat == nil) != (want == nil) || want != nil && *u.Chat != *want || want != nil && u.Message != nil {
			t.Errorf("%s: %+v, want %+v", part, u.Chat, want)
		}
	}
}

func TestAMessageIsSilentWhereItCanWait(t *testing.T) {
	box, c, _ := lab(t)
	for _, silent := range []bool{false, true} {
		n := page()
		n.Silent = silent
		if o := c.Send(t.Context(), n, to); o.State != ledger.Accepted {
			t.Fatalf("%+v", o)
		}
	}
	items := box.Inbox(sandbox.Query{})
	if len(items) != 2 || items[0].Silent || !items[1].Silent {
		t.Errorf("%+v, want the second one silent", items)
	}
}

func FuzzParse(f *testing.F) {
	hook, err := telegram.NewWebhook(secret, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"update_id":5,"callback_query":{"id":"q","from":{"id":1},"data":"ack:4F7K2M"}}`)
	f.Add(`{"update_id":5,"callback_query":{"id":"q","from":{"id":1},"data":"answer:no:4F7K2M"}}`)
	f.Add(`{"update_id":5,"message":{"message_id":1,"date":1,"chat":{"id":1},"text":"x"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
		u, err := hook.Parse(r, []byte(body))
		if err != nil && !errors.Is(err, notify.ErrMalformed) {
			t.Errorf("%v", err)
		}
		for _, e := range u.Events {
			if e.Key == "" || e.AckCode == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}
