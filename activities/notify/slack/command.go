package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"vakhta/activities/notify"
)

// Paths below the public URL: of the app's slash command, and of its events.
const (
	CommandPath = "/callbacks/slack/commands"
	EventPath   = "/callbacks/slack/events"
)

// Command is what somebody commands, by a slash command or in a message.
type Command struct {
	ID         string // the same when it is delivered again
	Channel    string
	Thread     string // of a message: the thread in which it stands
	User, Name string
	Text       string // without the slash command's own name, or the mention
	// ResponseURL takes the answer to a slash command that needed longer.
	ResponseURL string
}

// Slash verifies and reads a slash command. Slack offers none within threads.
func (w *Webhook) Slash(r *http.Request, body []byte) (Command, error) {
	if !w.genuine(r, body) {
		return Command{}, fmt.Errorf("%w: slack", notify.ErrSignature)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("user_id") == "" {
		return Command{}, fmt.Errorf("%w: slack: the body is no slash command", notify.ErrMalformed)
	}
	return Command{
		ID: "slash/" + form.Get("trigger_id"), Channel: form.Get("channel_id"), User: form.Get("user_id"), Name: form.Get("user_name"),
		Text: said(form.Get("text")), ResponseURL: form.Get("response_url"),
	}, nil
}

// Event is what Slack tells of a channel. Command is nil where nobody commands
// anything; Challenge is to be answered as it is.
type Event struct {
	Challenge string
	Command   *Command
}

// envelope is what matters of an Events API request.
type envelope struct {
	Type      string `json:"type"`
	Challenge string `json:"challenge"`
	Event     struct {
		Type     string `json:"type"`
		Subtype  string `json:"subtype"`
		BotID    string `json:"bot_id"`
		User     string `json:"user"`
		Text     string `json:"text"`
		TS       string `json:"ts"`
		ThreadTS string `json:"thread_ts"`
		Channel  string `json:"channel"`
	} `json:"event"`
}

// Event verifies and reads an event: a message to everybody, or one that
// mentions the app. One message may come as both, and each may come again.
func (w *Webhook) Event(r *http.Request, body []byte) (Event, error) {
	if !w.genuine(r, body) {
		return Event{}, fmt.Errorf("%w: slack", notify.ErrSignature)
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, fmt.Errorf("%w: slack: the event is not JSON", notify.ErrMalformed)
	}
	if e.Type == "url_verification" {
		return Event{Challenge: e.Challenge}, nil
	}
	m := e.Event
	byPerson := m.User != "" && m.BotID == "" && (m.Subtype == "" || m.Subtype == "thread_broadcast")
	if e.Type != "event_callback" || m.Type != "message" && m.Type != "app_mention" || !byPerson {
		return Event{}, nil
	}
	text, meant := commandIn(m.Text, m.Type == "app_mention")
	if !meant {
		return Event{}, nil
	}
	return Event{Command: &Command{ID: "message/" + m.Channel + "/" + m.TS, Channel: m.Channel, Thread: m.ThreadTS, User: m.User, Text: text}}, nil
}

var (
	mention = regexp.MustCompile(`^\s*<@[A-Z0-9]+(\|[^>]*)?>[\s,:]*`)
	named   = regexp.MustCompile(`(?i)^\s*vakhta[\s,:]+`)
	// marked is what Slack makes of addresses, channels and people in a text.
	marked = regexp.MustCompile(`<([^<>|]*)(?:\|([^<>]*))?>`)
)

// commandIn is what a message commands: "!note …", "vakhta note …", or a mention of the app.
func commandIn(text string, mentioned bool) (string, bool) {
	switch {
	case mentioned && mention.MatchString(text):
		text = mention.ReplaceAllString(text, "")
	case named.MatchString(text):
		text = named.ReplaceAllString(text, "")
	case !strings.HasPrefix(strings.TrimSpace(text), "!"):
		return "", false
	}
	return said(text), true
}

// said is a text as its writer wrote it.
func said(text string) string {
	text = marked.ReplaceAllStringFunc(text, func(m string) string {
		parts := marked.FindStringSubmatch(m)
		if parts[2] != "" {
			return parts[2]
		}
		return parts[1]
	})
	return strings.TrimSpace(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text))
}

// Whisper answers a command in the place where it was written, for its writer alone.
func (c *Channel) Whisper(ctx context.Context, to Command, text string) error {
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	body, err := x.JSON(http.MethodPost, c.cfg.URL+"/api/chat.postEphemeral", c.cfg.Token, map[string]string{
		"channel": to.Channel, "user": to.User, "thread_ts": to.Thread, "text": escape(text),
	})
	var a answer
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	if err == nil && !a.OK {
		err = fmt.Errorf("slack answered %d %s", x.Status(), a.Error)
	}
	if err != nil {
		return errors.New("answer a command: " + notify.Scrub(err.Error(), c.cfg.Token, to.Channel, to.User))
	}
	return nil
}

// Respond answers a slash command later, for its writer alone.
func (c *Channel) Respond(ctx context.Context, to Command, text string) error {
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	body, err := x.JSON(http.MethodPost, to.ResponseURL, "", Ephemeral(text))
	if err == nil && x.Status() != http.StatusOK {
		err = fmt.Errorf("slack answered %d %.80s", x.Status(), body)
	}
	if err != nil {
		return errors.New("answer a slash command: " + notify.Scrub(err.Error(), to.ResponseURL, to.Channel, to.User))
	}
	return nil
}

// Ephemeral is the answer to a slash command that its writer alone sees.
func Ephemeral(text string) map[string]string {
	return map[string]string{"response_type": "ephemeral", "text": escape(text)}
}
