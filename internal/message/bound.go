package message

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// placeWords are followed by the name of a place, which says nothing on a line of its own.
var placeWords = map[string]bool{
	"зал": true, "зала": true, "зале": true, "стойка": true, "стойки": true, "стойке": true, "юнит": true, "юнита": true, "юните": true, "ряд": true, "ряда": true,
	"room": true, "rack": true, "unit": true, "row": true,
}

const noBreak = '\u00a0'

// bound keeps a number and its word on one line, in either order: "юнит 1",
// "24 сервера". It is for HTML, where a program breaks the lines; in an SMS the
// character would cost an alphabet.
func bound(text string) string {
	var out strings.Builder
	written, word := 0, 0 // up to where the text is written, and where the word before the space begins
	for i := range len(text) {
		if text[i] != ' ' {
			continue
		}
		if binds(text[word:i], text[i+1:]) {
			out.WriteString(text[written:i])
			out.WriteRune(noBreak)
			written = i + 1
		}
		word = i + 1
	}
	if written == 0 {
		return text
	}
	out.WriteString(text[written:])
	return out.String()
}

// binds says whether a word and what follows it belong together.
func binds(word, rest string) bool {
	if word == "" || rest == "" {
		return false
	}
	next, _ := utf8.DecodeRuneInString(rest)
	if last := word[len(word)-1]; last >= '0' && last <= '9' {
		return unicode.IsLetter(next)
	}
	return placeWords[strings.ToLower(strings.TrimLeft(word, "(«"))] && (unicode.IsLetter(next) || unicode.IsDigit(next))
}
