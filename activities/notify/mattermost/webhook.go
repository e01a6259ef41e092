package mattermost

import (
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// ActionPath is the path below the public URL that takes what people press.
const ActionPath = "/callbacks/mattermost"

// Webhook verifies, reads and answers presses.
type Webhook struct {
	cfg Config
	now func() time.Time
}

// NewWebhook takes the account of the buttons; now may be nil.
func NewWebhook(cfg Config, now func() time.Time) (*Webhook, error) {
	if cfg.ActionSecret == "" {
		return nil, errors.New("mattermost webhook: the secret of the buttons is empty; configure one")
	}
	if now == nil {
		now = time.Now
	}
	return &Webhook{cfg: cfg, now: now}, nil
}

// Press is a button that somebody pressed.
type Press struct {
	// Events has one element if the button is known; who pressed it is for the
	// caller to say.
	Events     []ledger.Event
	User, Name string // id and name of who pressed it
}

// Press verifies a request of the server's and reads it.
func (w *Webhook) Press(_ *http.Request, body []byte) (Press, error) {
	var p struct {
		UserID   string `json:"user_id"`
		UserName string `json:"user_name"`
		PostID   string `json:"post_id"`
		Context  struct{ Data, Token string }
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return Press{}, fmt.Errorf("%w: mattermost: the body is not JSON", notify.ErrMalformed)
	}
	if !hmac.Equal([]byte(p.Context.Token), []byte(proof(w.cfg.ActionSecret, p.Context.Data))) {
		return Press{}, fmt.Errorf("%w: mattermost", notify.ErrSignature)
	}
	out := Press{User: p.UserID, Name: p.UserName}
	e, ours := notify.Pressed(p.Context.Data)
	if !ours || e.AckCode == "" {
		return out, nil
	}
	e.Provider, e.At = Provider, w.now().UTC()
	e.Key = "press/" + p.PostID + "/" + p.Context.Data + "/" + p.UserID
	out.Events = []ledger.Event{e}
	return out, nil
}

// Answer is what the server is answered: the message anew, with a line that
// says who did what, and the buttons where they still mean something.
func (w *Webhook) Answer(n ledger.Notification, line string, buttons bool) any {
	var left []notify.Button
	if buttons {
		left = notify.Buttons(n)
	}
	p := w.cfg.post(n, line, left)
	return map[string]any{"update": map[string]any{"message": p.Message, "props": p.Props}}
}
