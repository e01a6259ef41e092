package telegram

import (
	"context"
	"strconv"
	"strings"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// maxTopic is how long a topic's name may be, in characters.
const maxTopic = 128

// topicCall is a method that makes or changes a topic; it answers the topic's id.
type topicCall func(ctx context.Context, b *bot.Bot, n ledger.Notification, chat int64) (int, error)

// topicOf is what a room's message does to its topic; nil: it is a message.
func topicOf(n ledger.Notification) topicCall {
	switch n.Event {
	case message.RoomTopic:
		return func(ctx context.Context, b *bot.Bot, n ledger.Notification, chat int64) (int, error) {
			topic, err := b.CreateForumTopic(ctx, &bot.CreateForumTopicParams{ChatID: chat, Name: topicName(n)})
			if err != nil || topic == nil {
				return 0, err
			}
			return topic.MessageThreadID, nil
		}
	case message.RoomTopicClosed:
		return func(ctx context.Context, b *bot.Bot, n ledger.Notification, chat int64) (int, error) {
			id, _ := strconv.Atoi(n.Thread.ID)
			_, err := b.CloseForumTopic(ctx, &bot.CloseForumTopicParams{ChatID: chat, MessageThreadID: id})
			return id, unchanged(err)
		}
	case message.RoomTopicReopened:
		return func(ctx context.Context, b *bot.Bot, n ledger.Notification, chat int64) (int, error) {
			id, _ := strconv.Atoi(n.Thread.ID)
			_, err := b.ReopenForumTopic(ctx, &bot.ReopenForumTopicParams{ChatID: chat, MessageThreadID: id})
			return id, unchanged(err)
		}
	}
	return nil
}

// unchanged: a topic that is as it should be already is no failure.
func unchanged(err error) error {
	if err != nil && strings.Contains(err.Error(), "TOPIC_NOT_MODIFIED") {
		return nil
	}
	return err
}

// topicName says that a topic may be the second one of its incident: of the
// first nobody knows whether it was made.
func topicName(n ledger.Notification) string {
	name := n.Title
	if n.Repeat {
		name = message.RepeatMark(n.Language) + name
	}
	if r := []rune(name); len(r) > maxTopic {
		name = string(r[:maxTopic-1]) + "…"
	}
	return name
}

// topic makes or changes a topic, in place of a message.
func (c *Channel) topic(ctx context.Context, b *bot.Bot, x *notify.Exchange, do topicCall, n ledger.Notification, chat int64, to string) ledger.Outcome {
	id, err := do(ctx, b, n, chat)
	if err != nil || id == 0 {
		return c.outcome(x, nil, err, to)
	}
	return c.outcome(x, &models.Message{ID: id}, nil, to)
}

// into puts a message into its incident's topic, or below the message that
// opened its thread; where that was deleted it stands alone.
func into(p *bot.SendMessageParams, thread ledger.Thread) {
	id, err := strconv.Atoi(thread.ID)
	switch {
	case err != nil:
	case thread.Event == message.RoomTopic:
		p.MessageThreadID = id
	default:
		p.ReplyParameters = &models.ReplyParameters{MessageID: id, AllowSendingWithoutReply: true}
	}
}
