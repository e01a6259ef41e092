// Package acklink makes and checks the links by which a contact acknowledges a
// notification. A link is long-lived and reusable (mail scanners follow links,
// people come back to them); it proves only that whoever holds it was sent
// that notification.
package acklink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

// macBytes is the length of the truncated MAC: 2^96 guesses against a link
// that can only say "I have read it", and short enough for an SMS.
const macBytes = 12

// minSecret is the least length of a key.
const minSecret = 16

// ErrInvalid is the answer to a token that we did not make.
var ErrInvalid = errors.New("acknowledgement link: not one of ours, or cut off")

// Signer signs links with its first key and accepts those of every key, so
// that a key can be replaced while old links still work.
type Signer struct {
	keys [][]byte
}

// NewSigner takes the current key and, if there are any, its predecessors.
func NewSigner(secret string, previous ...string) (Signer, error) {
	var s Signer
	for _, key := range append([]string{secret}, previous...) {
		if len(key) < minSecret {
			return Signer{}, errors.New("link secret: shorter than 16 bytes; make one with: openssl rand -hex 32")
		}
		s.keys = append(s.keys, []byte(key))
	}
	return s, nil
}

// Sign makes the token of a notification to a contact.
func (s Signer) Sign(notification, contact string) string {
	return mac(s.keys[0], notification, contact) + "." + notification
}

// Parse takes the notification's id out of a token, without checking it: the
// contact, which Verify needs, stands in the notification.
func Parse(token string) (notification string, err error) {
	sum, id, found := strings.Cut(token, ".")
	if !found || id == "" || len(sum) != base64.RawURLEncoding.EncodedLen(macBytes) {
		return "", ErrInvalid
	}
	return id, nil
}

// Verify checks a token against the notification and contact that it claims.
func (s Signer) Verify(token, notification, contact string) error {
	for _, key := range s.keys {
		want := mac(key, notification, contact) + "." + notification
		if hmac.Equal([]byte(token), []byte(want)) {
			return nil
		}
	}
	return ErrInvalid
}

// URL is the address of the acknowledgement page.
func (s Signer) URL(public, notification, contact string) string {
	return strings.TrimRight(public, "/") + "/a/" + url.PathEscape(s.Sign(notification, contact))
}

// OptOut makes the token by which the recipient of a notification wants no more
// of its kind. It opens nothing else, nor does the link of an acknowledgement open it.
func (s Signer) OptOut(notification, contact string) string {
	return optOut(s.keys[0], notification, contact) + "." + notification
}

// VerifyOptOut checks such a token against the notification and contact that it claims.
func (s Signer) VerifyOptOut(token, notification, contact string) error {
	for _, key := range s.keys {
		if hmac.Equal([]byte(token), []byte(optOut(key, notification, contact)+"."+notification)) {
			return nil
		}
	}
	return ErrInvalid
}

// OptOutURL is the address of the page.
func (s Signer) OptOutURL(public, notification, contact string) string {
	return strings.TrimRight(public, "/") + "/u/" + url.PathEscape(s.OptOut(notification, contact))
}

func optOut(key []byte, notification, contact string) string {
	return sum(key, "vakhta-optout-1\x00"+notification+"\x00"+contact)
}

// Feed makes the token of the calendar of a client's planned work.
func (s Signer) Feed(client string) string {
	return sum(s.keys[0], "vakhta-feed-1\x00"+client) + "." + client
}

// VerifyFeed checks such a token, and answers whose calendar it opens.
func (s Signer) VerifyFeed(token string) (client string, err error) {
	client, err = Parse(token)
	if err != nil {
		return "", err
	}
	for _, key := range s.keys {
		if hmac.Equal([]byte(token), []byte(sum(key, "vakhta-feed-1\x00"+client)+"."+client)) {
			return client, nil
		}
	}
	return "", ErrInvalid
}

// mac is of a notification to a contact. The separator keeps ("ab","c") and
// ("a","bc") apart.
func mac(key []byte, notification, contact string) string {
	return sum(key, "vakhta-ack-1\x00"+notification+"\x00"+contact)
}

func sum(key []byte, what string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(what))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:macBytes])
}
