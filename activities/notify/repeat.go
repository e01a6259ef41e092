package notify

import (
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// marked returns the notification with its text marked as a repeat: the first
// sending may have arrived, and nobody should take this for a second event.
func marked(n ledger.Notification) ledger.Notification {
	mark := message.RepeatMark(n.Language)
	n.Body = mark + n.Body
	if n.Channel == inventory.Email {
		n.Title = mark + n.Title
	}
	return n
}
