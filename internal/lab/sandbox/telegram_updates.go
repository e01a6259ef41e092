package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type webhook struct {
	url, secret string
	allowed     []string
	lastError   string
	lastErrorAt time.Time
}

// updates wait per chat: Telegram delivers a chat's in sequence and repeats the
// first until it is answered 2xx, and other chats' meanwhile.
type updates struct {
	last    int64
	byChat  map[string][]update
	busy    map[string]bool // one of the chat's updates is on its way
	arrived chan struct{}   // closed at the next update
}

type update struct {
	id   int64
	kind string
	body map[string]any
}

func (u *updates) init() {
	u.byChat = make(map[string][]update)
	u.busy = make(map[string]bool)
	u.arrived = make(chan struct{})
	u.last = 100_000
}

func (s *Sandbox) chatObject(chat string) map[string]any {
	id, _ := strconv.ParseInt(chat, 10, 64)
	kind := "private"
	if id < 0 {
		kind = "group"
	}
	if strings.HasPrefix(chat, "-100") {
		kind = "supergroup"
	}
	return map[string]any{"id": id, "type": kind, "first_name": "Person " + chat}
}

func person(chat string) map[string]any {
	id, _ := strconv.ParseInt(chat, 10, 64)
	return map[string]any{"id": id, "is_bot": false, "first_name": "Person " + chat, "language_code": "ru"}
}

func (s *Sandbox) messageObject(it Item) map[string]any {
	_, tail, _ := strings.Cut(it.ID, "/")
	id, _ := strconv.ParseInt(tail, 10, 64)
	m := map[string]any{"message_id": id, "date": it.At.Unix(), "chat": s.chatObject(it.To), "text": it.Text, "from": s.botUser()}
	if it.Inbound {
		m["from"] = person(it.To)
	}
	s.threadFields(it, m)
	if it.Edited {
		m["edit_date"] = it.updated().Unix()
	}
	if len(it.Buttons) > 0 {
		var rows [][]map[string]any
		for _, b := range it.Buttons {
			for len(rows) <= b.Row {
				rows = append(rows, []map[string]any{})
			}
			button := map[string]any{"text": b.Text}
			if b.Data != "" {
				button["callback_data"] = b.Data
			}
			if b.URL != "" {
				button["url"] = b.URL
			}
			rows[b.Row] = append(rows[b.Row], button)
		}
		m["reply_markup"] = map[string]any{"inline_keyboard": rows}
	}
	return m
}

// isChat says whether a chat id is one that the sandbox knows: a number. Names
// of public channels aren't.
func isChat(id string) bool {
	n, err := strconv.ParseInt(id, 10, 64)
	return err == nil && n != 0
}

// WriteTelegram has the person in a chat write to the bot.
func (s *Sandbox) WriteTelegram(chat, text string) error {
	if !isChat(chat) {
		return fmt.Errorf("write to the bot: chat %q is not a chat id: use an integer", chat)
	}
	it := &Item{
		Provider: Telegram, Channel: ChannelTelegram, To: chat, From: chat, Text: text, Inbound: true,
		ID: messageKey(chat, s.bot.messages.Add(1)),
	}
	s.inbox.add(it, "received")
	got, _ := s.Item(it.ID)
	s.update(chat, "message", got.ID, s.messageObject(got))
	return nil
}

// PressButton has the recipient of a message press the button with this callback data.
func (s *Sandbox) PressButton(id, data string) error {
	it, ok := s.Item(id)
	if !ok {
		return fmt.Errorf("press a button: the inbox holds no item %q", id)
	}
	i := slices.IndexFunc(it.Buttons, func(b Button) bool { return b.Data != "" && b.Data == data })
	if i < 0 {
		return fmt.Errorf("press a button: item %q has none with data %q", id, data)
	}
	s.pressed(it, i)
	return nil
}

// pressed tells us of a button in the provider's own way.
func (s *Sandbox) pressed(it Item, button int) {
	switch it.Provider {
	case Twilio:
		s.pressReply(it, button)
	case Telegram:
		s.press(it, button)
	default:
		s.pressInRoom(it, button, somebody)
	}
}

