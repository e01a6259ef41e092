package twilio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/notifytest"
	"vakhta/activities/notify/twilio"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/couriertest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

// never: nobody has ever written to us.
func never(context.Context, string, inventory.Channel) (time.Time, error) { return time.Time{}, nil }

func justNow(context.Context, string, inventory.Channel) (time.Time, error) {
	return time.Now().Add(-time.Hour), nil
}

func yesterday(context.Context, string, inventory.Channel) (time.Time, error) {
	return time.Now().Add(-24 * time.Hour), nil
}

func openWhatsApp(t *testing.T, url string, templates map[inventory.Language]twilio.Templates, heard func(context.Context, string, inventory.Channel) (time.Time, error)) notify.Channel {
	t.Helper()
	c, err := twilio.NewWhatsApp(config(url), twilio.WhatsAppConfig{From: from, Templates: templates, Heard: heard})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var madeUp = map[inventory.Language]twilio.Templates{inventory.Russian: {Tell: "HX1"}, inventory.English: {Tell: "HX2"}}

// approved has the shipped templates approved by the API, as an operator would.
func approved(t *testing.T, url string) map[inventory.Language]twilio.Templates {
	t.Helper()
	out := map[inventory.Language]twilio.Templates{}
	for _, lang := range []inventory.Language{inventory.Russian, inventory.English} {
		var sids [4]string
		for i, kind := range []string{"tell", "confirm", "page", "question"} {
			text, err := os.ReadFile("../../../deploy/whatsapp/" + kind + "." + string(lang) + ".json")
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/Content", bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth(sid, token)
			req.Close = true // no idle connection that a test of a shut door might catch as it ends
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var made struct{ SID, Message string }
			err = json.NewDecoder(res.Body).Decode(&made)
			_ = res.Body.Close()
			if err != nil || made.SID == "" {
				t.Fatalf("%s in %s isn't taken: %v %s", kind, lang, err, made.Message)
			}
			sids[i] = made.SID
		}
		out[lang] = twilio.Templates{Tell: sids[0], Confirm: sids[1], Page: sids[2], Question: sids[3]}
	}
	return out
}

func whatsApp(event string) ledger.Notification {
	return ledger.Notification{
		ID: "n-5", Event: event, Contact: "ivan", Channel: inventory.WhatsApp, Language: inventory.Russian,
		AckCode: "4F7K2M", Body: "SEV2 · инцидент i-1", CreatedAt: time.Now(),
	}
}

func TestWhatsAppContract(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{
		Open:         func(t *testing.T, url string) notify.Channel { return openWhatsApp(t, url, madeUp, never) },
		Notification: whatsApp("page"), To: to, Secrets: []string{token},
	})
}

func TestWhatsAppContractAtSandbox(t *testing.T) {
	couriertest.Contract(t, couriertest.Tenant{
		Provider: sandbox.Twilio, Config: sandbox.Config{TwilioSID: sid, TwilioToken: token}, Notification: whatsApp("page"), To: to, Secrets: []string{token},
		Open: func(t *testing.T, box *sandbox.Sandbox) notify.Channel {
			return openWhatsApp(t, box.URL(sandbox.Twilio), approved(t, box.URL(sandbox.Twilio)), never)
		},
		Dead: &sandbox.Persona{SMS: &sandbox.SMS{Refuse: 63033}},
	})
}

