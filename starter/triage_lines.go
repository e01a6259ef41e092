package main

import (
	"context"
	"sync"
)

// triageLines tell each region's Triage of alerts, one signal at a time: what
// comes while one is under way goes together in the next. A storm would wait
// for Temporal's lock on that one workflow else, alert by alert.
type triageLines struct {
	tell func(ctx context.Context, region string, ids []string) error

	mu      sync.Mutex
	lines   map[string]*triageLine
	senders sync.WaitGroup
}

type triageLine struct {
	busy bool
	next *triageBatch
}

// triageBatch are the alerts of one signal.
type triageBatch struct {
	ids  []string
	done chan struct{}
	err  error // once done is closed
}

// Tell returns when the region's Triage has durably heard of the alerts.
func (l *triageLines) Tell(ctx context.Context, region string, ids []string) error {
	l.mu.Lock()
	if l.lines == nil {
		l.lines = map[string]*triageLine{}
	}
	line := l.lines[region]
	if line == nil {
		line = &triageLine{}
		l.lines[region] = line
	}
	if line.next == nil {
		line.next = &triageBatch{done: make(chan struct{})}
	}
	b := line.next
	b.ids = append(b.ids, ids...)
	if !line.busy {
		line.busy = true
		l.senders.Go(func() { l.drain(context.WithoutCancel(ctx), region, line) })
	}
	l.mu.Unlock()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err() // it may be told yet; whoever sends the alert again changes nothing by it
	}
}

// drain sends a region's batches until none is left.
func (l *triageLines) drain(ctx context.Context, region string, line *triageLine) {
	for {
		l.mu.Lock()
		b := line.next
		line.next = nil
		line.busy = b != nil
		l.mu.Unlock()
		if b == nil {
			return
		}
		within, cancel := context.WithTimeout(ctx, startWithin)
		b.err = l.tell(within, region, b.ids)
		cancel()
		close(b.done)
	}
}

// Wait returns when nothing is under way.
func (l *triageLines) Wait() { l.senders.Wait() }
