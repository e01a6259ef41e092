package notify_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func unknown(d *desk, change func(*ledger.Notification)) string {
	d.t.Helper()
	d.sms.answers = map[string]ledger.Outcome{"sms:anna": {State: ledger.Unknown, Class: ledger.ClassAmbiguous, Wrote: true, Provider: "twilio"}}
	d.mail.answers = map[string]ledger.Outcome{"mail:anna": {State: ledger.Unknown, Class: ledger.ClassAmbiguous, Wrote: true, Provider: "sendgrid"}}
	ids := d.queue(change, "anna")
	if r := d.send(ids...); len(r.Unknown) != 1 {
		d.t.Fatalf("%+v", r)
	}
	d.sms.answers, d.mail.answers = nil, nil
	return ids[0]
}

func critical(n *ledger.Notification) { n.Critical = true }

func TestAnUnknownIsSettledByItsCallbackFirst(t *testing.T) {
	d := newDesk(t, notify.Options{})
	id := unknown(d, critical)
	e := ledger.Event{Provider: "twilio", Key: "SM1/sent", Notification: id, ProviderID: "SM1", State: ledger.Sent, At: d.clock.now()}
	if _, _, err := d.store.ApplyEvent(t.Context(), e, d.clock.now()); err != nil {
		t.Fatal(err)
	}
	if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.Settled) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAnUnknownThatTheProviderHasIsAccepted(t *testing.T) {
	d := newDesk(t, notify.Options{})
	id := unknown(d, critical)
	d.sms.seen = map[string]string{id: "SM7"}
	if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.Found) != 1 {
		t.Errorf("%+v", r)
	}
	if n := d.read(id); n.State != ledger.Accepted || n.Provider != "twilio" || n.ProviderID != "SM7" {
		t.Errorf("%s %s %s", n.State, n.Provider, n.ProviderID)
	}
}

func TestACriticalUnknownIsSentOnceMoreAndMarked(t *testing.T) {
	for name, mail := range map[string]bool{"looked up in vain": false, "without look-up": true} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, notify.Options{})
			through, box := d.sms, "sms:anna"
			if mail {
				through, box = d.mail, "mail:anna"
			}
			id := unknown(d, func(n *ledger.Notification) {
				n.Critical = true
				if mail {
					n.Channel, n.Title = inventory.Email, "Тема"
				}
			})
			if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.Resend) != 1 {
				t.Fatalf("%+v", r)
			}
			through.answers = map[string]ledger.Outcome{box: {State: ledger.Unknown, Class: ledger.ClassAmbiguous, Wrote: true}}
			if r := d.send(id); len(r.Unknown) != 1 {
				t.Fatalf("%+v", r)
			}
			got := through.got[box]
			if len(got) != 2 || got[1] != "Повтор. "+got[0] {
				t.Errorf("%q", got)
			}
			// The policy allows one repeat, whatever became of it.
			if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.GaveUp) != 1 {
				t.Errorf("%+v", r)
			}
			if n := d.read(id); n.State != ledger.Refused || n.Class != ledger.ClassAmbiguous {
				t.Errorf("%s %s", n.State, n.Class)
			}
		})
	}
}

func TestTheHTMLOfAMailIsMadeWhenItIsSentAndBearsTheMarkOfARepeat(t *testing.T) {
	d := newDesk(t, notify.Options{Page: func(_ inventory.Language, title, text string) (string, error) {
		return "<h1>" + title + "</h1>" + text, nil
	}})
	id := unknown(d, func(n *ledger.Notification) { n.Critical, n.Channel, n.Title = true, inventory.Email, "Тема" })
	d.settle(notify.SettleUnknownParams{IDs: []string{id}})
	d.send(id)
	if want := []string{"<h1>Тема</h1>Код X", "<h1>Повтор. Тема</h1>Повтор. Код X"}; !slices.Equal(d.mail.pages, want) {
		t.Errorf("%q, want %q", d.mail.pages, want)
	}
	if n := d.read(id); n.HTML != "" {
		t.Errorf("the ledger keeps %q", n.HTML)
	}
}

func TestAnInformationalUnknownIsGivenUp(t *testing.T) {
	d := newDesk(t, notify.Options{})
	id := unknown(d, nil)
	if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.GaveUp) != 1 {
		t.Errorf("%+v", r)
	}
	if len(d.sms.got["sms:anna"]) != 1 {
		t.Errorf("%v", d.sms.got)
	}
}

func TestAnInformationalMailWaitsForItsEventsBeforeItIsGivenUp(t *testing.T) {
	d := newDesk(t, notify.Options{SettleAfter: 3 * time.Second, ReceiptsWithin: 30 * time.Second})
	d.mail.can.Receipts = true
	id := unknown(d, func(n *ledger.Notification) { n.Channel, n.Title = inventory.Email, "Тема" })
	d.clock.advance(20 * time.Second)
	if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.Open) != 1 {
		t.Fatalf("%+v, want it to wait for its events", r)
	}
	d.clock.advance(11 * time.Second)
	if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.GaveUp) != 1 {
		t.Errorf("%+v, want an end to that", r)
	}
}

func TestPlannedWorkIsToldOnceMoreWhenNothingWasHeardOfIt(t *testing.T) {
	for event, again := range map[string]bool{"maintenance.announced": true, "maintenance.moved": true, "maintenance.cancelled": true, "maintenance.done": false} {
		d := newDesk(t, notify.Options{SettleAfter: 3 * time.Second, ReceiptsWithin: 30 * time.Second})
		d.mail.can.Receipts = true
		id := unknown(d, func(n *ledger.Notification) { n.Event, n.Channel, n.Title = event, inventory.Email, "Тема" })
		if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.Open) != 1 {
			t.Fatalf("%s: %+v, want it to wait for its events: it can wait", event, r)
		}
		d.clock.advance(31 * time.Second)
		if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); (len(r.Resend) == 1) != again {
			t.Errorf("%s: %+v, want it told again: %v", event, r, again)
		}
	}
}

func TestALookUpThatFailsLeavesTheUnknownOpen(t *testing.T) {
	d := newDesk(t, notify.Options{})
	id := unknown(d, critical)
	d.sms.lookErr = errors.New("look up at twilio: connection refused")
	if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.Open) != 1 {
		t.Errorf("%+v", r)
	}
	if n := d.read(id); n.State != ledger.Unknown {
		t.Errorf("%s", n.State)
	}
	if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}, Final: true}); len(r.Resend) != 1 {
		t.Errorf("at last: %+v", r)
	}
}

func TestAnAcknowledgedUnknownIsNotSentAgain(t *testing.T) {
	d := newDesk(t, notify.Options{})
	id := unknown(d, critical)
	if _, _, err := d.store.Acknowledge(t.Context(), d.read(id).AckCode, "desk", d.clock.now()); err != nil {
		t.Fatal(err)
	}
	if r := d.settle(notify.SettleUnknownParams{IDs: []string{id}}); len(r.Resend)+len(r.GaveUp)+len(r.Open) != 0 {
		t.Errorf("%+v", r)
	}
}
