package described_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vakhta/activities/notify"
	"vakhta/activities/notify/described"
	"vakhta/activities/notify/notifytest"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/couriertest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	to       = "+79161234567"
	password = "secret-of-the-gateway"
)

var (
	secrets = map[string]string{"login": "acc", "password": password}
	account = sandbox.Config{SMSGateLogin: "acc", SMSGatePassword: password}
)

func sms() ledger.Notification {
	return ledger.Notification{
		ID: "n-1", Event: "page", Channel: inventory.SMS, Language: inventory.Russian,
		AckCode: "4F7K2M", Body: "SEV2 отказ PDU: 24 серв., 9 кл. & Код 4F7K2M", CreatedAt: time.Now(),
	}
}

// example is the description in deploy, pointed at url.
func example(t *testing.T, url string) string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/providers/smsgate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return write(t, strings.ReplaceAll(string(text), "https://smsgate.example", url))
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "provider.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newChannel(t *testing.T, cfg described.Config) *described.Channel {
	t.Helper()
	cfg.Name = "smsgate"
	if cfg.Secrets == nil {
		cfg.Secrets = secrets
	}
	if cfg.Transport == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		t.Cleanup(transport.CloseIdleConnections)
		cfg.Transport = transport
	}
	c, err := described.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, url string) notify.Channel {
	t.Helper()
	return newChannel(t, described.Config{File: example(t, url), From: "VAKHTA"})
}

func TestContract(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: open, Notification: sms(), To: to, Secrets: []string{password}})
}

func TestContractAtSandbox(t *testing.T) {
	couriertest.Contract(t, couriertest.Tenant{
		Provider: sandbox.SMSGate, Config: account, Notification: sms(), To: to, Secrets: []string{password},
		Open: func(t *testing.T, box *sandbox.Sandbox) notify.Channel { return open(t, box.URL(sandbox.SMSGate)) },
		Dead: &sandbox.Persona{SMS: &sandbox.SMS{Refuse: 21211}},
	})
}

func gate(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.New(account)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	if err := box.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return box
}

func TestAnIDKeepsItsLastDigitsAndALookUpFindsWhatAnAnswerLost(t *testing.T) {
	box := gate(t)
	c := open(t, box.URL(sandbox.SMSGate))
	if _, found, err := c.LookUp(t.Context(), sms(), to); err != nil || found {
		t.Errorf("found %v, %v before it was sent", found, err)
	}
	o := c.Send(t.Context(), sms(), to)
	got := box.Inbox(sandbox.Query{To: to})
	if len(got) != 1 || o.ProviderID != got[0].ID || got[0].From != "VAKHTA" || got[0].Text != sms().Body {
		t.Fatalf("%+v and %+v", o, got)
	}
	id, found, err := c.LookUp(t.Context(), sms(), to)
	if err != nil || !found || id != o.ProviderID {
		t.Errorf("found %v as %q, %v; want %s", found, id, err, o.ProviderID)
	}
	if _, err := box.AddFault(sandbox.Fault{Provider: sandbox.SMSGate, Op: sandbox.OpLookup, Kind: sandbox.FaultError}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.LookUp(t.Context(), sms(), to); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("a look-up that failed says %v", err)
	}
}

func TestRefusalsAreSortedByTheDescription(t *testing.T) {
	box := gate(t)
	box.SetPersona("+79160000001", sandbox.Persona{SMS: &sandbox.SMS{Refuse: 21610}})
	c := open(t, box.URL(sandbox.SMSGate))
	if o := c.Send(t.Context(), sms(), "+79160000001"); o.State != ledger.Refused || o.Class != ledger.ClassDead || !o.OptedOut || o.Code != "8" || strings.Contains(o.Message, "7916") {
		t.Errorf("who wants none: %+v", o)
	}
	stranger := newChannel(t, described.Config{File: example(t, box.URL(sandbox.SMSGate)), Secrets: map[string]string{"login": "acc", "password": "wrong"}})
	if o := stranger.Send(t.Context(), sms(), to); o.State != ledger.Refused || o.Class != ledger.ClassConfig || o.Code != notify.AccountRefused {
		t.Errorf("a wrong password: %+v", o)
	}
	if _, err := box.AddFault(sandbox.Fault{Kind: sandbox.FaultRateLimit}); err != nil {
		t.Fatal(err)
	}
	if o := c.Send(t.Context(), sms(), to); o.State != ledger.Retry || o.RetryAfter != 5*time.Second || !o.Wrote {
		t.Errorf("too often: %+v", o)
	}
}

