package message_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/message"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	allLanguages = []inventory.Language{inventory.Russian, inventory.English}
	allChannels  = []inventory.Channel{inventory.Email, inventory.Telegram, inventory.SMS, inventory.Call}
)

// night is a night at a client with 24 machines behind a PDU; words are chosen
// per language, as callers do it.
func night(lang inventory.Language) message.Data {
	now := time.Date(2026, time.November, 23, 0, 12, 0, 0, time.UTC) // 03:12 in Moscow
	d := message.Data{
		Client: "ООО «Акме»", Contact: "Ирина Соколова", Zone: "Europe/Moscow", Now: now,
		Incident: "20261123-0304-pdu12", Report: "r-7f3a", Severity: "sev2", Status: "identified", Team: "Аварийная бригада",
		Finding: "отказ PDU msk-r2-k14-pdu-a: Москва, зал 2, стойка K14",
		Total:   24, Checked: 213, Down: 24, Restored: 6, Clients: 9,
		Sites: []message.SiteCount{
			{Name: "Москва", Total: 250, Checked: 213, Down: 24}, {Name: "Санкт-Петербург", Total: 250},
		},
		ETA: now.Add(78 * time.Minute), NextUpdateMinutes: 15,
		AckCode: "4F7K2M", AckURL: "https://vakhta.example.net/ack/bi03ZjNh.Qm9vYmVyVG9rZW4", CalendarURL: "https://vakhta.example.net/c/Zm9v.acme.ics",
		Work: message.Work{
			ID: "m-12", Title: "Замена ввода питания Б в зале 2",
			StartsAt: now.Add(-2 * time.Hour), EndsAt: now.Add(3 * time.Hour), AnnouncedAt: now.AddDate(0, 0, -14), MovedFrom: now.Add(-26 * time.Hour),
			Impact: "outage", Degraded: 2, Phase: "running", Why: "Меняем автомат ввода.", Times: 4, ConfirmedAt: now.AddDate(0, 0, -13), ConfirmedBy: "Ирина Соколова",
		},
		Question: message.Question{
			Text: "Горит ли лампа блока питания, который включён в PDU B?", Short: "лампа БП от PDU B горит?", What: "сервер msk-r2-k14-u07", Label: "ACME-0406",
			Place: "Москва, зал 2, стойка K14, юнит 7", Spot: "стойка K14 U7 ACME-0406", Answer: "нет",
		},
		TakenBy: "Пётр Ильин", Text: "Электрик в зале, меняем автомат.", URL: "https://vakhta.example.net/postmortem/20261123-0304-pdu12",
	}
	for i := range 24 {
		d.Servers = append(d.Servers, message.Server{
			ID: fmt.Sprintf("msk-r2-k14-u%02d", i+1), Label: fmt.Sprintf("ACME-%04d", 400+i),
			Place: fmt.Sprintf("Москва, зал 2, стойка K14, юнит %d", i+1),
		})
	}
	if lang == inventory.English {
		d.Client, d.Contact, d.Team, d.TakenBy = "Acme Ltd", "Irene Falcon", "Emergency crew", "Peter Elling"
		d.Finding = "PDU msk-r2-k14-pdu-a failed: Moscow, room 2, rack K14"
		d.Sites[0].Name, d.Sites[1].Name = "Moscow", "St Petersburg"
		d.Question = message.Question{
			Text: "Is the lamp of the power supply on PDU B lit?", Short: "is the PSU lamp on PDU B lit?", What: "server msk-r2-k14-u07", Label: "ACME-0406",
			Place: "Moscow, room 2, rack K14, unit 7", Spot: "rack K14 U7 ACME-0406", Answer: "no",
		}
		d.Work.Why, d.Work.ConfirmedBy = "We replace the breaker of the feed.", "Irene Falcon"
		d.Work.Title, d.Text = "Replacement of power feed B in room 2", "The electrician is in the room, replacing a breaker."
		for i := range d.Servers {
			d.Servers[i].Place = fmt.Sprintf("Moscow, room 2, rack K14, unit %d", i+1)
		}
	}
	return d
}

