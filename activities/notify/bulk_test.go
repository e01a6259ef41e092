package notify_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// crowd is a provider that takes many in one request.
type crowd struct {
	provider

	mu       sync.Mutex
	requests [][]string // addresses
	whole    *ledger.Outcome
	slow     func() // if set, each request takes so long, and there are several
}

func (c *crowd) Most() int { return 10 }

func (c *crowd) Bundle(messages []notify.Addressed) [][]notify.Addressed {
	if c.slow == nil {
		return [][]notify.Addressed{messages}
	}
	return slices.Collect(slices.Chunk(messages, 2))
}

func (c *crowd) SendMany(ctx context.Context, bundle []notify.Addressed) []ledger.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slow != nil {
		c.slow()
	}
	var to []string
	out := make([]ledger.Outcome, len(bundle))
	for i, m := range bundle {
		to = append(to, m.To)
		if out[i] = c.Send(ctx, m.Notification, m.To); c.whole != nil {
			out[i] = *c.whole
		}
	}
	c.requests = append(c.requests, to)
	return out
}

// broadcast puts a mail to each contact into the ledger and returns its parts.
func (d *desk) broadcast(ch inventory.Channel, contacts ...string) []ledger.Part {
	d.t.Helper()
	d.queue(func(n *ledger.Notification) { n.Channel, n.Subject, n.Step = ch, "incident/i-2", "update" }, contacts...)
	parts, err := d.store.Parts(d.t.Context(), "incident/i-2", "update", 0, 0, 25)
	if err != nil {
		d.t.Fatal(err)
	}
	return parts
}

func (d *desk) sendPart(acts *notify.Activities, p ledger.Part) notify.SendBatchResult {
	d.t.Helper()
	r, err := acts.SendBatch(d.t.Context(), notify.SendBatchParams{Part: &p})
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func TestAPartOfABroadcastLeavesInAFewRequests(t *testing.T) {
	d := newDesk(t, notify.Options{})
	mail := &crowd{}
	mail.answers = map[string]ledger.Outcome{"mail:" + names(4)[3]: {State: ledger.Refused, Class: ledger.ClassDead}}
	acts := notify.New(d.store, directory{}, notify.Routes{inventory.Email: {{Name: "sendgrid", Channel: mail}}}, notify.Options{Now: d.clock.now})
	parts := d.broadcast(inventory.Email, append(names(23), "mute", "nobody")...)
	if len(parts) != 1 {
		t.Fatalf("%+v", parts)
	}
	r := d.sendPart(acts, parts[0])
	if r.Accepted != 22 || len(r.Refused) != 3 || len(mail.requests) != 3 {
		t.Errorf("%+v in %d requests", r, len(mail.requests))
	}
	if r := d.sendPart(acts, parts[0]); r.Accepted != 22 || len(r.Refused) != 3 || len(mail.requests) != 3 {
		t.Errorf("again: %+v in %d requests", r, len(mail.requests))
	}
	for to, bodies := range mail.got {
		if len(bodies) != 1 {
			t.Errorf("%s got %d", to, len(bodies))
		}
	}
}

func TestALostAnswerLeavesAWholeRequestUnknownAndNothingIsSentAgain(t *testing.T) {
	d := newDesk(t, notify.Options{})
	mail := &crowd{whole: &ledger.Outcome{State: ledger.Unknown, Class: ledger.ClassAmbiguous, Wrote: true}}
	acts := notify.New(d.store, directory{}, notify.Routes{inventory.Email: {{Name: "sendgrid", Channel: mail}}}, notify.Options{Now: d.clock.now})
	part := d.broadcast(inventory.Email, names(8)...)[0]
	for range 2 {
		if r := d.sendPart(acts, part); len(r.Unknown) != 8 || len(mail.got) != 8 {
			t.Errorf("%+v", r)
		}
	}
	for to, bodies := range mail.got {
		if len(bodies) != 1 {
			t.Errorf("%s got %d", to, len(bodies))
		}
	}
}

func TestNoRequestBeginsThatItsLeaseCannotSee(t *testing.T) {
	d := newDesk(t, notify.Options{})
	mail := &crowd{slow: func() { d.clock.advance(15 * time.Second) }}
	acts := notify.New(d.store, directory{}, notify.Routes{inventory.Email: {{Name: "sendgrid", Channel: mail}}}, notify.Options{Now: d.clock.now, Lease: time.Minute})
	part := d.broadcast(inventory.Email, names(8)...)[0]
	if r := d.sendPart(acts, part); r.Accepted != 4 || len(r.Retry) != 4 || len(mail.requests) != 2 {
		t.Errorf("%+v in %d requests; a third one would end after its lease", r, len(mail.requests))
	}
	if r := d.sendPart(acts, part); r.Accepted != 8 || len(mail.got) != 8 || len(mail.requests) != 4 {
		t.Errorf("afterwards: %+v in %d requests", r, len(mail.requests))
	}
}

func TestTwoMessagesToOneAddressDontShareARequest(t *testing.T) {
	d := newDesk(t, notify.Options{})
	mail := &crowd{}
	acts := notify.New(d.store, sameAddress{}, notify.Routes{inventory.Email: {{Name: "sendgrid", Channel: mail}}}, notify.Options{Now: d.clock.now})
	part := d.broadcast(inventory.Email, names(3)...)[0]
	if r := d.sendPart(acts, part); r.Accepted != 3 || len(mail.got["mail:all"]) != 3 {
		t.Errorf("%+v, %v", r, mail.got)
	}
	for _, request := range mail.requests {
		if len(request) > 1 {
			t.Errorf("one request to %v", request)
		}
	}
}

type sameAddress struct{}

func (sameAddress) Contact(id string) (*inventory.Contact, bool) {
	return &inventory.Contact{ID: id, Addresses: map[inventory.Channel]string{inventory.Email: "mail:all"}}, true
}

func TestWorkersKeepOneRateTogetherAndAPageOvertakes(t *testing.T) {
	d := newDesk(t, notify.Options{})
	routes := notify.Routes{inventory.SMS: {{Name: "twilio", Channel: d.sms, Rate: notify.Rate{PerSecond: 10, Burst: 10}}}}
	parts := d.broadcast(inventory.SMS, names(30)...) // so slow that a busy machine can't be what holds the page up

	ids := d.queue(nil, "oncall")
	begin := time.Now()
	var group sync.WaitGroup
	results := make([]notify.SendBatchResult, len(parts))
	for i, p := range parts { // each by a worker of its own
		group.Go(func() {
			results[i], _ = notify.New(d.store, directory{}, routes, notify.Options{}).SendBatch(t.Context(), notify.SendBatchParams{Part: &p})
		})
	}
	d.sms.until(t, 11)
	page, err := notify.New(d.store, directory{}, routes, notify.Options{}).SendBatch(t.Context(), notify.SendBatchParams{IDs: ids, Urgent: true})
	before := d.sms.count()
	group.Wait()
	if err != nil || page.Accepted != 1 || before == 31 {
		t.Errorf("the page: %+v, %v, after %d messages", page, err, before)
	}
	accepted := 0
	for _, r := range results {
		accepted += r.Accepted
	}
	if took := time.Since(begin); accepted != 30 || took < 2*time.Second {
		t.Errorf("%d of 30 accepted in %s; at 10/s with a burst of 10 they take 2s at least", accepted, took)
	}
}

// until waits for n messages.
func (p *provider) until(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); p.count() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d messages, want %d", p.count(), n)
		}
	}
}
