package sandbox_test

import (
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"

	"vakhta/internal/lab/sandbox"
)

func TestAProviderCanRefuseConnectionsAndComeBack(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.AddFault(sandbox.Fault{Kind: sandbox.FaultRefuse}); err == nil {
		t.Error("a refusal was taken without a port of its own")
	}
	if err := r.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	get := func(p sandbox.Provider) error {
		resp, err := r.get(r.URL(p) + "/_sandbox/faults")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
		}
		return err
	}
	for _, p := range []sandbox.Provider{"", sandbox.SendGrid, sandbox.Twilio, sandbox.Telegram} {
		if err := get(p); err != nil {
			t.Fatalf("%q: %v", p, err)
		}
	}
	r.fault(sandbox.Fault{Provider: sandbox.Twilio, Kind: sandbox.FaultRefuse, For: sandbox.Duration(300 * time.Millisecond)})
	until := r.Faults()[0].Until
	refused := 0
	for { // the first requests may still meet the door closing
		err := get(sandbox.Twilio)
		if errors.Is(err, syscall.ECONNREFUSED) {
			refused++
		}
		if err == nil && refused > 0 {
			break
		}
		if time.Since(until) > 10*time.Second {
			t.Fatalf("10 s after the fault: %v, %d refused", err, refused)
		}
	}
	if time.Now().Before(until) {
		t.Error("the door opened before the fault's end")
	}
	if err := errors.Join(get(""), get(sandbox.SendGrid)); err != nil {
		t.Errorf("other doors: %v", err)
	}
	r.fault(sandbox.Fault{Provider: sandbox.Telegram, Kind: sandbox.FaultRefuse})
	for get(sandbox.Telegram) == nil {
	}
	r.ClearFaults()
	for deadline := time.Now().Add(10 * time.Second); get(sandbox.Telegram) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the door didn't open when the fault was removed")
		}
	}
}
