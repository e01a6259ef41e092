package telegram_test

import (
	"strings"
	"testing"

	"vakhta/activities/notify/telegram"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

const forum = "-1001234567890"

func topicLab(t *testing.T) (*sandbox.Sandbox, *telegram.Channel) {
	t.Helper()
	box, err := sandbox.New(sandbox.Config{TelegramToken: "1:t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	if err := box.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c, err := telegram.New(telegram.Config{URL: box.URL(sandbox.Telegram), Token: "1:t"})
	if err != nil {
		t.Fatal(err)
	}
	return box, c
}

func inTopic(event, id string) ledger.Notification {
	return ledger.Notification{ID: "n-1", Event: event, Channel: inventory.Telegram, Language: inventory.English, Title: "SEV2 k1-1", Body: "hello", Thread: ledger.Thread{ID: id, Event: message.RoomTopic}}
}

func TestATopicIsMadeWrittenIntoAndClosed(t *testing.T) {
	box, c := topicLab(t)
	made := c.Send(t.Context(), inTopic(message.RoomTopic, ""), forum)
	if made.State != ledger.Accepted || made.ProviderID == "" {
		t.Fatalf("%+v", made)
	}
	for _, event := range []string{message.RoomLine, message.RoomTopicClosed, message.RoomTopicClosed, message.RoomTopicReopened} { // closed twice: it is closed already
		if o := c.Send(t.Context(), inTopic(event, made.ProviderID), forum); o.State != ledger.Accepted {
			t.Errorf("%s: %+v", event, o)
		}
	}
	items := box.Inbox(sandbox.Query{To: forum})
	if len(items) != 2 || items[0].Topic == nil || items[0].Topic.Name != "SEV2 k1-1" || items[0].Topic.Closed || items[1].Thread != made.ProviderID || items[1].Text != "hello" {
		t.Errorf("the group has %+v", items)
	}
}

func TestATopicThatMayBeTheSecondSaysSo(t *testing.T) {
	box, c := topicLab(t)
	n := inTopic(message.RoomTopic, "")
	n.Repeat, n.Title = true, strings.Repeat("x", 200)
	if o := c.Send(t.Context(), n, forum); o.State != ledger.Accepted {
		t.Fatalf("%+v", o)
	}
	if name := box.Inbox(sandbox.Query{To: forum})[0].Topic.Name; !strings.HasPrefix(name, "Repeat. x") || len([]rune(name)) != 128 {
		t.Errorf("named %q", name)
	}
}

func TestTopicsThatCannotBe(t *testing.T) {
	box, c := topicLab(t)
	box.SetPersona(forum, sandbox.Persona{Telegram: &sandbox.Chat{NoTopics: true}})
	for what, o := range map[string]ledger.Outcome{
		"without the right":        c.Send(t.Context(), inTopic(message.RoomTopic, ""), forum),
		"in a group without them":  c.Send(t.Context(), inTopic(message.RoomTopic, ""), "-5"),
		"into one that is gone":    c.Send(t.Context(), inTopic(message.RoomLine, "77"), forum),
		"closing one that is gone": c.Send(t.Context(), inTopic(message.RoomTopicClosed, "77"), forum),
	} {
		if o.State != ledger.Refused || o.Class != ledger.ClassConfig || o.Message == "" {
			t.Errorf("%s: %+v", what, o)
		}
	}
	if _, err := box.AddFault(sandbox.Fault{Kind: sandbox.FaultReset, Count: 1}); err != nil {
		t.Fatal(err)
	}
	box.SetPersona(forum, sandbox.Persona{})
	if o := c.Send(t.Context(), inTopic(message.RoomTopic, ""), forum); o.State != ledger.Unknown {
		t.Errorf("an answer that was lost: %+v", o)
	}
}

// In a group without topics the thread is the answers to its first message; one
// that somebody deleted takes nothing with it.
func TestAGroupWithoutTopicsHasAnswers(t *testing.T) {
	box, c := topicLab(t)
	first := c.Send(t.Context(), ledger.Notification{Event: message.RoomOpened, Body: "first"}, "-5")
	n := ledger.Notification{Event: message.RoomLine, Body: "second", Thread: ledger.Thread{ID: first.ProviderID, Event: message.RoomOpened}}
	if o := c.Send(t.Context(), n, "-5"); o.State != ledger.Accepted {
		t.Fatalf("%+v", o)
	}
	n.Thread.ID = "99"
	if o := c.Send(t.Context(), n, "-5"); o.State != ledger.Accepted {
		t.Errorf("its first message is gone: %+v", o)
	}
	if items := box.Inbox(sandbox.Query{To: "-5"}); len(items) != 3 || items[1].Thread != first.ProviderID || items[2].Thread != "" {
		t.Errorf("%+v", items)
	}
}
