package ledger

import (
	"time"

	"vakhta/internal/inventory"
)

// Bar says why nothing is sent to an address any more.
type Bar string

// The bars. A person's word outweighs a provider's.
const (
	BarDead     Bar = "dead"      // a provider says that there is nobody
	BarOptedOut Bar = "opted-out" // he doesn't want it
)

// Barred is an address to which nothing is sent. It is forgotten by itself
// when the inventory names another address for the contact.
type Barred struct {
	Contact      string            `json:"contact"`
	Channel      inventory.Channel `json:"channel"`
	Bar          Bar               `json:"bar"`
	Provider     string            `json:"provider,omitempty"`
	Code         string            `json:"code,omitempty"`         // the provider's own
	Notification string            `json:"notification,omitempty"` // that found it out
	Since        time.Time         `json:"since"`
	Address      string            `json:"-"` // personal: never printed
}
