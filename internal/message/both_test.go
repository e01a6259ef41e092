package message_test

import (
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/message"
)

// Two are both, in English.
func TestTwoServersAreBoth(t *testing.T) {
	for event, want := range map[string]string{
		"incident.restored": "Both of your affected servers work again", "report.healthy": "We have checked both of your servers",
	} {
		for _, ch := range []inventory.Channel{inventory.Email, inventory.Telegram, inventory.SMS, inventory.Call} {
			m, err := shipped(t).Render(event, inventory.English, ch, message.Data{Total: 2, Checked: 2, Restored: 2, Zone: "UTC"})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(m.Text, want) || strings.Contains(m.Text, "ll 2") || strings.Contains(strings.ToLower(m.Text), "every one") {
				t.Errorf("%s by %s: %q, want %q", event, ch, m.Text, want)
			}
		}
	}
}
