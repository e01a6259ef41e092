package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// newSite is a gatehouse with one more team, of which olga has Telegram and a number.
func newSite(t *testing.T) *gatehouse {
	h := newGatehouse(t)
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(testEstate + `  - id: hands
    members: [{id: olga, language: ru, timezone: Europe/Moscow, addresses: {telegram: "7001", sms: "+79000000011"}}]
    levels: [{members: [olga], ackWithin: 2m}]
`)})
	must(t, err)
	h.gateway.deps.Inventory = inv
	return h
}

// tells writes to the bot, in a chat of two.
func (h *gatehouse) tells(user, text string) {
	h.t.Helper()
	updateNumber++
	code, body := h.telegram(fmt.Sprintf(`{"update_id":%d,"message":{"message_id":1,"date":1,"chat":{"id":%s,"type":"private"},"from":{"id":%s,"first_name":"x"},"text":%q}}`, updateNumber, user, user, text))
	if code != 204 {
		h.t.Fatalf("answered %d %s", code, body)
	}
}

func TestAnSMSAnswersTheQuestion(t *testing.T) {
	for text, want := range map[string]incident.Answer{
		"нет": incident.No, "Да, горит!": incident.Yes, "CODE да": incident.Yes, "не горит, code": incident.No, "+": incident.Yes, "Не видно отсюда": incident.CantTell,
	} {
		t.Run(text, func(t *testing.T) {
			h := newGatehouse(t)
			q, n := h.question(inventory.SMS)
			text := strings.ReplaceAll(strings.ReplaceAll(text, "CODE", n.AckCode), "code", strings.ToLower(n.AckCode))
			for range 2 { // twice, as callbacks come
				code, answer := h.writes(h.numberOf("ivan"), "SM1", text)
				if code != 200 || !strings.Contains(answer, "записано") {
					t.Fatalf("%q is answered %d %s", text, code, answer)
				}
			}
			if got := h.read(q.ID); got.Answer != want || got.AnsweredBy != "ivan" || got.Via != "sms" {
				t.Errorf("%q made the question %+v", text, got)
			}
			if h.notification(n.ID).AcknowledgedAt.IsZero() {
				t.Error("the message counts as unread")
			}
			if want := (call{"signal", workflows.HandsID("inc-1", 1), workflows.SignalAnswered, workflows.Act{By: "ivan", Via: "sms"}}); len(h.flows.calls) == 0 || h.flows.calls[0] != want {
				t.Errorf("calls %+v", h.flows.calls)
			}
		})
	}
}

func TestAWordInTelegramAnswersTheQuestion(t *testing.T) {
	h := newSite(t)
	q, _ := h.question(inventory.SMS)
	h.enqueue(ledger.Notification{
		Subject: "incident/inc-1", Event: "hands.question", Step: "hands/1/1.1.2", Revision: 1, Team: "emergency", Contact: "olga",
		Channel: inventory.Telegram, Language: inventory.Russian, Body: "Горит ли внутри хоть одна лампа?",
	})
	h.write("7001", "7001", "Нет") // in a group, where it may answer anybody
	h.tells("7001", "Уже иду")     // which answers nothing
	if got := h.read(q.ID); got.Answer != "" {
		t.Errorf("question %+v", got)
	}
	h.tells("7001", "Нет, темно.")
	if got := h.read(q.ID); got.Answer != incident.No || got.AnsweredBy != "olga" || got.Via != "telegram" {
		t.Errorf("question %+v", got)
	}
}

func TestWhatCannotBeReadAsAnAnswerIsNone(t *testing.T) {
	for text, hears := range map[string]string{
		"да нет, не знаю": "Не поняли", "смотрю": "Не поняли", "222222": "",
	} {
		h := newGatehouse(t)
		q, _ := h.question(inventory.SMS)
		if code, answer := h.writes(h.numberOf("ivan"), "SM1", text); code != 200 || !strings.Contains(answer, hears) {
			t.Errorf("%q is answered %d %s", text, code, answer)
		}
		if got := h.read(q.ID); got.Answer != "" {
			t.Errorf("%q made the question %+v", text, got)
		}
	}
}

func TestOfSeveralQuestionsTheCodeSaysWhich(t *testing.T) {
	h := newGatehouse(t)
	first, n := h.question(inventory.SMS)
	second, err := h.store.PutQuestion(t.Context(), incident.Question{
		Incident: "inc-1", Number: 2, Component: "msk-k1", Probe: topology.ProbeFeed, Site: "msk", Team: "emergency", AskedBy: "vakhta", AskedAt: time.Now(), Deadline: time.Now().Add(time.Hour),
	})
	must(t, err)
	other := h.enqueue(ledger.Notification{
		Subject: "incident/inc-1", Event: "hands.question", Step: "hands/2/1.1.1", Revision: 1, Team: "emergency", Contact: "ivan",
		Channel: inventory.SMS, Language: inventory.Russian, Body: "Есть ли на входе напряжение?",
	})
	_, answer := h.writes(h.numberOf("ivan"), "SM1", "да")
	if !strings.Contains(answer, n.AckCode) || !strings.Contains(answer, other.AckCode) {
		t.Errorf("hears %s", answer)
	}
	h.writes(h.numberOf("ivan"), "SM2", "нет "+other.AckCode)
	if a, b := h.read(first.ID), h.read(second.ID); a.Answer != "" || b.Answer != incident.No {
		t.Errorf("questions %+v, %+v", a, b)
	}
	h.writes(h.numberOf("ivan"), "SM3", "да") // one is left
	if a := h.read(first.ID); a.Answer != incident.Yes {
		t.Errorf("question %+v", a)
	}
}

func TestNobodyButWhoWasAskedAnswersInWords(t *testing.T) {
	h := newSite(t)
	q, n := h.question(inventory.SMS)
	h.writes("+19995550123", "SM1", "да "+n.AckCode) // a stranger who guessed
	for _, id := range []string{"olga"} {
		contact, ok := h.gateway.deps.Inventory.Contact(id)
		if !ok {
			t.Fatalf("the inventory has no %s", id)
		}
		h.writes(contact.Addresses[inventory.SMS], "SM-"+id, "да "+n.AckCode)
	}
	if got := h.read(q.ID); got.Answer != "" {
		t.Errorf("question %+v", got)
	}
}
