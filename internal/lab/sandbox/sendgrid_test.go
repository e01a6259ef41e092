package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"
	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"
	"github.com/sendgrid/sendgrid-go/helpers/mail"
	"vakhta/internal/lab/sandbox"
)

func newMail(to ...string) *mail.SGMailV3 {
	m := mail.NewV3Mail()
	m.SetFrom(mail.NewEmail("Noc", "noc@example.net"))
	m.Subject = "Работы"
	m.AddContent(mail.NewContent("text/plain", "Привет, -name-"), mail.NewContent("text/html", "<p>Привет, -name-</p>"))
	for i, a := range to {
		p := mail.NewPersonalization()
		p.AddTos(mail.NewEmail("", a))
		p.SetCustomArg("n", strconv.Itoa(i))
		p.SetSubstitution("-name-", "№"+strconv.Itoa(i))
		m.AddPersonalizations(p)
	}
	return m
}

func (r *rig) mail(m *mail.SGMailV3) (*rest.Response, error) {
	req := sendgrid.GetRequest(mailKey, "/v3/mail/send", r.url)
	req.Method = rest.Post
	req.Body = mail.GetRequestBody(m)
	return (&rest.Client{HTTPClient: r.http}).SendWithContext(r.t.Context(), req)
}

// events are the verified events that reached the gateway.
func (r *rig) events(list []callback) []map[string]any {
	r.t.Helper()
	key, err := eventwebhook.ConvertPublicKeyBase64ToECDSA(r.PublicKey())
	if err != nil {
		r.t.Fatal(err)
	}
	var all []map[string]any
	for _, c := range list {
		ok, err := eventwebhook.VerifySignature(key, c.body, c.header.Get(eventwebhook.VerificationHTTPHeader), c.header.Get(eventwebhook.TimestampHTTPHeader))
		if err != nil || !ok {
			r.t.Fatalf("the signature of a batch doesn't verify: %v", err)
		}
		var batch []map[string]any
		if err := json.Unmarshal(c.body, &batch); err != nil {
			r.t.Fatal(err)
		}
		all = append(all, batch...)
	}
	return all
}

func named(events []map[string]any, name string) []map[string]any {
	var found []map[string]any
	for _, e := range events {
		if e["event"] == name {
			found = append(found, e)
		}
	}
	return found
}

func TestMailReachesEveryRecipientWithItsEvents(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("b@example.com", sandbox.Persona{Mail: &sandbox.Mailbox{MachineOpen: true}})
	resp, err := r.mail(newMail("a@example.com", "b@example.com"))
	if err != nil || resp.StatusCode != http.StatusAccepted || resp.Body != "" {
		t.Fatalf("got %+v, %v; want 202 and an empty body", resp, err)
	}
	id := resp.Headers["X-Message-Id"][0]
	list := r.gateway.until(t, "/sendgrid", func(l []callback) bool {
		e := r.events(l)
		return len(named(e, "delivered")) == 2 && len(named(e, "open")) == 1
	})
	events := r.events(list)
	if n := len(named(events, "processed")); n != 2 {
		t.Errorf("%d processed events, want 2", n)
	}
	seen := map[string]bool{}
	for _, e := range events {
		if !strings.HasPrefix(e["sg_message_id"].(string), id+".") {
			t.Errorf("sg_message_id %v doesn't begin with the X-Message-Id %s", e["sg_message_id"], id)
		}
		if want := map[string]string{"a@example.com": "0", "b@example.com": "1"}[e["email"].(string)]; e["n"] != want {
			t.Errorf("event of %v carries custom arg %v, want %s", e["email"], e["n"], want)
		}
		if seen[e["sg_event_id"].(string)] {
			t.Errorf("sg_event_id %v came twice", e["sg_event_id"])
		}
		seen[e["sg_event_id"].(string)] = true
	}
	if open := named(events, "open")[0]; open["sg_machine_open"] != true || open["email"] != "b@example.com" {
		t.Errorf("open event is %v, want a machine open of b", open)
	}
	got := r.Inbox(sandbox.Query{To: "B@Example.com"})
	if len(got) != 1 || got[0].Text != "Привет, №1" || got[0].HTML != "<p>Привет, №1</p>" || got[0].Subject != "Работы" || got[0].Args["n"] != "1" {
		t.Errorf("b's inbox is %+v", got)
	}
}

