package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vakhta/internal/acklink"
	"vakhta/internal/inventory"
	"vakhta/workflows"
)

func TestAFeedOpensToItsLinkAlone(t *testing.T) {
	h := newGatehouse(t)
	signer, err := acklink.NewSigner(testLinkKey)
	must(t, err)
	own := strings.TrimPrefix(feedURL(signer, testPublicURL, "ivan"), testPublicURL)
	if code, body := h.send(http.MethodGet, own, "", nil); code != http.StatusOK || !strings.HasPrefix(body, "BEGIN:VCALENDAR\r\n") {
		t.Errorf("his own link: %d %q", code, body)
	}
	for name, path := range map[string]string{
		"another's":              strings.Replace(own, ".ivan", ".anna", 1),
		"of an acknowledgement":  "/oncall/" + signer.Sign("ivan", "ivan") + ".ics",
		"a client's contact":     strings.TrimPrefix(feedURL(signer, testPublicURL, "acme-duty"), testPublicURL),
		"cut off":                own[:len(own)-6],
		"guessed":                "/oncall/ivan.ics",
		"without its last words": strings.TrimSuffix(own, ".ics"),
	} {
		if code, _ := h.send(http.MethodGet, path, "", nil); code != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", name, code)
		}
	}
}

func TestACallThatIsPutDownAtOnceIsToldOnce(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Call)
	form := url.Values{"CallSid": {"CA1"}, "CallStatus": {"completed"}, "AnsweredBy": {"human"}, "CallDuration": {"3"}}
	for range 2 { // Twilio repeats itself
		if code, body := h.twilio("/callbacks/twilio/status?n="+n.ID, form); code >= 300 {
			t.Fatalf("status %d %s", code, body)
		}
	}
	told := 0
	for _, c := range h.flows.calls {
		if c.name == workflows.SignalHungUp {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times, want once", told)
	}
}
