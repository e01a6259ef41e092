package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func TestACallbackIsProvenByTheAccountThatItNames(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.SMS)
	status := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"delivered"}}
	path := "/callbacks/twilio/status?n=" + n.ID
	if code, _ := h.twilio(path+"&a=twilio-2", status); code != 403 {
		t.Errorf("%d, want 403: the first account signed for the second", code)
	}
	if code, _ := h.twilio(path+"&a=nobody", status); code != 404 {
		t.Errorf("%d, want 404: there is no such account", code)
	}
	if got := h.notification(n.ID); got.State != ledger.Queued {
		t.Fatalf("state %s after callbacks that prove nothing", got.State)
	}
	if code, answer := h.signedTwilio(testTwilio2, path+"&a=twilio-2", status); code != 204 {
		t.Fatalf("%d %s", code, answer)
	}
	if got := h.notification(n.ID); got.State != ledger.Delivered || got.Provider != "twilio-2" {
		t.Errorf("%s by %s, want delivered by twilio-2", got.State, got.Provider)
	}
}

func TestAWishForARepeatStaysWithTheAccountThatCalls(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Call)
	code, body := h.signedTwilio(testTwilio2, "/callbacks/twilio/gather?n="+n.ID+"&a=twilio-2", url.Values{"CallSid": {"CA1"}, "Digits": {"4"}})
	if code != 200 || !strings.Contains(body, "&amp;a=twilio-2") {
		t.Errorf("%d %s", code, body)
	}
}

func TestEventsOfASecondMailAccount(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Email)
	body := fmt.Sprintf(`[{"event":"delivered","sg_event_id":"e1","sg_message_id":"m1.x","vakhta_notification":%q,"timestamp":%d}]`, n.ID, time.Now().Unix())
	if code, _ := h.sendgridAt("/callbacks/sendgrid?a=sendgrid-3", body); code != 404 {
		t.Errorf("%d, want 404", code)
	}
	if code, answer := h.sendgridAt("/callbacks/sendgrid?a=sendgrid-2", body); code != 204 {
		t.Fatalf("%d %s", code, answer)
	}
	if got := h.notification(n.ID); got.State != ledger.Delivered || got.Provider != "sendgrid-2" {
		t.Errorf("%s by %s, want delivered by sendgrid-2", got.State, got.Provider)
	}
}
