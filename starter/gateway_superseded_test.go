package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"vakhta/internal/acklink"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// doors are all the ways by which a contact confirms a message.
var doors = map[string]struct {
	contact string // of the gatehouse's estate, whom the message goes to
	channel inventory.Channel
	opens   func(h *gatehouse, n ledger.Notification)
}{
	"page": {"acme-duty", inventory.Email, func(h *gatehouse, n ledger.Notification) {
		signer, err := acklink.NewSigner(testLinkKey)
		must(h.t, err)
		if code, _ := h.send("POST", "/a/"+signer.Sign(n.ID, n.Contact), "", nil); code != http.StatusSeeOther {
			h.t.Errorf("the page answered %d", code)
		}
	}},
	"Telegram button": {"acme-duty", inventory.Telegram, func(h *gatehouse, n ledger.Notification) {
		body := fmt.Sprintf(`{"update_id":%[1]d,"callback_query":{"id":"q%[1]d","from":{"id":1001,"is_bot":false,"first_name":"x"},"chat_instance":"c","data":"ack:%[2]s"}}`, 41+n.Revision, n.AckCode)
		if code, _ := h.telegram(body); code != http.StatusNoContent {
			h.t.Errorf("the button is answered %d", code)
		}
	}},
	"SMS reply": {"ivan", inventory.SMS, func(h *gatehouse, n ledger.Notification) {
		h.writes(h.numberOf(n.Contact), "SM"+n.ID, n.AckCode)
	}},
	"press 1": {"ivan", inventory.Call, func(h *gatehouse, n ledger.Notification) {
		h.twilio("/callbacks/twilio/gather?n="+n.ID, url.Values{"CallSid": {"CA" + n.ID}, "Digits": {"1"}})
	}},
	"code told to the desk": {"acme-duty", inventory.Email, func(h *gatehouse, n ledger.Notification) {
		// What `vakhta ack CODE` does.
		_, _, err := h.store.Acknowledge(h.t.Context(), n.AckCode, "desk", time.Now())
		must(h.t, err)
	}},
	"WhatsApp button with the code": {"acme-duty", inventory.WhatsApp, func(h *gatehouse, n ledger.Notification) {
		h.chats(dutysWhatsApp, "SM"+n.ID, url.Values{"Body": {"Принять"}, "ButtonPayload": {"ack:" + n.AckCode}})
	}},
	"WhatsApp button by what it stands below": {"acme-duty", inventory.WhatsApp, func(h *gatehouse, n ledger.Notification) {
		h.status(n, "SM-"+n.ID, "delivered")
		h.chats(dutysWhatsApp, "SM"+n.ID, url.Values{"Body": {"Принять"}, "ButtonPayload": {"ack"}, "OriginalRepliedMessageSid": {"SM-" + n.ID}})
	}},
	"WhatsApp reply": {"acme-duty", inventory.WhatsApp, func(h *gatehouse, n ledger.Notification) {
		h.chats(dutysWhatsApp, "SM"+n.ID, url.Values{"Body": {n.AckCode}})
	}},
}

func TestWhoConfirmsWhatIsOutOfDateHasNotConfirmedWhatIsNew(t *testing.T) {
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			h := newGatehouse(t)
			revision := func(r int, step, event string) ledger.Notification {
				return h.enqueue(ledger.Notification{
					Subject: "maintenance/feed-b", Event: event, Step: step, Revision: r, Client: "acme", Contact: door.contact,
					Channel: door.channel, Language: inventory.Russian, Title: "Работы", Body: "Работы на вводе Б.",
				})
			}
			old := revision(1, "announce/outage", "maintenance.announced")
			moved := revision(2, "announce/outage", "maintenance.rescheduled")
			if old.AckCode == moved.AckCode {
				t.Fatal("two revisions share a code")
			}
			door.opens(h, old)
			if got := h.notification(old.ID); got.AcknowledgedAt.IsZero() {
				t.Fatalf("%+v: the door doesn't open", got)
			}
			if got := h.notification(moved.ID); !got.AcknowledgedAt.IsZero() {
				t.Errorf("%+v was confirmed by the word on what it replaces", got)
			}
			for r, want := range map[int]int{1: 1, 2: 0} {
				confirmed, err := h.store.Confirmations(t.Context(), "feed-b", r, "acme")
				must(t, err)
				if len(confirmed) != want {
					t.Errorf("revision %d: confirmed by %+v, want %d", r, confirmed, want)
				}
			}
			door.opens(h, moved)
			if got := h.notification(moved.ID); got.AcknowledgedAt.IsZero() {
				t.Errorf("%+v can't be confirmed any more", got)
			}
		})
	}
}

func TestThePageOfWhatIsOutOfDateSaysSo(t *testing.T) {
	signer, err := acklink.NewSigner(testLinkKey)
	must(t, err)
	for name, c := range map[string]struct {
		subject, step, newStep, newEvent string
		newer                            bool
	}{
		"an update":                       {"incident/inc-1", "update", "update", "incident.update", true},
		"an update, and then the end":     {"incident/inc-1", "update", "update", "incident.resolved", true},
		"something else of the incident":  {"incident/inc-1", "update", "question", "incident.question", false},
		"planned work that is moved":      {"maintenance/feed-b", "announce/outage", "announce/outage", "maintenance.rescheduled", true},
		"planned work that befalls less":  {"maintenance/feed-b", "announce/outage", "announce/degraded", "maintenance.rescheduled", true},
		"planned work that is called off": {"maintenance/feed-b", "announce/outage", "cancelled", "maintenance.cancelled", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newGatehouse(t)
			put := func(r int, step, event string) ledger.Notification {
				return h.enqueue(ledger.Notification{
					Subject: c.subject, Event: event, Step: step, Revision: r, Client: "acme", Contact: "acme-duty",
					Channel: inventory.Email, Language: inventory.English, Title: "News", Body: "News.",
				})
			}
			old := put(1, c.step, "incident.update")
			page := func(n ledger.Notification) string {
				code, body := h.send("GET", "/a/"+signer.Sign(n.ID, n.Contact), "", nil)
				if code != 200 {
					t.Fatalf("%d", code)
				}
				return body
			}
			const says = "newer information since this message"
			if strings.Contains(page(old), says) {
				t.Error("it says so before there is anything newer")
			}
			newer := put(2, c.newStep, c.newEvent)
			if got := strings.Contains(page(old), says); got != c.newer {
				t.Errorf("it says so: %v, want %v", got, c.newer)
			}
			if strings.Contains(page(newer), says) {
				t.Error("the newest one says that it is out of date")
			}
		})
	}
}
