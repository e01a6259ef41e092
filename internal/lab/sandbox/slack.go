package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Member is who presses a button in a team's room.
type Member struct{ ID, Name string }

// somebody presses where nobody is named.
var somebody = Member{ID: "U000SOMEBODY", Name: "somebody"}

// notificationArg holds an item's notification id, as its sender marked it.
const notificationArg = "notification"

// Slack's published limits.
const (
	maxSlackSection = 3000
	maxSlackButton  = 75
	maxSlackValue   = 2000
)

func (s *Sandbox) slackRoutes() {
	s.mux.HandleFunc("POST /api/chat.postMessage", s.roomAuth(s.cfg.SlackToken, slackRefused, s.slackPost))
	s.mux.HandleFunc("POST /api/chat.update", s.roomAuth(s.cfg.SlackToken, slackRefused, s.slackUpdate))
	s.mux.HandleFunc("POST /api/chat.postEphemeral", s.roomAuth(s.cfg.SlackToken, slackRefused, s.slackEphemeral))
	s.mux.HandleFunc("GET /api/conversations.replies", s.roomAuth(s.cfg.SlackToken, slackRefused, s.slackHistory))
	s.mux.HandleFunc("GET /api/conversations.history", s.roomAuth(s.cfg.SlackToken, slackRefused, s.slackHistory))
}

func slackRefused(w http.ResponseWriter) { slackError(w, "invalid_auth") }

// slackError refuses as Slack does: with status 200.
func slackError(w http.ResponseWriter, code string) {
	writeJSON(w, http.StatusOK, map[string]any{"ok": false, "error": code})
}

// roomAuth wants a bearer token.
func (s *Sandbox) roomAuth(token string, refuse func(http.ResponseWriter), next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token == "" || !bearer || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			refuse(w)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next(w, r)
	}
}

