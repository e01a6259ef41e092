package described

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/cel-go/common/types/ref"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// callback is what the gateway tells us later, and how it proves who it is.
type callback struct {
	Token *token `yaml:"token"`
	HMAC  *mac   `yaml:"hmac"`
	// Each is a list in the callback of which every item is an event, as
	// "item"; without it the callback is one event.
	Each         expression `yaml:"each"`
	Notification expression `yaml:"notification"` // our id, where the gateway gives it back
	ID           expression `yaml:"id"`           // the gateway's
	Code         expression `yaml:"code"`
	States       []rule     `yaml:"states"`
	Reply        word       `yaml:"reply"` // what the gateway wants to be answered; default: nothing
}

// token is a secret that the gateway sends along.
type token struct {
	Header word `yaml:"header"`
	Query  word `yaml:"query"`
	Secret word `yaml:"secret"`
}

// mac is HMAC-SHA256 of the raw body, in hexadecimal digits.
type mac struct {
	Header word `yaml:"header"`
	Secret word `yaml:"secret"`
}

func (c *checker) callback(b *callback) {
	switch {
	case (b.Token == nil) == (b.HMAC == nil):
		c.wrong(1, "callback", "one of token and hmac proves where it comes from")
	case b.Token != nil:
		c.secret("callback.token.secret", b.Token.Secret)
		if (b.Token.Header.text == "") == (b.Token.Query.text == "") {
			c.wrong(b.Token.Secret.line, "callback.token", "it stands in one of header and query")
		}
	default:
		c.secret("callback.hmac.secret", b.HMAC.Secret)
		if b.HMAC.Header.text == "" {
			c.wrong(b.HMAC.Secret.line, "callback.hmac.header", "missing")
		}
	}
	if b.Notification.line == 0 && b.ID.line == 0 {
		c.wrong(1, "callback", "one of notification and id says which message it speaks of")
	}
	for name, e := range map[string]*expression{"each": &b.Each, "notification": &b.Notification, "id": &b.ID, "code": &b.Code} {
		c.expression("callback."+name, e, false)
	}
	c.rules("callback.states", b.States, []ledger.State{ledger.Sent, ledger.Delivered, ledger.Read, ledger.Refused})
}

// Webhook verifies and reads a gateway's callbacks.
type Webhook struct {
	name    string
	secrets map[string]string
	says    *callback
	now     func() time.Time
}

// NewWebhook reads the description; nil without an error: the gateway has no
// callbacks. now may be nil.
func NewWebhook(cfg Config, now func() time.Time) (*Webhook, error) {
	f, err := load(cfg.File, cfg.Secrets)
	if err != nil || f.Callback == nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Webhook{name: cfg.Name, secrets: cfg.Secrets, says: f.Callback, now: now}, nil
}

// Reply is what the gateway wants to be answered, once the events are applied.
func (w *Webhook) Reply() string { return w.says.Reply.text }

// Events verifies a callback and returns what it proves. The same callback
// always has the same key.
func (w *Webhook) Events(r *http.Request, body []byte) ([]ledger.Event, error) {
	if !w.genuine(r, body) {
		return nil, fmt.Errorf("%w: %s", notify.ErrSignature, w.name)
	}
	a := newAnswer(0, r.Header, body)
	a.form = flat(r.URL.Query())
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		posted, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fmt.Errorf("%w: %s: the form can't be read", notify.ErrMalformed, w.name)
		}
		for name, value := range flat(posted) {
			a.form[name] = value
		}
	}
	var out []ledger.Event
	for _, a := range w.each(a) {
		if e, ok := w.event(a); ok {
			out = append(out, e)
		}
	}
	return out, nil
}

func (w *Webhook) each(a answer) []answer {
	if w.says.Each.program == nil {
		return []answer{a}
	}
	var out []answer
	add := func(item any) {
		one := a
		one.item = item
		out = append(out, one)
	}
	switch items := w.says.Each.value(a).(type) {
	case []any:
		for _, item := range items {
			add(item)
		}
	case []ref.Val: // made by the expression, not found in the callback
		for _, item := range items {
			add(item)
		}
	}
	return out
}

func (w *Webhook) event(a answer) (ledger.Event, bool) {
	e := ledger.Event{
		Provider: w.name, Notification: w.says.Notification.text(a), ProviderID: w.says.ID.text(a),
		Code: w.says.Code.text(a), At: w.now().UTC(),
	}
	if e.Notification == "" && e.ProviderID == "" {
		return e, false
	}
	for _, r := range w.says.States {
		if !r.When.holds(a) {
			continue
		}
		e.State = r.state
		if r.state == ledger.Refused {
			e.Class, e.OptedOut, _ = r.class()
		}
		e.Key = strings.Join([]string{e.Notification, e.ProviderID, string(e.State), e.Code}, "/")
		return e, true
	}
	return e, false
}

func (w *Webhook) genuine(r *http.Request, body []byte) bool {
	if m := w.says.HMAC; m != nil {
		sum := hmac.New(sha256.New, []byte(w.secrets[m.Secret.text]))
		_, _ = sum.Write(body)
		given, err := hex.DecodeString(r.Header.Get(m.Header.text))
		return err == nil && hmac.Equal(given, sum.Sum(nil))
	}
	t := w.says.Token
	given := r.URL.Query().Get(t.Query.text)
	if t.Header.text != "" {
		given = r.Header.Get(t.Header.text)
	}
	want := w.secrets[t.Secret.text]
	return want != "" && subtle.ConstantTimeCompare([]byte(given), []byte(want)) == 1
}
