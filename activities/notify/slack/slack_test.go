package slack_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/notifytest"
	"vakhta/activities/notify/slack"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/couriertest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

const (
	token  = "slack-bot-token-of-the-lab"
	secret = "signing-secret-of-the-lab"
	room   = "C0123456789"
)

func page() ledger.Notification {
	return ledger.Notification{
		ID: "n-7", Event: "page", Contact: "ops-room", Channel: inventory.Slack, Language: inventory.English,
		AckCode: "4F7K2M", Body: "SEV2 · incident i-1\nThe PDU is off.", CreatedAt: time.Now(),
	}
}

func open(t *testing.T, url string) notify.Channel {
	t.Helper()
	c, err := slack.New(slack.Config{URL: url, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContract(t *testing.T) {
	notifytest.Contract(t, notifytest.Subject{Open: open, Notification: page(), To: room, Secrets: []string{token}})
}

func TestContractAtSandbox(t *testing.T) {
	couriertest.Contract(t, couriertest.Tenant{
		Provider: sandbox.Slack, Config: sandbox.Config{SlackToken: token}, Notification: page(), To: room, Secrets: []string{token},
		Open: func(t *testing.T, box *sandbox.Sandbox) notify.Channel { return open(t, box.URL(sandbox.Slack)) },
		Dead: &sandbox.Persona{Room: &sandbox.Room{Gone: true}},
	})
}

func says(t *testing.T, status int, body string) (*httptest.Server, *string) {
	t.Helper()
	var sent string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		sent = string(text)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return srv, &sent
}

func TestAnswersAreSorted(t *testing.T) {
	for body, want := range map[string]struct {
		state ledger.State
		class ledger.Class
		code  string
	}{
		`{"ok":true,"channel":"C0123456789","ts":"1503435956.000247"}`: {ledger.Accepted, "", ""},
		`{"ok":false,"error":"channel_not_found"}`:                     {ledger.Refused, ledger.ClassDead, "channel_not_found"},
		`{"ok":false,"error":"invalid_auth"}`:                          {ledger.Refused, ledger.ClassConfig, notify.AccountRefused},
		`{"ok":false,"error":"ratelimited"}`:                           {ledger.Retry, ledger.ClassRetry, "ratelimited"},
		`{"ok":false,"error":"fatal_error"}`:                           {ledger.Unknown, ledger.ClassAmbiguous, "fatal_error"},
		`{"ok":false,"error":"msg_too_long"}`:                          {ledger.Refused, ledger.ClassConfig, "msg_too_long"},
		`<html>`:                                                       {ledger.Unknown, ledger.ClassAmbiguous, ""},
	} {
		srv, _ := says(t, 200, body)
		if o := open(t, srv.URL).Send(t.Context(), page(), room); o.State != want.state || o.Class != want.class || o.Code != want.code {
			t.Errorf("%s came to %+v, want %+v", body, o, want)
		}
	}
}

// TestAClientsWordsCallNobody: a report's text stands in a task, and must not
// wake a workspace or pass for a link.
func TestAClientsWordsCallNobody(t *testing.T) {
	srv, sent := says(t, 200, `{"ok":true,"ts":"1.1"}`)
	n := page()
	n.Body = "Task\n<!channel> see <https://evil.example|our site> & reply, https://noc.example/i?a=1&b=2."
	open(t, srv.URL).Send(t.Context(), n, room)
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(*sent)
	for _, bad := range []string{"<!channel", "|our site>"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q goes out in %s", bad, text)
		}
	}
	for _, good := range []string{"&lt;!channel&gt;", "&amp; reply", "<https://noc.example/i?a=1&amp;b=2>.", `"verbatim":true`, "*Task*"} {
		if !strings.Contains(text, good) {
			t.Errorf("%q is missing in %s", good, text)
		}
	}
}

func TestALookUpFindsWhatWasPostedAndNothingElse(t *testing.T) {
	box, err := sandbox.New(sandbox.Config{SlackToken: token})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	srv := httptest.NewServer(box.Handler())
	defer srv.Close()
	c := open(t, srv.URL)
	o := c.Send(t.Context(), page(), room)
	if id, found, err := c.LookUp(t.Context(), page(), room); err != nil || !found || id != o.ProviderID {
		t.Errorf("found %v as %q, %v; want %q", found, id, err, o.ProviderID)
	}
	other := page()
	other.ID = "n-8"
	if _, found, err := c.LookUp(t.Context(), other, room); found || err != nil {
		t.Errorf("found what was never posted: %v, %v", found, err)
	}
	blind, _ := says(t, 200, `{"ok":false,"error":"missing_scope"}`)
	if _, _, err := open(t, blind.URL).LookUp(t.Context(), page(), room); !errors.Is(err, notify.ErrNoLookUp) {
		t.Errorf("%v, want ErrNoLookUp", err)
	}
}

func signed(secret string, at time.Time, body string) *http.Request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":" + body))
	r := httptest.NewRequest(http.MethodPost, slack.ActionPath, strings.NewReader(body))
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

func TestOnlySlackPresses(t *testing.T) {
	now := time.Date(2026, 3, 5, 3, 0, 0, 0, time.UTC)
	hook, err := slack.NewWebhook(secret, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	body := url.Values{"payload": {`{"type":"block_actions","user":{"id":"U1","name":"anna"},"channel":{"id":"C1"},"message":{"ts":"1.1"},"actions":[{"value":"ack:4F7K2M","action_ts":"2.2"}]}`}}.Encode()
	bare := signed(secret, now, body)
	bare.Header.Del("X-Slack-Signature")
	old := signed(secret, now, body)
	old.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(now.Add(-time.Minute).Unix(), 10))
	for name, c := range map[string]struct {
		r    *http.Request
		body string
		want error
	}{
		"slack":                   {signed(secret, now, body), body, nil},
		"four minutes late":       {signed(secret, now.Add(-4*time.Minute), body), body, nil},
		"replayed after six":      {signed(secret, now.Add(-6*time.Minute), body), body, notify.ErrSignature},
		"from the future":         {signed(secret, now.Add(6*time.Minute), body), body, notify.ErrSignature},
		"another secret":          {signed("x", now, body), body, notify.ErrSignature},
		"another body":            {signed(secret, now, body), body + "x", notify.ErrSignature},
		"the stamp was changed":   {old, body, notify.ErrSignature},
		"unsigned":                {bare, body, notify.ErrSignature},
		"signed, and not a press": {signed(secret, now, "payload=x"), "payload=x", notify.ErrMalformed},
	} {
		press, err := hook.Press(c.r, []byte(c.body))
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == nil && (len(press.Events) != 1 || !press.Events[0].Acknowledged || press.Events[0].AckCode != "4F7K2M" || press.Name != "anna" || press.User != "U1") {
			t.Errorf("%s: %+v", name, press)
		}
	}
}
