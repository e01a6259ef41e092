package message

import (
	"slices"

	"vakhta/internal/inventory"
)

// heard are the events that nobody has to confirm: they announce the next
// message, or take work away.
var heard = []string{
	"report.received", "report.progress", "report.unknown-client", "page.standdown", EventQuestionStandDown,
	"maintenance.begun", "maintenance.delayed", "maintenance.done", "maintenance.cancelled",
	"maintenance.rolledback",
}

// WantsAck says whether a message of the event asks to be acknowledged: by a
// button, by 1 on the phone.
func WantsAck(event string) bool { return !InRoom(event) && !slices.Contains(heard, event) }

// ReplyLine says, below a message, what its code is for.
func ReplyLine(event, code string, lang inventory.Language) string {
	switch asks := WantsAck(event); {
	case lang == inventory.Russian && asks:
		return "Код сообщения: " + code + ". Чтобы подтвердить, ответьте этим кодом."
	case lang == inventory.Russian:
		return "Код сообщения: " + code + "."
	case asks:
		return "Message code: " + code + ". To confirm, answer with this code."
	default:
		return "Message code: " + code + "."
	}
}

// CanDecline says whether who gets a message of the event may pass it on to
// the next person: by 2 on the phone.
func CanDecline(event string) bool { return event == "page" || event == "task.engineer" }

// TakenAlready tells who acknowledges a page late who has it.
func TakenAlready(who string, lang inventory.Language) string {
	if lang == inventory.Russian {
		return "Принято, спасибо. Инцидентом уже занимается " + who + "."
	}
	return "Thank you. " + who + " has it already."
}
