package message

import "slices"

// heard are the events that nobody has to confirm: they announce the next
// message, or take work away.
var heard = []string{
	"report.received", "report.progress", "report.unknown-client", "page.standdown", EventQuestionStandDown,
	"maintenance.begun", "maintenance.delayed", "maintenance.done", "maintenance.cancelled",
}

// WantsAck says whether a message of the event asks to be acknowledged: by a
// button, by 1 on the phone.
func WantsAck(event string) bool { return !slices.Contains(heard, event) }

// CanDecline says whether who gets a message of the event may pass it on to
// the next person: by 2 on the phone.
func CanDecline(event string) bool { return event == "page" || event == "task.engineer" }
