package inventory

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Room is where a team works on its incidents together: a chat in which each of
// them has a thread of its own.
type Room struct {
	ID       string   `json:"id"` // of the first team that names it
	Channel  Channel  `json:"channel"`
	Address  string   `json:"-"`
	Topics   bool     `json:"topics,omitempty"` // Telegram: a group with topics; each incident gets one
	Language Language `json:"language"`
	TimeZone string   `json:"timezone"`
}

// roomPrefix begins the id of the contact that a room is to the ledger; no
// contact of an inventory is called so.
const roomPrefix = "room/"

// RoomContact is the id by which the ledger knows a room.
func RoomContact(room string) string { return roomPrefix + room }

// Contact is the room as the ledger writes to it.
func (r *Room) Contact() *Contact {
	return &Contact{ID: RoomContact(r.ID), Name: r.ID, Language: r.Language, TimeZone: r.TimeZone, Addresses: map[Channel]string{r.Channel: r.Address}}
}

// Room returns the room with the id.
func (inv *Inventory) Room(id string) (*Room, bool) {
	r, ok := inv.room[id]
	return r, ok
}

// RoomContact returns the room whose contact has the id.
func (inv *Inventory) RoomContact(contact string) (*Room, bool) {
	id, ok := strings.CutPrefix(contact, roomPrefix)
	if !ok {
		return nil, false
	}
	return inv.Room(id)
}

// RoomAt returns the room at an address of a channel.
func (inv *Inventory) RoomAt(ch Channel, addr string) (*Room, bool) {
	r, ok := inv.roomAt[address{ch, normalAddress(ch, addr)}]
	return r, ok
}

// HasRooms says that a team works in a room.
func (inv *Inventory) HasRooms() bool { return len(inv.room) > 0 }

// room reads a team's room: one channel with an address, and how it is there.
func (d *decoder) room(n *yaml.Node) *Room {
	r := &Room{Language: English}
	d.fields(n, roomFields, func(key string, value *yaml.Node) {
		switch key {
		case "topics":
			r.Topics = d.boolean(value)
		case "language":
			r.Language = Language(d.oneOf(value, languageNames))
		default:
			ch, s := Channel(key), d.text(value)
			if r.Channel != "" {
				d.wrong(value, "a room is in one messenger; leave out %s or %s", r.Channel, ch)
				return
			}
			if r.Channel, r.Address = ch, normalAddress(ch, s); s != "" && r.Address == "" {
				d.wrong(value, "is not the id of a chat; write the number that the bot sees (Telegram) or the channel's id such as C0123456789, not its name")
			}
		}
	})
	switch {
	case n.Kind == yaml.MappingNode && r.Channel == "":
		d.wrong(n, "names no messenger; add one of telegram, slack, mattermost")
	case r.Topics && r.Channel != Telegram:
		d.wrong(child(n, "topics"), "only Telegram has topics; leave it out")
	}
	return r
}

// rooms indexes the rooms of the teams. Teams that name the same chat share it.
func (inv *Inventory) rooms(r *raw) {
	inv.room, inv.roomAt = map[string]*Room{}, map[address]*Room{}
	for i := range r.teams {
		t := &r.teams[i]
		own := t.value.Room
		if own == nil || own.Address == "" {
			continue
		}
		at := address{own.Channel, own.Address}
		if first, ok := inv.roomAt[at]; ok {
			if first.Topics != own.Topics || first.Language != own.Language {
				t.at.wrong(child(t.at.root(), "room"), "is the room of team %s, too, which says other things of it; write the same topics and language", first.ID)
			}
			t.value.Room = first
			continue
		}
		own.ID = t.value.ID
		inv.room[own.ID], inv.roomAt[at] = own, own
	}
}
