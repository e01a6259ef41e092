package notify

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	mailPattern  = regexp.MustCompile(`[\p{L}\p{N}._%+\-]+@[\p{L}\p{N}.\-]+`)
	phonePattern = regexp.MustCompile(`\+?\d[\d\s().\-]{6,}\d`)
	tokenPattern = regexp.MustCompile(`SG\.[\w.\-]+|\d{5,}:[\w\-]{20,}|(AC|SK)[0-9a-f]{32}`)
)

// Scrub returns a provider's or a network's own words, fit for an operator:
// one line, without the given secrets, without mail addresses, phone numbers
// and tokens, and not long.
func Scrub(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[hidden]")
		}
	}
	text = tokenPattern.ReplaceAllString(text, "[hidden]")
	text = mailPattern.ReplaceAllString(text, "[hidden]")
	text = phonePattern.ReplaceAllString(text, "[hidden]")
	text = strings.Join(strings.Fields(text), " ")
	const limit = 200
	if utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit]) + "…"
	}
	return text
}
