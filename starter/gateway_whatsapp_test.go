package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/workflows"
)

const (
	ivansWhatsApp = "whatsapp:+79001234567"
	dutysWhatsApp = "whatsapp:+79001112233"
)

// chats has somebody write to us by WhatsApp.
func (h *gatehouse) chats(from, sid string, more url.Values) string {
	h.t.Helper()
	form := url.Values{"MessageSid": {sid}, "From": {from}, "To": {"whatsapp:+10000000000"}}
	for k, v := range more {
		form[k] = v
	}
	code, answer := h.twilio("/callbacks/twilio/inbound", form)
	if code != 200 {
		h.t.Fatalf("answered %d %s", code, answer)
	}
	return answer
}

func TestAWhatsAppButtonAcknowledges(t *testing.T) {
	for name, c := range map[string]struct{ payload, replied string }{
		"with the code":         {"ack:CODE", ""},
		"by what it replies to": {"ack", "SM9"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newGatehouse(t)
			n := h.page(inventory.WhatsApp)
			h.status(n, "SM9", "delivered")
			for range 2 {
				h.chats(ivansWhatsApp, "SM1", url.Values{
					"Body": {"Принять"}, "ButtonText": {"Принять"}, "ButtonPayload": {strings.ReplaceAll(c.payload, "CODE", n.AckCode)}, "OriginalRepliedMessageSid": {c.replied},
				})
			}
			got := h.notification(n.ID)
			if got.AcknowledgedAt.IsZero() || got.AcknowledgedVia != "whatsapp" || got.State != ledger.Read {
				t.Errorf("%+v is not acknowledged", got)
			}
			if len(h.flows.calls) == 0 || h.flows.calls[0].name != workflows.SignalAcknowledged {
				t.Errorf("calls %+v", h.flows.calls)
			}
		})
	}
}

// status is what Twilio says of a message.
func (h *gatehouse) status(n ledger.Notification, sid, status string) {
	h.t.Helper()
	if code, answer := h.twilio("/callbacks/twilio/status?n="+n.ID, url.Values{"MessageSid": {sid}, "MessageStatus": {status}}); code != 204 {
		h.t.Fatalf("status answered %d %s", code, answer)
	}
}

func TestThatAMessageWasReadAcknowledgesNothing(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.WhatsApp)
	for _, status := range []string{"read", "delivered", "sent"} { // in any order
		h.status(n, "SM9", status)
	}
	if got := h.notification(n.ID); got.State != ledger.Read || !got.AcknowledgedAt.IsZero() || len(h.flows.calls) != 0 {
		t.Errorf("%+v, calls %+v; want read and not acknowledged", got, h.flows.calls)
	}
}

func TestOtherWordsByWhatsApp(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.WhatsApp)
	h.chats(ivansWhatsApp, "SM1", url.Values{"Body": {"Не могу"}, "ButtonPayload": {"decline:" + n.AckCode}})
	if len(h.flows.calls) != 1 || h.flows.calls[0].name != workflows.SignalDeclined || !h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Errorf("calls %+v, want declined", h.flows.calls)
	}
	h.chats("whatsapp:+19995550123", "SM2", url.Values{"ButtonPayload": {"ack:" + n.AckCode}})
	h.chats(ivansWhatsApp, "SM3", url.Values{"ButtonPayload": {"dance:" + n.AckCode}})
	if !h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Error("acknowledged by a stranger, or by another button")
	}
	h.chats(ivansWhatsApp, "SM4", url.Values{"Body": {n.AckCode}})
	if h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Error("the code doesn't acknowledge")
	}
}

func TestAnAnswerByWhatsAppIsAnswered(t *testing.T) {
	h := newGatehouse(t)
	q, n := h.question(inventory.WhatsApp)
	answer := h.chats(ivansWhatsApp, "SM1", url.Values{"Body": {"Нет"}, "ButtonPayload": {"answer:no:" + n.AckCode}})
	if got := h.read(q.ID); got.Answer != incident.No {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(answer, "<Message>Спасибо, записано: нет.</Message>") {
		t.Errorf("he reads %s", answer)
	}
}

func TestAWhatsAppMessageIsAReportAndOpensTheDay(t *testing.T) {
	h := newGatehouse(t)
	for range 2 { // twice, as callbacks come
		h.chats(dutysWhatsApp, "SM1", url.Values{"Body": {"у нас лежит сервер"}})
	}
	r, err := h.store.Report(t.Context(), "waSM1")
	must(t, err)
	if r.Client != "acme" || r.Contact != "acme-duty" || r.Channel != "whatsapp" || r.Text != "у нас лежит сервер" {
		t.Errorf("%+v", r)
	}
	h.chats("whatsapp:+19995550123", "SM2", url.Values{"Body": {"help"}})
	for _, contact := range []string{"acme-duty", records.StrangerPrefix + "waSM2"} {
		if at, err := h.store.Heard(t.Context(), contact, inventory.WhatsApp); err != nil || time.Since(at) > time.Minute {
			t.Errorf("%s was heard at %v, %v", contact, at, err)
		}
	}
}

func TestWhoWritesStopGetsNoMoreByWhatsAppAlone(t *testing.T) {
	h := newGatehouse(t)
	h.chats(dutysWhatsApp, "SM1", url.Values{"Body": {"Стоп"}})
	all, err := h.store.Barred(t.Context(), "")
	must(t, err)
	if len(all) != 1 || all[0].Contact != "acme-duty" || all[0].Channel != inventory.WhatsApp || all[0].Bar != ledger.BarOptedOut {
		t.Errorf("barred %+v", all)
	}
	h.chats(dutysWhatsApp, "SM2", url.Values{"Body": {"START"}})
	if all, _ = h.store.Barred(t.Context(), ""); len(all) != 0 {
		t.Errorf("still barred: %+v", all)
	}
	if _, err := h.store.Report(t.Context(), "waSM1"); err == nil {
		t.Error("STOP was taken for a report")
	}
}