func TestWhatNoRuleKnowsIsNoGuess(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   ledger.State
	}{
		{200, `{"status":"maybe"}`, ledger.Unknown},
		{200, `<html>`, ledger.Unknown},
		{200, ``, ledger.Unknown},
		{403, `<html>`, ledger.Refused},
		{500, `{"status":"x"}`, ledger.Unknown},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		if o := open(t, srv.URL).Send(t.Context(), sms(), to); o.State != c.want {
			t.Errorf("%d %s: %+v, want %s", c.status, c.body, o, c.want)
		}
		srv.Close()
	}
}

func TestAnAnswerThatBreaksOffIsUnknown(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"status":"ok","id":`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	if o := open(t, srv.URL).Send(t.Context(), sms(), to); o.State != ledger.Unknown {
		t.Errorf("%+v", o)
	}
}

// The transport repeats a GET, and whatever has an idempotency key, by itself
// when a kept connection breaks: that would be a second message.
func TestNothingIsRepeatedBehindOurBack(t *testing.T) {
	for name, request := range map[string]string{
		"GET":             "{method: GET, url: 'URL/send', query: {text: '{{.Text}}'}}",
		"idempotency key": "{method: POST, url: 'URL/send', headers: {Idempotency-Key: '{{.ID}}'}, form: {text: '{{.Text}}'}}",
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int32
			url := serve(t, func(c net.Conn, _ *http.Request, nth int) bool {
				seen.Add(1)
				if nth > 0 {
					return false
				}
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				return err == nil
			})
			c := newChannel(t, described.Config{File: write(t, "request: "+strings.ReplaceAll(request, "URL", url)+"\nanswer: {outcomes: [{when: body == 'ok', is: accepted}]}\n")})
			if o := c.Send(t.Context(), sms(), to); o.State != ledger.Accepted {
				t.Fatalf("%+v", o)
			}
			o := c.Send(t.Context(), sms(), to)
			if o.State != ledger.Unknown || seen.Load() != 2 {
				t.Errorf("%+v after %d requests, want unknown after 2", o, seen.Load())
			}
		})
	}
}

// serve answers the requests of each connection until handle says that it ends.
func serve(t *testing.T, handle func(c net.Conn, r *http.Request, nth int) bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			reader := bufio.NewReader(c)
			for nth := 0; ; nth++ {
				r, err := http.ReadRequest(reader)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, r.Body)
				if !handle(c, r, nth) {
					break
				}
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return "http://" + l.Addr().String()
}

func TestARequestIsWrittenAsDescribed(t *testing.T) {
	var got *http.Request
	var body string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, body = r, string(raw)
		_, _ = io.WriteString(w, "OK 17")
	}))
	defer srv.Close()
	c := newChannel(t, described.Config{From: "a&b", File: write(t, `
request:
  url: "`+srv.URL+`/v1/{{secret \"login\" | urlquery}}/send"
  query: {from: "{{.From}}", empty: "{{.Callback}}"}
  headers: {X-Key: '{{secret "password"}}'}
  basic: {user: u, password: '{{secret "password"}}'}
  json:
    messages:
      - {to: "{{.To}}", text: '{{.Text}} "quoted"', priority: 1, flash: false}
answer:
  id: find(body, r'OK (\d+)')
  outcomes: [{when: "body.startsWith('OK')", is: accepted}]
`)})
	o := c.Send(t.Context(), sms(), to)
	if o.State != ledger.Accepted || o.ProviderID != "17" {
		t.Fatalf("%+v", o)
	}
	if got.URL.String() != "/v1/acc/send?from=a%26b" || got.Header.Get("X-Key") != password || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", got.URL, got.Header)
	}
	if user, pass, _ := got.BasicAuth(); user != "u" || pass != password {
		t.Errorf("logged in as %s", user)
	}
	if want := `{"messages":[{"flash":false,"priority":1,"text":"SEV2 отказ PDU: 24 серв., 9 кл. \u0026 Код 4F7K2M \"quoted\"","to":"+79161234567"}]}`; body != want {
		t.Errorf("%s\nwant %s", body, want)
	}
	if c.Capabilities() != (notify.Capabilities{}) {
		t.Errorf("%+v of a gateway without look-up and callbacks", c.Capabilities())
	}
	if _, _, err := c.LookUp(context.Background(), sms(), to); err != notify.ErrNoLookUp { //nolint:errorlint // it is that one
		t.Errorf("%v", err)
	}
}

func TestMistakesAreNamedByLineAndField(t *testing.T) {
	const good = "request: {url: 'https://x.example/', form: {a: b}}\nanswer:\n  outcomes:\n    - {when: status == 200, is: accepted}\n"
	for _, c := range []struct{ name, text, says string }{
		{"unknown key", good + "anwser: {}\n", "line 5: field anwser not found"},
		{"no YAML", "request: [", "line 1"},
		{"nothing", "{}", "request.url: missing"},
		{"no outcome", "request: {url: 'https://x.example/'}\n", "answer.outcomes: missing"},
		{"bad method", strings.Replace(good, "{url", "{method: SEND, url", 1), "line 1: request.method: \"SEND\" is none of"},
		{"two bodies", strings.Replace(good, "form:", "body: x, form:", 1), "line 1: request."},
		{"a host of fields", strings.Replace(good, "x.example/", "{{.To}}/", 1), "line 1: request.url: begin with https://host/"},
		{"no scheme", strings.Replace(good, "https:", "", 1), "line 1: request.url: begin with https://host/"},
		{"unknown field", strings.Replace(good, "a: b", "a: '{{.Phone}}'", 1), "line 1: request.form.a: "},
		{"unknown secret", strings.Replace(good, "a: b", "a: '{{secret \"nope\"}}'", 1), `request.form.a: `},
		{"template", strings.Replace(good, "a: b", "a: '{{.To'", 1), "line 1: request.form.a: "},
		{"expression", strings.Replace(good, "status == 200", "status ==", 1), "line 4: answer.outcomes[0].when: "},
		{"unknown name", strings.Replace(good, "status == 200", "code == 200", 1), "line 4: answer.outcomes[0].when: undeclared reference to 'code'"},
		{"no condition", strings.Replace(good, "status == 200", "status", 1), "line 4: answer.outcomes[0].when: is a int"},
		{"outcome", strings.Replace(good, "is: accepted", "is: fine", 1), "line 4: answer.outcomes[0].is: \"fine\" is none of"},
		{"class of no refusal", strings.Replace(good, "is: accepted", "is: accepted, class: dead", 1), "line 4: answer.outcomes[0].class: "},
		{"class", strings.Replace(good, "is: accepted", "is: refused, class: bad", 1), "line 4: answer.outcomes[0].class: \"bad\""},
		{"after", strings.Replace(good, "is: accepted", "is: retry, after: soon", 1), "line 4: answer.outcomes[0].after: "},
		{"half a look-up", good + "lookUp: {request: {url: 'https://x.example/'}, found: status == 200}\n", "lookUp.missing: missing"},
		{"callback of anybody", good + "callback: {id: form.id}\n", "callback: one of token and hmac"},
		{"callback's secret", good + "callback: {id: form.id, token: {query: k, secret: nope}}\n", "line 5: callback.token.secret: the configuration has no secret \"nope\""},
		{"callback's state", good + "callback: {id: form.id, token: {query: k, secret: login}, states: [{when: 'true', is: retry}]}\n", "line 5: callback.states[0].is: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := described.New(described.Config{Name: "x", File: path, Secrets: secrets})
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), password) {
				t.Errorf("error %v does not say %q", err, c.says)
			}
		})
	}
}
