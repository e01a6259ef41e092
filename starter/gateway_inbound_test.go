package main

import (
	"net/url"
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/workflows"
)

// numberOf is the number that the page of a gatehouse goes to.
func (h *gatehouse) numberOf(contact string) string {
	h.t.Helper()
	c, ok := h.gateway.deps.Inventory.Contact(contact)
	if !ok || c.Addresses[inventory.SMS] == "" {
		h.t.Fatalf("%s has no number", contact)
	}
	return c.Addresses[inventory.SMS]
}

func (h *gatehouse) writes(from, sid, text string) (int, string) {
	return h.twilio("/callbacks/twilio/inbound", url.Values{"MessageSid": {sid}, "From": {from}, "To": {"+10000000000"}, "Body": {text}})
}

func TestAReplyWithTheCodeAcknowledges(t *testing.T) {
	for name, text := range map[string]string{
		"code": "CODE", "small": "code-small", "in a sentence": "Принял, CODE!",
	} {
		t.Run(name, func(t *testing.T) {
			h := newGatehouse(t)
			n := h.page(inventory.SMS)
			text := strings.ReplaceAll(strings.ReplaceAll(text, "CODE", n.AckCode), "code-small", strings.ToLower(n.AckCode[:3]+" "+n.AckCode[3:]))
			if strings.Contains(text, "!") && !strings.ContainsAny(n.AckCode, "0123456789") {
				t.Skip("a code of letters alone could be a word")
			}
			from := h.numberOf(n.Contact)
			for range 2 { // twice, as callbacks come
				if code, answer := h.writes(from, "SM1", text); code != 200 || answer != "<Response/>" {
					t.Fatalf("answered %d %s", code, answer)
				}
			}
			if got := h.notification(n.ID); got.AcknowledgedAt.IsZero() {
				t.Errorf("%+v is not acknowledged", got)
			}
			// A repeated callback tells the escalation again, to which it is no news.
			if len(h.flows.calls) == 0 || h.flows.calls[0].name != workflows.SignalAcknowledged {
				t.Errorf("calls %+v", h.flows.calls)
			}
		})
	}
}

func TestWordsOfOthersAcknowledgeNothing(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.SMS)
	from := h.numberOf(n.Contact)
	for _, c := range []struct{ from, text string }{
		{"+19995550123", n.AckCode}, // a stranger who guessed
		{from, "what is this?"}, {from, ""}, {from, "222222"},
	} {
		if code, _ := h.writes(c.from, "SM"+c.text, c.text); code != 200 {
			t.Errorf("%q is answered %d", c.text, code)
		}
	}
	if code, _ := h.send("POST", "/callbacks/twilio/inbound", "Body=x", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}); code != 403 {
		t.Errorf("unsigned: %d, want 403", code)
	}
	if !h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Error("acknowledged by a stranger")
	}
}

func TestWhoRepliesStopGetsNoMoreSMS(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.SMS)
	from := h.numberOf(n.Contact)
	barred := func() int {
		t.Helper()
		all, err := h.store.Barred(t.Context(), "")
		must(t, err)
		return len(all)
	}
	h.writes(from, "SM1", "Стоп")
	if barred() != 1 {
		t.Error("nobody is barred")
	}
	h.writes(from, "SM2", "START")
	if barred() != 0 {
		t.Error("still barred")
	}
}
