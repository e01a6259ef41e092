package maintenance

import (
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// Waiting is a client who loses service by a work and has not confirmed it.
type Waiting struct {
	Client   string  `json:"client"`
	Machines int     `json:"machines"`
	Told     []Told  `json:"told,omitempty"` // by what, the last channel last
	Next     []Ahead `json:"next,omitempty"` // what each of his contacts is told by next, if nobody confirms before
}

// Told is one channel by which a client was told.
type Told struct {
	Channel inventory.Channel `json:"channel"`
	State   ledger.State      `json:"state"`
}

// Ahead is the next channel of a contact.
type Ahead struct {
	Contact string            `json:"contact"`
	Channel inventory.Channel `json:"channel"`
}

// Rung is the last channel by which he was told; empty: nothing has left yet.
func (w *Waiting) Rung() inventory.Channel {
	if len(w.Told) == 0 {
		return ""
	}
	return w.Told[len(w.Told)-1].Channel
}
