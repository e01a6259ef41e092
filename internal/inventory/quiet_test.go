package inventory_test

import (
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
)

func TestQuietHoursGoByTheContactsOwnClock(t *testing.T) {
	contact := load(t, quietly("22:00-08:00")).Clients()[0].Contacts[0]
	zone, err := time.LoadLocation(contact.TimeZone)
	if err != nil {
		t.Fatal(err)
	}
	for clock, want := range map[string]bool{"21:59": false, "22:00": true, "00:00": true, "03:00": true, "07:59": true, "08:00": false, "12:00": false} {
		wall, err := time.ParseInLocation("2006-01-02 15:04", "2026-01-15 "+clock, zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := contact.QuietAt(wall.UTC()); got != want {
			t.Errorf("quiet at %s: %v, want %v", clock, got, want)
		}
	}
	if day := (inventory.Hours{From: 13 * 60, To: 14 * 60}); !day.Hold(time.Date(2026, 1, 1, 13, 59, 0, 0, time.UTC)) || day.Hold(time.Date(2026, 1, 1, 14, 0, 0, 0, time.UTC)) {
		t.Error("hours within one day don't hold")
	}
	if got := contact.Quiet.String(); got != "22:00-08:00" {
		t.Errorf("written as %q", got)
	}
}

func TestWrongHoursAreRefused(t *testing.T) {
	for _, wrong := range []string{"22-8", "24:00-08:00", "22:00-22:00", "22:00", "at night"} {
		_, err := inventory.Load(inventory.Document{Name: "inventory.yaml", Data: []byte(quietly(wrong))})
		if err == nil || !strings.Contains(err.Error(), "quiet") || !strings.Contains(err.Error(), "22:00-08:00") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// quietly is the small inventory whose client has quiet hours.
func quietly(hours string) string {
	return strings.Replace(small, "timezone: Europe/Moscow, contacts:", "timezone: Europe/Moscow, quiet: \""+hours+"\", contacts:", 1)
}
