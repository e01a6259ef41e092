package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/slack"
	"vakhta/internal/config"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/workflows"
)

const (
	testRoom       = "C0123456789"
	testRoomSecret = "room-secret"
	testRoomToken  = "room-token"
	annasSlack     = "U0ANNA00001"
	pageOfTheRoom  = "page/emergency/1"
)

// roomLab is a gateway on loopback, a sandbox whose rooms call it, and a page
// that stands in one.
type roomLab struct {
	*gatehouse
	box *sandbox.Sandbox
	n   ledger.Notification
	id  string // of the message
}

func newRoomLab(t *testing.T, ch inventory.Channel, event string) *roomLab {
	t.Helper()
	h := newGatehouse(t)
	srv := httptest.NewUnstartedServer(nil)
	public := "http://" + srv.Listener.Addr().String()
	box, err := sandbox.New(sandbox.Config{SlackToken: testRoomToken, SlackSecret: testRoomSecret, SlackActionURL: public + slack.ActionPath, MattermostToken: testRoomToken})
	must(t, err)
	t.Cleanup(box.Close)
	must(t, box.Listen("127.0.0.1:0"))
	cfg := h.gateway.cfg
	cfg.Providers.Slack = &config.Slack{URL: box.URL(sandbox.Slack), Token: config.NewSecret(testRoomToken), SigningSecret: config.NewSecret(testRoomSecret)}
	cfg.Providers.Mattermost = &config.Mattermost{URL: box.URL(sandbox.Mattermost), Token: config.NewSecret(testRoomToken), ActionSecret: config.NewSecret(testRoomSecret)}
	cfg.PublicURL = public
	h.gateway, err = newGateway(cfg, h.gateway.deps)
	must(t, err)
	h.handler = h.gateway.Handler()
	srv.Config.Handler = h.handler
	srv.Start()
	t.Cleanup(srv.Close)
	l := &roomLab{gatehouse: h, box: box}
	l.n = h.enqueue(ledger.Notification{
		Subject: "incident/inc-1", Event: event, Step: pageOfTheRoom, Revision: 1, Team: "emergency", Contact: "room",
		Channel: ch, Language: inventory.English, Title: "Failure", Body: "SEV2 · incident inc-1\nA <server> is off.",
	})
	var c notify.Channel
	if ch == inventory.Slack {
		c, err = slack.New(slack.Config{URL: box.URL(sandbox.Slack), Token: testRoomToken})
	} else {
		c, err = mattermost.New(mattermost.Config{URL: box.URL(sandbox.Mattermost), Token: testRoomToken, ActionSecret: testRoomSecret, PublicURL: public})
	}
	must(t, err)
	if o := c.Send(t.Context(), l.n, testRoom); o.State != ledger.Accepted {
		t.Fatalf("%+v", o)
	}
	l.id = box.Inbox(sandbox.Query{})[0].ID
	return l
}

// press has a member press a button, and waits for the message that says so.
func (l *roomLab) press(act string, who sandbox.Member) sandbox.Item {
	l.t.Helper()
	before, _ := l.box.Item(l.id)
	must(l.t, l.box.PressAs(l.id, act+":"+l.n.AckCode, who))
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		_, more := l.box.Events(1<<62, 0)
		if it, _ := l.box.Item(l.id); len(it.History) > len(before.History) {
			return it
		}
		select {
		case <-more:
		case <-time.After(time.Second):
		}
	}
	l.t.Fatal("the message doesn't change")
	return sandbox.Item{}
}

func inBothRooms(t *testing.T, f func(*testing.T, inventory.Channel)) {
	for _, ch := range []inventory.Channel{inventory.Slack, inventory.Mattermost} {
		t.Run(string(ch), func(t *testing.T) { f(t, ch) })
	}
}

func TestWhoPressesInARoomHasIt(t *testing.T) {
	inBothRooms(t, func(t *testing.T, ch inventory.Channel) {
		l := newRoomLab(t, ch, "page")
		it := l.press("ack", sandbox.Member{ID: "U999999999", Name: "boris"})
		if !strings.HasPrefix(it.Text, l.n.Body) || !strings.Contains(it.Text, "✓ boris has it.") || len(it.Buttons) != 0 {
			t.Errorf("the room reads %q, buttons %+v", it.Text, it.Buttons)
		}
		got := l.notification(l.n.ID)
		if got.AcknowledgedAt.IsZero() || got.AcknowledgedVia != string(ch) || got.AcknowledgedBy != "boris" {
			t.Errorf("the ledger holds %+v", got)
		}
		want := workflows.PageAnswer{Contact: "room", By: "boris", Notification: l.n.ID, Via: string(ch)}
		if len(l.flows.calls) != 1 || l.flows.calls[0].arg != want {
			t.Errorf("calls %+v, want %+v", l.flows.calls, want)
		}
	})
}