type slackMessage struct {
	Channel  string `json:"channel"`
	TS       string `json:"ts"`
	ThreadTS string `json:"thread_ts"`
	Text     string `json:"text"`
	Blocks   []struct {
		Type string `json:"type"`
		Text struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"text"`
		Elements []struct {
			Type     string `json:"type"`
			ActionID string `json:"action_id"`
			Value    string `json:"value"`
			Text     struct {
				Text string `json:"text"`
			} `json:"text"`
		} `json:"elements"`
	} `json:"blocks"`
	Metadata struct {
		Type    string            `json:"event_type"`
		Payload map[string]string `json:"event_payload"`
	} `json:"metadata"`
}

// read is what a reader of the message sees, and its buttons; bad is Slack's error.
func (m slackMessage) read() (text string, buttons []Button, bad string) {
	var lines []string
	ids := map[string]bool{}
	for row, b := range m.Blocks {
		switch b.Type {
		case "section":
			if b.Text.Text == "" || len([]rune(b.Text.Text)) > maxSlackSection {
				return "", nil, "invalid_blocks"
			}
			lines = append(lines, b.Text.Text)
		case "actions":
			for _, e := range b.Elements {
				if e.Type != "button" || e.ActionID == "" || ids[e.ActionID] || e.Text.Text == "" || len([]rune(e.Text.Text)) > maxSlackButton || len(e.Value) > maxSlackValue {
					return "", nil, "invalid_blocks"
				}
				ids[e.ActionID] = true
				buttons = append(buttons, Button{Text: e.Text.Text, Data: e.Value, Row: row})
			}
		default:
			return "", nil, "invalid_blocks"
		}
	}
	if text = strings.Join(lines, "\n"); text == "" {
		text = m.Text
	}
	if text == "" {
		return "", nil, "no_text"
	}
	return seen(text), buttons, ""
}

// seen is Slack's markup as it is read: bold without its stars, links as their
// address; a mention is loud.
func seen(text string) string {
	text = strings.NewReplacer("<!channel>", "@CHANNEL!", "<!here>", "@HERE!", "<!everyone>", "@EVERYONE!").Replace(text)
	head, rest, more := strings.Cut(text, "\n")
	if bold, ok := strings.CutPrefix(head, "*"); ok {
		head = strings.TrimSuffix(bold, "*")
	}
	if more {
		head += "\n" + rest
	}
	return strings.NewReplacer("<http", "http", ">", "", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(head)
}

func (s *Sandbox) slackPost(w http.ResponseWriter, r *http.Request) {
	var m slackMessage
	if json.NewDecoder(r.Body).Decode(&m) != nil {
		slackError(w, "invalid_json")
		return
	}
	text, buttons, bad := m.read()
	switch {
	case m.Channel == "" || s.people.of(m.Channel).Room.Gone:
		slackError(w, "channel_not_found")
		return
	case m.ThreadTS != "" && !s.holds(roomKey(m.Channel, m.ThreadTS)):
		slackError(w, "thread_not_found")
		return
	case bad != "":
		slackError(w, bad)
		return
	}
	if s.refuse(w, Slack, OpSend, ChannelSlack, m.Channel) {
		return
	}
	ts := s.slackTS()
	s.roomItem(&Item{
		Provider: Slack, Channel: ChannelSlack, ID: roomKey(m.Channel, ts), To: m.Channel, Text: text, Buttons: buttons, Thread: m.ThreadTS,
		Args: map[string]string{notificationArg: m.Metadata.Payload["id"]},
	})
	if s.vanish(w, r, Slack, ChannelSlack, m.Channel) {
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "channel": m.Channel, "ts": ts})
}

func (s *Sandbox) holds(id string) bool {
	_, ok := s.Item(id)
	return ok
}

func roomKey(room, id string) string { return room + "/" + id }

// roomItem puts a message into a room, whose people may press a button of it.
func (s *Sandbox) roomItem(it *Item) {
	id, p := it.ID, s.people.of(it.To).Room
	s.inbox.add(it, "sent")
	if p.Press == "" {
		return
	}
	s.agenda.after(time.Duration(p.After), func() {
		it, ok := s.Item(id)
		if i := slices.IndexFunc(it.Buttons, func(b Button) bool { return strings.HasPrefix(b.Data, p.Press) }); ok && i >= 0 {
			s.pressInRoom(it, i, Member{ID: p.By, Name: p.By})
		}
	})
}

func (s *Sandbox) slackUpdate(w http.ResponseWriter, r *http.Request) {
	var m slackMessage
	if json.NewDecoder(r.Body).Decode(&m) != nil {
		slackError(w, "invalid_json")
		return
	}
	text, buttons, bad := m.read()
	if _, ok := s.Item(roomKey(m.Channel, m.TS)); !ok {
		bad = "message_not_found"
	}
	if bad != "" {
		slackError(w, bad)
		return
	}
	s.edit(roomKey(m.Channel, m.TS), text, buttons)
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "channel": m.Channel, "ts": m.TS, "text": m.Text})
}

func (s *Sandbox) edit(id, text string, buttons []Button) {
	s.inbox.change(id, func(it *Item) {
		it.Text, it.Buttons, it.Edited = text, buttons, true
		it.set("edited", 0)
	})
}

func (s *Sandbox) slackHistory(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if s.refuse(w, Slack, OpLookup, ChannelSlack, q.Get("channel")) {
		return
	}
	oldest, _ := strconv.ParseFloat(q.Get("oldest"), 64)
	limit, _ := strconv.Atoi(q.Get("limit"))
	list := []map[string]any{}
	items := s.Inbox(Query{To: q.Get("channel"), Channel: ChannelSlack})
	for _, it := range slices.Backward(items) {
		if float64(it.At.Unix()) < oldest {
			break
		}
		if it.Thread != q.Get("ts") || it.OnlyFor != "" { // the history has no replies, a thread nothing else
			continue
		}
		message := map[string]any{"type": "message", "ts": it.ID[strings.LastIndexByte(it.ID, '/')+1:], "text": it.Text}
		if q.Get("include_all_metadata") == "true" {
			message["metadata"] = map[string]any{"event_type": "vakhta_notification", "event_payload": map[string]string{"id": it.Args[notificationArg]}}
		}
		list = append(list, message)
	}
	more := limit > 0 && len(list) > limit
	if more {
		list = list[:limit]
	}
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "messages": list, "has_more": more})
}

// PressAs has a member of a room press a button of a message.
func (s *Sandbox) PressAs(id, data string, who Member) error {
	it, ok := s.Item(id)
	i := slices.IndexFunc(it.Buttons, func(b Button) bool { return b.Data == data })
	if !ok || i < 0 {
		return fmt.Errorf("press a button: there is no item %q with a button %q", id, data)
	}
	s.pressInRoom(it, i, who)
	return nil
}

func (s *Sandbox) pressInRoom(it Item, button int, who Member) {
	if who.ID == "" {
		who = somebody
	}
	s.inbox.change(it.ID, func(x *Item) {
		if button < len(x.Buttons) {
			x.Buttons[button].Pressed = true
		}
	})
	tell := s.tellSlack
	if it.Provider == Mattermost {
		tell = s.tellMattermost
	}
	s.emit(emission{
		provider: it.Provider, channel: it.Channel, to: it.To, group: it.ID,
		send: func() { s.couriers[it.Provider].put(func(ctx context.Context) { tell(ctx, it, button, who) }) },
	})
}

// tellSlack posts a press, signed; Slack doesn't repeat it.
func (s *Sandbox) tellSlack(ctx context.Context, it Item, button int, who Member) {
	ts := it.ID[strings.LastIndexByte(it.ID, '/')+1:]
	payload, _ := json.Marshal(map[string]any{ // of texts alone
		"type": "block_actions", "user": map[string]any{"id": who.ID, "username": who.Name, "name": who.Name, "team_id": "T0SANDBOX"},
		"channel": map[string]any{"id": it.To, "name": "room"}, "container": map[string]any{"type": "message", "message_ts": ts, "channel_id": it.To},
		"message":      map[string]any{"type": "message", "ts": ts, "text": it.Text},
		"response_url": "https://hooks.slack.com/actions/sandbox",
		"actions":      []any{map[string]any{"type": "button", "action_id": "act" + strconv.Itoa(button), "value": it.Buttons[button].Data, "action_ts": fmt.Sprintf("%.6f", float64(time.Now().UnixMicro())/1e6)}},
	})
	body := []byte(url.Values{"payload": {string(payload)}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.SlackActionURL, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.signSlack(req, body)
	s.post(req)
}

func macOf(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}
