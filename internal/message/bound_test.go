package message

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestANumberStaysWithItsWord(t *testing.T) {
	for text, want := range map[string]string{
		"Москва, зал 2, стойка K14, юнит 7": "Москва, зал~2, стойка~K14, юнит~7",
		"Moscow, room 2, rack K14, unit 7":  "Moscow, room~2, rack~K14, unit~7",
		"Не работают 24 сервера из 500":     "Не работают 24~сервера из 500",
		"Через 15 минут, в 03:12":           "Через 15~минут, в 03:12",
		"(стойка K14)":                      "(стойка~K14)",
		"Зал":                               "Зал",
		"24 ":                               "24 ",
		" 24":                               " 24",
		"зал  2":                            "зал  2",
		"6 из 24":                           "6~из 24",
		"ACME-0406 (стойка )":               "ACME-0406 (стойка )",
		"":                                  "",
	} {
		if got := strings.ReplaceAll(bound(text), string(noBreak), "~"); got != want {
			t.Errorf("%q is bound as %q, want %q", text, got, want)
		}
	}
}

func TestBindingChangesNothingButSpaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("зал 12a ,\n(K"))).Draw(t, "text")
		if back := strings.ReplaceAll(bound(text), string(noBreak), " "); back != text {
			t.Fatalf("%q became %q", text, back)
		}
	})
}
