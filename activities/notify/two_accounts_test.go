package notify_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"vakhta/activities/notify"
	"vakhta/activities/notify/twilio"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

// callers are a desk whose SMS leave by two accounts at Twilio, each of which
// is a sandbox of its own, and the callbacks that come by each.
type callers struct {
	*desk

	first, second *sandbox.Sandbox
	mu            sync.Mutex
	told          map[string]int // by the account that the ledger is told of
}

func twoAccounts(t *testing.T, rates ...notify.Rate) *callers {
	t.Helper()
	c := &callers{desk: newDesk(t, notify.Options{}), told: map[string]int{}}
	hooks := map[string]*twilio.Webhook{}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		events, err := hooks[r.URL.Query().Get(twilio.AccountKey)].Status(r, body)
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			c.told["refused"]++
			return
		}
		for _, e := range events {
			c.told[e.Provider]++
		}
	}))
	t.Cleanup(gateway.Close)
	var accounts []notify.Provider
	for i, name := range []string{"twilio", "twilio-2"} {
		config := twilio.Config{Account: name, AccountSID: []string{"AC1", "AC2"}[i], AuthToken: []string{"firstsecret", "secondsecret"}[i], From: []string{"+15005550006", "+15005550007"}[i], PublicURL: gateway.URL}
		box, err := sandbox.New(sandbox.Config{TwilioSID: config.AccountSID, TwilioToken: config.AuthToken})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(box.Close)
		if err := box.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		config.URL = box.URL(sandbox.Twilio)
		// No idle connection that a request might catch as the door shuts: it would be unknown, rightly.
		config.Transport = &http.Transport{DisableKeepAlives: true}
		sms, err := twilio.NewSMS(config)
		if err != nil {
			t.Fatal(err)
		}
		key, account := name, name
		if i == 0 {
			c.first, key = box, ""
		} else {
			c.second = box
		}
		if hooks[key], err = twilio.NewWebhook(account, config.AuthToken, gateway.URL, nil); err != nil {
			t.Fatal(err)
		}
		p := notify.Provider{Name: name, Channel: sms}
		if i < len(rates) {
			p.Rate = rates[i]
		}
		accounts = append(accounts, p)
	}
	opts := notify.Options{Breaker: notify.Breaker{Failures: 2, Pause: time.Minute}, Now: c.clock.now}
	c.acts = notify.New(c.store, numbers{}, notify.Routes{inventory.SMS: accounts}, opts)
	c.env = new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	c.env.RegisterActivity(c.acts)
	return c
}

// numbers give everybody one.
type numbers struct{}

func (numbers) Contact(id string) (*inventory.Contact, bool) {
	number := "+7900"
	for _, r := range id {
		number += string('0' + r%10)
	}
	return &inventory.Contact{ID: id, Addresses: map[inventory.Channel]string{inventory.SMS: (number + "0000000")[:12]}}, true
}

func TestASecondAccountOfOneProviderTakesOverAndGivesBack(t *testing.T) {
	c := twoAccounts(t)
	sent := 0
	send := func(by *sandbox.Sandbox, account string) {
		t.Helper()
		before := len(by.Inbox(sandbox.Query{}))
		sent++
		ids := c.queue(nil, names(sent)[sent-1])
		if r := c.send(ids...); r.Accepted != 1 {
			t.Fatalf("message %d: %+v", sent, r)
		}
		if got := len(by.Inbox(sandbox.Query{})); got != before+1 {
			t.Fatalf("message %d did not leave by %s", sent, account)
		}
		if n := c.read(ids[0]); n.Provider != account {
			t.Errorf("the ledger says that message %d left by %s, want %s", sent, n.Provider, account)
		}
	}
	send(c.first, "twilio")
	fault, err := c.first.AddFault(sandbox.Fault{Provider: sandbox.Twilio, Kind: sandbox.FaultRefuse})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		send(c.second, "twilio-2")
	}
	if h := notify.HealthOf(c.acts); len(h) != 2 || h[0].Up || !h[1].Up || h[1].Provider != "twilio-2" {
		t.Errorf("health %+v, want the first account down and the second up", h)
	}
	c.first.RemoveFault(fault)
	c.clock.advance(2 * time.Minute)
	send(c.first, "twilio")
	if total := len(c.first.Inbox(sandbox.Query{})) + len(c.second.Inbox(sandbox.Query{})); total != sent {
		t.Errorf("%d messages of %d arrived", total, sent)
	}

	// Each account's callbacks name it, and are proven by its own token.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		first, second, refused := c.told["twilio"], c.told["twilio-2"], c.told["refused"]
		c.mu.Unlock()
		if refused > 0 {
			t.Fatalf("%d callbacks are not proven by the token of the account that they name", refused)
		}
		if first >= 2 && second >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("callbacks: %d of the first account, %d of the second", first, second)
		}
	}
}

func TestEachAccountHasItsOwnBudget(t *testing.T) {
	c := twoAccounts(t, notify.Rate{PerSecond: 1}, notify.Rate{PerSecond: 1})
	fault, err := c.first.AddFault(sandbox.Fault{Provider: sandbox.Twilio, Kind: sandbox.FaultRefuse})
	if err != nil {
		t.Fatal(err)
	}
	// The first account's token is taken in vain; the second account's is still there.
	if r := c.send(c.queue(nil, "anna")...); r.Accepted != 1 {
		t.Fatalf("%+v", r)
	}
	c.first.RemoveFault(fault)
	for _, account := range []string{"twilio/sms", "twilio-2/sms"} {
		g, err := c.store.Allow(t.Context(), account, ledger.Rate{PerSecond: 1}, 5, false, 0, c.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		if g.N != 0 {
			t.Errorf("%d more may leave by %s in this second, want none: it was used", g.N, account)
		}
	}
}