func (s *Sandbox) pressByPrefix(id, prefix string) {
	it, ok := s.Item(id)
	if !ok {
		return
	}
	i := slices.IndexFunc(it.Buttons, func(b Button) bool { return b.Data != "" && strings.HasPrefix(b.Data, prefix) })
	if i >= 0 { // an edit may have taken the button away
		s.pressed(it, i)
	}
}

func (s *Sandbox) press(it Item, button int) {
	s.inbox.change(it.ID, func(x *Item) {
		if button < len(x.Buttons) {
			x.Buttons[button].Pressed = true
		}
	})
	id := strconv.FormatUint(mix(uint64(time.Now().UnixNano()))>>1, 10)
	s.bot.mu.Lock()
	s.bot.queries[id] = query{item: it.ID, button: button}
	s.bot.mu.Unlock()
	s.update(it.To, "callback_query", it.ID, map[string]any{
		"id": id, "from": person(it.To), "message": s.messageObject(it),
		"chat_instance": it.To, "data": it.Buttons[button].Data,
	})
}

// update queues an update of the bot's and has it pushed.
func (s *Sandbox) update(chat, kind, group string, object any) {
	s.bot.mu.Lock()
	s.bot.updates.last++
	u := update{id: s.bot.updates.last, kind: kind}
	s.bot.mu.Unlock()
	u.body = map[string]any{"update_id": u.id, kind: object}
	s.emit(emission{provider: Telegram, channel: ChannelTelegram, to: chat, group: group, send: func() {
		s.bot.mu.Lock()
		if len(s.bot.hook.allowed) == 0 || slices.Contains(s.bot.hook.allowed, kind) {
			s.bot.updates.byChat[chat] = append(s.bot.updates.byChat[chat], u)
		}
		close(s.bot.updates.arrived)
		s.bot.updates.arrived = make(chan struct{})
		s.bot.mu.Unlock()
		s.push(chat, 1)
	}})
}

// push delivers a chat's first update to the webhook, if none of the chat's is under way.
func (s *Sandbox) push(chat string, n int) {
	s.bot.mu.Lock()
	defer s.bot.mu.Unlock()
	if s.bot.hook.url == "" || s.bot.updates.busy[chat] || len(s.bot.updates.byChat[chat]) == 0 {
		return
	}
	s.bot.updates.busy[chat] = true
	u, hook := s.bot.updates.byChat[chat][0], s.bot.hook
	s.couriers[Telegram].put(func(ctx context.Context) {
		d := s.postUpdate(ctx, hook, u)
		s.bot.mu.Lock()
		s.bot.updates.busy[chat] = false
		if d.ok() {
			s.bot.updates.drop(chat, u.id)
			if len(s.bot.updates.byChat[chat]) == 0 {
				delete(s.bot.updates.byChat, chat)
				delete(s.bot.updates.busy, chat)
			}
		} else {
			s.bot.hook.lastError, s.bot.hook.lastErrorAt = d.describe(), time.Now()
		}
		s.bot.mu.Unlock()
		if d.ok() {
			s.push(chat, 1)
			return
		}
		s.agenda.after(s.backoff(n), func() { s.push(chat, n+1) })
	})
}

// drop takes the first update with this id off the queue; a fault may have put
// it there twice.
func (u *updates) drop(chat string, id int64) {
	queue := u.byChat[chat]
	if i := slices.IndexFunc(queue, func(x update) bool { return x.id == id }); i >= 0 {
		u.byChat[chat] = slices.Delete(queue, i, i+1)
	}
}

func (d delivery) describe() string {
	if d.err != nil {
		return "Connection failed"
	}
	return "Wrong response from the webhook: " + strconv.Itoa(d.status) + " " + http.StatusText(d.status)
}

