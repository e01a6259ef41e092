package ledger

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"strings"

	"vakhta/internal/inventory"
)

// keyEscape keeps the parts of a key apart whatever they hold.
var keyEscape = strings.NewReplacer("%", "%25", "|", "%7C")

// Key is what makes a notification the same one however often it is asked for:
// the subject, the contact, the channel, which sending of the subject, and its revision.
func Key(subject, contact string, ch inventory.Channel, step string, revision int) string {
	return strings.Join([]string{
		keyEscape.Replace(subject),
		keyEscape.Replace(contact),
		keyEscape.Replace(string(ch)),
		keyEscape.Replace(step),
		strconv.Itoa(revision),
	}, "|")
}

const idLength = 20

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// ID is the id of the notification with this key: n and 20 lower-case base32
// characters (100 bits), safe in URLs, headers and custom arguments.
func ID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "n" + strings.ToLower(idEncoding.EncodeToString(sum[:]))[:idLength]
}

// codeAlphabet leaves out what is misread or misheard: 0 O Q, 1 I L, 2 Z, 5 S,
// 8 B, 6 G, U V are each represented by one sign at most.
const codeAlphabet = "23456789ACDEFHJKMNPRTVWXY"

const codeLength = 6

// AckCode is the code of the notification with this key: 6 characters that are
// read, typed and said without mistake. Another salt gives another code; it is
// raised where two notifications would share one.
func AckCode(key string, salt int) string {
	sum := sha256.Sum256([]byte("ack|" + strconv.Itoa(salt) + "|" + key))
	rest := binary.BigEndian.Uint64(sum[:8])
	code := make([]byte, codeLength)
	for i := range code {
		code[i] = codeAlphabet[rest%uint64(len(codeAlphabet))]
		rest /= uint64(len(codeAlphabet))
	}
	return string(code)
}

// cyrillicTwins are the letters that a Russian keyboard offers for those of codeAlphabet.
var cyrillicTwins = map[rune]rune{
	'А': 'A', 'С': 'C', 'Е': 'E', 'Ё': 'E', 'Н': 'H', 'К': 'K', 'М': 'M', 'Р': 'P', 'Т': 'T', 'Х': 'X', 'У': 'Y',
}

// NormalizeAckCode turns what a person typed into a code as AckCode writes it:
// any case, spaces and dashes, Cyrillic letters that look the same. ok is false
// where it can't be a code.
func NormalizeAckCode(typed string) (code string, ok bool) {
	var b strings.Builder
	for _, r := range strings.ToUpper(typed) {
		if twin, found := cyrillicTwins[r]; found {
			r = twin
		}
		switch {
		case r == ' ' || r == '-' || r == '\u00a0':
		case strings.ContainsRune(codeAlphabet, r):
			b.WriteRune(r)
		default:
			return "", false
		}
	}
	return b.String(), b.Len() == codeLength
}

// AckCodeIn finds the code in what somebody typed: alone, however spaced, or as a
// word of a sentence.
func AckCodeIn(text string) (code string, ok bool) {
	if code, ok := NormalizeAckCode(text); ok {
		return code, true
	}
	for word := range strings.FieldsSeq(text) {
		if code, ok := NormalizeAckCode(strings.Trim(word, ".,:;!?()\"'«»")); ok && strings.ContainsAny(code, "0123456789") {
			return code, true
		}
	}
	return "", false
}
