package mattermost

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"vakhta/activities/notify"
)

// CommandPath is the path below the public URL of the slash command.
const CommandPath = "/callbacks/mattermost/commands"

// Command is a slash command that somebody gave.
type Command struct {
	ID         string
	Channel    string
	Thread     string // the post that opened the thread in which it was given; servers before 11 don't say
	User, Name string
	Text       string
}

// Slash verifies and reads a slash command: token is what the server gave to it.
func (w *Webhook) Slash(_ *http.Request, body []byte, token string) (Command, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Command{}, fmt.Errorf("%w: mattermost: the body is no form", notify.ErrMalformed)
	}
	if token == "" || subtle.ConstantTimeCompare([]byte(form.Get("token")), []byte(token)) != 1 {
		return Command{}, fmt.Errorf("%w: mattermost", notify.ErrSignature)
	}
	if form.Get("user_id") == "" {
		return Command{}, fmt.Errorf("%w: mattermost: the slash command says not who gave it", notify.ErrMalformed)
	}
	return Command{
		ID: "slash/" + form.Get("trigger_id"), Channel: form.Get("channel_id"), Thread: form.Get("root_id"),
		User: form.Get("user_id"), Name: form.Get("user_name"), Text: strings.TrimSpace(form.Get("text")),
	}, nil
}

// Ephemeral is the answer to a slash command that its giver alone sees, where he gave it.
func Ephemeral(text string) map[string]any {
	return map[string]any{"response_type": "ephemeral", "text": plain(text), "skip_slack_parsing": true}
}
