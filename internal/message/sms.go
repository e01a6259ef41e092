package message

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"vakhta/internal/inventory"
)

// The characters of GSM 03.38: one septet each, and two for the extension.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// Encodings of an SMS.
const (
	GSM7 = "GSM-7"
	UCS2 = "UCS-2"
)

// Segments says how an SMS is billed: how many segments it takes, its length
// in the units of its encoding (septets, or UTF-16 units), and the encoding.
func Segments(text string) (segments, units int, encoding string) {
	if septets, ok := gsmLength(text); ok {
		return split(septets, 160, 153), septets, GSM7
	}
	n := utf16Length(text)
	return split(n, 70, 67), n, UCS2
}

func split(units, alone, joined int) int {
	switch {
	case units == 0:
		return 0
	case units <= alone:
		return 1
	default:
		return (units + joined - 1) / joined
	}
}

func gsmLength(text string) (int, bool) {
	n := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			n++
		case strings.ContainsRune(gsmExtension, r):
			n += 2
		default:
			return 0, false
		}
	}
	return n, true
}

func utf16Length(text string) int { return len(utf16.Encode([]rune(text))) }

// Fit puts text where it may be cut, so that the whole SMS stays in one
// segment. Everything outside of Fit is essential and never cut.
func (v *view) Fit(text string) string {
	if v.as.kind != SMS {
		return text
	}
	v.as.elastic = append(v.as.elastic, tidyLine(text))
	return string(slot(len(v.as.elastic) - 1))
}

// slot marks the place of an elastic part, by a private-use character.
func slot(i int) rune { return rune(0xE000 + i) }

// measure is what one segment of the language holds. Room for the mark of a
// repeat is kept free: a repeat must not cost a second segment.
func (v *view) measure() (length func(string) int, limit int) {
	reserve := 0
	if !v.Repeat {
		reserve = utf16Length(RepeatMark(v.as.lang))
	}
	if v.as.lang == inventory.Russian {
		return utf16Length, 70 - reserve
	}
	return func(s string) int { n, _ := gsmLength(s); return n }, 160 - reserve
}

// fit fills the elastic parts with as much as one segment holds. Parts that
// need less than their share leave the rest to the others.
func (v *view) fit(text string) string {
	length, limit := v.measure()
	if v.as.lang != inventory.Russian {
		text = latin(text)
		for i, part := range v.as.elastic {
			v.as.elastic[i] = latin(part)
		}
	}
	fixed := text
	for i := range v.as.elastic {
		fixed = strings.ReplaceAll(fixed, string(slot(i)), "")
	}
	room := limit - length(fixed)
	open := len(v.as.elastic)
	shares := make([]int, open)
	for settled := true; settled && open > 0; {
		settled = false
		for i, part := range v.as.elastic {
			if shares[i] == 0 && length(part) <= room/open {
				shares[i] = max(length(part), 1)
				room -= length(part)
				open--
				settled = true
				if open == 0 {
					break
				}
			}
		}
	}
	for i, part := range v.as.elastic {
		if shares[i] == 0 {
			part = v.cut(part, room/open, length)
		}
		text = strings.ReplaceAll(text, string(slot(i)), part)
	}
	text = strings.NewReplacer("….", "…", "....", "...").Replace(text)
	return tidyLine(text)
}

// cut shortens text to a number of units, at a word if there is one near.
func (v *view) cut(text string, units int, length func(string) int) string {
	dots := "…"
	if v.as.lang != inventory.Russian {
		dots = "..."
	}
	runes := []rune(text)
	for len(runes) > 0 && length(string(runes))+length(dots) > units {
		runes = runes[:len(runes)-1]
	}
	if len(runes) == 0 {
		return ""
	}
	cut := string(runes)
	if at := strings.LastIndexByte(cut, ' '); at > len(cut)*2/3 {
		cut = cut[:at]
	}
	return strings.TrimRight(cut, " ,;:.-—(") + dots
}

var cyrillic = map[rune]string{
	'а': "a", 'б': "b", 'в': "v", 'г': "g", 'д': "d", 'е': "e", 'ё': "e", 'ж': "zh", 'з': "z", 'и': "i", 'й': "y",
	'к': "k", 'л': "l", 'м': "m", 'н': "n", 'о': "o", 'п': "p", 'р': "r", 'с': "s", 'т': "t", 'у': "u", 'ф': "f",
	'х': "kh", 'ц': "ts", 'ч': "ch", 'ш': "sh", 'щ': "shch", 'ъ': "", 'ы': "y", 'ь': "", 'э': "e", 'ю': "yu", 'я': "ya",
	'—': "-", '–': "-", '…': "...", '«': "\"", '»': "\"", '“': "\"", '”': "\"", '’': "'", '№': "No.", '\u00a0': " ",
}

// latin writes text in GSM-7, so that a Cyrillic name doesn't make an English
// SMS three times as long. Slots of elastic parts stay.
func latin(text string) string {
	var b strings.Builder
	for _, r := range text {
		lower := unicode.ToLower(r)
		switch to, known := cyrillic[lower]; {
		case r >= 0xE000 && r < 0xE100, strings.ContainsRune(gsmBasic, r), strings.ContainsRune(gsmExtension, r):
			b.WriteRune(r)
		case known && lower != r:
			b.WriteString(capitalize(to))
		case known:
			b.WriteString(to)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}
