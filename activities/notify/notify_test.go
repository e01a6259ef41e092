package notify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
	"go.uber.org/goleak"

	"vakhta/activities/notify"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// directory holds everybody at one address per channel, but for "nobody" and "mute".
type directory struct{}

func (directory) Contact(id string) (*inventory.Contact, bool) {
	addresses := map[inventory.Channel]string{inventory.SMS: "sms:" + id, inventory.Email: "mail:" + id, inventory.Call: "call:" + id}
	switch id {
	case "nobody":
		return nil, false
	case "mute":
		addresses = nil
	}
	return &inventory.Contact{ID: id, Addresses: addresses}, true
}

// provider stands in for the world: it does what it is told per address, and
// counts what reached it.
type provider struct {
	mu      sync.Mutex
	answers map[string]ledger.Outcome // by address; accepted where none is given
	got     map[string][]string       // bodies by address
	pages   []string                  // the HTML of all
	seen    map[string]string         // what a look-up finds, by notification
	lookErr error
	can     notify.Capabilities
	hold    chan struct{} // if set, attempts wait for it to close
	began   chan string   // if set, hears of each attempt
}

func (p *provider) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	if p.began != nil {
		p.began <- to
	}
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return ledger.Outcome{State: ledger.Unknown, Class: ledger.ClassAmbiguous, Wrote: true}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.got == nil {
		p.got = map[string][]string{}
	}
	p.got[to] = append(p.got[to], n.Body)
	p.pages = append(p.pages, n.HTML)
	if o, ok := p.answers[to]; ok {
		return o
	}
	return ledger.Outcome{State: ledger.Accepted, Provider: "twilio", ProviderID: "P-" + n.ID, Wrote: true}
}

func (p *provider) Capabilities() notify.Capabilities { return p.can }

func (p *provider) LookUp(_ context.Context, n ledger.Notification, _ string) (string, bool, error) {
	id, ok := p.seen[n.ID]
	return id, ok, p.lookErr
}

