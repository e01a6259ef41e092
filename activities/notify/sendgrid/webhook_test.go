package sendgrid

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

var now = time.Date(2026, time.November, 23, 0, 12, 0, 0, time.UTC)

func encode(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func signed(t testing.TB, key *ecdsa.PrivateKey, body string, at time.Time) *http.Request {
	t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256([]byte(stamp + body))
	der, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/callbacks/sendgrid", bytes.NewBufferString(body))
	r.Header.Set(eventwebhook.VerificationHTTPHeader, base64.StdEncoding.EncodeToString(der))
	r.Header.Set(eventwebhook.TimestampHTTPHeader, stamp)
	return r
}

func hook(t testing.TB) (*Webhook, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWebhook("", encode(t, &key.PublicKey), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return w, key
}

func TestAKeyThatIsNotECDSAIsRefused(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"rsa": encode(t, &other.PublicKey), "no base64": "%%%", "no key": "AAAA", "empty": ""} {
		if _, err := NewWebhook("", key, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestEventsProveWhatTheyProve(t *testing.T) {
	w, key := hook(t)
	for _, c := range []struct {
		name, event string
		state       ledger.State // empty: the event proves nothing
		class       ledger.Class
		optedOut    bool
	}{
		{"processed", `"event":"processed"`, ledger.Sent, "", false},
		{"delivered", `"event":"delivered"`, ledger.Delivered, "", false},
		{"a person opens", `"event":"open"`, ledger.Read, "", false},
		{"a machine opens", `"event":"open","sg_machine_open":true`, "", "", false},
		{"deferred", `"event":"deferred"`, "", "", false},
		{"bounce", `"event":"bounce","type":"bounce","status":"5.1.1"`, ledger.Refused, ledger.ClassDead, false},
		{"blocked", `"event":"bounce","type":"blocked","status":"4.7.1"`, ledger.Refused, ledger.ClassNext, false},
		{"dropped for an old bounce", `"event":"dropped","reason":"Bounced Address"`, ledger.Refused, ledger.ClassDead, false},
		{"dropped for its content", `"event":"dropped","reason":"Spam Content (if Spam Checker app enabled)"`, ledger.Refused, ledger.ClassConfig, false},
		{"dropped for his wish", `"event":"dropped","reason":"Unsubscribed Address"`, ledger.Refused, ledger.ClassDead, true},
		{"unsubscribed", `"event":"unsubscribe"`, ledger.Read, "", true},
		{"called spam", `"event":"spamreport"`, ledger.Delivered, "", true},
		{"a kind of tomorrow", `"event":"teleported"`, "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := `[{"email":"x@y.example","timestamp":1795392720,"sg_event_id":"ev1","sg_message_id":"abc.recvd-1-2.0","vakhta_notification":"n-1",` + c.event + `}]`
			got, err := w.Events(signed(t, key, body, now), []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			if c.state == "" {
				if len(got) != 0 {
					t.Errorf("%+v, want nothing", got)
				}
				return
			}
			if len(got) != 1 || got[0].State != c.state || got[0].Class != c.class || got[0].OptedOut != c.optedOut || got[0].Acknowledged ||
				got[0].Notification != "n-1" || got[0].ProviderID != "abc" || got[0].Key != "ev1" {
				t.Errorf("%+v, want %s %s", got, c.state, c.class)
			}
		})
	}
}

func TestUnsignedAlteredAndStaleEventsAreRefused(t *testing.T) {
	w, key := hook(t)
	_, stranger := hook(t)
	const body = `[{"event":"delivered","sg_event_id":"e","sg_message_id":"m"}]`
	good := signed(t, key, body, now)
	unsigned := httptest.NewRequest(http.MethodPost, "/", nil)
	garbage := signed(t, key, body, now)
	garbage.Header.Set(eventwebhook.VerificationHTTPHeader, base64.StdEncoding.EncodeToString([]byte{0x30, 0x00}))
	for name, c := range map[string]struct {
		r    *http.Request
		body string
		want error
	}{
		"good":            {good, body, nil},
		"a day late":      {signed(t, key, body, now.Add(-25*time.Hour)), body, nil},
		"altered":         {good, body + " ", notify.ErrSignature},
		"unsigned":        {unsigned, body, notify.ErrSignature},
		"another's":       {signed(t, stranger, body, now), body, notify.ErrSignature},
		"a week old":      {signed(t, key, body, now.Add(-7*24*time.Hour)), body, notify.ErrSignature},
		"from the future": {signed(t, key, body, now.Add(time.Hour)), body, notify.ErrSignature},
		"no signature":    {garbage, body, notify.ErrSignature},
		"no array":        {signed(t, key, `{"event":1}`, now), `{"event":1}`, notify.ErrMalformed},
	} {
		if _, err := w.Events(c.r, []byte(c.body)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzEvents(f *testing.F) {
	w, key := hook(f)
	f.Add(`[{"event":"delivered","sg_event_id":"e","sg_message_id":"m","timestamp":1}]`)
	f.Add(`[null,{"event":5}]`)
	f.Fuzz(func(t *testing.T, body string) {
		events, err := w.Events(signed(t, key, body, now), []byte(body))
		if err != nil && !errors.Is(err, notify.ErrMalformed) {
			t.Errorf("signed, and yet: %v", err)
		}
		for _, e := range events {
			if e.Key == "" || e.Acknowledged {
				t.Errorf("%+v", e)
			}
		}
	})
}
