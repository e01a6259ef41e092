package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func TestAGatewayThatAFileDescribesCallsBack(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.SMS)
	body := fmt.Sprintf(`{"events":[{"message":%q,"id":17,"state":"delivered","code":0}]}`, n.ID)
	sum := hmac.New(sha256.New, []byte(testGate))
	sum.Write([]byte(body))
	signed := map[string]string{"X-Signature": hex.EncodeToString(sum.Sum(nil)), "Content-Type": "application/json"}
	for range 2 { // twice, as callbacks come
		if code, answer := h.send("POST", "/callbacks/http/smsgate", body, signed); code != 204 {
			t.Fatalf("answered %d %s", code, answer)
		}
	}
	if got := h.notification(n.ID); got.State != ledger.Delivered || got.ProviderID != "17" {
		t.Errorf("%s as %q, want delivered as 17", got.State, got.ProviderID)
	}
	if code, _ := h.send("POST", "/callbacks/http/smsgate", body+" ", signed); code != 403 {
		t.Errorf("an altered callback is answered %d, want 403", code)
	}
	if code, _ := h.send("POST", "/callbacks/http/nobody", body, signed); code != 404 {
		t.Errorf("a provider that isn't there is answered %d, want 404", code)
	}
	h.gateway.deps.Store = brokenStore{h.store}
	if code, _ := h.send("POST", "/callbacks/http/smsgate", body, signed); code != 503 {
		t.Errorf("what can't be stored is answered %d, want 503", code)
	}
}
