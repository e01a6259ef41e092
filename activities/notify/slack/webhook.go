package slack

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// ActionPath is the path below the public URL that takes what people press; the
// operator sets it as the app's interactivity URL.
const ActionPath = "/callbacks/slack"

// window is how old a request may be: Slack's own rule against repetition.
const window = 5 * time.Minute

// Webhook verifies and reads presses.
type Webhook struct {
	secret []byte
	now    func() time.Time
}

// NewWebhook takes the app's signing secret; now may be nil.
func NewWebhook(signingSecret string, now func() time.Time) (*Webhook, error) {
	if signingSecret == "" {
		return nil, errors.New("slack webhook: the signing secret is empty; configure the app's")
	}
	if now == nil {
		now = time.Now
	}
	return &Webhook{secret: []byte(signingSecret), now: now}, nil
}

// Place is where a message stands.
type Place struct{ Channel, TS string }

// Press is a button that somebody pressed.
type Press struct {
	// Events has one element if the button is ours; who pressed it is for the
	// caller to say.
	Events     []ledger.Event
	User, Name string // id and name of who pressed it
	At         Place
}

// payload is what matters of a block_actions payload.
type payload struct {
	Type string `json:"type"`
	User struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Username string `json:"username"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Message struct {
		TS string `json:"ts"`
	} `json:"message"`
	Actions []struct {
		Value    string `json:"value"`
		ActionTS string `json:"action_ts"`
	} `json:"actions"`
}

// Press verifies a request of Slack's and reads it.
func (w *Webhook) Press(r *http.Request, body []byte) (Press, error) {
	if !w.genuine(r, body) {
		return Press{}, fmt.Errorf("%w: slack", notify.ErrSignature)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Press{}, fmt.Errorf("%w: slack: the body is no form", notify.ErrMalformed)
	}
	var p payload
	if err := json.Unmarshal([]byte(form.Get("payload")), &p); err != nil {
		return Press{}, fmt.Errorf("%w: slack: the payload is not JSON", notify.ErrMalformed)
	}
	out := Press{User: p.User.ID, Name: p.User.Name, At: Place{p.Channel.ID, p.Message.TS}}
	if out.Name == "" {
		out.Name = p.User.Username
	}
	if p.Type != "block_actions" || len(p.Actions) == 0 {
		return out, nil
	}
	e, ours := notify.Pressed(p.Actions[0].Value)
	if !ours || e.AckCode == "" {
		return out, nil
	}
	e.Provider, e.At = Provider, w.now().UTC()
	e.Key = "press/" + p.Message.TS + "/" + p.Actions[0].ActionTS + "/" + p.User.ID
	out.Events = []ledger.Event{e}
	return out, nil
}

// genuine checks the signature, version 0, and its age.
func (w *Webhook) genuine(r *http.Request, body []byte) bool {
	stamp := r.Header.Get("X-Slack-Request-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || w.now().Sub(time.Unix(seconds, 0)).Abs() > window {
		return false
	}
	given, err := hex.DecodeString(trimVersion(r.Header.Get("X-Slack-Signature")))
	if err != nil || len(given) == 0 {
		return false
	}
	mac := hmac.New(sha256.New, w.secret)
	_, _ = mac.Write([]byte("v0:" + stamp + ":"))
	_, _ = mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}

func trimVersion(signature string) string {
	const version = "v0="
	if len(signature) < len(version) || signature[:len(version)] != version {
		return ""
	}
	return signature[len(version):]
}