// one is the same night for a client with a single machine.
func one(lang inventory.Language) message.Data {
	d := night(lang)
	d.Servers, d.Total, d.Down, d.Restored, d.Checked, d.Clients = d.Servers[:1], 1, 1, 0, 1, 1
	d.Sites = slices.Clone(d.Sites[:1])
	d.Sites[0].Total, d.Sites[0].Checked, d.Sites[0].Down = 1, 1, 1
	d.ETA, d.NextUpdateMinutes, d.Status = time.Time{}, 0, "investigating"
	d.Work.Impact, d.Work.Degraded, d.Work.Phase, d.Work.Times, d.Work.ConfirmedAt = "degraded", 0, "finished", 1, time.Time{}
	d.Question.Reminder, d.Question.Answer = true, "" // a question that is asked again, and withdrawn
	return d
}

// told is the data as it would be at that event.
func told(event string, d message.Data) message.Data {
	if !strings.HasPrefix(event, "report.") {
		d.Checked = min(d.Checked, d.Total)
		return d
	}
	if d.Total > 1 {
		d.Total, d.Down = 500, 24
	}
	if event == "report.finding" || event == "report.healthy" {
		d.Checked = d.Total
		d.Sites = slices.Clone(d.Sites)
		for i := range d.Sites {
			d.Sites[i].Checked = d.Sites[i].Total
		}
	}
	if event == "report.healthy" {
		d.Servers, d.Finding, d.Down = nil, "", 0
		for i := range d.Sites {
			d.Sites[i].Down = 0
		}
	}
	if event == "report.received" {
		d.Text = "У меня лежит сервер,\nне знаю какой"
	}
	return d
}

func TestRenderingsMatchTheirGoldenFiles(t *testing.T) {
	r := shipped(t)
	for _, lang := range allLanguages {
		for _, event := range r.Events() {
			t.Run(string(lang)+"/"+event, func(t *testing.T) {
				var got bytes.Buffer
				for _, c := range []struct {
					name string
					data message.Data
				}{{"twenty-four machines", night(lang)}, {"one machine", one(lang)}} {
					for _, ch := range allChannels {
						m, err := r.Render(event, lang, ch, told(event, c.data))
						if err != nil {
							t.Fatal(err)
						}
						fmt.Fprintf(&got, "===== %s, %s\n%s\n-----\n%s\n\n", ch, c.name, m.Title, m.Text)
					}
					if room := roomText(t, r, event, lang, told(event, c.data)); room != "" {
						fmt.Fprintf(&got, "===== room, %s\n%s\n\n", c.name, room)
					}
				}
				golden(t, filepath.Join("testdata", string(lang), event+".txt"), got.Bytes())
			})
		}
	}
}

// roomText is what a team's room reads, where that is another text than a
// person's messenger. Slack and Mattermost read the same.
func roomText(t *testing.T, r *message.Renderer, event string, lang inventory.Language, d message.Data) string {
	t.Helper()
	text := map[inventory.Channel]string{}
	for _, ch := range []inventory.Channel{inventory.Telegram, inventory.Slack, inventory.Mattermost} {
		m, err := r.Render(event, lang, ch, d)
		if err != nil {
			t.Fatal(err)
		}
		text[ch] = m.Text
	}
	if text[inventory.Slack] != text[inventory.Mattermost] {
		t.Errorf("Slack reads %q, Mattermost %q", text[inventory.Slack], text[inventory.Mattermost])
	}
	if text[inventory.Slack] == text[inventory.Telegram] {
		return ""
	}
	return text[inventory.Slack]
}

func TestMailsMatchTheirGoldenPages(t *testing.T) {
	r := shipped(t)
	for _, lang := range allLanguages {
		for _, event := range r.Events() {
			t.Run(string(lang)+"/"+event, func(t *testing.T) {
				m, err := r.Render(event, lang, inventory.Email, told(event, night(lang)))
				if err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("testdata", string(lang), event+".html"), []byte(m.HTML))
			})
		}
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./internal/message -update", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it, then: go test ./internal/message -update\ngot:\n%s", file, got)
	}
}

// longest is the worst that realistic data can do to an SMS.
func longest(lang inventory.Language) message.Data {
	d := night(lang)
	long := strings.Repeat("очень длинное название с подробностями ", 6)
	d.Client, d.Contact, d.Team, d.TakenBy = long, long, long, "Константин Константинопольский-Преображенский"
	d.Incident = "20261123-030412-spb-datacenter-2-room-14-rack-k114-pdu-b"
	d.Finding = "не отвечает агрегирующий коммутатор spb-dc2-room14-k114-agg-02: Санкт-Петербург, зал 14, стойка K114, юнит 42"
	d.Work.Title = long
	d.Work.EndsAt, d.ETA = d.Now.AddDate(0, 0, 3), d.Now.AddDate(0, 0, 9) // with their dates
	d.Text = long
	d.Question.Spot, d.Question.Short = "стойка K114 в зале 14 U42 "+long, "лампа БП от "+long+" горит?"
	d.Total, d.Checked, d.Down, d.Restored, d.Clients = 100000, 100000, 100000, 99999, 18000
	return d
}

