package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"
)

// contents are the account's content templates, all of them approved.
type contents struct {
	mu    sync.Mutex
	bySID map[string]content
}

// content is a template as the Content API takes it.
type content struct {
	FriendlyName string            `json:"friendly_name"`
	Language     string            `json:"language"`
	Variables    map[string]string `json:"variables"`
	Types        map[string]struct {
		Body    string `json:"body"`
		Actions []struct {
			Type  string `json:"type"`
			Title string `json:"title"`
			ID    string `json:"id"`
		} `json:"actions"`
	} `json:"types"`
}

// The published limits of a template with quick replies.
const (
	maxContent     = 1024 // UTF-16 units of the body, its variables filled in
	maxReplies     = 10
	maxReplyTitle  = 20
	maxReplyID     = 200
	maxWhitespaces = 4 // in a row in a variable
)

func (s *Sandbox) createContent(w http.ResponseWriter, r *http.Request) {
	var c content
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&c); err != nil {
		twilioError(w, http.StatusBadRequest, 20001, "Invalid parameter value(s)")
		return
	}
	sid, err := s.AddContent(c)
	if err != nil {
		twilioError(w, http.StatusBadRequest, 20001, err.Error())
		return
	}
	writeJSON(w, http.StatusCreated, map[string]any{
		"sid": sid, "account_sid": s.cfg.TwilioSID, "friendly_name": c.FriendlyName, "language": c.Language, "variables": c.Variables, "types": c.Types,
	})
}

// AddContent approves a content template (its JSON decoded) and returns its SID.
func (s *Sandbox) AddContent(c content) (string, error) {
	for kind, t := range c.Types {
		if kind != "twilio/text" && kind != "twilio/quick-reply" {
			return "", fmt.Errorf("the sandbox doesn't know the content type %s", kind)
		}
		body := strings.TrimSpace(t.Body)
		switch { // what WhatsApp approves
		case body == "" || strings.HasPrefix(body, "{{") || strings.HasSuffix(body, "}}") || strings.Contains(body, "}}{{"):
			return "", fmt.Errorf("%s: a body may neither begin nor end with a variable, nor have two beside each other", kind)
		case len(t.Actions) > maxReplies || kind == "twilio/quick-reply" && len(t.Actions) == 0:
			return "", fmt.Errorf("%s: it has 1 to %d buttons", kind, maxReplies)
		}
		for _, a := range t.Actions {
			if a.Type != "QUICK_REPLY" || a.Title == "" || len([]rune(a.Title)) > maxReplyTitle || len(a.ID) > maxReplyID {
				return "", fmt.Errorf("%s: the button %q is none", kind, a.Title)
			}
		}
	}
	if len(c.Types) != 1 || c.Language == "" || c.FriendlyName == "" {
		return "", fmt.Errorf("a template has a name, a language and one type here")
	}
	id := sid("HX")
	s.contents.mu.Lock()
	defer s.contents.mu.Unlock()
	if s.contents.bySID == nil {
		s.contents.bySID = map[string]content{}
	}
	s.contents.bySID[id] = c
	return id, nil
}

// LoadContent is [Sandbox.AddContent] of a template's JSON.
func (s *Sandbox) LoadContent(text []byte) (string, error) {
	var c content
	if err := json.Unmarshal(text, &c); err != nil {
		return "", fmt.Errorf("read a content template: %w", err)
	}
	return s.AddContent(c)
}

// filled is a template with its variables; fails is the error with which a
// message fails after it was accepted, code one by which it is refused at once.
func (s *Sandbox) filled(f url.Values) (body string, buttons []Button, fails, code int) {
	s.contents.mu.Lock()
	c, there := s.contents.bySID[f.Get("ContentSid")]
	s.contents.mu.Unlock()
	if !there {
		return "", nil, 0, 21655
	}
	given := maps.Clone(c.Variables)
	if v := f.Get("ContentVariables"); v != "" && json.Unmarshal([]byte(v), &given) != nil {
		return "", nil, 0, 21656
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		if value == "" || strings.ContainsAny(value, "\n\r\t") || strings.Contains(value, strings.Repeat(" ", maxWhitespaces+1)) {
			fails = 63013
		}
		pairs = append(pairs, "{{"+name+"}}", value)
	}
	fill := strings.NewReplacer(pairs...)
	for _, t := range c.Types { // one
		body = fill.Replace(t.Body)
		for _, a := range t.Actions {
			buttons = append(buttons, Button{Text: a.Title, Data: fill.Replace(a.ID)})
		}
	}
	if len(utf16.Encode([]rune(body))) > maxContent {
		fails = 63021
	}
	return body, buttons, fails, 0
}

// pressReply has the recipient of a WhatsApp message press one of its buttons:
// a message of his with the button's payload.
func (s *Sandbox) pressReply(it Item, button int) {
	s.inbox.change(it.ID, func(x *Item) { x.Buttons[button].Pressed = true })
	b := it.Buttons[button]
	_ = s.write(it.To, it.From, b.Text, url.Values{
		"ButtonText": {b.Text}, "ButtonPayload": {b.Data}, "OriginalRepliedMessageSid": {it.ID},
		"OriginalRepliedMessageSender": {it.From}, "MessageType": {"button"},
	})
}
