package store_test

import (
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/store/storetest"
)

func TestTheLatestWordOfAContactCounts(t *testing.T) {
	s := storetest.Open(t)
	heard := func(contact string, ch inventory.Channel) time.Time {
		t.Helper()
		at, err := s.Heard(t.Context(), contact, ch)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := heard("anna", inventory.WhatsApp); !at.IsZero() {
		t.Errorf("heard at %s before a word", at)
	}
	noon := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{noon.Add(-time.Hour), noon, noon.Add(-time.Minute)} { // callbacks come in any order
		if err := s.Hear(t.Context(), "anna", inventory.WhatsApp, at); err != nil {
			t.Fatal(err)
		}
	}
	if at := heard("anna", inventory.WhatsApp); !at.Equal(noon) {
		t.Errorf("heard at %s, want %s", at, noon)
	}
	if at := heard("anna", inventory.SMS); !at.IsZero() {
		t.Errorf("by SMS at %s, and he never wrote one", at)
	}
}