// desk is an activity environment over a real store.
type desk struct {
	t     *testing.T
	store *store.Store
	sms   *provider
	mail  *provider
	acts  *notify.Activities
	env   *testsuite.TestActivityEnvironment
	clock *clock
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newDesk(t *testing.T, opts notify.Options) *desk {
	t.Helper()
	d := &desk{t: t, store: storetest.Open(t), sms: &provider{}, mail: &provider{lookErr: notify.ErrNoLookUp}, clock: &clock{at: time.Date(2026, 3, 14, 3, 0, 0, 0, time.UTC)}}
	if opts.Now == nil {
		opts.Now = d.clock.now
	}
	d.acts = notify.New(d.store, directory{}, notify.Routes{
		inventory.SMS: {{Name: "twilio", Channel: d.sms}}, inventory.Email: {{Name: "sendgrid", Channel: d.mail}},
	}, opts)
	var suite testsuite.WorkflowTestSuite
	d.env = suite.NewTestActivityEnvironment()
	d.env.RegisterActivity(d.acts)
	return d
}

// queue puts one SMS per contact into the ledger.
func (d *desk) queue(change func(*ledger.Notification), contacts ...string) []string {
	d.t.Helper()
	ns := make([]ledger.Notification, len(contacts))
	for i, c := range contacts {
		ns[i] = ledger.Notification{
			Subject: "incident/i-1", Event: "page", Step: "page", Contact: c, Channel: inventory.SMS,
			Language: inventory.Russian, Body: "Код X",
		}
		if change != nil {
			change(&ns[i])
		}
	}
	ids, err := d.store.Enqueue(d.t.Context(), ns, d.clock.now())
	if err != nil {
		d.t.Fatal(err)
	}
	return ids
}

func (d *desk) send(ids ...string) notify.SendBatchResult {
	d.t.Helper()
	value, err := d.env.ExecuteActivity(d.acts.SendBatch, notify.SendBatchParams{IDs: ids})
	if err != nil {
		d.t.Fatal(err)
	}
	var r notify.SendBatchResult
	if err := value.Get(&r); err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *desk) settle(p notify.SettleUnknownParams) notify.SettleUnknownResult {
	d.t.Helper()
	value, err := d.env.ExecuteActivity(d.acts.SettleUnknown, p)
	if err != nil {
		d.t.Fatal(err)
	}
	var r notify.SettleUnknownResult
	if err := value.Get(&r); err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *desk) read(id string) ledger.Notification {
	d.t.Helper()
	n, err := d.store.Notification(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

func TestEachOutcomeIsSettledAndReported(t *testing.T) {
	d := newDesk(t, notify.Options{})
	d.sms.answers = map[string]ledger.Outcome{
		"sms:dead":    {State: ledger.Refused, Class: ledger.ClassDead, Wrote: true, Provider: "twilio"},
		"sms:limited": {State: ledger.Retry, Class: ledger.ClassRetry, RetryAfter: 7 * time.Second, Wrote: true},
		"sms:hung":    {State: ledger.Unknown, Class: ledger.ClassAmbiguous, Wrote: true},
	}
	ids := d.queue(nil, "anna", "boris", "dead", "limited", "hung", "nobody", "mute")
	r := d.send(ids...)
	if r.Accepted != 2 || len(r.Refused) != 3 || len(r.Retry) != 1 || r.Retry[0] != ids[3] || len(r.Unknown) != 1 || r.Unknown[0] != ids[4] {
		t.Errorf("%+v", r)
	}
	if want := d.clock.now().Add(7 * time.Second); !r.NextAt.Equal(want) {
		t.Errorf("next at %s, want %s", r.NextAt, want)
	}
	for id, want := range map[string]ledger.State{ids[0]: ledger.Accepted, ids[2]: ledger.Refused, ids[3]: ledger.Retry, ids[4]: ledger.Unknown, ids[5]: ledger.Refused} {
		if got := d.read(id); got.State != want {
			t.Errorf("%s is %s, want %s", got.Contact, got.State, want)
		}
	}
	for _, id := range ids[5:] {
		if n := d.read(id); n.Class != ledger.ClassDead {
			t.Errorf("%s: class %s, want dead", n.Contact, n.Class)
		}
	}
	if got := d.read(ids[0]).ProviderID; got != "P-"+ids[0] {
		t.Errorf("provider id %q", got)
	}
}

func TestABatchThatIsRunAgainSendsNothingTwice(t *testing.T) {
	d := newDesk(t, notify.Options{})
	var contacts []string
	for i := range 100 {
		contacts = append(contacts, fmt.Sprintf("c%d", i))
	}
	ids := d.queue(nil, contacts...)
	for range 3 {
		if r := d.send(ids...); r.Accepted != 100 || len(r.Open()) != 0 {
			t.Fatalf("%+v", r)
		}
	}
	for _, c := range contacts {
		if n := len(d.sms.got["sms:"+c]); n != 1 {
			t.Errorf("%s got %d messages", c, n)
		}
	}
}

func TestAnIntentWhoseSenderDiedIsUnknownAndNotSent(t *testing.T) {
	d := newDesk(t, notify.Options{Lease: 10 * time.Second})
	ids := d.queue(nil, "anna")
	// Somebody claims it and dies.
	if _, err := d.store.Claim(t.Context(), ids, 10*time.Second, d.clock.now()); err != nil {
		t.Fatal(err)
	}
	if r := d.send(ids...); len(r.Waiting) != 1 || !r.NextAt.Equal(d.clock.now().Add(10*time.Second)) {
		t.Errorf("while the lease lasts: %+v", r)
	}
	d.clock.advance(11 * time.Second)
	if r := d.send(ids...); len(r.Unknown) != 1 {
		t.Errorf("after the lease: %+v", r)
	}
	if len(d.sms.got) != 0 {
		t.Errorf("it was sent: %v", d.sms.got)
	}
}

func TestCancellationLetsWhatIsUnderWayEndAndTouchesNothingElse(t *testing.T) {
	d := newDesk(t, notify.Options{Concurrency: 1})
	d.sms.hold, d.sms.began = make(chan struct{}), make(chan string, 8)
	ids := d.queue(nil, "anna", "boris", "clara")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan notify.SendBatchResult, 1)
	go func() {
		r, err := d.acts.SendBatch(ctx, notify.SendBatchParams{IDs: ids})
		if err != nil {
			t.Error(err)
		}
		result <- r
	}()
	first := <-d.sms.began
	cancel()
	close(d.sms.hold)
	r := <-result
	if r.Accepted != 1 || len(r.Open()) != 2 {
		t.Errorf("%+v", r)
	}
	for _, id := range ids {
		n := d.read(id)
		if sent := "sms:"+n.Contact == first; sent != (n.State == ledger.Accepted) || n.State == ledger.Intent || n.State == ledger.Unknown {
			t.Errorf("%s is %s", n.Contact, n.State)
		}
	}
	d.sms.hold, d.sms.began = nil, nil
	if r := d.send(ids...); r.Accepted != 3 {
		t.Errorf("afterwards: %+v", r)
	}
}

func TestTheRateIsKeptAndNothingIsLostByIt(t *testing.T) {
	d := newDesk(t, notify.Options{
		Rates: map[inventory.Channel]notify.Rate{inventory.SMS: {PerSecond: 50, Burst: 1}}, Now: time.Now,
	})
	var contacts []string
	for i := range 21 {
		contacts = append(contacts, fmt.Sprintf("c%d", i))
	}
	ids := d.queue(nil, contacts...)
	begin := time.Now()
	if r := d.send(ids...); r.Accepted != 21 {
		t.Errorf("%+v", r)
	}
	if took := time.Since(begin); took < 390*time.Millisecond {
		t.Errorf("21 messages at 50/s took %s, at least 400ms", took)
	}
}

func TestWhatOurOwnRatePutsOffIsSentLater(t *testing.T) {
	// The lease has no room to wait for the second token.
	d := newDesk(t, notify.Options{
		Rates: map[inventory.Channel]notify.Rate{inventory.SMS: {PerSecond: 1, Burst: 1}},
		Lease: 3 * time.Second, Concurrency: 4, Now: time.Now,
	})
	ids := d.queue(nil, "anna", "boris")
	deadline := time.Now().Add(20 * time.Second)
	for {
		r := d.send(ids...)
		if r.Accepted == 2 {
			break
		}
		if len(r.Refused)+len(r.Unknown) != 0 || time.Now().After(deadline) {
			t.Fatalf("%+v", r)
		}
	}
	for to, bodies := range d.sms.got {
		if len(bodies) != 1 {
			t.Errorf("%s got %q", to, bodies)
		}
	}
}

func TestOldNewsIsNotSent(t *testing.T) {
	d := newDesk(t, notify.Options{})
	ids := d.queue(func(n *ledger.Notification) { n.Deadline = d.clock.now().Add(time.Minute) }, "anna")
	d.clock.advance(2 * time.Minute)
	if r := d.send(ids...); r.Dropped != 1 || len(d.sms.got) != 0 {
		t.Errorf("%+v, %v", r, d.sms.got)
	}
}

func TestAStoreThatIsUnwellGetsTheOutcomeWhenItIsBack(t *testing.T) {
	d := newDesk(t, notify.Options{})
	flaky := &flaky{Store: d.store, fails: 3}
	acts := notify.New(flaky, directory{}, notify.Routes{inventory.SMS: {{Name: "twilio", Channel: d.sms}}}, notify.Options{Now: d.clock.now})
	ids := d.queue(nil, "anna")
	r, err := acts.SendBatch(t.Context(), notify.SendBatchParams{IDs: ids})
	if err != nil || r.Accepted != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := d.read(ids[0]); n.State != ledger.Accepted || len(d.sms.got["sms:anna"]) != 1 {
		t.Errorf("%s, %v", n.State, d.sms.got)
	}
}

type flaky struct {
	*store.Store
	mu    sync.Mutex
	fails int
}

func (f *flaky) Settle(ctx context.Context, id string, token int64, o ledger.Outcome, now time.Time) error {
	f.mu.Lock()
	f.fails--
	down := f.fails >= 0
	f.mu.Unlock()
	if down {
		return errors.New("database is locked")
	}
	return f.Store.Settle(ctx, id, token, o, now)
}

func TestAChannelThatIsNotConfiguredIsAnOperatorsMatter(t *testing.T) {
	d := newDesk(t, notify.Options{})
	ids := d.queue(func(n *ledger.Notification) { n.Channel = inventory.Call }, "anna")
	if r := d.send(ids...); len(r.Refused) != 1 {
		t.Errorf("%+v", r)
	}
	if n := d.read(ids[0]); n.Class != ledger.ClassConfig {
		t.Errorf("class %s", n.Class)
	}
}

func TestAnEmptyBatchIsRefusedForGood(t *testing.T) {
	d := newDesk(t, notify.Options{})
	_, err := d.env.ExecuteActivity(d.acts.SendBatch, notify.SendBatchParams{})
	if err == nil || !strings.Contains(err.Error(), "ids") || !strings.Contains(err.Error(), "retryable: false") {
		t.Errorf("%v", err)
	}
}
