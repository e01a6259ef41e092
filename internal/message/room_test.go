package message_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/message"
)

var (
	moscow  = time.FixedZone("MSK", 3*3600)
	roomNow = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
)

func who(actor string) string {
	return map[string]string{"olga": "Olga", "acme-duty": "a client"}[actor]
}

func line(seq int64, kind, actor, text string) incident.Entry {
	return incident.Entry{Seq: seq, Kind: kind, Actor: actor, Text: text, At: roomNow}
}

func TestARoomIsToldWhatPeopleWant(t *testing.T) {
	yesterday := line(8, "restored", "vakhta", "3 of 4 servers answer again")
	yesterday.At = roomNow.Add(-24 * time.Hour)
	text, upTo := message.Bundle([]incident.Entry{
		line(1, "opened", "vakhta", "Incident opened"), line(2, "runbook", "vakhta", "Runbook x"), line(3, "note", "olga", "one\ntwo, mail me: o.b@x.example or +7 (900) 000-00-12"),
		line(4, "acknowledged", "olga", "olga of team network has it"), line(5, "report", "acme", "acme reports a failure by telegram"), line(6, "eta", "olga", "Expected to be back by 2026-11-24T01:30:00Z"),
		line(7, "note", "acme-duty", "a client's word"), yesterday, line(9, "postmortem", "olga", "approved: "), line(10, "room", "vakhta", "another room is gone"),
	}, who, moscow, roomNow)
	want := `04:00 Olga — one two, mail me: … or …
04:00 olga of team network has it
04:00 acme reports a failure by telegram
04:00 Olga — Expected to be back by 24.11 04:30
04:00 a client — a client's word
22.11 04:00 3 of 4 servers answer again
04:00 Olga — postmortem approved`
	if text != want || upTo != 10 {
		t.Errorf("up to %d:\n%s\nwant\n%s", upTo, text, want)
	}
}

func TestAStormOfAlertsIsCounted(t *testing.T) {
	var entries []incident.Entry
	for i := range 150 {
		entries = append(entries, line(int64(i+1), "alert", "alertmanager", fmt.Sprintf("Alert on s%d: down", i)))
	}
	text, upTo := message.Bundle(entries, who, moscow, roomNow)
	if lines := strings.Split(text, "\n"); len(lines) != 4 || lines[3] != "… and 147 more alerts" || upTo != 150 {
		t.Errorf("up to %d: %s", upTo, text)
	}
}

// Whatever there is to tell, each message fits and no line is left out.
func TestALongTimelineIsToldInSeveralMessages(t *testing.T) {
	var entries []incident.Entry
	for i := range 60 {
		entries = append(entries, line(int64(i+1), "note", "olga", fmt.Sprintf("note %02d %s", i, strings.Repeat("длинно ", i*3))))
	}
	told, rest := "", entries
	for messages := 1; len(rest) > 0; messages++ {
		text, upTo := message.Bundle(rest, who, moscow, roomNow)
		if n := len([]rune(text)); n > 2500 || n == 0 || messages > 60 {
			t.Fatalf("message %d has %d characters, up to %d", messages, n, upTo)
		}
		told += text + "\n"
		rest = entries[upTo:]
	}
	for i := range entries {
		if strings.Count(told, fmt.Sprintf("note %02d", i)) != 1 {
			t.Errorf("note %02d is told %d times", i, strings.Count(told, fmt.Sprintf("note %02d", i)))
		}
	}
}

func TestAThreadsFirstMessageSaysHowToWriteThere(t *testing.T) {
	o := message.Opening{Incident: "k1-1", Severity: "sev2", Finding: "отказ PDU A", Servers: 21, Clients: 2, URL: "https://v.example/incidents/k1-1", Channel: inventory.Slack}
	want := `SEV2 · инцидент k1-1
Отказ PDU A.
Затронуто: 21 сервер, 2 клиента.
https://v.example/incidents/k1-1
Пишите прямо здесь, это будет об этом инциденте: !ack · !note ТЕКСТ · !eta 04:30 · !checked УЗЕЛ ЧТО-ВИДНО · !restored УЗЛЫ · !resolve ПРИЧИНА`
	if got := o.Text(inventory.Russian); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := o.Text(inventory.English); !strings.Contains(got, "Affected: 21 servers, 2 clients.") {
		t.Error(got)
	}
	o.Drill = true
	if got := o.Title(inventory.Russian); got != "УЧЕНИЯ · SEV2 k1-1: отказ PDU A" || !strings.HasPrefix(o.Text(inventory.English), "DRILL · SEV2 · incident k1-1\n") {
		t.Error(got)
	}
}

func TestAThreadsLastMessage(t *testing.T) {
	in := incident.Incident{OpenedAt: roomNow, ResolvedAt: roomNow.Add(125 * time.Minute)}
	if got := message.Closing(in, "https://v.example/postmortems/k1-1", inventory.Russian); got != "Инцидент закрыт, длился 2 ч 5 мин.\nРазбор: https://v.example/postmortems/k1-1\nЗдесь больше ничего не появится, если инцидент не откроют снова." {
		t.Error(got)
	}
}

func TestDiscreetLeavesMachinesAlone(t *testing.T) {
	for text, want := range map[string]string{
		"call +79000000012 or 10.20.30.40": "call … or 10.20.30.40",
		"m2-0401 at 2026-11-23, code 4F7K": "m2-0401 at 2026-11-23, code 4F7K",
		"ops@example.net says +5 °C":       "… says +5 °C",
	} {
		if got := message.Discreet(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