func TestWhoCantLeavesTheButtonsToOthers(t *testing.T) {
	inBothRooms(t, func(t *testing.T, ch inventory.Channel) {
		l := newRoomLab(t, ch, "page")
		it := l.press("decline", sandbox.Member{ID: "U999999999", Name: "boris"})
		if !strings.Contains(it.Text, "boris can't take it.") || len(it.Buttons) != 2 || !l.notification(l.n.ID).AcknowledgedAt.IsZero() {
			t.Errorf("the room reads %q, buttons %+v", it.Text, it.Buttons)
		}
		if len(l.flows.calls) != 1 || l.flows.calls[0].name != workflows.SignalDeclined {
			t.Errorf("calls %+v", l.flows.calls)
		}
		if it = l.press("ack", sandbox.Member{ID: annasSlack, Name: "anna.k"}); !strings.Contains(it.Text, "✓ Anna has it.") {
			t.Errorf("the room reads %q: who stands in the inventory is called by the name there", it.Text)
		}
		if by := l.notification(l.n.ID).AcknowledgedBy; by != "anna" {
			t.Errorf("acknowledged by %q", by)
		}
	})
}

func TestALatePressIsToldTheTruth(t *testing.T) {
	inBothRooms(t, func(t *testing.T, ch inventory.Channel) {
		l := newRoomLab(t, ch, "page")
		phone := l.page(inventory.Call)
		_, first, err := l.store.Acknowledge(t.Context(), phone.ID, "call", time.Now().Add(-time.Minute))
		if err != nil || !first {
			t.Fatal(err)
		}
		it := l.press("ack", sandbox.Member{ID: "U999999999", Name: "boris"})
		if !strings.Contains(it.Text, "✓ ivan has it already.") || len(it.Buttons) != 0 {
			t.Errorf("the room reads %q", it.Text)
		}
	})
}

func TestWhatARoomHasReadIsRead(t *testing.T) {
	inBothRooms(t, func(t *testing.T, ch inventory.Channel) {
		l := newRoomLab(t, ch, "incident.update")
		if it := l.press("ack", sandbox.Member{ID: "U999999999", Name: "boris & <!channel>"}); !strings.Contains(it.Text, "✓ Read by boris & <!channel>.") {
			t.Errorf("the room reads %q", it.Text)
		}
	})
}

func TestUnsignedPressesChangeNothing(t *testing.T) {
	l := newRoomLab(t, inventory.Slack, "page")
	for path, body := range map[string]string{
		slack.ActionPath:      "payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A%5B%7B%22value%22%3A%22ack%3A" + l.n.AckCode + "%22%7D%5D%7D",
		mattermost.ActionPath: `{"user_id":"u","context":{"data":"ack:` + l.n.AckCode + `","token":"x"}}`,
	} {
		if code, _ := l.send("POST", path, body, nil); code != 403 {
			t.Errorf("%s: %d, want 403", path, code)
		}
	}
	if !l.notification(l.n.ID).AcknowledgedAt.IsZero() || len(l.flows.calls) != 0 {
		t.Error("an unsigned press acknowledges")
	}
}

// Where roles hold, who may only look presses in vain, and the room is told.
func TestWhoMayOnlyLookPressesInVain(t *testing.T) {
	inBothRooms(t, func(t *testing.T, ch inventory.Channel) {
		l := newRoomLab(t, ch, "page")
		inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(strings.Replace(testEstate, "{id: anna, name: Anna,", "{id: anna, name: Anna, role: viewer,", 1))})
		must(t, err)
		l.gateway.deps.Inventory = inv
		it := l.press("ack", sandbox.Member{ID: annasSlack, Name: "anna.k"})
		if !strings.Contains(it.Text, "anna is a viewer") || len(it.Buttons) != 2 || !l.notification(l.n.ID).AcknowledgedAt.IsZero() || len(l.flows.calls) != 0 {
			t.Errorf("the room reads %q, buttons %+v, calls %+v", it.Text, it.Buttons, l.flows.calls)
		}
		if it = l.press("ack", sandbox.Member{ID: "U999999999", Name: "boris"}); !strings.Contains(it.Text, "boris is a viewer") {
			t.Errorf("the room reads %q: a stranger may only look, too", it.Text)
		}
	})
}
