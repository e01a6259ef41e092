package sendgrid_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/notifytest"
	"vakhta/activities/notify/sendgrid"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/couriertest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

const (
	key = "SG.secret-of-the-account"
	to  = "irina@acme.example"
)

func notification() ledger.Notification {
	return ledger.Notification{
		ID: "n-42", Subject: "incident/i-1", Event: "incident.update", Contact: "acme-irina",
		Channel: inventory.Email, Language: inventory.Russian, Title: "Работает 6 из 24",
		Body: "Здравствуйте!", HTML: "<p>Здравствуйте!</p>", AckCode: "4F7K2M",
	}
}

func open(t *testing.T, url string) notify.Channel {
	t.Helper()
	c, err := sendgrid.New(sendgrid.Config{URL: url, Key: key, From: "noc@vakhta.example", FromName: "Вахта"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContract(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: open, Notification: notification(), To: to, Secrets: []string{key}})
}

func TestRefusalsAreSorted(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   ledger.Class
	}{
		{"an address that is none", 400, `{"errors":[{"message":"Does not contain a valid address: irina@acme.example","field":"personalizations.0.to.0.email"}]}`, ledger.ClassDead},
		{"our sender", 400, `{"errors":[{"message":"The from address does not match a verified Sender Identity","field":"from"}]}`, ledger.ClassConfig},
		{"the key", 401, `{"errors":[{"message":"The provided authorization grant is invalid","field":null}]}`, ledger.ClassConfig},
		{"too large", 413, ``, ledger.ClassConfig},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer srv.Close()
			o := open(t, srv.URL).Send(t.Context(), notification(), to)
			if o.State != ledger.Refused || o.Class != c.want || o.HTTPStatus != c.status {
				t.Errorf("%+v, want a refusal of class %s", o, c.want)
			}
			if strings.Contains(o.Message, "@") {
				t.Errorf("the message tells an address: %s", o.Message)
			}
		})
	}
}

func TestTheResetOfTheRateLimitIsRead(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Add(42*time.Second).Unix(), 10))
		w.WriteHeader(429)
	}))
	defer srv.Close()
	o := open(t, srv.URL).Send(t.Context(), notification(), to)
	if o.State != ledger.Retry || o.RetryAfter < 40*time.Second || o.RetryAfter > 42*time.Second {
		t.Errorf("%s after %s, want a retry after 42s", o.State, o.RetryAfter)
	}
}

func TestAnAcceptanceCountsEvenIfTheAnswerBreaksOff(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Message-Id", "abc")
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(202)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	o := open(t, srv.URL).Send(t.Context(), notification(), to)
	if o.State != ledger.Accepted || o.ProviderID != "abc" {
		t.Errorf("%+v, want accepted as abc", o)
	}
}

func TestTheMailCarriesWhatThreadsAndWhatProves(t *testing.T) {
	var mu sync.Mutex
	var sent []map[string]any
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m map[string]any
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		mu.Lock()
		sent = append(sent, m)
		mu.Unlock()
		w.WriteHeader(202)
	}))
	defer srv.Close()
	c := open(t, srv.URL)
	first, second := notification(), notification()
	second.ID = "n-43"
	for _, n := range []ledger.Notification{first, first, second} {
		if o := c.Send(t.Context(), n, to); o.State != ledger.Accepted {
			t.Fatalf("%+v", o)
		}
	}
	header := func(i int, name string) any { return sent[i]["headers"].(map[string]any)[name] }
	if header(0, "References") != header(2, "References") {
		t.Error("two mails of one incident don't thread")
	}
	if header(0, "Message-ID") != header(1, "Message-ID") || header(0, "Message-ID") == header(2, "Message-ID") {
		t.Error("a repeat has another Message-ID, or two mails share one")
	}
	arg := sent[0]["personalizations"].([]any)[0].(map[string]any)["custom_args"].(map[string]any)
	if len(arg) != 1 || arg["vakhta_notification"] != "n-42" {
		t.Errorf("custom_args %v", arg)
	}
	click := sent[0]["tracking_settings"].(map[string]any)["click_tracking"].(map[string]any)
	if click["enable"] != false {
		t.Errorf("click tracking is %v", click)
	}
}

func TestSixtyFourAtOnceMixNothingUp(t *testing.T) {
	var mu sync.Mutex
	got := map[string]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Personalizations []struct {
				To   []struct{ Email string }
				Args map[string]string `json:"custom_args"`
			}
			Content []struct{ Value string }
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		mu.Lock()
		got[m.Personalizations[0].Args["vakhta_notification"]] += m.Personalizations[0].To[0].Email + " " + m.Content[0].Value
		mu.Unlock()
		w.WriteHeader(202)
	}))
	defer srv.Close()
	c := open(t, srv.URL)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 10 {
				n := notification()
				n.ID = fmt.Sprintf("n-%d-%d", i, j)
				n.Body = "body of " + n.ID
				c.Send(t.Context(), n, n.ID+"@acme.example")
			}
		})
	}
	wg.Wait()
	if len(got) != 640 {
		t.Errorf("%d mails, want 640", len(got))
	}
	for id, text := range got {
		if want := id + "@acme.example body of " + id; text != want {
			t.Errorf("%s got %q", id, text)
		}
	}
}

func TestTheSandboxTakesTheMailAndItsEventsAreBelieved(t *testing.T) {
	events := make(chan ledger.Event, 16)
	var webhook *sendgrid.Webhook
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told, err := webhook.Events(r, body)
		if err != nil {
			t.Error(err)
		}
		for _, e := range told {
			events <- e
		}
	}))
	defer hook.Close()
	box, err := sandbox.New(sandbox.Config{SendGridKey: key, SendGridEventURL: hook.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if webhook, err = sendgrid.NewWebhook("", box.PublicKey(), nil); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(box.Handler())
	defer srv.Close()

	o := open(t, srv.URL).Send(t.Context(), notification(), to)
	if o.State != ledger.Accepted || o.ProviderID == "" {
		t.Fatalf("%+v", o)
	}
	for {
		select {
		case e := <-events:
			if e.Notification != "n-42" || e.ProviderID != o.ProviderID {
				t.Errorf("event %+v doesn't belong to %s", e, o.ProviderID)
			}
			if e.State == ledger.Delivered {
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no delivery event")
		}
	}
}

func TestContractAtSandbox(t *testing.T) {
	couriertest.Contract(t, couriertest.Tenant{
		Provider: sandbox.SendGrid, Config: sandbox.Config{SendGridKey: key}, Notification: notification(), To: to, Secrets: []string{key},
		Open: func(t *testing.T, box *sandbox.Sandbox) notify.Channel { return open(t, box.URL(sandbox.SendGrid)) },
	})
}
