package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Post is what somebody writes in a team's room.
type Post struct {
	Provider Provider `json:"provider"` // telegram, slack, mattermost
	Room     string   `json:"room"`
	Thread   string   `json:"thread,omitempty"` // id of the message or topic that opened it
	By       Member   `json:"by"`
	Text     string   `json:"text"` // a slash command in Slack and Mattermost, where it begins with a slash
}

// Write has a member of a room write there.
func (s *Sandbox) Write(p Post) error {
	switch p.Provider {
	case Telegram:
		return s.writeInGroup(p)
	case Slack:
		return s.writeInSlack(p)
	case Mattermost:
		return s.writeInMattermost(p)
	}
	return fmt.Errorf("write in a room: %q has none; use telegram, slack or mattermost", p.Provider)
}

// written puts a post into the inbox.
func (s *Sandbox) written(p Post, channel, id string) Item {
	s.inbox.add(&Item{Provider: p.Provider, Channel: channel, To: p.Room, From: p.By.Name, Text: p.Text, Inbound: true, ID: id, Thread: p.Thread}, "received")
	it, _ := s.Item(id)
	return it
}

func (s *Sandbox) writeInGroup(p Post) error {
	if !isChat(p.Room) || !isChat(p.By.ID) {
		return fmt.Errorf("write in a group: %q and %q must be ids: integers", p.Room, p.By.ID)
	}
	it := s.written(p, ChannelTelegram, messageKey(p.Room, s.bot.messages.Add(1)))
	m := s.messageObject(it)
	from := person(p.By.ID)
	from["first_name"] = p.By.Name
	m["from"] = from
	s.update(p.Room, "message", it.ID, m)
	return nil
}

// writeInSlack posts a message's event, or the slash command, which Slack has
// only outside of threads.
func (s *Sandbox) writeInSlack(p Post) error {
	slash := strings.HasPrefix(p.Text, "/")
	if slash && p.Thread != "" {
		return fmt.Errorf("%s is not supported in threads. Sorry", p.Text)
	}
	ts := s.slackTS()
	it := s.written(p, ChannelSlack, roomKey(p.Room, ts))
	if slash {
		command, text, _ := strings.Cut(p.Text, " ")
		form := url.Values{
			"command": {command}, "text": {text}, "user_id": {p.By.ID}, "user_name": {p.By.Name}, "channel_id": {p.Room}, "team_id": {"T0SANDBOX"},
			"trigger_id": {sid("")}, "response_url": {s.URL(Slack) + "/_sandbox/slack/respond?item=" + url.QueryEscape(it.ID)},
		}
		s.tellRoom(it, s.cfg.SlackCommandURL, "application/x-www-form-urlencoded", []byte(form.Encode()))
		return nil
	}
	event := map[string]any{"type": "message", "channel": p.Room, "user": p.By.ID, "text": slackEscaped(p.Text), "ts": ts}
	if p.Thread != "" {
		event["thread_ts"] = p.Thread
	}
	if strings.HasPrefix(p.Text, "<@") {
		event["type"], event["text"] = "app_mention", p.Text
	}
	body, _ := json.Marshal(map[string]any{"type": "event_callback", "event_id": sid("Ev"), "team_id": "T0SANDBOX", "event": event}) // of texts alone
	s.tellRoom(it, s.cfg.SlackEventURL, "application/json", body)
	return nil
}

func slackEscaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

func (s *Sandbox) writeInMattermost(p Post) error {
	it := s.written(p, ChannelMattermost, sid("")[:26])
	command, text, slash := strings.Cut(p.Text, " ")
	if !slash || !strings.HasPrefix(command, "/") {
		return nil // a bot without a webhook hears nothing of it
	}
	form := url.Values{
		"token": {s.cfg.MattermostCommandToken}, "command": {command}, "text": {text}, "user_id": {p.By.ID}, "user_name": {p.By.Name},
		"channel_id": {p.Room}, "team_id": {"sandbox"}, "trigger_id": {sid("")}, "root_id": {p.Thread},
	}
	s.tellRoom(it, s.cfg.MattermostCommandURL, "application/x-www-form-urlencoded", []byte(form.Encode()))
	return nil
}

