package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-telegram/bot"
	"vakhta/internal/lab/sandbox"
)

// control makes a request of the control API and reads its JSON answer.
func (r *rig) control(method, path, body string, into any) int {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+"/_sandbox/"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			r.t.Fatalf("%s %s answered %s: %v", method, path, raw, err)
		}
	}
	return resp.StatusCode
}

func TestControlShowsAndClearsTheInbox(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.mail(newMail("a@example.com", "b@example.com")); err != nil {
		t.Fatal(err)
	}
	between := time.Now()
	for range 2 {
		if _, err := r.sms("+79990000001", "код A1B2C3"); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]int{
		"": 4, "?channel=sms": 2, "?to=b@example.com": 1, "?limit=3": 3, "?after=3": 1,
		"?since=" + url.QueryEscape(between.UTC().Format(time.RFC3339Nano)): 2, "?to=nobody": 0,
	} {
		var items []sandbox.Item
		if status := r.control("GET", "inbox"+query, "", &items); status != http.StatusOK || len(items) != want {
			t.Errorf("inbox%s: %d items (%d), want %d", query, len(items), status, want)
		}
	}
	var counts []sandbox.Count
	r.control("GET", "counts?min=2&key="+url.QueryEscape(`код (\w+)`), "", &counts)
	if len(counts) != 1 || counts[0] != (sandbox.Count{Provider: sandbox.Twilio, Channel: "sms", To: "+79990000001", Key: "A1B2C3", N: 2}) {
		t.Errorf("doubled: %+v", counts)
	}
	r.control("GET", "counts?arg=n", "", &counts)
	if len(counts) != 3 || counts[0].Key != "0" || counts[1].Key != "1" {
		t.Errorf("counts by argument: %+v", counts)
	}
	if status := r.control("GET", "inbox?after=x", "", nil); status != http.StatusBadRequest {
		t.Errorf("after=x: %d, want 400", status)
	}
	if status := r.control("DELETE", "inbox", "", nil); status != http.StatusNoContent || len(r.Inbox(sandbox.Query{})) != 0 {
		t.Errorf("clearing: %d, %d items left", status, len(r.Inbox(sandbox.Query{})))
	}
}

func TestControlSetsPersonasAndFaults(t *testing.T) {
	r := newRig(t, nil)
	if status := r.control("PUT", "personas", `{"+79990000001":{"sms":{"refuse":21610}},"*":{"telegram":{"press":"ack:","after":"5ms"}}}`, nil); status != http.StatusNoContent {
		t.Fatalf("personas: %d", status)
	}
	if _, err := r.sms("+79990000001", "x"); code(err) != 21610 {
		t.Errorf("opted out: %v", err)
	}
	var all map[string]sandbox.Persona
	r.control("GET", "personas", "", &all)
	if all["*"].Telegram.Press != "ack:" || all["*"].Phone == nil {
		t.Errorf("personas are %+v", all)
	}
	for _, bad := range []string{`{"*":{"telegram":{"after":"soon"}}}`, `{"*":{"fax":{}}}`, `[]`} {
		var e struct{ Error string }
		if status := r.control("PUT", "personas", bad, &e); status != http.StatusBadRequest || e.Error == "" {
			t.Errorf("%s: %d %q", bad, status, e.Error)
		}
	}
	var f struct{ ID string }
	if status := r.control("PUT", "faults", `{"provider":"twilio","kind":"rate-limit","count":1,"retryAfter":"2s"}`, &f); status != http.StatusCreated {
		t.Fatalf("fault: %d", status)
	}
	if _, err := r.sms("+79990000002", "x"); code(err) != 20429 {
		t.Errorf("rate limit: %v", err)
	}
	var faults []sandbox.Fault
	r.control("GET", "faults", "", &faults)
	if len(faults) != 1 || faults[0].Hits != 1 || faults[0].ID != f.ID {
		t.Errorf("faults are %+v", faults)
	}
	if status := r.control("DELETE", "faults/"+f.ID, "", nil); status != http.StatusNoContent || len(r.Faults()) != 0 {
		t.Errorf("removing: %d", status)
	}
	if status := r.control("DELETE", "faults/"+f.ID, "", nil); status != http.StatusNotFound {
		t.Errorf("removing twice: %d", status)
	}
	if status := r.control("PUT", "faults", `{"kind":"meltdown"}`, nil); status != http.StatusBadRequest {
		t.Errorf("unknown fault: %d", status)
	}
}

