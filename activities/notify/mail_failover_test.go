package notify_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"vakhta/activities/notify"
	"vakhta/activities/notify/sendgrid"
	"vakhta/activities/notify/smtp"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

// mailbox is a desk whose mail leaves by SendGrid and falls back on a relay.
func mailbox(t *testing.T) (*desk, *sandbox.Sandbox) {
	t.Helper()
	box, err := sandbox.New(sandbox.Config{SendGridKey: "SG.k", SMTPUser: "relay-user", SMTPPassword: "p"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	if err := box.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(box.RelayRoots())
	relay, err := smtp.New(smtp.Config{
		Address: strings.TrimPrefix(box.URL(sandbox.SMTP), "smtp://"), Roots: roots,
		User: "relay-user", Password: "p", From: "noc@vakhta.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	grid, err := sendgrid.New(sendgrid.Config{URL: box.URL(sandbox.SendGrid), Key: "SG.k", From: "noc@vakhta.example"})
	if err != nil {
		t.Fatal(err)
	}
	opts := notify.Options{Breaker: notify.Breaker{Failures: 2, Pause: time.Minute}}
	d := newDesk(t, opts)
	opts.Now = d.clock.now
	d.acts = notify.New(d.store, people{}, notify.Routes{inventory.Email: {
		{Name: sendgrid.Provider, Channel: grid}, {Name: smtp.Provider, Channel: relay},
	}}, opts)
	d.env = new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	d.env.RegisterActivity(d.acts)
	return d, box
}

// people are at mail addresses that are some.
type people struct{}

func (people) Contact(id string) (*inventory.Contact, bool) {
	return &inventory.Contact{ID: id, Addresses: map[inventory.Channel]string{inventory.Email: id + "@acme.example"}}, true
}

func byMail(n *ledger.Notification) {
	n.Channel, n.Title = inventory.Email, "Работает 6 из 24"
}

func TestMailFallsBackOnTheRelayAndComesBack(t *testing.T) {
	d, box := mailbox(t)
	sent := 0
	send := func(by sandbox.Provider) {
		t.Helper()
		sent++
		contact := names(sent)[sent-1]
		if r := d.send(d.queue(byMail, contact)...); r.Accepted != 1 {
			t.Fatalf("mail %d: %+v", sent, r)
		}
		got := box.Inbox(sandbox.Query{To: contact + "@acme.example"})
		if len(got) != 1 || got[0].Provider != by {
			t.Fatalf("mail %d came %d times, %+v; want it once, by %s", sent, len(got), got, by)
		}
	}
	send(sandbox.SendGrid)
	id, err := box.AddFault(sandbox.Fault{Provider: sandbox.SendGrid, Kind: sandbox.FaultRefuse})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 { // the first ones are tried at SendGrid, the rest are not
		send(sandbox.SMTP)
	}
	if h := notify.HealthOf(d.acts); h[0].Up || !h[1].Up {
		t.Errorf("health %+v, want SendGrid down and the relay up", h)
	}
	box.RemoveFault(id)
	send(sandbox.SMTP) // its pause isn't over
	d.clock.advance(2 * time.Minute)
	send(sandbox.SendGrid)
	send(sandbox.SendGrid)

	// And without the relay nobody is told twice, nor lost.
	if _, err := box.AddFault(sandbox.Fault{Provider: sandbox.SMTP, Kind: sandbox.FaultRefuse}); err != nil {
		t.Fatal(err)
	}
	send(sandbox.SendGrid)
}

func TestBothMailThreadsAreOne(t *testing.T) {
	d, box := mailbox(t)
	first := d.queue(byMail, "anna")
	d.send(first...)
	if _, err := box.AddFault(sandbox.Fault{Provider: sandbox.SendGrid, Kind: sandbox.FaultRateLimit}); err != nil {
		t.Fatal(err)
	}
	d.send(d.queue(func(n *ledger.Notification) { byMail(n); n.Revision = 2 }, "anna")...)
	got := box.Inbox(sandbox.Query{To: "anna@acme.example"})
	if len(got) != 2 || got[0].Provider == got[1].Provider {
		t.Fatalf("%+v", got)
	}
	if got[0].Headers["References"] == "" || got[0].Headers["References"] != got[1].Headers["References"] {
		t.Errorf("%v and %v don't thread", got[0].Headers, got[1].Headers)
	}
}

func TestOnlyAMailToAClientThatCanWaitOffersAWayOut(t *testing.T) {
	d, box := mailbox(t)
	opts := notify.Options{Now: d.clock.now, OptOut: func(n ledger.Notification) string { return "https://vakhta.example/u/" + n.ID }}
	grid, err := sendgrid.New(sendgrid.Config{URL: box.URL(sandbox.SendGrid), Key: "SG.k", From: "noc@vakhta.example"})
	if err != nil {
		t.Fatal(err)
	}
	d.acts = notify.New(d.store, people{}, notify.Routes{inventory.Email: {{Name: sendgrid.Provider, Channel: grid}}}, opts)
	for contact, change := range map[string]func(*ledger.Notification){
		"anna":  func(n *ledger.Notification) { byMail(n); n.Client = "acme" },
		"boris": func(n *ledger.Notification) { byMail(n); n.Client, n.Critical = "acme", true },
		"vera":  func(n *ledger.Notification) { byMail(n); n.Team = "emergency" },
	} {
		ids := d.queue(change, contact)
		if r, err := d.acts.SendBatch(t.Context(), notify.SendBatchParams{IDs: ids}); err != nil || r.Accepted != 1 {
			t.Fatalf("%+v %v", r, err)
		}
		got := box.Inbox(sandbox.Query{To: contact + "@acme.example"})
		want := ""
		if contact == "anna" {
			want = "<https://vakhta.example/u/" + ids[0] + ">"
		}
		if len(got) != 1 || got[0].Headers["List-Unsubscribe"] != want {
			t.Errorf("%s: %+v", contact, got)
		}
	}
}
