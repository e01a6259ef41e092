package records

import (
	"context"
	"strings"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/store"
)

// Directory finds contacts for sending: the inventory's, and the stranger who
// wrote a report, whose only address is the one that he wrote from, and the rooms
// of teams.
type Directory struct {
	inv   *inventory.Inventory
	store *store.Store
}

// NewDirectory makes the directory over one inventory and store.
func NewDirectory(inv *inventory.Inventory, st *store.Store) Directory {
	return Directory{inv: inv, store: st}
}

// Contact finds a contact by id.
func (d Directory) Contact(id string) (*inventory.Contact, bool) {
	report, ok := strings.CutPrefix(id, StrangerPrefix)
	if !ok {
		if room, ok := d.inv.RoomContact(id); ok {
			return room.Contact(), true
		}
		return d.inv.Contact(id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := d.store.Report(ctx, report)
	if err != nil {
		return nil, false
	}
	ch := channelOf(r.Channel)
	if r.From == "" || ch == "" {
		return nil, false
	}
	return &inventory.Contact{
		ID: id, Language: inventory.Russian, TimeZone: "Europe/Moscow", Addresses: map[inventory.Channel]string{ch: r.From},
	}, true
}