func TestMailThatBreaksAPublishedRuleIsRefused(t *testing.T) {
	r := newRig(t, nil)
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("u%d@example.com", i)
	}
	cases := []struct {
		name, field string
		change      func(*mail.SGMailV3)
	}{
		{"no recipients", "personalizations", func(m *mail.SGMailV3) { m.Personalizations = nil }},
		{"1001 personalizations", "personalizations", func(m *mail.SGMailV3) { m.Personalizations = newMail(many...).Personalizations }},
		{"no to", "personalizations.0.to", func(m *mail.SGMailV3) { m.Personalizations[0].To = nil }},
		{"bad address", "personalizations.0.to.0.email", func(m *mail.SGMailV3) { m.Personalizations[0].To[0].Address = "nobody" }},
		{"an address twice", "personalizations", func(m *mail.SGMailV3) {
			m.Personalizations = newMail("a@example.com", "A@example.com").Personalizations
		}},
		{"no sender", "from.email", func(m *mail.SGMailV3) { m.From = nil }},
		{"no subject", "subject", func(m *mail.SGMailV3) { m.Subject = "" }},
		{"no content", "content", func(m *mail.SGMailV3) { m.Content = nil }},
		{"empty content", "content.0.value", func(m *mail.SGMailV3) { m.Content[0].Value = "" }},
		{"html before plain", "content", func(m *mail.SGMailV3) { m.Content[0], m.Content[1] = m.Content[1], m.Content[0] }},
		{"fat custom args", "personalizations.0.custom_args", func(m *mail.SGMailV3) {
			m.Personalizations[0].SetCustomArg("fat", strings.Repeat("x", 10_000))
		}},
		{"11 categories", "categories", func(m *mail.SGMailV3) { m.Categories = strings.Split("a b c d e f g h i j k", " ") }},
		{"reserved header", "headers", func(m *mail.SGMailV3) { m.SetHeader("Subject", "x") }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMail("a@example.com")
			c.change(m)
			resp, err := r.mail(m)
			if err != nil || resp.StatusCode != http.StatusBadRequest {
				t.Fatalf("got %+v, %v; want 400", resp, err)
			}
			var body struct {
				Errors []struct{ Message, Field string }
			}
			if err := json.Unmarshal([]byte(resp.Body), &body); err != nil || len(body.Errors) != 1 || body.Errors[0].Field != c.field || body.Errors[0].Message == "" {
				t.Errorf("errors are %s, want one for field %s", resp.Body, c.field)
			}
		})
	}
	if got := r.Inbox(sandbox.Query{}); len(got) != 0 {
		t.Errorf("the inbox holds %d items of refused calls", len(got))
	}
}

func TestMailNeedsTheKeyAndAReasonableSize(t *testing.T) {
	r := newRig(t, nil)
	for _, c := range []struct {
		name, key string
		body      []byte
		want      int
	}{
		{"wrong key", "SG.other", mail.GetRequestBody(newMail("a@example.com")), http.StatusUnauthorized},
		{"not JSON", mailKey, []byte("{"), http.StatusBadRequest},
		{"31 MB", mailKey, make([]byte, 31<<20), http.StatusRequestEntityTooLarge},
	} {
		req := sendgrid.GetRequest(c.key, "/v3/mail/send", r.url)
		req.Method, req.Body = rest.Post, c.body
		resp, err := (&rest.Client{HTTPClient: r.http}).Send(req)
		if err != nil || resp.StatusCode != c.want || !strings.Contains(resp.Body, `"errors":[`) {
			t.Errorf("%s: got %+v, %v; want %d with errors", c.name, resp, err, c.want)
		}
	}
}

func TestMailInSandboxModeArrivesNowhere(t *testing.T) {
	r := newRig(t, nil)
	m := newMail("a@example.com")
	m.SetMailSettings(mail.NewMailSettings().SetSandboxMode(mail.NewSetting(true)))
	resp, err := r.mail(m)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %+v, %v; want 200", resp, err)
	}
	if n := len(r.Inbox(sandbox.Query{})); n != 0 {
		t.Errorf("the inbox holds %d items, want none", n)
	}
}

