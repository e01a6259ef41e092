package message

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"vakhta/internal/inventory"
)

// choose picks the form of a word that agrees with n: three forms in Russian
// (1 сервер, 2 сервера, 5 серверов), two in English (1 server, 2 servers).
func choose(lang inventory.Language, n int, forms []string) (string, error) {
	want := 2
	if lang == inventory.Russian {
		want = 3
	}
	if len(forms) != want {
		return "", fmt.Errorf("a plural in %s takes %d forms, not %d", lang, want, len(forms))
	}
	return forms[pluralForm(lang, n)], nil
}

// pluralForm is the index of the form after Unicode's plural rules for cardinals.
func pluralForm(lang inventory.Language, n int) int {
	if n < 0 {
		n = -n
	}
	if lang != inventory.Russian {
		if n == 1 {
			return 0
		}
		return 1
	}
	switch ones, tens := n%10, n%100; {
	case ones == 1 && tens != 11:
		return 0
	case ones >= 2 && ones <= 4 && (tens < 12 || tens > 14):
		return 1
	default:
		return 2
	}
}

// Capital writes the first letter large.
func Capital(text string) string { return capitalize(text) }

func capitalize(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}
	return string(unicode.ToUpper(r)) + text[size:]
}

// Names of the Latin letters as a Russian voice should say them.
var russianLetters = map[rune]string{
	'a': "а", 'b': "бэ", 'c': "цэ", 'd': "дэ", 'e': "е", 'f': "эф", 'g': "жэ", 'h': "аш", 'i': "и",
	'j': "йот", 'k': "ка", 'l': "эль", 'm': "эм", 'n': "эн", 'o': "о", 'p': "пэ", 'q': "ку", 'r': "эр",
	's': "эс", 't': "тэ", 'u': "у", 'v': "вэ", 'w': "дубль вэ", 'x': "икс", 'y': "игрек", 'z': "зэт",
}

// say writes an id or a code the way that it is read out: "pdu-12" as
// "пэ дэ у, 12", "4F7K" as "4, эф, 7, ка", "0421" as "0 4 2 1". Words of more
// than three letters that can be pronounced stay words; so does all Cyrillic.
func say(lang inventory.Language, text string) string {
	var parts []string
	for _, run := range runs(text) {
		parts = append(parts, sayRun(lang, run))
	}
	return strings.Join(parts, ", ")
}

// spell writes a code the way that it is dictated, each character by itself: two
// digits are no number that whoever notes it down has to take apart.
func spell(lang inventory.Language, code string) string {
	parts := make([]string, 0, len(code))
	for _, r := range code {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			parts = append(parts, sayRun(lang, string(r)))
		}
	}
	return strings.Join(parts, ", ")
}

// speak writes a sentence so that the ids in it can be read out: every word
// that has a digit and a Latin letter, or a hyphen between Latin letters; a
// number with a dot, which is a rack and no fraction; and, to Russians, what is
// written in Latin capitals alone.
func speak(lang inventory.Language, text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		id := strings.TrimRight(word, ".,;:!?)»\"")
		start := strings.TrimLeft(id, "(«\"")
		if isID(start) || isLabel(start) || lang == inventory.Russian && isAcronym(start) {
			words[i] = id[:len(id)-len(start)] + say(lang, start) + word[len(id):]
		}
	}
	return strings.Join(words, " ")
}

func isID(word string) bool {
	latin := strings.ContainsFunc(word, func(r rune) bool { return r <= unicode.MaxASCII && unicode.IsLetter(r) })
	return latin && strings.ContainsFunc(word, func(r rune) bool { return unicode.IsDigit(r) || r == '-' || r == '_' })
}

// isLabel: "2.04", the fourth rack of room 2.
func isLabel(word string) bool {
	room, rack, ok := strings.Cut(word, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return ok && digits(room) && digits(rack)
}

// isAcronym: "PDU", "UPS".
func isAcronym(word string) bool {
	return len(word) >= 2 && len(word) <= 4 && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// pronounceable: a run of Latin letters that a voice can read as a word.
func pronounceable(run string) bool {
	return len(run) > 3 && strings.ContainsAny(strings.ToLower(run), "aeiou")
}

// bare is a sentence without its full stop, to go on from.
func bare(text string) string {
	return strings.TrimRight(strings.TrimSpace(text), ". ")
}

var componentKinds = []inventory.Kind{
	inventory.KindSite, inventory.KindRoom, inventory.KindRack, inventory.KindFeed, inventory.KindPDU,
	inventory.KindPhase, inventory.KindUplink, inventory.KindSwitch, inventory.KindCard, inventory.KindHypervisor, inventory.KindServer,
}

// midSentence writes a sentence that begins with a kind of component as what
// follows a colon: "Server srv-1 is off" as "server srv-1 is off". Names keep
// their capitals.
func midSentence(lang inventory.Language, text string) string {
	for _, kind := range componentKinds {
		word := kind.Word(lang)
		if rest, ok := strings.CutPrefix(text, capitalize(word)+" "); ok {
			return word + " " + rest
		}
	}
	return text
}

// quote marks every line as somebody else's words.
func quote(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = "> " + strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

func sayRun(lang inventory.Language, run string) string {
	first, _ := utf8.DecodeRuneInString(run)
	switch {
	case unicode.IsDigit(first):
		if len(run) > 2 || run[0] == '0' {
			return strings.Join(strings.Split(run, ""), " ")
		}
		return run
	case first > unicode.MaxASCII || pronounceable(run):
		return run
	}
	letters := make([]string, 0, len(run))
	for _, r := range run {
		if name := russianLetters[unicode.ToLower(r)]; lang == inventory.Russian && name != "" {
			letters = append(letters, name)
		} else {
			letters = append(letters, string(unicode.ToUpper(r)))
		}
	}
	return strings.Join(letters, " ")
}

// runs splits text into its runs of digits and of letters.
func runs(text string) []string {
	var out []string
	var last int // 0 none, 1 digit, 2 letter
	for _, r := range text {
		class := 0
		switch {
		case unicode.IsDigit(r):
			class = 1
		case unicode.IsLetter(r):
			class = 2
		}
		switch {
		case class == 0:
		case class == last:
			out[len(out)-1] += string(r)
		default:
			out = append(out, string(r))
		}
		last = class
	}
	return out
}

// tidyLine makes one line of a template's output.
func tidyLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// tidy trims lines and keeps at most one empty line between them.
func tidy(text string) string {
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line = strings.TrimRight(line, " \t\r")
		if line == "" && len(out) > 0 && out[len(out)-1] == "" {
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
