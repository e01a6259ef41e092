package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"vakhta/internal/ledger"
)

// tally counts a batch while its attempts run side by side.
type tally struct {
	mu   sync.Mutex
	done int
	r    SendBatchResult
}

func (t *tally) add(id string, state ledger.State, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	switch state {
	case ledger.Accepted, ledger.Sent, ledger.Delivered, ledger.Read:
		t.r.Accepted++
	case ledger.Refused:
		t.r.Refused = append(t.r.Refused, id)
	case ledger.Dropped:
		t.r.Dropped++
	case ledger.Unknown:
		t.r.Unknown = append(t.r.Unknown, id)
	case ledger.Retry:
		t.r.Retry = append(t.r.Retry, id)
		t.earliest(at)
	default: // queued or intent: somebody else has it, or it was put back
		t.r.Waiting = append(t.r.Waiting, id)
		t.earliest(at)
	}
}

func (t *tally) wait(ids []string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += len(ids)
	t.r.Waiting = append(t.r.Waiting, ids...)
	t.earliest(at)
}

func (t *tally) earliest(at time.Time) {
	if !at.IsZero() && (t.r.NextAt.IsZero() || at.Before(t.r.NextAt)) {
		t.r.NextAt = at.UTC()
	}
}

// result lists ids in order, so that equal batches make equal histories.
func (t *tally) result() SendBatchResult {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ids := range [][]string{t.r.Refused, t.r.Unknown, t.r.Retry, t.r.Waiting} {
		slices.Sort(ids)
	}
	return t.r
}

// after is the result after what was sent, or its error.
func (t *tally) after(err error) (SendBatchResult, error) {
	return t.result(), err
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done
}

const beatEvery = 3 * time.Second

// beat records a heartbeat every few seconds until stop is called.
func (a *Activities) beat(ctx context.Context, t *tally) (stop func()) {
	if !activity.IsActivity(ctx) {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				activity.RecordHeartbeat(ctx, t.count())
			}
		}
	}()
	return func() { close(done); <-ended }
}

// checkIDs refuses what no retry can mend.
func (a *Activities) checkIDs(ids []string) error {
	if len(ids) == 0 {
		return temporal.NewNonRetryableApplicationError("ids: name at least one notification", "InvalidInput", nil)
	}
	if slices.Contains(ids, "") {
		return temporal.NewNonRetryableApplicationError("ids: an id is empty", "InvalidInput", errors.New("empty id"))
	}
	return nil
}

// log is the activity's logger, or none outside of an activity.
func log(ctx context.Context) sdklog.Logger {
	if activity.IsActivity(ctx) {
		return activity.GetLogger(ctx)
	}
	return silent{}
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
