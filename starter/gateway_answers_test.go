package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"vakhta/internal/acklink"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// question is asked, and the message that asks it of ivan by the channel.
func (h *gatehouse) question(channel inventory.Channel) (incident.Question, ledger.Notification) {
	h.t.Helper()
	q, err := h.store.PutQuestion(h.t.Context(), incident.Question{
		Incident: "inc-1", Number: 1, Component: "msk-k1", Probe: topology.ProbePower, Site: "msk", Team: "emergency", AskedBy: "vakhta", AskedAt: time.Now(), Deadline: time.Now().Add(time.Hour),
	})
	must(h.t, err)
	return q, h.enqueue(ledger.Notification{
		Subject: "incident/inc-1", Event: "hands.question", Step: "hands/1/1.1.1", Revision: 1, Team: "emergency", Contact: "ivan",
		Channel: channel, Language: inventory.Russian, Title: "Посмотрите", Body: "Горит ли внутри хоть одна лампа?",
	})
}

func (h *gatehouse) read(id string) incident.Question {
	h.t.Helper()
	q, err := h.store.Question(h.t.Context(), id)
	must(h.t, err)
	return q
}

// buttonPress is the update of a Telegram button.
func buttonPress(update int, answer incident.Answer, n ledger.Notification) string {
	return fmt.Sprintf(`{"update_id":%d,"callback_query":{"id":"q1","from":{"id":1,"is_bot":false,"first_name":"x"},"chat_instance":"c","data":"answer:%s:%s"}}`, update, answer, n.AckCode)
}

func TestAnswersAreRecordedThenToldByEveryDoor(t *testing.T) {
	for name, c := range map[string]struct {
		channel inventory.Channel
		via     string
		press   func(h *gatehouse, n ledger.Notification) (int, string)
		code    int
		hears   string
	}{
		"a digit on the phone": {inventory.Call, "call", func(h *gatehouse, n ledger.Notification) (int, string) {
			return h.twilio("/callbacks/twilio/gather?n="+n.ID+"&q=1", url.Values{"CallSid": {"CA1"}, "Digits": {"2"}})
		}, 200, "Спасибо, записано: нет."},
		"a button in Telegram": {inventory.Telegram, "telegram", func(h *gatehouse, n ledger.Notification) (int, string) {
			return h.telegram(buttonPress(42, incident.No, n))
		}, 204, ""},
		"a button of the page": {inventory.Email, "page", func(h *gatehouse, n ledger.Notification) (int, string) {
			return h.send("POST", h.linkOf(n), "answer=no", map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
		}, 303, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newGatehouse(t)
			q, n := h.question(c.channel)
			for range 2 { // providers repeat, people press twice
				if code, body := c.press(h, n); code != c.code || !strings.Contains(body, c.hears) {
					t.Fatalf("answered %d %s, want %d %s", code, body, c.code, c.hears)
				}
			}
			if got := h.read(q.ID); got.Answer != incident.No || got.AnsweredBy != "ivan" || got.Via != c.via {
				t.Errorf("question %+v", got)
			}
			if h.notification(n.ID).AcknowledgedAt.IsZero() {
				t.Error("the message counts as unread")
			}
			want := call{"signal", workflows.HandsID("inc-1", 1), workflows.SignalAnswered, workflows.Act{By: "ivan", Via: c.via}}
			if len(h.flows.calls) == 0 || h.flows.calls[0] != want {
				t.Errorf("calls %+v, want %+v", h.flows.calls, want)
			}
		})
	}
}

func (h *gatehouse) linkOf(n ledger.Notification) string {
	h.t.Helper()
	signer, err := acklink.NewSigner(testLinkKey)
	must(h.t, err)
	return strings.TrimPrefix(signer.URL(testPublicURL, n.ID, n.Contact), testPublicURL)
}

func TestWhoAnswersTooLateHearsItPolitely(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(h *gatehouse, id string)
		hears string
		page  string
	}{
		"answered by another": {func(h *gatehouse, id string) {
			_, _, err := h.store.AnswerQuestion(h.t.Context(), id, incident.Reply{Answer: incident.Yes, By: "olga", Via: "page", At: time.Now()})
			must(h.t, err)
		}, "Спасибо, ответ уже есть: да.", "Ответ получен: да"},
		"withdrawn": {func(h *gatehouse, id string) {
			_, err := h.store.SetQuestion(h.t.Context(), id, incident.Withdrawn)
			must(h.t, err)
		}, "Спасибо, ответ больше не нужен.", "Вопрос снят"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newGatehouse(t)
			q, n := h.question(inventory.Call)
			c.end(h, q.ID)
			before := h.read(q.ID)
			code, body := h.twilio("/callbacks/twilio/gather?n="+n.ID+"&q=1", url.Values{"CallSid": {"CA1"}, "Digits": {"2"}})
			if code != 200 || !strings.Contains(body, c.hears) || !strings.Contains(body, "<Hangup") {
				t.Errorf("the phone says %d %s, want %s", code, body, c.hears)
			}
			if code, _ := h.telegram(buttonPress(43, incident.No, n)); code != 204 || len(h.botSaid) != 1 || h.botSaid[0] != c.hears {
				t.Errorf("the button says %d %q, want %q", code, h.botSaid, c.hears)
			}
			if _, body := h.send("GET", h.linkOf(n), "", nil); !strings.Contains(body, c.page) || strings.Contains(body, "<form") {
				t.Errorf("the page says %s, want %s and no button", body, c.page)
			}
			if after := h.read(q.ID); after != before {
				t.Errorf("it was changed from %+v to %+v", before, after)
			}
		})
	}
}

func TestThePageOfAQuestionAnswersNothingByItself(t *testing.T) {
	h := newGatehouse(t)
	q, n := h.question(inventory.Email)
	for range 3 { // scanners follow links
		code, body := h.send("GET", h.linkOf(n), "", nil)
		for _, button := range []string{`value="yes"`, `value="no"`, `value="cant-tell"`, "Горит ли внутри"} {
			if code != 200 || !strings.Contains(body, button) {
				t.Fatalf("page %d lacks %s: %s", code, button, body)
			}
		}
	}
	for _, form := range []string{"", "answer=maybe"} {
		if code, _ := h.send("POST", h.linkOf(n), form, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}); code != 400 {
			t.Errorf("%q was answered %d, want 400", form, code)
		}
	}
	if got := h.read(q.ID); !got.Open() || len(h.flows.calls) > 0 || !h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Errorf("it is answered: %+v, calls %+v", got, h.flows.calls)
	}
}

// deafStore keeps everything but answers.
type deafStore struct{ *store.Store }

func (deafStore) AnswerQuestion(context.Context, string, incident.Reply) (incident.Question, bool, error) {
	return incident.Question{}, false, errDisk
}

func TestAnAnswerThatCannotBeStoredIsNotAnswered2xx(t *testing.T) {
	h := newGatehouse(t)
	_, n := h.question(inventory.Call)
	h.gateway.deps.Store = deafStore{h.store}
	if code, _ := h.twilio("/callbacks/twilio/gather?n="+n.ID+"&q=1", url.Values{"CallSid": {"CA1"}, "Digits": {"1"}}); code != 503 {
		t.Errorf("gather answered %d, want 503", code)
	}
}
