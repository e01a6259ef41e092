package message_test

import (
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/message"
)

// A page that leaves before anybody has looked for the cause says what
// monitoring says, and counts nothing.
func TestAnEarlyPageSaysWhatMonitoringSaysAndCountsNothing(t *testing.T) {
	for lang, words := range map[inventory.Language][3]string{inventory.Russian: {"тревога мониторинга", "0 серв", "тревога: "}, inventory.English: {"monitoring", "0 server", "alert on "}} {
		for _, ch := range []inventory.Channel{inventory.Email, inventory.Telegram, inventory.Slack, inventory.SMS, inventory.Call} {
			d := message.Data{Incident: "msk-17", Severity: "sev3", Status: "investigating", Early: true, AckCode: "4F7K2M", AckURL: "https://v.example/a/x", Zone: "UTC"}
			d.Finding = words[2] + "srv-0042: host is down"
			m, err := shipped(t).Render("page", lang, ch, d)
			if err != nil {
				t.Fatal(err)
			}
			text := m.Title + "\n" + m.Text
			t.Logf("%s %s: %s", lang, ch, text)
			if !strings.Contains(text, "host is down") || strings.Contains(text, words[1]) {
				t.Errorf("%s by %s: %q", lang, ch, text)
			}
			if ch != inventory.Call && !strings.Contains(text, "srv-0042") {
				t.Errorf("%s by %s: %q doesn't name the machine as it is", lang, ch, text)
			}
			if ch != inventory.SMS && !strings.Contains(text, words[0]) {
				t.Errorf("%s by %s: %q doesn't say that it is early", lang, ch, text)
			}
		}
	}
}
