package workflows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
)

// update sends an update after a while and hands its outcome to the test:
// refused is what the validator said, failed what the handler did.
func (w *world) update(d time.Duration, name string, arg any) *outcome {
	return w.updateOf("", d, name, arg)
}

func (w *world) updateOf(id string, d time.Duration, name string, arg any) *outcome {
	o := &outcome{}
	w.asked++
	n := w.asked
	w.after(d, func() {
		call := &testsuite.TestUpdateCallback{
			OnAccept:   func() { o.accepted = true },
			OnReject:   func(err error) { o.refused = err },
			OnComplete: func(_ any, err error) { o.done, o.failed = true, err },
		}
		key := fmt.Sprintf("%s-%s-%d", id, name, n)
		if id == "" {
			w.UpdateWorkflow(name, key, call, arg)
		} else if err := w.UpdateWorkflowByID(id, name, key, call, arg); err != nil {
			o.refused = err
		}
	})
	return o
}

type outcome struct {
	accepted, done  bool
	refused, failed error
}

func (o *outcome) mustBeDone(t *testing.T) {
	t.Helper()
	if o.refused != nil || o.failed != nil || !o.done {
		t.Errorf("update: accepted %v, done %v, refused: %v, failed: %v", o.accepted, o.done, o.refused, o.failed)
	}
}

func (o *outcome) mustBeRefused(t *testing.T, naming string) {
	t.Helper()
	if o.refused == nil || !strings.Contains(o.refused.Error(), naming) {
		t.Errorf("update: refused %v, want it to name %q", o.refused, naming)
	}
}

// mustBeDoneLater and mustBeRefusedLater judge an update when the test is over.
func (o *outcome) mustBeDoneLater(t *testing.T) {
	t.Cleanup(func() { o.mustBeDone(t) })
}

func (o *outcome) mustBeRefusedLater(t *testing.T, naming string) {
	t.Cleanup(func() { o.mustBeRefused(t, naming) })
}