func TestAnSMSFitsIntoOneSegment(t *testing.T) {
	r := shipped(t)
	encodings := map[inventory.Language]string{inventory.Russian: message.UCS2, inventory.English: message.GSM7}
	for _, lang := range allLanguages {
		for _, event := range r.Events() {
			first, later := longest(lang), longest(lang)
			later.Restored = 0
			again := first
			again.Repeat = true
			for name, d := range map[string]message.Data{
				"night": night(lang), "one": one(lang), "longest": first, "longest, nothing back": later, "repeat": again,
			} {
				m, err := r.Render(event, lang, inventory.SMS, d)
				if err != nil {
					t.Fatal(err)
				}
				text := m.Text
				if !d.Repeat { // room is kept for the mark
					text = message.RepeatMark(lang) + text
				}
				segments, units, encoding := message.Segments(text)
				if segments != 1 || encoding != encodings[lang] {
					t.Errorf("%s/%s, %s: %d segments, %d units of %s: %q", lang, event, name, segments, units, encoding, text)
				}
				if !strings.HasSuffix(text, d.AckCode) {
					t.Errorf("%s/%s, %s: no code at the end of %q", lang, event, name, text)
				}
				if strings.ContainsFunc(text, func(r rune) bool { return r >= 0xE000 && r < 0xF900 }) {
					t.Errorf("%s/%s, %s: an unfilled slot in %q", lang, event, name, text)
				}
			}
		}
	}
}

func TestTheTextsAskForWhatTheEventWants(t *testing.T) {
	r := shipped(t)
	for _, event := range r.Events() {
		for _, lang := range allLanguages {
			m, err := r.Render(event, lang, inventory.Call, night(lang))
			if err != nil {
				t.Fatal(err)
			}
			asks := strings.Contains(m.Text, "Нажмите 1") || strings.Contains(m.Text, "Press 1")
			declines := strings.Contains(m.Text, "; 2 —") || strings.Contains(m.Text, ", 2 if")
			if asks != message.WantsAck(event) || declines != message.CanDecline(event) {
				t.Errorf("%s/%s: asks for 1: %v, want %v; for 2: %v, want %v: %q", lang, event,
					asks, message.WantsAck(event), declines, message.CanDecline(event), m.Text)
			}
			mail, err := r.Render(event, lang, inventory.Email, night(lang))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(mail.Text, night(lang).AckURL); got != message.WantsAck(event) {
				t.Errorf("%s/%s: mail with a link to confirm: %v, want %v", lang, event, got, message.WantsAck(event))
			}
		}
	}
}

func TestARussianPageEndsWithTheInstruction(t *testing.T) {
	m, err := shipped(t).Render("page", inventory.Russian, inventory.Call, night(inventory.Russian))
	if err != nil {
		t.Fatal(err)
	}
	if want := "Нажмите 1, чтобы принять; 2 — если не можете; 4 — повторить."; !strings.HasSuffix(m.Text, want) {
		t.Errorf("%q doesn't end with %q", m.Text, want)
	}
}

func TestNothingIsLeftOfAnEmptyMessage(t *testing.T) {
	r := shipped(t)
	for _, lang := range allLanguages {
		for _, event := range r.Events() {
			for _, ch := range allChannels {
				m, err := r.Render(event, lang, ch, message.Data{})
				if err != nil {
					t.Fatal(err)
				}
				for _, bad := range []string{"0001", "<no value>", "%!", ": .", "{{", " ,"} {
					if strings.Contains(m.Title+"\n"+m.Text, bad) && !strings.HasPrefix(event, "maintenance.") && !slices.Contains([]string{"page", "task.engineer", "report.planned", "report.finding", "hands.question", "hands.standdown"}, event) {
						t.Errorf("%s/%s by %s: %q in %q", lang, event, ch, bad, m.Text)
					}
				}
			}
		}
	}
}
