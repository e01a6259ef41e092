package inventory_test

import (
	"strings"
	"testing"

	"vakhta/internal/inventory"
)

func roomTeams(rooms ...string) inventory.Document {
	var b strings.Builder
	b.WriteString("version: 1\nteams:\n")
	for i, room := range rooms {
		id := string(rune('a' + i))
		b.WriteString("  - id: team-" + id + "\n    timezone: Europe/Moscow\n    members: [{id: m-" + id + ", addresses: {call: \"+7900000001" + id2(i) + "\"}}]\n    levels: [{members: [m-" + id + "], ackWithin: 2m}]\n")
		if room != "" {
			b.WriteString("    room: " + room + "\n")
		}
	}
	return inventory.Document{Name: "teams.yaml", Data: []byte(b.String())}
}

func id2(i int) string { return string(rune('0' + i)) }

func TestTeamsThatNameOneChatShareARoom(t *testing.T) {
	inv, err := inventory.Load(roomTeams(`{telegram: "-1001", topics: true, language: ru}`, `{telegram: "-1001", topics: true, language: ru}`, `{slack: C0123456789}`, ""))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := inv.Team("team-a")
	second, _ := inv.Team("team-b")
	none, _ := inv.Team("team-d")
	if first.Room == nil || first.Room != second.Room || first.Room.ID != "team-a" || !first.Room.Topics || first.Room.TimeZone != "Europe/Moscow" || none.Room != nil {
		t.Errorf("rooms %+v, %+v, %+v", first.Room, second.Room, none.Room)
	}
	if r, ok := inv.RoomAt(inventory.Slack, "C0123456789"); !ok || r.ID != "team-c" || r.Language != inventory.English {
		t.Errorf("in Slack: %+v", r)
	}
	contact := inventory.RoomContact("team-a")
	if r, ok := inv.RoomContact(contact); !ok || r.Contact().Addresses[inventory.Telegram] != "-1001" || inv.Address(contact, inventory.Telegram) != "-1001" {
		t.Errorf("the ledger's room: %+v", r)
	}
	if _, person := inv.Contact(contact); person {
		t.Error("a room is taken for a person")
	}
	if _, person := inv.ContactByAddress(inventory.Telegram, "-1001"); person {
		t.Error("a room's chat is taken for a person's")
	}
}

func TestRoomsThatCannotBeAreRefused(t *testing.T) {
	for room, want := range map[string]string{
		`{topics: true}`:                          "names no messenger",
		`{slack: "#incidents"}`:                   "is not the id of a chat",
		`{slack: C0123456789, topics: true}`:      "only Telegram has topics",
		`{slack: C0123456789, telegram: "-1001"}`: "a room is in one messenger",
		`{sms: "+79000000001"}`:                   "sms",
		`{telegram: "-1001", language: de}`:       "room.language",
	} {
		if _, err := inventory.Load(roomTeams(room)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", room, err, want)
		}
	}
	if _, err := inventory.Load(roomTeams(`{telegram: "-1001"}`, `{telegram: "-1001", topics: true}`)); err == nil || !strings.Contains(err.Error(), "room of team team-a") {
		t.Errorf("two teams that disagree: %v", err)
	}
}
