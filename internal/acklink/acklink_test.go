package acklink

import (
	"errors"
	"strings"
	"testing"
)

func signer(t *testing.T, keys ...string) Signer {
	t.Helper()
	s, err := NewSigner(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var keyA, keyB = strings.Repeat("a", 32), strings.Repeat("b", 32)

func TestALinkProvesItsNotificationAndContact(t *testing.T) {
	s := signer(t, keyA)
	token := s.Sign("n1", "ivan")
	if id, err := Parse(token); err != nil || id != "n1" {
		t.Fatalf("Parse = %q, %v", id, err)
	}
	tests := []struct {
		name, token, notification, contact string
		ok                                 bool
	}{
		{"whole", token, "n1", "ivan", true},
		{"again", token, "n1", "ivan", true},
		{"other contact", token, "n1", "petr", false},
		{"other notification", token, "n2", "ivan", false},
		{"relabelled", strings.Replace(token, "n1", "n2", 1), "n2", "ivan", false},
		{"cut off", token[:len(token)-1], "n1", "ivan", false},
		{"of another key", signer(t, keyB).Sign("n1", "ivan"), "n1", "ivan", false},
		{"border moved", s.Sign("n1i", "van"), "n1", "ivan", false},
		{"empty", "", "", "", false},
	}
	for _, tt := range tests {
		if err := s.Verify(tt.token, tt.notification, tt.contact); (err == nil) != tt.ok {
			t.Errorf("%s: %v, want ok %v", tt.name, err, tt.ok)
		}
	}
}

func TestLinksOutliveTheirKey(t *testing.T) {
	old := signer(t, keyA).Sign("n1", "ivan")
	if err := signer(t, keyB, keyA).Verify(old, "n1", "ivan"); err != nil {
		t.Errorf("a link of the former key: %v", err)
	}
	if signer(t, keyB, keyA).Sign("n1", "ivan") == old {
		t.Error("new links are signed with the former key")
	}
}

func TestShortKeysAreRefused(t *testing.T) {
	if _, err := NewSigner("short"); err == nil || strings.Contains(err.Error(), `"short"`) {
		t.Errorf("short key: %v", err)
	}
}

func TestURLIsOnePathSegment(t *testing.T) {
	s := signer(t, keyA)
	link := s.URL("https://v.example.net/", "a/b?c", "ivan")
	if rest, ok := strings.CutPrefix(link, "https://v.example.net/a/"); !ok || strings.ContainsAny(rest, "/?") {
		t.Errorf("link %s", link)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("AAAAAAAAAAAAAAAA.n1")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		id, err := Parse(token)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		s, err := NewSigner(keyA)
		if err != nil {
			t.Fatal(err)
		}
		if s.Verify(token, id, "c") == nil && token != s.Sign(id, "c") {
			t.Fatalf("%q was never signed", token)
		}
	})
}
