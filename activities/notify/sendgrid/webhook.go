package sendgrid

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// How old a signed batch of events may be. SendGrid tries again for a day, and
// what is applied twice does nothing the second time.
const (
	oldest = 72 * time.Hour
	ahead  = 15 * time.Minute
)

// Webhook verifies and reads the event webhook.
type Webhook struct {
	provider string // the account's name in the ledger
	key      *ecdsa.PublicKey
	now      func() time.Time
}

// NewWebhook takes the account's name in the ledger, empty for the first one,
// and the verification key as SendGrid's settings page shows it. now may be nil.
func NewWebhook(account, publicKey string, now func() time.Time) (*Webhook, error) {
	// The library's conversion panics on a key of another kind.
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(publicKey))
	if err != nil {
		return nil, fmt.Errorf("sendgrid webhook key: not base64: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("sendgrid webhook key: not a public key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("sendgrid webhook key: not an ECDSA key; copy the verification key of the signed event webhook")
	}
	if now == nil {
		now = time.Now
	}
	return &Webhook{provider: cmp.Or(account, Provider), key: key, now: now}, nil
}

// event is what we read of a webhook event; custom arguments come inlined.
type event struct {
	Event        string `json:"event"`
	ID           string `json:"sg_event_id"`
	MessageID    string `json:"sg_message_id"`
	Notification string `json:"vakhta_notification"`
	Timestamp    int64  `json:"timestamp"`
	Type         string `json:"type"`   // of a bounce: bounce, blocked
	Status       string `json:"status"` // enhanced status code of a bounce
	Reason       string `json:"reason"` // of a drop
	MachineOpen  bool   `json:"sg_machine_open"`
}

// Events verifies a batch over its raw body and returns what it proves. Events
// that prove nothing (a deferral, a machine's open) are left out.
func (w *Webhook) Events(r *http.Request, body []byte) ([]ledger.Event, error) {
	if err := w.verify(r.Header, body); err != nil {
		return nil, err
	}
	var batch []event
	if err := json.Unmarshal(body, &batch); err != nil {
		return nil, fmt.Errorf("%w: sendgrid events: not an array of events", notify.ErrMalformed)
	}
	out := make([]ledger.Event, 0, len(batch))
	for _, e := range batch {
		if told, ok := e.proves(); ok {
			told.Provider = w.provider
			out = append(out, told)
		}
	}
	return out, nil
}

func (w *Webhook) verify(h http.Header, body []byte) error {
	signature, stamp := h.Get(eventwebhook.VerificationHTTPHeader), h.Get(eventwebhook.TimestampHTTPHeader)
	if signature == "" || stamp == "" {
		return fmt.Errorf("%w: sendgrid events: not signed", notify.ErrSignature)
	}
	ok, err := verifySignature(w.key, body, signature, stamp)
	if err != nil || !ok {
		return fmt.Errorf("%w: sendgrid events", notify.ErrSignature)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: sendgrid events: the timestamp is no number", notify.ErrSignature)
	}
	if age := w.now().Sub(time.Unix(seconds, 0)); age > oldest || age < -ahead {
		return fmt.Errorf("%w: sendgrid events: signed %s ago", notify.ErrSignature, age.Round(time.Minute))
	}
	return nil
}

// verifySignature keeps a signature that is no pair of numbers from ending the
// process: the library hands whatever it has decoded to crypto/ecdsa.
func verifySignature(key *ecdsa.PublicKey, body []byte, signature, stamp string) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			ok, err = false, fmt.Errorf("signature can't be checked: %v", p)
		}
	}()
	return eventwebhook.VerifySignature(key, body, signature, stamp)
}

func (e event) proves() (ledger.Event, bool) {
	told := ledger.Event{
		Key: e.ID, Notification: e.Notification,
		ProviderID: messageID(e.MessageID), At: time.Unix(e.Timestamp, 0).UTC(),
	}
	if e.ID == "" || (e.Notification == "" && e.MessageID == "") {
		return told, false
	}
	switch e.Event {
	case "processed":
		told.State = ledger.Sent
	case "delivered":
		told.State = ledger.Delivered
	case "spamreport":
		told.State, told.OptedOut = ledger.Delivered, true
	case "open":
		// Apple's and others' machines fetch every picture.
		if e.MachineOpen {
			return told, false
		}
		told.State = ledger.Read
	case "click":
		told.State = ledger.Read
	case "unsubscribe", "group_unsubscribe":
		told.State, told.OptedOut = ledger.Read, true
	case "bounce":
		told.State, told.Class, told.Code = ledger.Refused, ledger.ClassDead, e.Status
		if e.Type == "blocked" {
			told.Class = ledger.ClassNext
		}
	case "dropped":
		told.State, told.Code = ledger.Refused, "dropped"
		told.Class, told.OptedOut = dropClass(e.Reason)
	default:
		return told, false
	}
	return told, true
}

// dropClass tells an address that SendGrid won't write to any more, and
// whether its owner asked for that, from a mail that it won't send.
func dropClass(reason string) (class ledger.Class, optedOut bool) {
	reason = strings.ToLower(reason)
	for _, enough := range []string{"unsubscribe", "spam reporting"} {
		if strings.Contains(reason, enough) {
			return ledger.ClassDead, true
		}
	}
	for _, dead := range []string{"bounce", "invalid"} {
		if strings.Contains(reason, dead) {
			return ledger.ClassDead, false
		}
	}
	return ledger.ClassConfig, false
}

// messageID cuts an event's sg_message_id down to the X-Message-Id that the
// request was answered with.
func messageID(id string) string {
	for _, mark := range []string{".filter", ".recvd"} {
		if at := strings.Index(id, mark); at > 0 {
			return id[:at]
		}
	}
	return id
}
