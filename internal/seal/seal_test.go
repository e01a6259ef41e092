package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vakhta/internal/seal"
)

func key(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }

func ring(t *testing.T, keys ...string) *seal.Ring {
	t.Helper()
	r, err := seal.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatIsSealedOpensInItsPlaceOnly(t *testing.T) {
	r := ring(t, key(1))
	rapid.Check(t, func(t *rapid.T) {
		text, place := rapid.String().Draw(t, "text"), rapid.String().Draw(t, "place")
		sealed := r.Seal(text, place)
		if text != "" && (sealed == text || sealed == r.Seal(text, place)) {
			t.Fatalf("%q sealed twice alike, or not at all: %q", text, sealed)
		}
		if got, err := r.Open(sealed, place); err != nil || got != text {
			t.Fatalf("opened %q, %v; want %q", got, err, text)
		}
		if text == "" {
			return
		}
		if got, err := r.Open(sealed, place+"x"); err == nil {
			t.Fatalf("opened %q in another place", got)
		}
	})
}

func TestAKeyIsReplacedByPuttingTheNewOneFirst(t *testing.T) {
	old := ring(t, key(1))
	sealed := old.Seal("+79161234567", "report/r1/sender")
	both := ring(t, key(2), key(1))
	if got, err := both.Open(sealed, "report/r1/sender"); err != nil || got != "+79161234567" {
		t.Fatalf("opened %q, %v with the new key first", got, err)
	}
	if !both.Stale(sealed) || !both.Stale("+79161234567") || both.Stale("") || both.Stale(both.Seal("+79161234567", "p")) {
		t.Fatal("stale is what is in the clear or under an old key, and nothing else")
	}
	for name, r := range map[string]*seal.Ring{"the new key alone": ring(t, key(2)), "no key": nil} {
		if _, err := r.Open(sealed, "report/r1/sender"); !errors.Is(err, seal.ErrNoKey) {
			t.Fatalf("%s: %v, want ErrNoKey", name, err)
		}
	}
}

func TestWithoutAKeyNothingIsSealed(t *testing.T) {
	none := ring(t)
	if got := none.Seal("+79161234567", "p"); got != "+79161234567" {
		t.Fatalf("sealed as %q without a key", got)
	}
	if got, err := none.Open("+79161234567", "p"); err != nil || got != "+79161234567" {
		t.Fatalf("opened %q, %v", got, err)
	}
}

func TestDamageIsFound(t *testing.T) {
	r := ring(t, key(1))
	sealed := r.Seal("+79161234567", "p")
	flipped := sealed[:len(sealed)-3] + map[bool]string{true: "B", false: "A"}[sealed[len(sealed)-3] == 'A'] + sealed[len(sealed)-2:]
	for _, damaged := range []string{flipped, sealed[:len(sealed)-4], "sealed:", "sealed:" + r.First() + ":!"} {
		if got, err := r.Open(damaged, "p"); err == nil {
			t.Fatalf("opened the damaged %q as %q", damaged, got)
		} else if strings.Contains(err.Error(), "7916") {
			t.Fatalf("the error tells the address: %v", err)
		}
	}
}

func TestABadKeyIsNamedAndNotRepeated(t *testing.T) {
	for _, bad := range [][]string{{"short"}, {key(1), "AAAA"}, {key(1), key(1)}, {""}} {
		_, err := seal.New(bad...)
		if err == nil {
			t.Fatalf("took %d keys, of which one is bad", len(bad))
		}
		if want := map[int]string{1: "dataKeys[0]", 2: "dataKeys[1]"}[len(bad)]; !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), key(1)) {
			t.Fatalf("%v; want it to name %s", err, want)
		}
	}
}