func TestControlLetsPeopleWriteAndPress(t *testing.T) {
	r := newRig(t, nil)
	for path, body := range map[string]string{
		"telegram/messages": `{"chat":1001,"text":"у меня лежит сервер"}`,
		"sms/inbound":       `{"from":"+15550001111","to":"+15005550006","body":"A1B2C3"}`,
	} {
		if status := r.control("POST", path, body, nil); status != http.StatusAccepted {
			t.Errorf("%s: %d", path, status)
		}
	}
	u := r.updates(r.gateway.until(t, "/telegram", atLeast(1)))[0]
	if u.Message.Text != "у меня лежит сервер" || u.Message.Chat.ID != 1001 {
		t.Errorf("update is %+v", u.Message)
	}
	r.gateway.until(t, "/inbound", atLeast(1))
	if status := r.control("POST", "telegram/messages", `{"chat":"acme","text":"x"}`, nil); status != http.StatusBadRequest {
		t.Errorf("a chat that is no id: %d", status)
	}
	if _, err := r.bot().SendMessage(t.Context(), &bot.SendMessageParams{ChatID: 1001, Text: "x", ReplyMarkup: buttons("ack:1")}); err != nil {
		t.Fatal(err)
	}
	it := r.untilItem("has a button", func(it sandbox.Item) bool { return len(it.Buttons) == 1 })
	if status := r.control("POST", "telegram/buttons", `{"id":"`+it.ID+`","data":"ack:1"}`, nil); status != http.StatusAccepted {
		t.Errorf("pressing: %d", status)
	}
	if status := r.control("POST", "telegram/buttons", `{"id":"`+it.ID+`","data":"other"}`, nil); status != http.StatusBadRequest {
		t.Errorf("pressing what isn't there: %d", status)
	}
	r.gateway.until(t, "/telegram", func(l []callback) bool {
		u := r.updates(l)
		return u[len(u)-1].CallbackQuery != nil && u[len(u)-1].CallbackQuery.Data == "ack:1"
	})
}

func TestControlStreamsEvents(t *testing.T) {
	r := newRig(t, nil)
	var wg sync.WaitGroup
	var polled []sandbox.Event
	wg.Go(func() { r.control("GET", "events?after=0&wait=10s", "", &polled) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/_sandbox/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := r.sms("+79990000001", "x"); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if len(polled) == 0 || polled[0].Kind != "new" || polled[0].Item.To != "+79990000001" {
		t.Errorf("polled %+v", polled)
	}
	var states []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan() && !slices.Contains(states, "delivered"); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e sandbox.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		states = append(states, e.Item.Status)
	}
	if !slices.Contains(states, "delivered") {
		t.Errorf("the stream told of %v", states)
	}
}

// submit posts a form as a browser does and follows the redirect.
func (r *rig) submit(path string, form url.Values) error {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := r.http.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (r *rig) page(path string) (string, http.Header) {
	r.t.Helper()
	resp, err := r.get(r.url + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
	}
	return string(body), resp.Header
}

func TestInboxPageShowsEverythingAndTrustsNothing(t *testing.T) {
	r := newRig(t, nil)
	if body, _ := r.page("/"); !strings.Contains(body, "Nobody got anything yet") {
		t.Error("the empty page doesn't say so")
	}
	evil := `<script>alert(1)</script> see https://example.net/i?a=1&b="2".`
	if _, err := r.sms("+79990000001", evil); err != nil {
		t.Fatal(err)
	}
	m := newMail("a@example.com")
	m.Content[1].Value = `<p onclick="x">mail</p>` + evil
	if _, err := r.mail(m); err != nil {
		t.Fatal(err)
	}
	if _, err := r.bot().SendMessage(t.Context(), &bot.SendMessageParams{ChatID: 1001, Text: "chat", ReplyMarkup: buttons("ack:1")}); err != nil {
		t.Fatal(err)
	}
	body, header := r.page("/")
	for _, want := range []string{"79990000001", "a@example.com", "Работы", "Прочитал", `<a href="https://example.net/i?a=1&amp;b=" target="_blank"`, "srcdoc=\"&lt;base target"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "allow-scripts") || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Error("the page lets a message run scripts")
	}
	if body, _ := r.page("/?channel=sms"); strings.Contains(body, "a@example.com") {
		t.Error("the filter by channel shows another channel")
	}
	it := r.untilItem("has a button", func(it sandbox.Item) bool { return len(it.Buttons) == 1 })
	if err := r.submit("/_sandbox/page/press", url.Values{"id": {it.ID}, "data": {"ack:1"}}); err != nil {
		t.Fatal(err)
	}
	if body, _ := r.page("/"); !strings.Contains(body, "✓ Прочитал") {
		t.Error("the pressed button isn't shown as pressed")
	}
}
