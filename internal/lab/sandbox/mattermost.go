package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxMattermost is how long a post may be, in characters.
const maxMattermost = 16_383

func (s *Sandbox) mattermostRoutes() {
	s.mux.HandleFunc("POST /api/v4/posts", s.roomAuth(s.cfg.MattermostToken, mattermostUnknown, s.mattermostPost))
	s.mux.HandleFunc("GET /api/v4/channels/{channel}/posts", s.roomAuth(s.cfg.MattermostToken, mattermostUnknown, s.mattermostPosts))
}

func mattermostUnknown(w http.ResponseWriter) {
	mattermostError(w, http.StatusUnauthorized, "api.context.session_expired.app_error", "Invalid or expired session, please login again.")
}

func mattermostError(w http.ResponseWriter, status int, id, message string) {
	writeJSON(w, status, map[string]any{"id": id, "message": message, "status_code": status, "request_id": sid("")})
}

type mattermostMessage struct {
	ChannelID string          `json:"channel_id"`
	RootID    string          `json:"root_id"`
	Message   string          `json:"message"`
	Props     mattermostProps `json:"props"`
}

type mattermostProps struct {
	Notification string `json:"vakhta_notification"`
	Attachments  []struct {
		Actions []struct {
			ID          string `json:"id"`
			Name        string `json:"name"`
			Integration struct {
				URL     string          `json:"url"`
				Context json.RawMessage `json:"context"`
			} `json:"integration"`
		} `json:"actions"`
	} `json:"attachments"`
}

// buttons are those of the attachments; their integration stays with the server.
func (p mattermostProps) buttons() (list []Button) {
	for row, a := range p.Attachments {
		for _, b := range a.Actions {
			var c struct{ Data string }
			_ = json.Unmarshal(b.Integration.Context, &c)
			list = append(list, Button{Text: b.Name, Data: c.Data, Row: row, calls: b.Integration.URL, context: string(b.Integration.Context)})
		}
	}
	return list
}

// markdown is a post as it is read: escaped characters are themselves.
func markdown(text string) string {
	head, rest, more := strings.Cut(text, "\n")
	if bold, ok := strings.CutPrefix(head, "**"); ok {
		head = strings.TrimSuffix(bold, "**")
	}
	if more {
		head += "\n" + rest
	}
	for _, mention := range []string{"@channel", "@all", "@here"} {
		head = strings.ReplaceAll(head, mention, strings.ToUpper(mention)+"!")
	}
	var b strings.Builder
	escaped := false
	for _, r := range strings.ReplaceAll(head, "@\u2060", "@") {
		if escaped = r == '\\' && !escaped; escaped {
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (s *Sandbox) mattermostPost(w http.ResponseWriter, r *http.Request) {
	var m mattermostMessage
	switch err := json.NewDecoder(r.Body).Decode(&m); {
	case err != nil || len([]rune(m.Message)) > maxMattermost:
		mattermostError(w, http.StatusBadRequest, "api.context.invalid_body_param.app_error", "Invalid or missing post in request body.")
		return
	case m.ChannelID == "" || s.people.of(m.ChannelID).Room.Gone:
		mattermostError(w, http.StatusForbidden, "api.context.permissions.app_error", "You do not have the appropriate permissions.")
		return
	}
	if root, ok := s.Item(m.RootID); m.RootID != "" && (!ok || root.Thread != "") {
		mattermostError(w, http.StatusBadRequest, "api.post.create_post.root_id.app_error", "Invalid RootId parameter.")
		return
	}
	if s.refuse(w, Mattermost, OpSend, ChannelMattermost, m.ChannelID) {
		return
	}
	id := sid("")[:26]
	s.roomItem(&Item{
		Provider: Mattermost, Channel: ChannelMattermost, ID: id, To: m.ChannelID, Text: markdown(m.Message), Buttons: m.Props.buttons(), Thread: m.RootID,
		Args: map[string]string{notificationArg: m.Props.Notification},
	})
	if s.vanish(w, r, Mattermost, ChannelMattermost, m.ChannelID) {
		return
	}
	writeJSON(w, http.StatusCreated, map[string]any{"id": id, "channel_id": m.ChannelID, "message": m.Message, "create_at": time.Now().UnixMilli()})
}

func (s *Sandbox) mattermostPosts(w http.ResponseWriter, r *http.Request) {
	room := r.PathValue("channel")
	if s.refuse(w, Mattermost, OpLookup, ChannelMattermost, room) {
		return
	}
	since, _ := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	order, posts := []string{}, map[string]any{}
	for _, it := range s.Inbox(Query{To: room, Channel: ChannelMattermost, Since: time.UnixMilli(since)}) {
		order = append(order, it.ID)
		posts[it.ID] = map[string]any{"id": it.ID, "channel_id": room, "message": it.Text, "props": map[string]any{"vakhta_notification": it.Args[notificationArg]}}
	}
	writeJSON(w, http.StatusOK, map[string]any{"order": order, "posts": posts})
}

// tellMattermost posts a press to the button's own address, and does to the
// message what the answer says.
func (s *Sandbox) tellMattermost(ctx context.Context, it Item, button int, who Member) {
	b := it.Buttons[button]
	body, _ := json.Marshal(map[string]any{ // of texts alone
		"user_id": who.ID, "user_name": who.Name, "channel_id": it.To, "team_id": "sandbox", "post_id": it.ID,
		"trigger_id": sid(""), "type": "button", "data_source": "", "context": json.RawMessage(b.context),
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.calls, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	d := s.post(req)
	var said struct {
		Update *struct {
			Message string          `json:"message"`
			Props   mattermostProps `json:"props"`
		} `json:"update"`
	}
	if d.ok() && json.Unmarshal(d.body, &said) == nil && said.Update != nil {
		s.edit(it.ID, markdown(said.Update.Message), said.Update.Props.buttons())
	}
}