// roomRetries is how often Slack tells of an event that isn't answered 2xx.
const roomRetries = 3

// tellRoom posts what somebody wrote, signed as Slack does; the answer to a slash
// command is shown to him alone. An event is repeated until it is answered.
func (s *Sandbox) tellRoom(it Item, target, kind string, body []byte) {
	if target == "" {
		return
	}
	s.emit(emission{
		provider: it.Provider, channel: it.Channel, to: it.To, group: it.ID,
		send: func() { s.postRoom(it, target, kind, body, 0) },
	})
}

func (s *Sandbox) postRoom(it Item, target, kind string, body []byte, retry int) {
	s.couriers[it.Provider].put(func(ctx context.Context) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", kind)
		if it.Provider == Slack {
			s.signSlack(req, body)
		}
		if retry > 0 {
			req.Header.Set("X-Slack-Retry-Num", strconv.Itoa(retry))
		}
		d := s.post(req)
		var said struct{ Text string }
		switch {
		case d.ok() && json.Unmarshal(d.body, &said) == nil && said.Text != "":
			s.whispered(it, said.Text)
		case !d.ok() && kind == "application/json" && retry < roomRetries:
			s.agenda.after(s.backoff(retry+1), func() { s.postRoom(it, target, kind, body, retry+1) })
		}
	})
}

func (s *Sandbox) signSlack(req *http.Request, body []byte) {
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+macOf(s.cfg.SlackSecret, "v0:"+stamp+":"+string(body)))
}

// whispered is an answer that the writer of an item alone sees.
func (s *Sandbox) whispered(it Item, text string) {
	if it.Provider == Mattermost {
		text = markdown(text)
	}
	s.inbox.add(&Item{
		Provider: it.Provider, Channel: it.Channel, To: it.To, Text: seen(text), Thread: it.Thread, OnlyFor: it.From, ID: roomKey(it.To, s.slackTS()),
	}, "sent")
}

func (s *Sandbox) slackTS() string {
	return fmt.Sprintf("%d.%06d", time.Now().Unix(), s.bot.messages.Add(1)%1_000_000)
}

// slackEphemeral takes chat.postEphemeral.
func (s *Sandbox) slackEphemeral(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Channel  string `json:"channel"`
		User     string `json:"user"`
		ThreadTS string `json:"thread_ts"`
		Text     string `json:"text"`
	}
	if json.NewDecoder(r.Body).Decode(&m) != nil || m.Channel == "" || m.User == "" || m.Text == "" {
		slackError(w, "invalid_arguments")
		return
	}
	if s.refuse(w, Slack, OpLookup, ChannelSlack, m.Channel) {
		return
	}
	ts := s.slackTS()
	s.inbox.add(&Item{Provider: Slack, Channel: ChannelSlack, ID: roomKey(m.Channel, ts), To: m.Channel, Text: seen(m.Text), Thread: m.ThreadTS, OnlyFor: m.User}, "sent")
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "message_ts": ts})
}

// slackRespond takes the later answer to a slash command.
func (s *Sandbox) slackRespond(w http.ResponseWriter, r *http.Request) {
	var m struct{ Text string }
	it, ok := s.Item(r.URL.Query().Get("item"))
	if !ok || json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&m) != nil || m.Text == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s.whispered(it, m.Text)
	_, _ = w.Write([]byte("ok"))
}

// controlRoom has somebody write in a room.
func (s *Sandbox) controlRoom(w http.ResponseWriter, r *http.Request) {
	var p Post
	if !decode(w, r, &p) {
		return
	}
	if err := s.Write(p); err != nil {
		wrong(w, err)
		return
	}
	done(w)
}