// phone sends one message and returns how it arrived.
func phone(t *testing.T, n ledger.Notification, heard func(context.Context, string, inventory.Channel) (time.Time, error)) sandbox.Item {
	t.Helper()
	box, err := sandbox.New(sandbox.Config{TwilioSID: sid, TwilioToken: token, Timing: sandbox.Timing{SMSSent: time.Millisecond, SMSDelivered: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	srv := httptest.NewServer(box.Handler())
	t.Cleanup(srv.Close)
	ch := openWhatsApp(t, srv.URL, approved(t, srv.URL), heard)
	if o := ch.Send(t.Context(), n, to); o.State != ledger.Accepted {
		t.Fatalf("%+v, want accepted", o)
	}
	if id, found, err := ch.LookUp(t.Context(), n, to); err != nil || !found || id == "" {
		t.Errorf("looked up: %q, %v, %v", id, found, err)
	}
	id := box.Inbox(sandbox.Query{})[0].ID
	var it sandbox.Item
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		_, more := box.Events(1<<62, 0)
		if it, _ = box.Item(id); it.Status == "delivered" || it.Status == "failed" || it.Status == "undelivered" {
			return it
		}
		select {
		case <-more:
		case <-time.After(time.Second):
		}
	}
	t.Fatalf("%+v doesn't end", it)
	return it
}

func TestEveryEventHasItsButtonsInWhatsApp(t *testing.T) {
	for event, want := range map[string]string{
		"page":                  "ack:4F7K2M decline:4F7K2M",
		"maintenance.announced": "ack:4F7K2M",
		"hands.question":        "answer:yes:4F7K2M answer:no:4F7K2M answer:cant-tell:4F7K2M",
		"report.received":       "",
	} {
		for _, lang := range []inventory.Language{inventory.Russian, inventory.English} {
			n := whatsApp(event)
			n.Language = lang
			it := phone(t, n, never)
			var got []string
			for i, b := range it.Buttons {
				got = append(got, b.Data)
				// What the template's author wrote is what other messengers say.
				if want := notify.Buttons(n)[i]; b.Text != want.Label || b.Data != want.Data {
					t.Errorf("%s in %s: button %q %q, want %+v", event, lang, b.Text, b.Data, want)
				}
			}
			if strings.Join(got, " ") != want || it.Status != "delivered" || it.Channel != sandbox.ChannelWhatsApp {
				t.Errorf("%s in %s: buttons %v, %s by %s", event, lang, got, it.Status, it.Channel)
			}
			if !strings.Contains(it.Text, n.Body) || !strings.Contains(it.Text, n.AckCode) {
				t.Errorf("%s in %s arrives as %q", event, lang, it.Text)
			}
		}
	}
}

func TestWhoWroteTodayIsWrittenToFreely(t *testing.T) {
	n := whatsApp("report.received")
	n.Body = "Ищем причину.\n- srv-1\n- srv-2"
	for name, c := range map[string]struct {
		heard  func(context.Context, string, inventory.Channel) (time.Time, error)
		freely bool
	}{"never": {never, false}, "an hour ago": {justNow, true}, "a day ago": {yesterday, false}} {
		params := sent(t, n, c.heard)
		if freely := params.Get("Body") != ""; freely != c.freely || freely == (params.Get("ContentSid") != "") {
			t.Errorf("who wrote %s is sent %v", name, params)
		}
		if c.freely && !strings.HasPrefix(params.Get("Body"), n.Body) {
			t.Errorf("the text is %q", params.Get("Body"))
		}
	}
}

// TestWhatATemplateMayHold: a variable is one line, not empty, and fits.
func TestWhatATemplateMayHold(t *testing.T) {
	for name, body := range map[string]string{
		"lines": "Не работает:\n- srv-1\n- srv-2\n\nЖдём\tв 10:00", "empty": "", "long": strings.Repeat("Отказ питания. ", 200), "spaces": "a" + strings.Repeat(" ", 30) + "b",
		"emoji at the cut": strings.Repeat("😀", 600),
	} {
		n := whatsApp("maintenance.announced")
		n.Body = body
		if it := phone(t, n, never); it.Status != "delivered" || !strings.Contains(it.Text, n.AckCode) {
			t.Errorf("%s: %s with %d: %q", name, it.Status, it.ErrorCode, it.Text)
		}
		if name == "lines" {
			if it := phone(t, n, never); !strings.Contains(it.Text, "Не работает: • srv-1 • srv-2 · Ждём в 10:00") {
				t.Errorf("lines arrive as %q", it.Text)
			}
		}
	}
}

func TestFreeTextEndsWithItsCodeHoweverLong(t *testing.T) {
	n := whatsApp("report.received")
	n.Body = strings.Repeat("Отказ питания. ", 300)
	body := sent(t, n, justNow).Get("Body")
	if len([]rune(body)) > 1600 || !strings.HasSuffix(body, "Код сообщения: 4F7K2M.") {
		t.Errorf("%d characters, ends with %q", len([]rune(body)), body[len(body)-60:])
	}
}

// sent is the request that a message makes.
func sent(t *testing.T, n ledger.Notification, heard func(context.Context, string, inventory.Channel) (time.Time, error)) (form url.Values) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"sid":"SM1"}`))
	}))
	defer srv.Close()
	if o := openWhatsApp(t, srv.URL, madeUp, heard).Send(t.Context(), n, to); o.State != ledger.Accepted {
		t.Errorf("%+v, want accepted", o)
	}
	if form.Get("To") != "whatsapp:"+to || form.Get("From") != "whatsapp:"+from {
		t.Errorf("from %s to %s", form.Get("From"), form.Get("To"))
	}
	return form
}
