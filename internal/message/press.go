package message

import (
	"fmt"

	"vakhta/internal/inventory"
)

// Press is what somebody did with a message that several people read.
type Press struct {
	Who      string // his name
	Declined bool
	Before   string // who had it already; empty: nobody
}

// pressed are the words for a press, with a name in them.
var pressed = map[inventory.Language]struct{ has, already, read, cant string }{
	inventory.English: {"✓ %s has it.", "✓ %s has it already.", "✓ Read by %s.", "%s can't take it."},
	inventory.Russian: {"✓ Взято: %s.", "✓ Уже взято: %s.", "✓ Прочитано: %s.", "%s не может."},
}

// Line is what all readers of the message are told of the press.
func (p Press) Line(event string, lang inventory.Language) string {
	words, ok := pressed[lang]
	if !ok {
		words = pressed[inventory.English]
	}
	switch takes := CanDecline(event); {
	case p.Declined:
		return fmt.Sprintf(words.cant, p.Who)
	case takes && p.Before != "":
		return fmt.Sprintf(words.already, p.Before)
	case takes:
		return fmt.Sprintf(words.has, p.Who)
	default:
		return fmt.Sprintf(words.read, p.Who)
	}
}
