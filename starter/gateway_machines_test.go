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

// Scanners fetch every link of a mail, messengers draw previews of them, mail
// programs fetch every picture, answering machines take calls: none of it is a
// person who confirms, by whichever path it comes.
func TestMachinesConfirmNothing(t *testing.T) {
	signer, err := acklink.NewSigner(testLinkKey)
	must(t, err)
	look := func(method, agent, path string) func(*gatehouse, ledger.Notification) {
		return func(h *gatehouse, n ledger.Notification) {
			token := signer.Sign(n.ID, n.Contact)
			if path == "/u/" {
				token = signer.OptOut(n.ID, n.Contact)
			}
			for range 2 {
				h.send(method, path+token, "", map[string]string{"User-Agent": agent, "Purpose": "prefetch", "Sec-Purpose": "prefetch"})
			}
		}
	}
	event := func(more string) func(*gatehouse, ledger.Notification) {
		return func(h *gatehouse, n ledger.Notification) {
			body := fmt.Sprintf(`[{"sg_event_id":"e1","sg_message_id":"m1.x","vakhta_notification":%q,"timestamp":%d,%s}]`, n.ID, time.Now().Unix(), more)
			if code, answer := h.sendgrid(body); code != http.StatusNoContent {
				h.t.Fatalf("%d %s", code, answer)
			}
		}
	}
	status := func(form url.Values) func(*gatehouse, ledger.Notification) {
		return func(h *gatehouse, n ledger.Notification) {
			if code, answer := h.twilio("/callbacks/twilio/status?n="+n.ID, form); code != http.StatusNoContent {
				h.t.Fatalf("%d %s", code, answer)
			}
		}
	}
	for name, c := range map[string]struct {
		channel inventory.Channel
		reads   ledger.State // at most, by what the machine does
		does    func(*gatehouse, ledger.Notification)
	}{
		"a scanner of a mail's links":          {inventory.Email, ledger.Queued, look("GET", "Mozilla/5.0 (compatible; Proofpoint)", "/a/")},
		"a scanner that asks for the head":     {inventory.Email, ledger.Queued, look("HEAD", "SafeLinks", "/a/")},
		"a scanner that asks what is allowed":  {inventory.Email, ledger.Queued, look("OPTIONS", "scanner", "/a/")},
		"a scanner of the way out":             {inventory.Email, ledger.Queued, look("GET", "scanner", "/u/")},
		"a messenger's preview of a link":      {inventory.Telegram, ledger.Queued, look("GET", "TelegramBot (like TwitterBot)", "/a/")},
		"a telephone's preview of an SMS":      {inventory.SMS, ledger.Queued, look("GET", "facebookexternalhit/1.1 Facebot Twitterbot/1.0", "/a/")},
		"a room's preview of a link":           {inventory.Slack, ledger.Queued, look("GET", "Slackbot-LinkExpanding 1.0", "/a/")},
		"a picture that Apple fetches":         {inventory.Email, ledger.Queued, event(`"event":"open","sg_machine_open":true`)},
		"a picture that somebody fetches":      {inventory.Email, ledger.Read, event(`"event":"open"`)},
		"a click that a scanner may have made": {inventory.Email, ledger.Read, event(`"event":"click","url":"https://x"`)},
		"WhatsApp's blue ticks":                {inventory.WhatsApp, ledger.Read, status(url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"read"}})},
		"an answering machine":                 {inventory.Call, ledger.Sent, status(url.Values{"CallSid": {"CA1"}, "CallStatus": {"completed"}, "AnsweredBy": {"machine_end_beep"}, "CallDuration": {"40"}})},
		"a fax":                                {inventory.Call, ledger.Sent, status(url.Values{"CallSid": {"CA1"}, "CallStatus": {"completed"}, "AnsweredBy": {"fax"}, "CallDuration": {"40"}})},
		"an answering machine that plays tones": {inventory.Call, ledger.Queued, func(h *gatehouse, n ledger.Notification) {
			h.twilio("/callbacks/twilio/gather?n="+n.ID+"&d=1", url.Values{"CallSid": {"CA1"}, "Digits": {"1"}, "AnsweredBy": {"machine_start"}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newGatehouse(t)
			n := h.page(c.channel)
			c.does(h, n)
			got := h.notification(n.ID)
			if !got.AcknowledgedAt.IsZero() || got.State != c.reads {
				t.Errorf("%s, acknowledged at %s; want %s and no word", got.State, got.AcknowledgedAt, c.reads)
			}
			if len(h.flows.calls) != 0 {
				t.Errorf("the escalation was told %+v", h.flows.calls)
			}
			// The same link in a person's hand does confirm.
			token := signer.Sign(n.ID, n.Contact)
			if code, _ := h.send("POST", "/a/"+token, "", nil); code != http.StatusSeeOther || h.notification(n.ID).AcknowledgedAt.IsZero() {
				t.Errorf("the button answers %d, and confirms nothing", code)
			}
			if strings.Contains(h.log.String(), "@") {
				t.Error("an address stands in the log")
			}
		})
	}
}
