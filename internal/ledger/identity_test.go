package ledger

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vakhta/internal/inventory"
)

func TestKeyTellsApartWhatDiffersInAnyPart(t *testing.T) {
	base := Key("incident/a", "acme/duty", inventory.SMS, "update", 1)
	require.Equal(t, "incident/a|acme/duty|sms|update|1", base)
	for _, other := range []string{
		Key("incident/b", "acme/duty", inventory.SMS, "update", 1),
		Key("incident/a", "acme/boss", inventory.SMS, "update", 1),
		Key("incident/a", "acme/duty", inventory.Call, "update", 1),
		Key("incident/a", "acme/duty", inventory.SMS, "resolved", 1),
		Key("incident/a", "acme/duty", inventory.SMS, "update", 2),
	} {
		require.NotEqual(t, base, other)
	}
}

func TestKeyCannotBeForgedBySeparators(t *testing.T) {
	part := rapid.StringOf(rapid.SampledFrom([]rune("a|%7C25/")))
	rapid.Check(t, func(t *rapid.T) {
		a := [3]string{part.Draw(t, "subject"), part.Draw(t, "contact"), part.Draw(t, "step")}
		b := [3]string{part.Draw(t, "subject2"), part.Draw(t, "contact2"), part.Draw(t, "step2")}
		same := Key(a[0], a[1], inventory.SMS, a[2], 1) == Key(b[0], b[1], inventory.SMS, b[2], 1)
		if same != (a == b) {
			t.Fatalf("%q and %q: same key %v", a, b, same)
		}
	})
}

func TestIDIsTheSameForTheSameKey(t *testing.T) {
	// Written down: an id must not change between releases, it is the key of
	// rows and stands in links that people hold.
	require.Equal(t, "nny7xk5prd4nztnrxzmx6", ID("incident/a|acme/duty|sms|update|1"))
	require.Regexp(t, regexp.MustCompile(`^n[a-z2-7]{20}$`), ID("x"))
	require.NotEqual(t, ID("x"), ID("y"))
}

func TestAckCodeIsReadWithoutMistake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, salt := rapid.String().Draw(t, "key"), rapid.IntRange(0, 9).Draw(t, "salt")
		code := AckCode(key, salt)
		if len(code) != 6 || strings.ContainsAny(code, "0OQ1ILZSBGU") || code != strings.ToUpper(code) {
			t.Fatalf("code %q", code)
		}
		if AckCode(key, salt) != code || AckCode(key, salt+1) == code {
			t.Fatalf("code %q does not follow from key and salt", code)
		}
		if got, ok := NormalizeAckCode(code); !ok || got != code {
			t.Fatalf("%q is read as %q", code, got)
		}
	})
}

func TestAckCodesSpreadOverTheWholeAlphabet(t *testing.T) {
	seen := map[rune]int{}
	codes := map[string]bool{}
	for i := range 5000 {
		code := AckCode("key", i)
		codes[code] = true
		for _, r := range code {
			seen[r]++
		}
	}
	require.Len(t, seen, len(codeAlphabet))
	require.Greater(t, len(codes), 4990)
}

func TestTypedCodes(t *testing.T) {
	for _, c := range []struct {
		typed, code string
		ok          bool
	}{
		{"4KT7PX", "4KT7PX", true},
		{" 4kt-7px ", "4KT7PX", true},
		{"4КТ7РХ", "4KT7PX", true}, // typed on a Russian keyboard
		{"асенкм", "ACEHKM", true},
		{"4KT7P", "", false},
		{"4KT7PXX", "", false},
		{"да, понял", "", false},
		{"", "", false},
		{"4KT7P0", "", false},
	} {
		code, ok := NormalizeAckCode(c.typed)
		require.Equal(t, c.ok, ok, c.typed)
		if ok {
			require.Equal(t, c.code, code, c.typed)
		}
	}
}

func FuzzNormalizeAckCode(f *testing.F) {
	f.Add("4kt-7px")
	f.Add("4КТ 7РХ")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := NormalizeAckCode(typed)
		if !ok {
			return
		}
		again, ok := NormalizeAckCode(code)
		if !ok || again != code || len(code) != codeLength {
			t.Fatalf("%q is read as %q, and that as %q", typed, code, again)
		}
	})
}
