package store

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// turn is the order in which writers come: one at a time on SQLite, where they
// would otherwise look again and again whether the file is free, and whoever
// sleeps longest between two looks waits longest. Writers of many rows stand in
// a line of their own and only the first of them stands in the common one, so
// that a page waits for one of them at most, however many there are. It is a
// courtesy: the database alone keeps writers apart.
type turn struct {
	bulk gate // nil: no line
	all  gate
}

// gate lets one writer through at a time, or several, of this process and,
// where it has a file, of all.
type gate struct {
	tokens chan struct{}
	file   *fileLock
}

// bulkAtOnce is how many transactions of many rows a process has under way on
// PostgreSQL: more would only keep the small ones from a processor.
func bulkAtOnce() int { return max(1, min(3, runtime.GOMAXPROCS(0)/2)) }

// turnWithin bounds the wait for a turn: a process that was stopped while it
// had its own must not stop the others.
const turnWithin = 5 * time.Second

func newGate(n int, file *fileLock) gate {
	g := gate{tokens: make(chan struct{}, n), file: file}
	for range n {
		g.tokens <- struct{}{}
	}
	return g
}

// pass returns when it is the caller's turn, and how he ends it. After
// turnWithin, or when ctx ends, he goes without.
func (g gate) pass(ctx context.Context) (leave func()) {
	if g.tokens == nil {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, turnWithin)
	defer cancel()
	select {
	case <-g.tokens:
	case <-ctx.Done():
		return func() {}
	}
	unlock := g.file.lock(ctx)
	return func() {
		unlock()
		g.tokens <- struct{}{}
	}
}

// take returns when it is the turn of a write of one kind, and how it ends.
func (t turn) take(ctx context.Context, bulk bool) (end func()) {
	if !bulk {
		return t.all.pass(ctx)
	}
	own := t.bulk.pass(ctx)
	common := t.all.pass(ctx)
	return func() {
		common()
		own()
	}
}

func (t turn) close() error {
	return errors.Join(t.bulk.file.close(), t.all.file.close())
}
