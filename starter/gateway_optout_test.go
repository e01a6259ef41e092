package main

import (
	"net/http"
	"strings"
	"testing"

	"vakhta/internal/acklink"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// mailed puts a mail to a client into the ledger, and returns the path of its opt-out.
func (h *gatehouse) mailed() (ledger.Notification, string) {
	h.t.Helper()
	n := h.enqueue(ledger.Notification{
		Subject: "incident/inc-1", Event: "incident.update", Step: "update", Revision: 1, Client: "acme", Contact: "acme-duty",
		Channel: inventory.Email, Language: inventory.Russian, Title: "Новости", Body: "Работает 1 из 2.",
	})
	signer, err := acklink.NewSigner(testLinkKey)
	must(h.t, err)
	return n, strings.TrimPrefix(signer.OptOutURL(testPublicURL, n.ID, n.Contact), testPublicURL)
}

func (h *gatehouse) mailsBarred() bool {
	h.t.Helper()
	all, err := h.store.Barred(h.t.Context(), "acme-duty")
	must(h.t, err)
	return len(all) == 1 && all[0].Channel == inventory.Email && all[0].Bar == ledger.BarOptedOut && all[0].Address == "duty@acme.example"
}

func TestAMailProgramsButtonOptsOutAtOnce(t *testing.T) {
	h := newGatehouse(t)
	_, path := h.mailed()
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for range 2 { // some programs post twice
		code, page := h.send("POST", path, "List-Unsubscribe=One-Click", form)
		if code != http.StatusOK || !strings.Contains(page, "больше не будет") {
			t.Fatalf("%d %s", code, page)
		}
	}
	if !h.mailsBarred() {
		t.Fatal("the address is written to on")
	}
	if code, _ := h.send("POST", path, "more=1", form); code != http.StatusSeeOther {
		t.Errorf("%d, want a look at what has become of it", code)
	}
	if all, _ := h.store.Barred(t.Context(), "acme-duty"); len(all) != 0 {
		t.Errorf("who wants mails again has still %+v", all)
	}
}

func TestAScannerThatFollowsLinksOptsNobodyOut(t *testing.T) {
	h := newGatehouse(t)
	n, path := h.mailed()
	for _, method := range []string{"GET", "HEAD", "GET"} {
		if code, page := h.send(method, path, "", nil); code != http.StatusOK || method == "GET" && !strings.Contains(page, "Больше не присылать") {
			t.Fatalf("%s: %d %s", method, code, page)
		}
	}
	if h.mailsBarred() {
		t.Error("a look at the page was taken for a wish")
	}
	if got := h.notification(n.ID); !got.AcknowledgedAt.IsZero() {
		t.Error("a look at the page was taken for an acknowledgement")
	}
}

func TestAnOptOutIsProvenByItsOwnLinkAlone(t *testing.T) {
	h := newGatehouse(t)
	n, path := h.mailed()
	signer, err := acklink.NewSigner(testLinkKey)
	must(t, err)
	for _, token := range []string{signer.Sign(n.ID, n.Contact), path[3 : len(path)-1], signer.OptOut(n.ID, "ivan"), signer.OptOut("n-none", n.Contact), "x"} {
		if code, _ := h.send("POST", "/u/"+token, "List-Unsubscribe=One-Click", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}); code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", token, code)
		}
	}
	if code, _ := h.send("POST", "/a/"+strings.TrimPrefix(path, "/u/"), "", nil); code != http.StatusNotFound {
		t.Errorf("%d: the opt-out's link acknowledges", code)
	}
	if code, _ := h.send("POST", path, "more=0", map[string]string{"Sec-Fetch-Site": "cross-site"}); code != http.StatusForbidden {
		t.Errorf("%d: another site's form is taken", code)
	}
	if h.mailsBarred() {
		t.Error("opted out without the link")
	}
}

func TestWhoHasOptedOutIsNotWrittenToAndAnotherAddressIs(t *testing.T) {
	h := newGatehouse(t)
	n, path := h.mailed()
	h.send("POST", path, "List-Unsubscribe=One-Click", map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	if out, err := h.gateway.optedOut(t.Context(), n); err != nil || !out {
		t.Fatalf("%v %v", out, err)
	}
	contact, _ := h.gateway.deps.Inventory.Contact("acme-duty")
	contact.Addresses[inventory.Email] = "new@acme.example"
	if out, err := h.gateway.optedOut(t.Context(), n); err != nil || out {
		t.Errorf("%v %v: the new address has not opted out", out, err)
	}
}
