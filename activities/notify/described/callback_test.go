package described_test

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/described"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/store/storetest"
)

func hook(t *testing.T, file string) *described.Webhook {
	t.Helper()
	w, err := described.NewWebhook(described.Config{Name: "smsgate", File: file, Secrets: secrets}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Callbacks come late, doubled and in any order: the ledger ends where the
// message ended.
func TestCallbacksSettleAMessageHoweverTheyCome(t *testing.T) {
	for _, kind := range []sandbox.FaultKind{"", sandbox.FaultDuplicate, sandbox.FaultReorder, sandbox.FaultLate} {
		t.Run(cmp.Or(string(kind), "in their order"), func(t *testing.T) {
			st := storetest.Open(t)
			var mu sync.Mutex
			fresh, repeated := 0, 0
			var webhook *described.Webhook
			gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				events, err := webhook.Events(r, body)
				if err != nil {
					t.Error(err)
				}
				for _, e := range events {
					_, isFresh, err := st.ApplyEvent(t.Context(), e, time.Now().UTC())
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					if isFresh {
						fresh++
					} else {
						repeated++
					}
					mu.Unlock()
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			defer gateway.Close()
			box := gate(t)
			if kind != "" {
				if _, err := box.AddFault(sandbox.Fault{Provider: sandbox.SMSGate, Kind: kind, Op: sandbox.OpAny, Count: 1, Delay: sandbox.Duration(100 * time.Millisecond)}); err != nil {
					t.Fatal(err)
				}
			}
			file := example(t, box.URL(sandbox.SMSGate))
			webhook = hook(t, file)
			c := newChannel(t, described.Config{File: file, PublicURL: gateway.URL})
			if !c.Capabilities().Receipts {
				t.Error("no receipts")
			}
			n := sms()
			n.Subject, n.Step, n.Contact = "incident/i-1", "page", "anna"
			ids, err := st.Enqueue(t.Context(), []ledger.Notification{n}, time.Now().UTC())
			if err != nil {
				t.Fatal(err)
			}
			n.ID = ids[0]
			claims, err := st.Claim(t.Context(), ids, time.Minute, time.Now().UTC())
			if err != nil || len(claims.Claimed) != 1 {
				t.Fatalf("%+v %v", claims, err)
			}
			o := c.Send(t.Context(), n, to)
			if err := st.Settle(t.Context(), n.ID, claims.Claimed[0].LeaseToken, o, time.Now().UTC()); err != nil {
				t.Fatal(err)
			}
			want := 2
			if kind == sandbox.FaultDuplicate {
				want = 3
			}
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				mu.Lock()
				over := fresh+repeated >= want
				mu.Unlock()
				if over {
					break
				}
			}
			if fresh != 2 || repeated != want-2 {
				t.Errorf("%d fresh and %d repeated, want 2 and %d", fresh, repeated, want-2)
			}
			if got, err := st.Notification(t.Context(), n.ID); err != nil || got.State != ledger.Delivered || got.ProviderID != o.ProviderID {
				t.Errorf("%s as %s, %v; want delivered", got.State, got.ProviderID, err)
			}
		})
	}
}

func TestCallbacksOfStrangersAreRefused(t *testing.T) {
	w := hook(t, example(t, "https://smsgate.example"))
	post := func(signature, body string) error {
		r := httptest.NewRequest(http.MethodPost, "/callbacks/http/smsgate", bytes.NewBufferString(body))
		r.Header.Set("X-Signature", signature)
		_, err := w.Events(r, []byte(body))
		return err
	}
	for _, signature := range []string{"", "zz", "00", strings.Repeat("0", 64)} {
		if err := post(signature, `{"events":[]}`); !errors.Is(err, notify.ErrSignature) {
			t.Errorf("%q: %v", signature, err)
		}
	}
}

func TestATokenProvesAndAFormIsRead(t *testing.T) {
	w := hook(t, write(t, `
request: {url: 'https://x.example/'}
answer: {outcomes: [{when: status == 200, is: accepted}]}
callback:
  token: {query: key, secret: password}
  id: form.id
  code: form.err
  states:
    - {when: form.status == "1", is: delivered}
    - {when: form.status == "20", is: refused, class: opted-out}
  reply: OK
`))
	post := func(key, body string) ([]ledger.Event, error) {
		r := httptest.NewRequest(http.MethodPost, "/callbacks/http/smsgate?key="+key, bytes.NewBufferString(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		return w.Events(r, []byte(body))
	}
	if _, err := post("guess", "id=5&status=1"); !errors.Is(err, notify.ErrSignature) {
		t.Errorf("a guessed token: %v", err)
	}
	got, err := post(password, "id=5&status=20&err=6")
	if err != nil || len(got) != 1 || got[0].ProviderID != "5" || got[0].State != ledger.Refused || !got[0].OptedOut || got[0].Code != "6" {
		t.Errorf("%+v, %v", got, err)
	}
	if again, _ := post(password, "id=5&status=20&err=6"); len(again) != 1 || again[0].Key != got[0].Key {
		t.Errorf("the same callback has another key: %+v", again)
	}
	if got, err = post(password, "id=5&status=99"); err != nil || len(got) != 0 {
		t.Errorf("a status that no rule knows: %+v, %v", got, err)
	}
	if _, err = post(password, "id=%zz"); !errors.Is(err, notify.ErrMalformed) {
		t.Errorf("a broken form: %v", err)
	}
	if w.Reply() != "OK" {
		t.Errorf("reply %q", w.Reply())
	}
}

func FuzzEvents(f *testing.F) {
	f.Add(`{"events":[{"message":"n","id":5,"state":"sent"}]}`)
	f.Add(`{"events":{"message":5}}`)
	f.Add(`[1e999]`)
	path := f.TempDir() + "/p.yaml"
	if err := os.WriteFile(path, []byte(`
request: {url: 'https://x.example/'}
answer: {outcomes: [{when: status == 200, is: accepted}]}
callback: {token: {header: K, secret: password}, each: json.events, notification: item.message, id: item.id, states: [{when: 'true', is: sent}]}
`), 0o600); err != nil {
		f.Fatal(err)
	}
	w, err := described.NewWebhook(described.Config{Name: "x", File: path, Secrets: secrets}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("K", password)
		events, err := w.Events(r, []byte(body))
		if err != nil {
			t.Error(err)
		}
		for _, e := range events {
			if e.Key == "" || e.State != ledger.Sent || e.Notification == "" && e.ProviderID == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}
