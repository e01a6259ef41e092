package estate

import (
	"slices"
	"time"

	"vakhta/internal/inventory"
)

// Mode says how a component fails.
type Mode string

// The modes of a fault.
const (
	// Down: broken. A server's system is dead while its power is on; a PDU,
	// feed, switch, uplink, rack, room or site does nothing for those that need it.
	Down Mode = "down"
	// Off: switched off. A server's BMC says so; anything else is as Down.
	Off Mode = "off"
	// Silent is Down, but whatever it takes down drops connection attempts
	// instead of refusing them, as a dead path does.
	Silent Mode = "silent"
	// Flapping is Down and well in turn, half a Period each, down first.
	Flapping Mode = "flapping"
	// Slow: a server or device waits Delay before its banner, its BMC before
	// each answer. The kernel completes the handshake at once all the same.
	Slow Mode = "slow"
)

// Fault is put on one component.
type Fault struct {
	Mode   Mode          `json:"mode"`
	Period time.Duration `json:"-"` // Flapping; 0 is 2 s
	Delay  time.Duration `json:"-"` // Slow; 0 is 800 ms. Of a server that is Down or Off: of its BMC alone; 0 is none
	Since  time.Time     `json:"since"`
}

// broken says whether the fault keeps its component from working at now, and
// when that changes next (zero: never by itself).
func (f Fault) broken(now time.Time) (bool, time.Time) {
	switch f.Mode {
	case Down, Off, Silent:
		return true, time.Time{}
	case Flapping:
		half := int64(f.Period / 2)
		n := int64(now.Sub(f.Since)) / half
		return n%2 == 0, f.Since.Add(time.Duration((n + 1) * half))
	}
	return false, time.Time{}
}

// condition is what physics says of one component.
type condition struct {
	powered   bool // its power groups, and its place, hold
	works     bool // and it is healthy, and its network groups hold
	connected bool // its network groups hold
	silent    bool // what keeps it down drops packets
	cause     []string
}

// world evaluates the dependency graph for one moment.
type world struct {
	components map[string]*inventory.Component
	faults     map[string]Fault
	now        time.Time
	memo       map[string]condition
}

// at says what state the component is in. The inventory is free of cycles;
// a component under evaluation counts as dead, so that a cycle can't hang us.
func (w *world) at(id string) condition {
	if c, ok := w.memo[id]; ok {
		return c
	}
	w.memo[id] = condition{}
	c := w.components[id]
	if c == nil {
		return condition{}
	}
	s := condition{powered: true, connected: true}
	w.require(&s, &s.powered, c.In)
	for _, g := range c.Needs {
		switch g.Name {
		case "network":
			w.require(&s, &s.connected, g.Members...)
		default: // power, location, host: without it the machine is dead
			w.require(&s, &s.powered, g.Members...)
		}
	}
	s.works = s.powered && s.connected
	if f, ok := w.faults[id]; ok {
		if broken, _ := f.broken(w.now); broken {
			s.works = false
			s.silent = s.silent || f.Mode == Silent
			s.cause = append(s.cause, id)
		}
	}
	slices.Sort(s.cause)
	s.cause = slices.Compact(s.cause)
	w.memo[id] = s
	return s
}

// require clears holds unless one of the members works, and notes what broke them.
func (w *world) require(s *condition, holds *bool, members ...string) {
	if len(members) == 0 || members[0] == "" {
		return
	}
	var cause []string
	silent := false
	for _, m := range members {
		c := w.at(m)
		if c.works {
			return
		}
		cause = append(cause, c.cause...)
		silent = silent || c.silent
	}
	*holds = false
	s.cause = append(s.cause, cause...)
	s.silent = s.silent || silent
}
