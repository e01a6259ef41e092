package message_test

import (
	"os"
	"testing"

	"vakhta/internal/message"
)

func shipped(t testing.TB) *message.Renderer {
	t.Helper()
	r, err := message.New(os.DirFS("../../runbooks/messages"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestShippedSetIsComplete(t *testing.T) {
	if got := len(shipped(t).Events()); got < 13 {
		t.Errorf("the shipped set has %d events, want at least 13", got)
	}
}
