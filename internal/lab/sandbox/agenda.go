package sandbox

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// agenda runs short functions at their time, on one goroutine, so that tens of
// thousands of pending deliveries cost a heap entry each and not a goroutine.
type agenda struct {
	mu    sync.Mutex
	queue entries
	seq   int64
	poke  chan struct{}
}

type entry struct {
	at  time.Time
	seq int64 // keeps the order of entries that are due at the same instant
	run func()
}

func newAgenda() *agenda { return &agenda{poke: make(chan struct{}, 1)} }

// after has f run once d has passed; f must not block.
func (a *agenda) after(d time.Duration, f func()) {
	a.mu.Lock()
	a.seq++
	heap.Push(&a.queue, entry{at: time.Now().Add(d), seq: a.seq, run: f})
	first := a.queue[0].seq == a.seq
	a.mu.Unlock()
	if first {
		a.wake()
	}
}

func (a *agenda) wake() {
	select {
	case a.poke <- struct{}{}:
	default:
	}
}

func (a *agenda) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		due, wait := a.next()
		if due != nil {
			due()
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-a.poke:
		case <-ctx.Done():
		}
	}
}

// next is what is due, or else how long nothing will be.
func (a *agenda) next() (func(), time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(a.queue[0].at); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&a.queue).(entry).run, 0
}

type entries []entry

func (e entries) Len() int { return len(e) }
func (e entries) Less(i, j int) bool {
	if !e[i].at.Equal(e[j].at) {
		return e[i].at.Before(e[j].at)
	}
	return e[i].seq < e[j].seq
}
func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)   { *e = append(*e, x.(entry)) }
func (e *entries) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = entry{}
	*e = (*e)[:last]
	return x
}