func (s *Sandbox) postUpdate(ctx context.Context, hook webhook, u update) delivery {
	body, err := json.Marshal(u.body)
	if err != nil {
		return delivery{err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.url, bytes.NewReader(body))
	if err != nil {
		return delivery{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	if hook.secret != "" {
		req.Header.Set("X-Telegram-Bot-Api-Secret-Token", hook.secret)
	}
	return s.post(req)
}

var hookSecret = regexp.MustCompile(`^[A-Za-z0-9_-]{0,256}$`)

func (s *Sandbox) setWebhook(w http.ResponseWriter, p map[string]string) {
	if !hookSecret.MatchString(p["secret_token"]) {
		botError(w, http.StatusBadRequest, "Bad Request: secret token contains unallowed characters", 0)
		return
	}
	if p["url"] != "" && !webURL(p["url"]) {
		botError(w, http.StatusBadRequest, "Bad Request: bad webhook: invalid URL", 0)
		return
	}
	var allowed []string
	if a := p["allowed_updates"]; a != "" && json.Unmarshal([]byte(a), &allowed) != nil {
		botError(w, http.StatusBadRequest, "Bad Request: can't parse allowed updates", 0)
		return
	}
	s.hook(webhook{url: p["url"], secret: p["secret_token"], allowed: allowed}, p["drop_pending_updates"] == "true")
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "result": true, "description": "Webhook was set"})
}

func (s *Sandbox) deleteWebhook(w http.ResponseWriter, p map[string]string) {
	s.hook(webhook{}, p["drop_pending_updates"] == "true")
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "result": true, "description": "Webhook was deleted"})
}

// hook changes the webhook and pushes what has waited for it.
func (s *Sandbox) hook(h webhook, drop bool) {
	s.bot.mu.Lock()
	s.bot.hook = h
	if drop {
		clear(s.bot.updates.byChat)
	}
	var chats []string
	for chat := range s.bot.updates.byChat {
		chats = append(chats, chat)
	}
	s.bot.mu.Unlock()
	for _, chat := range chats {
		s.push(chat, 1)
	}
}

func (s *Sandbox) webhookInfo(w http.ResponseWriter) {
	s.bot.mu.Lock()
	defer s.bot.mu.Unlock()
	pending := 0
	for _, list := range s.bot.updates.byChat {
		pending += len(list)
	}
	info := map[string]any{"url": s.bot.hook.url, "has_custom_certificate": false, "pending_update_count": pending}
	if s.bot.hook.lastError != "" {
		info["last_error_message"] = s.bot.hook.lastError
		info["last_error_date"] = s.bot.hook.lastErrorAt.Unix()
	}
	if len(s.bot.hook.allowed) > 0 {
		info["allowed_updates"] = s.bot.hook.allowed
	}
	botOK(w, info)
}

// getUpdates is long polling; an offset confirms everything before it.
func (s *Sandbox) getUpdates(w http.ResponseWriter, r *http.Request, p map[string]string) {
	offset, _ := strconv.ParseInt(p["offset"], 10, 64)
	limit, _ := strconv.Atoi(p["limit"])
	if limit < 1 || limit > 100 {
		limit = 100
	}
	seconds, _ := strconv.Atoi(p["timeout"])
	deadline := time.NewTimer(time.Duration(seconds) * time.Second)
	defer deadline.Stop()
	for {
		list, arrived, hooked := s.confirm(offset, limit)
		if hooked {
			botError(w, http.StatusConflict, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first", 0)
			return
		}
		if len(list) > 0 || seconds <= 0 {
			botOK(w, list)
			return
		}
		select {
		case <-arrived:
		case <-deadline.C:
			seconds = 0
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Sandbox) confirm(offset int64, limit int) (list []map[string]any, arrived <-chan struct{}, hooked bool) {
	s.bot.mu.Lock()
	defer s.bot.mu.Unlock()
	var pending []update
	for chat, queue := range s.bot.updates.byChat {
		queue = slices.DeleteFunc(queue, func(u update) bool { return u.id < offset })
		s.bot.updates.byChat[chat] = queue
		if len(queue) == 0 {
			delete(s.bot.updates.byChat, chat)
		}
		pending = append(pending, queue...)
	}
	slices.SortFunc(pending, func(a, b update) int { return int(a.id - b.id) })
	list = []map[string]any{}
	for _, u := range pending[:min(limit, len(pending))] {
		list = append(list, u.body)
	}
	return list, s.bot.updates.arrived, s.bot.hook.url != ""
}
