package urgency

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBulkWorkLetsAPagePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var way Way
		begin := time.Now()
		way.Yield(t.Context())
		if time.Since(begin) != 0 {
			t.Fatal("it holds still for nothing")
		}
		first, second := way.Begin(NextStep), way.Begin(NextStep)
		go func() {
			time.Sleep(50 * time.Millisecond)
			first()
			time.Sleep(50 * time.Millisecond)
			second()
		}()
		way.Yield(t.Context())
		if took := time.Since(begin); took != 100*time.Millisecond+NextStep {
			t.Errorf("it went on after %s, want both pages and the time of a next step", took)
		}
		way.Begin(NextStep)()
		way.Begin(0)() // the next step came, and was the last
		begin = time.Now()
		way.Yield(t.Context())
		if time.Since(begin) != 0 {
			t.Error("it holds still after the last step")
		}
	})
}

// The last step of one page must not let bulk work pass before the next step of another.
func TestTheLastStepOfOnePageIsNotThatOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var way Way
		way.Begin(NextStep)() // one page is written,
		way.Begin(NextStep)() // and another;
		way.Begin(0)()        // the first one is sent
		begin := time.Now()
		way.Yield(t.Context())
		if took := time.Since(begin); took != NextStep {
			t.Errorf("it went on after %s, want the time of the other's next step", took)
		}
		for range 1000 {
			way.Begin(NextStep)()
		}
		time.Sleep(NextStep)
		way.Begin(0)()
		if len(way.awaited) != 0 {
			t.Errorf("%d steps are awaited that never came", len(way.awaited))
		}
	})
}

func TestBulkWorkGoesOnWherePagesNeverEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var way Way
		defer way.Begin(0)()
		begin := time.Now()
		way.Yield(t.Context())
		if took := time.Since(begin); took != patience {
			t.Errorf("it went on after %s, want %s", took, patience)
		}
	})
}

func TestBulkWorkThatEndsHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var way Way
		defer way.Begin(0)()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		way.Yield(ctx)
		if time.Since(begin) != 0 {
			t.Error("it held still after its end")
		}
	})
}

func TestNoWayIsNoUrgency(t *testing.T) {
	var none *Way
	none.Begin(0)()
	none.Yield(t.Context())
}

type lamp struct{ lit, times atomic.Int64 }

func (l *lamp) Light() (out func()) {
	l.lit.Add(1)
	l.times.Add(1)
	return func() { l.lit.Add(-1) }
}

func TestOtherProcessesSeeALampFromTheFirstPageToTheGraceOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen lamp
		way := Way{Lamp: &seen}
		first, second := way.Begin(NextStep), way.Begin(NextStep)
		first()
		second()
		time.Sleep(NextStep / 2)
		third := way.Begin(NextStep) // its next step came within the grace
		time.Sleep(NextStep)
		third()
		time.Sleep(NextStep - time.Millisecond)
		if seen.lit.Load() != 1 || seen.times.Load() != 1 {
			t.Errorf("it is lit %d times, and was %d times; want one light all along", seen.lit.Load(), seen.times.Load())
		}
		time.Sleep(2 * time.Millisecond)
		if seen.lit.Load() != 0 {
			t.Error("it is lit after the grace")
		}
		way.Begin(0)()
		if seen.lit.Load() != 0 || seen.times.Load() != 2 {
			t.Errorf("lit %d times, want none: the last step has no grace", seen.lit.Load())
		}
	})
}
