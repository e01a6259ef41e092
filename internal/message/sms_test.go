package message_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"vakhta/internal/message"
)

func TestSegments(t *testing.T) {
	for _, c := range []struct {
		name            string
		text            string
		segments, units int
		encoding        string
	}{
		{"nothing", "", 0, 0, message.GSM7},
		{"one GSM-7 segment", strings.Repeat("a", 160), 1, 160, message.GSM7},
		{"the 161st character costs a second", strings.Repeat("a", 161), 2, 161, message.GSM7},
		{"two joined segments hold 306", strings.Repeat("a", 306), 2, 306, message.GSM7},
		{"and no more", strings.Repeat("a", 307), 3, 307, message.GSM7},
		{"the extension table counts double", strings.Repeat("€", 80), 1, 160, message.GSM7},
		{"brackets too", strings.Repeat("[", 81), 2, 162, message.GSM7},
		{"Greek capitals are basic", "ΔΦΓΛΩΠΨΣΘΞ", 1, 10, message.GSM7},
		{"one Russian segment", strings.Repeat("я", 70), 1, 70, message.UCS2},
		{"the 71st letter costs a second", strings.Repeat("я", 71), 2, 71, message.UCS2},
		{"three segments for 140 letters", strings.Repeat("я", 140), 3, 140, message.UCS2},
		{"an emoji is two units", strings.Repeat("🔥", 35), 1, 70, message.UCS2},
		{"one dash makes it UCS-2", strings.Repeat("a", 70) + "—", 2, 71, message.UCS2},
	} {
		t.Run(c.name, func(t *testing.T) {
			segments, units, encoding := message.Segments(c.text)
			if segments != c.segments || units != c.units || encoding != c.encoding {
				t.Errorf("got %d, %d, %s; want %d, %d, %s", segments, units, encoding, c.segments, c.units, c.encoding)
			}
		})
	}
}

func TestSegmentsHoldTheirUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		segments, units, encoding := message.Segments(text)
		alone, joined := 160, 153
		if encoding == message.UCS2 {
			alone, joined = 70, 67
			if want := len(utf16.Encode([]rune(text))); units != want {
				t.Fatalf("%d units, want %d", units, want)
			}
		}
		holds := alone
		if segments > 1 {
			holds = segments * joined
		}
		if units > holds || (segments > 1 && (units <= alone || units <= (segments-1)*joined)) {
			t.Fatalf("%d segments for %d units of %s", segments, units, encoding)
		}
	})
}
