package sandbox

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"sync"
	"time"
)

// FaultKind is a way in which a provider fails.
type FaultKind string

// The kinds of fault. The first six strike before anything is accepted, the
// next three after the message was accepted and recorded, the rest strike callbacks.
const (
	FaultRateLimit   FaultKind = "rate-limit"  // 429 with the provider's reset or retry-after
	FaultError       FaultKind = "error"       // 500, the provider's JSON
	FaultBadGateway  FaultKind = "bad-gateway" // 502 with a proxy's HTML page
	FaultUnavailable FaultKind = "unavailable" // 503
	FaultDown        FaultKind = "down"        // the connection is closed unread, for every request

	FaultRefuse FaultKind = "refuse" // connections are refused: nothing is written; needs Listen and URL

	FaultHang      FaultKind = "accept-then-hang"  // the answer never comes
	FaultReset     FaultKind = "accept-then-reset" // the connection is reset instead of an answer
	FaultLostError FaultKind = "accept-then-error" // a 500, and yet it was accepted

	FaultLate      FaultKind = "late"      // the callback comes Delay later
	FaultDuplicate FaultKind = "duplicate" // the callback comes twice
	FaultReorder   FaultKind = "reorder"   // the callback comes after the next one of its message
	FaultLose      FaultKind = "lose"      // the callback never comes
)

var (
	beforeKinds   = []FaultKind{FaultRateLimit, FaultError, FaultBadGateway, FaultUnavailable}
	afterKinds    = []FaultKind{FaultHang, FaultReset, FaultLostError}
	callbackKinds = []FaultKind{FaultLate, FaultDuplicate, FaultReorder, FaultLose}
)

// Operation is what a fault strikes.
type Operation string

// The operations. A fault without one strikes sends (callback faults: callbacks).
const (
	OpSend   Operation = "send"
	OpLookup Operation = "lookup" // Twilio's lists and fetches, Telegram's other methods
	OpAny    Operation = "any"
)

// Fault makes matching requests or callbacks fail. Zero selectors match all.
type Fault struct {
	ID       string    `json:"id"` // given by AddFault
	Provider Provider  `json:"provider,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	To       string    `json:"to,omitempty"`
	Op       Operation `json:"op,omitempty"`
	Kind     FaultKind `json:"kind"`

	Probability float64  `json:"probability,omitempty"` // 0: always
	Count       int      `json:"count,omitempty"`       // ends after so many hits; 0: no bound
	For         Duration `json:"for,omitempty"`         // ends after this time; 0: no bound
	RetryAfter  Duration `json:"retryAfter,omitempty"`  // of rate-limit; default 1s
	Delay       Duration `json:"delay,omitempty"`       // of late (default 1s), reorder (at most; 500ms), hang (Timing.MaxHang)

	Hits  int       `json:"hits"`
	Until time.Time `json:"until,omitzero"` // set by AddFault from For
}

type faults struct {
	mu       sync.Mutex
	seed     uint64
	next     int
	active   []*Fault
	attempts map[string]uint64 // fault and recipient → dice thrown so far
}

func (f *faults) init(seed uint64) {
	f.seed = seed
	f.attempts = make(map[string]uint64)
}

// AddFault makes the fault happen from now on and returns its id.
func (s *Sandbox) AddFault(f Fault) (string, error) {
	known := slices.Concat(beforeKinds, afterKinds, callbackKinds, []FaultKind{FaultDown, FaultRefuse})
	if !slices.Contains(known, f.Kind) {
		return "", fmt.Errorf("fault kind %q is unknown: use one of %v", f.Kind, known)
	}
	if f.Provider != "" && s.couriers[f.Provider] == nil {
		return "", fmt.Errorf("provider %q is unknown: use one of %v", f.Provider, providers)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return "", fmt.Errorf("probability %v is not between 0 and 1", f.Probability)
	}
	if !slices.Contains([]Operation{"", OpSend, OpLookup, OpAny}, f.Op) {
		return "", fmt.Errorf("operation %q is unknown: use send, lookup or any", f.Op)
	}
	if f.Kind == FaultRefuse && s.URL(Twilio) == "" {
		return "", fmt.Errorf("fault kind %q needs the sandbox's own ports: call Listen and use its URLs", f.Kind)
	}
	defer s.adjust()
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.next++
	f.ID = "f" + strconv.Itoa(s.faults.next)
	f.Hits = 0
	f.Until = time.Time{}
	if f.For > 0 {
		f.Until = time.Now().Add(time.Duration(f.For))
		s.agenda.after(time.Duration(f.For)+time.Millisecond, s.adjust)
	}
	s.faults.active = append(s.faults.active, &f)
	return f.ID, nil
}

// RemoveFault ends a fault and says whether there was one with this id.
func (s *Sandbox) RemoveFault(id string) bool {
	defer s.adjust()
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	before := len(s.faults.active)
	s.faults.active = slices.DeleteFunc(s.faults.active, func(f *Fault) bool { return f.ID == id })
	return len(s.faults.active) < before
}

// ClearFaults ends all faults.
func (s *Sandbox) ClearFaults() {
	defer s.adjust()
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = nil
}

// Faults are the faults that were added and not removed, ended ones among them.
func (s *Sandbox) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	list := make([]Fault, 0, len(s.faults.active))
	for _, f := range s.faults.active {
		list = append(list, *f)
	}
	return list
}

// strike is the first fault of these kinds that hits, or nil. key is what the
// dice are thrown for: a recipient or a callback.
func (f *faults) strike(kinds []FaultKind, p Provider, op Operation, channel string, to []string, key string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.active {
		if !slices.Contains(kinds, x.Kind) || !x.matches(p, op, channel, to) || x.over() || !f.hits(x, key) {
			continue
		}
		x.Hits++
		hit := *x
		return &hit
	}
	return nil
}

func (x *Fault) over() bool {
	return (x.Count > 0 && x.Hits >= x.Count) || (!x.Until.IsZero() && time.Now().After(x.Until))
}

func (x *Fault) matches(p Provider, op Operation, channel string, to []string) bool {
	if x.Provider != "" && x.Provider != p || x.Channel != "" && x.Channel != channel {
		return false
	}
	if x.Op != OpAny && op != OpAny && x.Op != op && (x.Op != "" || op != OpSend) {
		return false
	}
	return x.To == "" || slices.ContainsFunc(to, func(a string) bool { return address(a) == address(x.To) })
}

// hits throws the dice: a hash of seed, fault, key and the key's count of
// throws, so that the order in which concurrent requests arrive doesn't matter.
func (f *faults) hits(x *Fault, key string) bool {
	if x.Probability == 0 || x.Probability == 1 {
		return true
	}
	slot := x.ID + "\x00" + key
	n := f.attempts[slot]
	f.attempts[slot] = n + 1
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, []uint64{f.seed, n})
	_, _ = h.Write([]byte(slot))
	return float64(mix(h.Sum64())>>11)/(1<<53) < x.Probability
}

// mix spreads FNV's weak high bits (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (d Duration) or(fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return time.Duration(d)
}
