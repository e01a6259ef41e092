package telegram

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-telegram/bot/models"

	"vakhta/activities/notify"
	"vakhta/internal/incident"
	"vakhta/internal/ledger"
)

// secretHeader carries the secret that we gave to setWebhook.
const secretHeader = "X-Telegram-Bot-Api-Secret-Token"

// Webhook verifies and reads updates.
type Webhook struct {
	secret [sha256.Size]byte
	now    func() time.Time
}

// NewWebhook takes the secret of setWebhook. now may be nil.
func NewWebhook(secret string, now func() time.Time) (*Webhook, error) {
	if secret == "" {
		return nil, errors.New("telegram webhook: the secret is empty; configure one and set it with setWebhook")
	}
	if now == nil {
		now = time.Now
	}
	return &Webhook{secret: sha256.Sum256([]byte(secret)), now: now}, nil
}

// InboundMessage is what somebody wrote to the bot.
type InboundMessage struct {
	UpdateID int64 // deduplicates it
	ChatID   string
	UserID   string // who wrote it; in a chat of two the same as ChatID
	Text     string
	At       time.Time

	MessageID int
	Group     bool
	Topic     int // the group's topic in which it was written; 0: none
	ReplyTo   int // the message that it answers; 0: none
}

// Threads are the ids of messages and topics, one of which may be an incident's thread.
func (m *InboundMessage) Threads() []string {
	var out []string
	for _, id := range []int{m.Topic, m.ReplyTo} {
		if id != 0 {
			out = append(out, strconv.Itoa(id))
		}
	}
	return out
}

// Update is one update, read. One of its parts is set; none, if the update
// means nothing to us.
type Update struct {
	Events []ledger.Event
	// CallbackQueryID is to be answered by [Channel.AnswerButton], once the
	// event is durable.
	CallbackQueryID string
	// Pressed says who pressed a button, and where: in a group these differ.
	Pressed Press
	Message *InboundMessage
	Chat    *ChatChange
}

// Press is a press of a button.
type Press struct {
	ChatID string
	UserID string
	Name   string // his, as Telegram knows it
}

// ChatChange is somebody's word on whether he wants the bot's messages.
type ChatChange struct {
	ChatID string
	Left   bool // he stopped or blocked the bot; else he started it, anew maybe
	At     time.Time
}

// Parse verifies and reads one update.
func (w *Webhook) Parse(r *http.Request, body []byte) (Update, error) {
	given := sha256.Sum256([]byte(r.Header.Get(secretHeader)))
	if subtle.ConstantTimeCompare(given[:], w.secret[:]) != 1 {
		return Update{}, fmt.Errorf("%w: telegram", notify.ErrSignature)
	}
	var u models.Update
	if err := json.Unmarshal(body, &u); err != nil {
		return Update{}, fmt.Errorf("%w: telegram: not an update", notify.ErrMalformed)
	}
	switch {
	case u.ID == 0:
		return Update{}, fmt.Errorf("%w: telegram: the update has no id", notify.ErrMalformed)
	case u.CallbackQuery != nil:
		return w.pressed(u), nil
	case u.MyChatMember != nil:
		return Update{Chat: membership(u.MyChatMember)}, nil
	case u.Message != nil && (u.Message.Text == "/stop" || u.Message.Text == "/start" || strings.HasPrefix(u.Message.Text, "/start ")):
		return Update{Chat: &ChatChange{
			ChatID: strconv.FormatInt(u.Message.Chat.ID, 10), Left: u.Message.Text == "/stop", At: time.Unix(int64(u.Message.Date), 0).UTC(),
		}}, nil
	case u.Message != nil && u.Message.Text != "":
		return Update{Message: inbound(u)}, nil
	default:
		return Update{}, nil
	}
}

func inbound(u models.Update) *InboundMessage {
	m := &InboundMessage{
		UpdateID: u.ID, ChatID: strconv.FormatInt(u.Message.Chat.ID, 10), Text: u.Message.Text, At: time.Unix(int64(u.Message.Date), 0).UTC(),
		MessageID: u.Message.ID, Group: u.Message.Chat.Type == models.ChatTypeGroup || u.Message.Chat.Type == models.ChatTypeSupergroup,
	}
	m.UserID = m.ChatID
	if u.Message.From != nil {
		m.UserID = strconv.FormatInt(u.Message.From.ID, 10)
	}
	if u.Message.IsTopicMessage {
		m.Topic = u.Message.MessageThreadID
	}
	if u.Message.ReplyToMessage != nil {
		m.ReplyTo = u.Message.ReplyToMessage.ID
	}
	return m
}

// membership reads what has become of the bot in a chat; nil: nothing that
// concerns its messages.
func membership(m *models.ChatMemberUpdated) *ChatChange {
	c := &ChatChange{ChatID: strconv.FormatInt(m.Chat.ID, 10), At: time.Unix(int64(m.Date), 0).UTC()}
	switch m.NewChatMember.Type {
	case models.ChatMemberTypeBanned, models.ChatMemberTypeLeft:
		c.Left = true
	case models.ChatMemberTypeMember, models.ChatMemberTypeAdministrator:
	default:
		return nil
	}
	return c
}

func (w *Webhook) pressed(u models.Update) Update {
	q := u.CallbackQuery
	out := Update{CallbackQueryID: q.ID, Pressed: Press{
		UserID: strconv.FormatInt(q.From.ID, 10), Name: strings.TrimSpace(cmp.Or(q.From.Username, q.From.FirstName+" "+q.From.LastName)),
	}}
	switch {
	case q.Message.Message != nil:
		out.Pressed.ChatID = strconv.FormatInt(q.Message.Message.Chat.ID, 10)
	case q.Message.InaccessibleMessage != nil:
		out.Pressed.ChatID = strconv.FormatInt(q.Message.InaccessibleMessage.Chat.ID, 10)
	}
	code, ok := strings.CutPrefix(q.Data, ackPrefix)
	answer := ""
	if rest, isAnswer := strings.CutPrefix(q.Data, answerPrefix); isAnswer {
		answer, code, ok = strings.Cut(rest, ":")
		ok = ok && slices.Contains(incident.Answers, incident.Answer(answer))
	}
	if !ok || code == "" {
		return out
	}
	out.Events = []ledger.Event{{
		Provider: Provider, Key: "update/" + strconv.FormatInt(u.ID, 10),
		State: ledger.Read, AckCode: code, Acknowledged: true, Answer: answer, At: w.now().UTC(),
	}}
	return out
}
