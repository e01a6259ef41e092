package ledger

import (
	"path"
	"slices"
	"time"

	"vakhta/internal/inventory"
)

// Ladder is the operator's order of channels for some kinds of message, in
// place of the contacts' own.
type Ladder struct {
	Events  []string `yaml:"events"`  // names, or patterns of [path.Match] such as maintenance.*
	Clients []string `yaml:"clients"` // empty: all
	Rungs   []Rung   `yaml:"rungs"`
}

// Rung is a channel of a ladder, and when it opens for whoever has not
// confirmed by then. The first channel that a contact has is open at once.
type Rung struct {
	Channel inventory.Channel `yaml:"channel" json:"channel"`
	After   time.Duration     `yaml:"after" json:"after,omitempty"`   // since the sending began
	Before  time.Duration     `yaml:"before" json:"before,omitempty"` // before that of which the message tells begins; 0: not timed by it
}

// Fits says whether the ladder is for the event.
func (l *Ladder) Fits(event string) bool {
	return slices.ContainsFunc(l.Events, func(pattern string) bool {
		ok, _ := path.Match(pattern, event) // the configuration's check found no bad pattern
		return ok
	})
}
