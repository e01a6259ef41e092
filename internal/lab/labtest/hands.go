package labtest

import (
	"strings"
	"testing"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/lab/sandbox"
)

// Asked waits until a contact was asked a question by messenger, after an
// instant, and returns the message.
func (l *Lab) Asked(t testing.TB, contact string, since time.Time) sandbox.Item {
	t.Helper()
	var found sandbox.Item
	l.Await(t, contact+" to be asked to look", func() (bool, error) {
		for _, it := range l.Inbox(contact, since) {
			if answerButton(it, incident.Yes) != "" {
				found = it
			}
		}
		return found.ID != "", nil
	})
	return found
}

// Press has whoever got the question answer it by its button.
func (l *Lab) Press(t testing.TB, it sandbox.Item, answer incident.Answer) {
	t.Helper()
	if err := l.Sandbox.PressButton(it.ID, answerButton(it, answer)); err != nil {
		t.Fatal(err)
	}
}

// answerButton is the data of the button that gives the answer; empty: there is none.
func answerButton(it sandbox.Item, answer incident.Answer) string {
	for _, b := range it.Buttons {
		if strings.HasPrefix(b.Data, "answer:"+string(answer)+":") {
			return b.Data
		}
	}
	return ""
}
