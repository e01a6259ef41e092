package message_test

import (
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/message"
)

// Of a machine that nobody could ask, or that is down for another reason, no client reads that it answers.
func TestOnlyWhatAnswersIsSaidToAnswer(t *testing.T) {
	one := []message.Server{{ID: "srv-0001"}}
	for _, c := range []struct {
		data   message.Data
		ru, en string
		no     string
	}{
		{message.Data{Total: 20, Checked: 20, Down: 1, Servers: one}, "отвечают: 19 из 20", "The others answer: 19 of 20", "Of the others"},
		{message.Data{Total: 20, Checked: 12, Down: 1, Servers: one}, "Из остальных отвечают: 11", "Of the others, 11 answer", "The others answer"},
		{message.Data{Total: 20, Checked: 20, Down: 5, Servers: one}, "Из остальных отвечают: 15", "Of the others, 15 answer", "The others answer"},
		{message.Data{Total: 20, Checked: 1, Down: 1, Servers: one}, "srv-0001", "srv-0001", "thers"},
	} {
		for lang, want := range map[inventory.Language]string{inventory.Russian: c.ru, inventory.English: c.en} {
			for _, ch := range []inventory.Channel{inventory.Email, inventory.Telegram} {
				c.data.Zone = "UTC"
				m, err := shipped(t).Render("report.finding", lang, ch, c.data)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(m.Text, want) || strings.Contains(m.Text, c.no) {
					t.Errorf("%s by %s of %+v:\n%s\nwant %q and no %q", lang, ch, c.data, m.Text, want, c.no)
				}
			}
		}
	}
	for _, lang := range []inventory.Language{inventory.Russian, inventory.English} {
		for _, ch := range []inventory.Channel{inventory.Email, inventory.Telegram, inventory.SMS, inventory.Call} {
			d := message.Data{Total: 60, Zone: "UTC", AckCode: "4F7K2M", Sites: []message.SiteCount{{Name: "X", Total: 60}}}
			m, err := shipped(t).Render("report.progress", lang, ch, d)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(m.Text, "все отвечают") || strings.Contains(m.Text, "all of them answer") || strings.Contains(m.Text, "all answering") {
				t.Errorf("%s by %s, nothing checked: %s", lang, ch, m.Text)
			}
		}
	}
}
