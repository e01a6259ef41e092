package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"
)

// The published limits of a message and its buttons.
const (
	maxBotText      = 4096 // UTF-16 units after entities are parsed
	maxCallbackData = 64   // bytes
)

// botState is the bot's webhook, its updates and the buttons pressed.
type botState struct {
	id       int64
	messages atomic.Int64 // the last message_id
	mu       sync.Mutex
	hook     webhook
	queries  map[string]query // callback queries by id
	updates  updates
}

type query struct {
	item   string
	button int
}

func (b *botState) init(cfg Config) {
	head, _, _ := strings.Cut(cfg.TelegramToken, ":")
	b.id, _ = strconv.ParseInt(head, 10, 64)
	b.hook = webhook{url: cfg.TelegramWebhookURL, secret: cfg.TelegramSecret}
	b.queries = make(map[string]query)
	b.updates.init()
}

func botError(w http.ResponseWriter, status int, description string, retryAfter int) {
	answer := map[string]any{"ok": false, "error_code": status, "description": description}
	if retryAfter > 0 {
		answer["parameters"] = map[string]any{"retry_after": retryAfter}
	}
	writeJSON(w, status, answer)
}

func botOK(w http.ResponseWriter, result any) {
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "result": result})
}

var botToken = regexp.MustCompile(`^\d+:[\w-]+$`)

func (s *Sandbox) serveBot(w http.ResponseWriter, r *http.Request) {
	token, method, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/bot"), "/")
	if token != s.cfg.TelegramToken || token == "" {
		if botToken.MatchString(token) {
			botError(w, http.StatusUnauthorized, "Unauthorized", 0)
		} else {
			botError(w, http.StatusNotFound, "Not Found", 0)
		}
		return
	}
	p, err := botParams(w, r)
	if err != nil {
		botError(w, http.StatusBadRequest, "Bad Request: "+err.Error(), 0)
		return
	}
	switch strings.ToLower(method) {
	case "sendmessage":
		s.sendMessage(w, r, p)
		return
	case "createforumtopic":
		s.createTopic(w, r, p)
		return
	}
	if s.refuse(w, Telegram, OpLookup, ChannelTelegram, p["chat_id"]) {
		return
	}
	switch strings.ToLower(method) { // method names ignore case
	case "getme":
		botOK(w, s.botUser())
	case "editmessagetext":
		s.editMessage(w, p, true)
	case "editmessagereplymarkup":
		s.editMessage(w, p, false)
	case "answercallbackquery":
		s.answerQuery(w, p)
	case "closeforumtopic":
		s.turnTopic(w, p, true)
	case "reopenforumtopic":
		s.turnTopic(w, p, false)
	case "setwebhook":
		s.setWebhook(w, p)
	case "deletewebhook":
		s.deleteWebhook(w, p)
	case "getwebhookinfo":
		s.webhookInfo(w)
	case "getupdates":
		s.getUpdates(w, r, p)
	default:
		botError(w, http.StatusNotFound, "Not Found", 0)
	}
}

var (
	errForm = errors.New("can't parse the form")
	errJSON = errors.New("can't parse JSON")
)

// botParams reads a method's parameters from the query and from a JSON, form
// or multipart body; what isn't a string stays JSON.
func botParams(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	p := make(map[string]string)
	take := func(v url.Values) {
		for k := range v {
			p[k] = v.Get(k)
		}
	}
	take(r.URL.Query())
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	kind, opts, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var body map[string]json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
			return nil, errJSON
		}
		for k, raw := range body {
			var text string
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			p[k] = text
		}
	case "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			return nil, errForm
		}
		take(r.PostForm)
	case "multipart/form-data":
		parts := multipart.NewReader(r.Body, opts["boundary"])
		for {
			part, err := parts.NextPart()
			if errors.Is(err, io.EOF) { // a call without parameters is an empty body
				return p, nil
			}
			if err != nil {
				return nil, errForm
			}
			value, err := io.ReadAll(part)
			if err != nil {
				return nil, errForm
			}
			p[part.FormName()] = string(value)
		}
	}
	return p, nil
}

func (s *Sandbox) botUser() map[string]any {
	return map[string]any{
		"id": s.bot.id, "is_bot": true, "first_name": "Sandbox", "username": "sandbox_bot",
		"can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false,
	}
}

