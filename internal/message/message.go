// Package message turns an event into the words that one recipient reads: in
// his language, for his channel, about his own machines. Templates are files,
// <lang>/<event>.<kind>.tmpl; every event exists in every language and kind,
// or the set is refused. The HTML part of a mail is drawn from its text part
// by one layout, so both always say the same.
package message

import "vakhta/internal/inventory"

// Kind is a kind of channel that has a text of its own.
type Kind string

// The kinds of text.
const (
	Mail      Kind = "mail"
	Messenger Kind = "messenger"
	Room      Kind = "room" // of a team; an event that has none is told by its messenger text
	SMS       Kind = "sms"
	Voice     Kind = "voice"
)

var kinds = []Kind{Mail, Messenger, Room, SMS, Voice}

// Rendered is a finished message.
type Rendered struct {
	Title string // subject line; of the same event's mail, for the other channels
	Text  string // what is read or spoken
	HTML  string // mail only
}

// KindOf returns the kind of text that a channel carries.
func KindOf(ch inventory.Channel) (Kind, bool) {
	switch ch {
	case inventory.Email:
		return Mail, true
	case inventory.Telegram, inventory.WhatsApp, inventory.Sink:
		return Messenger, true
	case inventory.Slack, inventory.Mattermost:
		return Room, true
	case inventory.SMS:
		return SMS, true
	case inventory.Call:
		return Voice, true
	default:
		return "", false
	}
}

// RepeatMark is put before a message that is sent again without proof that its
// first sending arrived.
func RepeatMark(lang inventory.Language) string {
	if lang == inventory.Russian {
		return "Повтор. "
	}
	return "Repeat. "
}
