// Package urgency gives what is urgent the right of way: who sends to thousands
// looks before each piece of work whether a page is under way, and lets it pass.
// A [Lamp] tells other processes, too.
//
//	done := way.Begin(0)  // a page is sent
//	defer done()
//
//	way.Yield(ctx)        // before the next hundred mails
package urgency

import (
	"context"
	"slices"
	"sync"
	"time"
)

// NextStep is the grace after an urgent step whose next one comes by way of
// Temporal's server.
const NextStep = 150 * time.Millisecond

// patience is how long bulk work holds still at once: pages that never end, or
// a slow provider of theirs, must not stop it.
const patience = 250 * time.Millisecond

// Lamp is seen by other processes while something urgent is under way here.
type Lamp interface {
	// Light lights it, without a wait, until out is called.
	Light() (out func())
}

// Way is the right of way. Its zero value is ready, and nil has no urgency.
type Way struct {
	Lamp Lamp // nil: no other process is told

	mu      sync.Mutex
	running int
	awaited []time.Time   // next steps, and until when they are waited for
	changed chan struct{} // closed when the last one ends; nil: nobody waits
	out     func()        // puts the lamp out; nil: it is out
}

// Begin says that something urgent is under way until done is called, and that
// its next step comes within grace after that, 0 if it was the last.
func (w *Way) Begin(grace time.Duration) (done func()) {
	if w == nil {
		return func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
	if grace == 0 {
		w.came(time.Now())
	}
	if w.Lamp != nil && w.out == nil {
		w.out = w.Lamp.Light()
	}
	return func() {
		w.end(grace)
		w.dim()
	}
}

// came: a last step is the one that was awaited the longest, and none of another page's.
func (w *Way) came(now time.Time) {
	w.forget(now)
	if len(w.awaited) > 0 {
		w.awaited = slices.Delete(w.awaited, 0, 1)
	}
}

// forget those that have not come in time.
func (w *Way) forget(now time.Time) {
	w.awaited = slices.DeleteFunc(w.awaited, func(t time.Time) bool { return !t.After(now) })
}

// until is when no next step is awaited any more.
func (w *Way) until() (last time.Time) {
	for _, t := range w.awaited {
		if t.After(last) {
			last = t
		}
	}
	return last
}

func (w *Way) end(grace time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if now := time.Now(); grace > 0 {
		w.forget(now)
		w.awaited = append(w.awaited, now.Add(grace))
	}
	if w.running == 0 && w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// dim puts the lamp out where nothing urgent is left, or looks again after the grace.
func (w *Way) dim() {
	w.mu.Lock()
	if w.out == nil || w.running > 0 {
		w.mu.Unlock()
		return
	}
	if grace := time.Until(w.until()); grace > 0 {
		time.AfterFunc(grace, w.dim)
		w.mu.Unlock()
		return
	}
	out := w.out
	w.out = nil
	w.mu.Unlock()
	out()
}

// Yield returns when nothing urgent is under way, after a quarter of a second at most,
// or when ctx ends.
func (w *Way) Yield(ctx context.Context) {
	if w == nil {
		return
	}
	for end := time.Now().Add(patience); ; {
		wait, changed := w.ask(end)
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// ask is how long to hold still, and what ends that earlier.
func (w *Way) ask(end time.Time) (time.Duration, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.running == 0 {
		return min(w.until().Sub(now), end.Sub(now)), nil
	}
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return end.Sub(now), w.changed
}
