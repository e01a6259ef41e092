package sandbox

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// maxTopicName is how long a topic's name may be, in characters.
const maxTopicName = 128

// tooManyInChat refuses what the bot's or the chat's rate doesn't bear.
func (s *Sandbox) tooManyInChat(w http.ResponseWriter, chat string) bool {
	wait := max(s.limits.take("telegram", s.cfg.Limits.Telegram), s.limits.take("chat "+chat, s.cfg.Limits.TelegramChat))
	if wait > 0 {
		tooMany(w, Telegram, wait)
	}
	return wait > 0
}

// createTopic makes a topic of a group, whose id is that of the message which says so.
func (s *Sandbox) createTopic(w http.ResponseWriter, r *http.Request, p map[string]string) {
	chat, name := p["chat_id"], p["name"]
	person := s.people.of(chat).Telegram
	bad := ""
	switch {
	case !isChat(chat) || person.Unknown:
		bad = "chat not found"
	case !strings.HasPrefix(chat, "-100"):
		bad = "the chat is not a forum"
	case person.NoTopics:
		bad = "not enough rights to create a topic"
	case name == "" || len([]rune(name)) > maxTopicName:
		bad = "invalid topic name specified"
	}
	if bad != "" {
		botError(w, http.StatusBadRequest, "Bad Request: "+bad, 0)
		return
	}
	if s.refuse(w, Telegram, OpSend, ChannelTelegram, chat) || s.tooManyInChat(w, chat) {
		return
	}
	id := s.bot.messages.Add(1)
	s.inbox.add(&Item{
		Provider: Telegram, Channel: ChannelTelegram, To: chat, From: "sandbox_bot", ID: messageKey(chat, id),
		Text: name, Thread: strconv.FormatInt(id, 10), Topic: &Topic{Name: name},
	}, "sent")
	if s.vanish(w, r, Telegram, ChannelTelegram, chat) {
		return
	}
	botOK(w, map[string]any{"message_thread_id": id, "name": name, "icon_color": 7322096})
}

// turnTopic closes a topic, or opens it again.
func (s *Sandbox) turnTopic(w http.ResponseWriter, p map[string]string, closed bool) {
	key := p["chat_id"] + "/" + p["message_thread_id"]
	it, ok := s.Item(key)
	switch {
	case !ok || it.Topic == nil:
		botError(w, http.StatusBadRequest, "Bad Request: message thread not found", 0)
	case it.Topic.Closed == closed:
		botError(w, http.StatusBadRequest, "Bad Request: TOPIC_NOT_MODIFIED", 0)
	default:
		s.inbox.change(key, func(it *Item) {
			it.Topic = &Topic{Name: it.Topic.Name, Closed: closed}
			state := "reopened"
			if closed {
				state = "closed"
			}
			it.set(state, 0)
		})
		botOK(w, true)
	}
}

// botThread is the thread in which a message is sent: a topic, or that of the
// message which it answers; bad is what Telegram would say.
func (s *Sandbox) botThread(chat string, p map[string]string) (thread, bad string) {
	if topic := p["message_thread_id"]; topic != "" && topic != "0" {
		if it, ok := s.Item(chat + "/" + topic); !ok || it.Topic == nil {
			return "", "message thread not found"
		}
		return topic, ""
	}
	if p["reply_parameters"] == "" {
		return "", ""
	}
	var to struct {
		MessageID int64 `json:"message_id"`
		Anyway    bool  `json:"allow_sending_without_reply"`
	}
	if json.Unmarshal([]byte(p["reply_parameters"]), &to) != nil {
		return "", "can't parse reply parameters JSON object"
	}
	it, ok := s.Item(messageKey(chat, to.MessageID))
	switch {
	case ok && it.Thread != "":
		return it.Thread, ""
	case ok:
		return strconv.FormatInt(to.MessageID, 10), ""
	case to.Anyway:
		return "", ""
	}
	return "", "message to be replied not found"
}

// threadFields are what a message of a group says of its thread.
func (s *Sandbox) threadFields(it Item, m map[string]any) {
	if it.Thread == "" {
		return
	}
	id, _ := strconv.ParseInt(it.Thread, 10, 64)
	m["message_thread_id"] = id
	root, ok := s.Item(messageKey(it.To, id))
	if ok && root.Topic != nil {
		m["is_topic_message"] = true
		return
	}
	m["reply_to_message"] = map[string]any{"message_id": id, "date": root.At.Unix(), "chat": s.chatObject(it.To)}
}