func TestMailToADeadAddressBouncesAndIsDroppedFromThenOn(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("dead@example.com", sandbox.Persona{Mail: &sandbox.Mailbox{Bounce: true}})
	for i, want := range []string{"bounce", "dropped"} {
		if _, err := r.mail(newMail("dead@example.com")); err != nil {
			t.Fatal(err)
		}
		list := r.gateway.until(t, "/sendgrid", func(l []callback) bool { return len(named(r.events(l), want)) == 1 })
		if n := len(named(r.events(list), "delivered")); n != 0 {
			t.Errorf("mail %d to a dead address was delivered", i)
		}
	}
}

func TestEventsOutliveAGatewayThatIsDown(t *testing.T) {
	r := newRig(t, nil)
	// Batches may overtake one another, so each event counts for itself: refused twice, it must come a third time, the same.
	var mu sync.Mutex
	posts, done := map[any]int{}, make(chan struct{})
	r.gateway.answers(func(c callback) (int, string) {
		mu.Lock()
		defer mu.Unlock()
		batch, refuse := r.events([]callback{c}), false
		for _, e := range batch {
			posts[e["sg_event_id"]]++
			refuse = refuse || posts[e["sg_event_id"]] <= 2
		}
		if refuse {
			return http.StatusServiceUnavailable, ""
		}
		for _, e := range batch {
			if e["event"] == "delivered" {
				close(done)
			}
		}
		return http.StatusOK, ""
	})
	if _, err := r.mail(newMail("a@example.com")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the delivery that was refused twice didn't come again")
	}
}

func TestMailFaults(t *testing.T) {
	timeout := 200 * time.Millisecond
	cases := []struct {
		kind     sandbox.FaultKind
		status   int // 0: an error
		recorded int
	}{
		{sandbox.FaultRateLimit, http.StatusTooManyRequests, 0},
		{sandbox.FaultError, http.StatusInternalServerError, 0},
		{sandbox.FaultBadGateway, http.StatusBadGateway, 0},
		{sandbox.FaultUnavailable, http.StatusServiceUnavailable, 0},
		{sandbox.FaultDown, 0, 0},
		{sandbox.FaultHang, 0, 1},
		{sandbox.FaultReset, 0, 1},
		{sandbox.FaultLostError, http.StatusInternalServerError, 1},
	}
	for _, c := range cases {
		t.Run(string(c.kind), func(t *testing.T) {
			r := newRig(t, nil)
			r.http.Timeout = timeout
			r.fault(sandbox.Fault{Provider: sandbox.SendGrid, Kind: c.kind, Count: 1, RetryAfter: sandbox.Duration(3 * time.Second)})
			resp, err := r.mail(newMail("a@example.com"))
			switch {
			case c.status == 0 && err == nil:
				t.Fatalf("got %+v, want an error", resp)
			case c.status != 0 && (err != nil || resp.StatusCode != c.status):
				t.Fatalf("got %+v, %v; want %d", resp, err, c.status)
			}
			if c.kind == sandbox.FaultRateLimit {
				reset, err := strconv.ParseInt(resp.Headers["X-Ratelimit-Reset"][0], 10, 64)
				if wait := time.Until(time.Unix(reset, 0)); err != nil || wait < 2*time.Second || wait > 5*time.Second {
					t.Errorf("the reset is in %v, want about 3s (%v)", wait, err)
				}
			}
			var netErr interface{ Timeout() bool }
			if c.kind == sandbox.FaultHang && (!errors.As(err, &netErr) || !netErr.Timeout()) {
				t.Errorf("got %v, want a time-out", err)
			}
			if n := len(r.Inbox(sandbox.Query{})); n != c.recorded {
				t.Errorf("the inbox holds %d items, want %d", n, c.recorded)
			}
			if resp, err := r.mail(newMail("b@example.com")); err != nil || resp.StatusCode != http.StatusAccepted {
				t.Errorf("after the fault: %+v, %v; want 202", resp, err)
			}
		})
	}
}
