package notify

import (
	"slices"
	"strings"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// Button is one below a message: what it says, and what it brings back when it
// is pressed ([Pressed]).
type Button struct{ Label, Data string }

// Acts of buttons; "answer:yes" and its like answer a question.
const (
	actAck     = "ack"
	actDecline = "decline"
	actAnswer  = "answer:"
)

// Buttons are those below a message that wants to be acknowledged; none below
// one that doesn't.
func Buttons(n ledger.Notification) []Button {
	if n.AckCode == "" || !message.WantsAck(n.Event) {
		return nil
	}
	if message.TakesAnswer(n.Event) {
		out := make([]Button, 0, len(incident.Answers))
		for _, a := range incident.Answers {
			out = append(out, Button{message.Capital(message.AnswerWord(string(a), n.Language)), actAnswer + string(a) + ":" + n.AckCode})
		}
		return out
	}
	out := []Button{{AckLabel(n.Event, n.Language), actAck + ":" + n.AckCode}}
	if message.CanDecline(n.Event) {
		out = append(out, Button{declineLabel(n.Language), actDecline + ":" + n.AckCode})
	}
	return out
}

// AckLabel is what the button says that acknowledges.
func AckLabel(event string, lang inventory.Language) string {
	takes := message.CanDecline(event)
	switch {
	case lang == inventory.Russian && takes:
		return "Принять"
	case lang == inventory.Russian:
		return "Прочитано"
	case takes:
		return "Take it"
	default:
		return "I have read this"
	}
}

func declineLabel(lang inventory.Language) string {
	if lang == inventory.Russian {
		return "Не могу"
	}
	return "I can't"
}

// Pressed reads what a button brought back: an event without provider, key and
// time; false if it is no button of ours. A button whose provider puts no code
// into it brings none.
func Pressed(data string) (ledger.Event, bool) {
	e := ledger.Event{State: ledger.Read}
	act, code := data, ""
	if at := strings.LastIndexByte(data, ':'); at >= 0 {
		if c, ok := ledger.NormalizeAckCode(data[at+1:]); ok {
			act, code = data[:at], c
		}
	}
	e.AckCode = code
	answer, isAnswer := strings.CutPrefix(act, actAnswer)
	switch {
	case act == actAck:
		e.Acknowledged = true
	case act == actDecline:
		e.Declined = true
	case isAnswer && slices.Contains(incident.Answers, incident.Answer(answer)):
		e.Acknowledged, e.Answer = true, answer
	default:
		return ledger.Event{}, false
	}
	return e, true
}
