// Package seal encrypts the addresses that the store keeps, so that a copy of
// the database gives away nobody's phone number.
//
// A sealed text is "sealed:KEY:DATA": KEY names the key without telling it,
// DATA is the base64 of a random 96-bit nonce and the AES-256-GCM ciphertext
// (NIST SP 800-38D) over the text, with the place where it stands as
// additional data: a sealed text that is moved to another row doesn't open.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const mark = "sealed:"

// keySize is AES-256's, in bytes.
const keySize = 32

// ErrNoKey says that a text is sealed with a key that is not at hand.
var ErrNoKey = errors.New("sealed with a key that is not configured; add it to dataKeys")

// Ring seals with its first key and opens with any of them. A nil ring seals
// nothing, and opens what was never sealed. It is safe for concurrent use.
type Ring struct {
	first string
	keys  map[string]cipher.AEAD
}

// New makes a ring of keys: each the base64 of 32 random bytes, the one to
// seal with first. No key makes a nil ring. Errors count the keys from 0 and
// never repeat them.
func New(keys ...string) (*Ring, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	r := &Ring{keys: make(map[string]cipher.AEAD, len(keys))}
	for i, text := range keys {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != keySize {
			return nil, fmt.Errorf("dataKeys[%d]: not the base64 of %d bytes; make one with openssl rand -base64 %d", i, keySize, keySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("dataKeys[%d]: %w", i, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("dataKeys[%d]: %w", i, err)
		}
		sum := sha256.Sum256(append([]byte("vakhta data key\x00"), key...))
		id := hex.EncodeToString(sum[:4])
		if r.keys[id] != nil {
			return nil, fmt.Errorf("dataKeys[%d]: the same key as one before it; remove it", i)
		}
		if r.keys[id] = aead; i == 0 {
			r.first = id
		}
	}
	return r, nil
}

// Seal encrypts the text for its place, such as "report/r7/sender". The empty
// text stays empty.
func (r *Ring) Seal(text, place string) string {
	if r == nil || text == "" {
		return text
	}
	data := r.keys[r.first].Seal(nil, nil, []byte(text), []byte(place))
	return mark + r.first + ":" + base64.StdEncoding.EncodeToString(data)
}

// Open decrypts what Seal made for the place. A text that was never sealed is
// returned as it is.
func (r *Ring) Open(text, place string) (string, error) {
	rest, sealed := strings.CutPrefix(text, mark)
	if !sealed {
		return text, nil
	}
	id, data, ok := strings.Cut(rest, ":")
	raw, err := base64.StdEncoding.Strict().DecodeString(data)
	if !ok || err != nil {
		return "", fmt.Errorf("open %s: it is sealed, and damaged", place)
	}
	var aead cipher.AEAD
	if r != nil {
		aead = r.keys[id]
	}
	if aead == nil {
		return "", fmt.Errorf("open %s, key %s: %w", place, id, ErrNoKey)
	}
	plain, err := aead.Open(nil, nil, raw, []byte(place))
	if err != nil {
		return "", fmt.Errorf("open %s, key %s: it was changed, or moved from another place: %w", place, id, err)
	}
	return string(plain), nil
}

// Stale says that the text wants sealing anew: it is in the clear, or sealed
// with a key that is not the ring's first.
func (r *Ring) Stale(text string) bool {
	return r != nil && text != "" && !strings.HasPrefix(text, mark+r.first+":")
}

// First names the key that is sealed with; empty for a nil ring.
func (r *Ring) First() string {
	if r == nil {
		return ""
	}
	return r.first
}