func (s *Sandbox) sendMessage(w http.ResponseWriter, r *http.Request, p map[string]string) {
	chat := p["chat_id"]
	text, buttons, bad := botMessage(p)
	person := s.people.of(chat).Telegram
	switch {
	case chat == "":
		botError(w, http.StatusBadRequest, "Bad Request: chat_id is empty", 0)
		return
	case !isChat(chat) || person.Unknown:
		botError(w, http.StatusBadRequest, "Bad Request: chat not found", 0)
		return
	case person.Blocked:
		botError(w, http.StatusForbidden, "Forbidden: bot was blocked by the user", 0)
		return
	}
	thread, astray := s.botThread(chat, p)
	if bad += astray; bad != "" {
		botError(w, http.StatusBadRequest, "Bad Request: "+bad, 0)
		return
	}
	if s.refuse(w, Telegram, OpSend, ChannelTelegram, chat) || s.tooManyInChat(w, chat) {
		return
	}
	it := &Item{
		Provider: Telegram, Channel: ChannelTelegram, To: chat, From: "sandbox_bot",
		ID: messageKey(chat, s.bot.messages.Add(1)), Text: text, Buttons: buttons, Silent: p["disable_notification"] == "true", Thread: thread,
	}
	if p["parse_mode"] != "" {
		it.HTML = p["text"]
	}
	s.inbox.add(it, "sent")
	sent, _ := s.Item(it.ID)
	if person.Press != "" {
		s.agenda.after(time.Duration(person.After), func() { s.pressByPrefix(sent.ID, person.Press) })
	}
	if s.vanish(w, r, Telegram, ChannelTelegram, chat) {
		return
	}
	botOK(w, s.messageObject(sent))
}

func messageKey(chat string, id int64) string { return chat + "/" + strconv.FormatInt(id, 10) }

type keyboard struct {
	Rows [][]struct {
		Text string  `json:"text"`
		Data *string `json:"callback_data"`
		URL  string  `json:"url"`
	} `json:"inline_keyboard"`
}

// botMessage checks a text and its buttons; bad is what Telegram would say.
func botMessage(p map[string]string) (text string, buttons []Button, bad string) {
	text, bad = plainText(p["text"], p["parse_mode"])
	switch {
	case bad != "":
		return "", nil, bad
	case strings.TrimSpace(text) == "":
		return "", nil, "message text is empty"
	case len(utf16.Encode([]rune(text))) > maxBotText:
		return "", nil, "message is too long"
	}
	buttons, bad = botButtons(p["reply_markup"])
	return text, buttons, bad
}

func botButtons(markup string) ([]Button, string) {
	if markup == "" {
		return nil, ""
	}
	var k keyboard
	if err := json.Unmarshal([]byte(markup), &k); err != nil {
		return nil, "can't parse reply keyboard markup JSON object"
	}
	var buttons []Button
	for row, list := range k.Rows {
		for _, b := range list {
			switch {
			case b.Text == "":
				return nil, "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
			case b.Data == nil && b.URL == "":
				return nil, "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
			case b.Data != nil && (*b.Data == "" || len(*b.Data) > maxCallbackData):
				return nil, "BUTTON_DATA_INVALID"
			}
			button := Button{Text: b.Text, URL: b.URL, Row: row}
			if b.Data != nil {
				button.Data = *b.Data
			}
			buttons = append(buttons, button)
		}
	}
	return buttons, ""
}

func (s *Sandbox) editMessage(w http.ResponseWriter, p map[string]string, withText bool) {
	key := p["chat_id"] + "/" + p["message_id"]
	was, ok := s.Item(key)
	if !ok || was.Inbound {
		botError(w, http.StatusBadRequest, "Bad Request: message to edit not found", 0)
		return
	}
	if !withText {
		p["text"], p["parse_mode"] = was.Text, ""
	}
	text, buttons, bad := botMessage(p)
	if bad != "" {
		botError(w, http.StatusBadRequest, "Bad Request: "+bad, 0)
		return
	}
	if text == was.Text && sameButtons(buttons, was.Buttons) {
		botError(w, http.StatusBadRequest, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message", 0)
		return
	}
	s.inbox.change(key, func(it *Item) {
		it.Text, it.Buttons, it.Edited = text, buttons, true
		it.set("edited", 0)
	})
	now, _ := s.Item(key)
	botOK(w, s.messageObject(now))
}

func sameButtons(a, b []Button) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Text != b[i].Text || a[i].Data != b[i].Data || a[i].URL != b[i].URL || a[i].Row != b[i].Row {
			return false
		}
	}
	return true
}

func (s *Sandbox) answerQuery(w http.ResponseWriter, p map[string]string) {
	s.bot.mu.Lock()
	q, ok := s.bot.queries[p["callback_query_id"]]
	delete(s.bot.queries, p["callback_query_id"])
	s.bot.mu.Unlock()
	if !ok {
		botError(w, http.StatusBadRequest, "Bad Request: query is too old and response timeout expired or query ID is invalid", 0)
		return
	}
	s.inbox.change(q.item, func(it *Item) {
		if q.button < len(it.Buttons) {
			it.Buttons[q.button].Answer = p["text"]
		}
	})
	botOK(w, true)
}
