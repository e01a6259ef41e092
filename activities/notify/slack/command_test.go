package slack_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/slack"
)

func eventBody(t *testing.T, event map[string]any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"type": "event_callback", "event_id": "Ev1", "event": event})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMessagesThatCommand(t *testing.T) {
	now := time.Now()
	hook, err := slack.NewWebhook(secret, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	base := func(more map[string]any) map[string]any {
		m := map[string]any{"type": "message", "channel": room, "user": "U1", "ts": "1.2", "thread_ts": "1.1"}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	for _, c := range []struct {
		what  string
		event map[string]any
		want  string // "-": no command
	}{
		{"an exclamation mark", base(map[string]any{"text": "!note PSU &amp; fan &lt;B&gt;"}), "!note PSU & fan <B>"},
		{"our name", base(map[string]any{"text": "Vakhta, note hello"}), "note hello"},
		{"a mention", base(map[string]any{"type": "app_mention", "text": "<@U0BOT> eta 04:30"}), "eta 04:30"},
		{"links and people as they were written", base(map[string]any{"text": "!note see <https://x.example/a|x.example/a> and <https://y.example>"}), "!note see x.example/a and https://y.example"},
		{"also sent to the channel", base(map[string]any{"subtype": "thread_broadcast", "text": "!ack"}), "!ack"},
		{"talk", base(map[string]any{"text": "the note says otherwise"}), "-"},
		{"talk of us", base(map[string]any{"text": "vakhtang is here"}), "-"},
		{"a bot", base(map[string]any{"bot_id": "B1", "text": "!note x"}), "-"},
		{"an edit", base(map[string]any{"subtype": "message_changed", "text": "!note x"}), "-"},
		{"a reaction", map[string]any{"type": "reaction_added", "user": "U1"}, "-"},
	} {
		body := eventBody(t, c.event)
		e, err := hook.Event(signed(secret, now, body), []byte(body))
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if c.want == "-" {
			if e.Command != nil {
				t.Errorf("%s: %+v", c.what, e.Command)
			}
			continue
		}
		if e.Command == nil || e.Command.Text != c.want || e.Command.Thread != "1.1" || e.Command.ID != "message/"+room+"/1.2" || e.Command.User != "U1" {
			t.Errorf("%s: %+v, want %q", c.what, e.Command, c.want)
		}
	}
}

func TestSlackIsAnsweredItsChallenge(t *testing.T) {
	hook, err := slack.NewWebhook(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"type":"url_verification","challenge":"abc"}`
	if e, err := hook.Event(signed(secret, time.Now(), body), []byte(body)); err != nil || e.Challenge != "abc" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestOnlySlackCommands(t *testing.T) {
	hook, err := slack.NewWebhook(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"user_id": {"U1"}, "text": {"note msk-1 x"}, "channel_id": {room}, "trigger_id": {"1.2"}, "response_url": {"https://hooks.slack.com/x"}}.Encode()
	c, err := hook.Slash(signed(secret, time.Now(), form), []byte(form))
	if err != nil || c.ID != "slash/1.2" || c.Text != "note msk-1 x" || c.Channel != room || c.ResponseURL == "" {
		t.Errorf("%+v, %v", c, err)
	}
	event := eventBody(t, map[string]any{"type": "message", "user": "U1", "text": "!ack", "channel": room, "ts": "1"})
	for what, r := range map[string]struct {
		secret string
		at     time.Time
	}{"a wrong secret": {"guessed", time.Now()}, "an old request": {secret, time.Now().Add(-time.Hour)}} {
		if _, err := hook.Slash(signed(r.secret, r.at, form), []byte(form)); !errors.Is(err, notify.ErrSignature) {
			t.Errorf("slash by %s: %v", what, err)
		}
		if _, err := hook.Event(signed(r.secret, r.at, event), []byte(event)); !errors.Is(err, notify.ErrSignature) {
			t.Errorf("event by %s: %v", what, err)
		}
	}
}
