// Package htpasswd checks the passwords of people by a file that Apache's
// htpasswd, or `vakhta pages password`, writes: a line for each, the name and a
// bcrypt hash.
//
//	people, err := htpasswd.Parse(text)
//	if people.Check(ctx, "ivan", password) { … }
package htpasswd

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// cost is bcrypt's for new hashes, and the least that a file may have.
const (
	cost      = bcrypt.DefaultCost + 1
	leastCost = bcrypt.DefaultCost
)

// kept is how many passwords that were right are remembered.
const kept = 1000

// People are those of a file.
type People struct {
	hashes map[string][]byte
	none   []byte // the hash that costs the most: a name that there is not is checked by it, in vain
	key    []byte // of what is remembered
	slots  chan struct{}

	mu    sync.Mutex
	right map[[sha256.Size]byte]bool
}

// Parse reads the file. Empty lines and those that begin with # are passed over.
func Parse(text string) (*People, error) { return parse(text, leastCost) }

func parse(text string, least int) (*People, error) {
	p := &People{
		hashes: map[string][]byte{}, right: map[[sha256.Size]byte]bool{}, key: make([]byte, sha256.Size),
		// Whoever guesses must not take the processors from those who page.
		slots: make(chan struct{}, max(runtime.GOMAXPROCS(0)/2, 1)),
	}
	if _, err := rand.Read(p.key); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	dearest := 0
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("line %d: no name and hash; `vakhta pages password NAME` makes one", n)
		}
		if _, twice := p.hashes[name]; twice {
			return nil, fmt.Errorf("line %d: %s has a line already", n, name)
		}
		c, err := bcrypt.Cost([]byte(hash))
		if err != nil { // the hash is not repeated: it may be a password
			return nil, fmt.Errorf("line %d: %s has no bcrypt hash; `vakhta pages password %s` makes one", n, name, name)
		}
		if c < least {
			return nil, fmt.Errorf("line %d: the hash of %s is made with a cost of %d, which is too cheap to guess; make one with %d at least", n, name, c, least)
		}
		p.hashes[name] = []byte(hash)
		if c > dearest {
			dearest, p.none = c, p.hashes[name]
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the passwords: %w", err)
	}
	if len(p.hashes) == 0 {
		return nil, errors.New("nobody is in it; `vakhta pages password NAME` makes a line")
	}
	return p, nil
}

// Names are those who have a password, in order.
func (p *People) Names() []string {
	out := make([]string, 0, len(p.hashes))
	for name := range p.hashes {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Check says whether the password is that person's. It takes as long for a
// name that there is not, and few at a time: a page that loads itself anew does
// not pay for it twice, since what was right is remembered, as a keyed hash.
func (p *People) Check(ctx context.Context, name, password string) bool {
	mark := p.mark(name, password)
	p.mu.Lock()
	known := p.right[mark]
	p.mu.Unlock()
	if known {
		return true
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return false
	}
	hash, there := p.hashes[name]
	if !there {
		hash = p.none
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !there {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.right) >= kept {
		clear(p.right)
	}
	p.right[mark] = true
	return true
}

func (p *People) mark(name, password string) (out [sha256.Size]byte) {
	h := hmac.New(sha256.New, p.key)
	fmt.Fprintf(h, "%d:%s%s", len(name), name, password)
	h.Sum(out[:0])
	return out
}

// shortest is how long a password must be, longest how long bcrypt reads it.
const (
	shortest = 10
	longest  = 72
)

// Line makes somebody's line of the file.
func Line(name, password string) (string, error) {
	if name == "" || strings.ContainsAny(name, ": \t\r\n#") {
		return "", fmt.Errorf("name %q: must be a member's id, without spaces and colons", name)
	}
	if len(password) < shortest || len(password) > longest {
		return "", fmt.Errorf("password: must have from %d to %d bytes", shortest, longest)
	}
	return lineAt(name, password, cost)
}

func lineAt(name, password string, cost int) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("make a hash: %w", err)
	}
	return name + ":" + string(hash), nil
}
