package store

import (
	"context"
	"sync"
	"time"
)

// committer lets many small writes that arrive together share one transaction:
// whoever finds no one at work commits what has gathered meanwhile. It starts
// no goroutine.
type committer[Request, Reply any] struct {
	run  func(ctx context.Context, requests []Request) ([]Reply, error)
	turn chan struct{} // holds one token: the right to commit

	mu      sync.Mutex
	waiting []*pending[Request, Reply]
}

type pending[Request, Reply any] struct {
	request Request
	reply   Reply
	err     error
	done    chan struct{}
}

const (
	commitMost    = 200              // requests in one transaction
	commitTimeout = 15 * time.Second // of one transaction: it is not its leader's alone
)

func newCommitter[Request, Reply any](run func(context.Context, []Request) ([]Reply, error)) *committer[Request, Reply] {
	c := &committer[Request, Reply]{run: run, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// do returns once the request is committed or has failed. A caller that leaves
// early (ctx) leaves his request behind: it may still be committed.
func (c *committer[Request, Reply]) do(ctx context.Context, request Request) (Reply, error) {
	mine := &pending[Request, Reply]{request: request, done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, mine)
	c.mu.Unlock()
	for {
		select {
		case <-mine.done:
			return mine.reply, mine.err
		case <-ctx.Done():
			var none Reply
			return none, ctx.Err()
		case <-c.turn:
			c.commit(context.WithoutCancel(ctx))
			c.turn <- struct{}{}
		}
	}
}

func (c *committer[Request, Reply]) take() []*pending[Request, Reply] {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.waiting), commitMost)
	batch := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	return batch
}

func (c *committer[Request, Reply]) commit(ctx context.Context) {
	batch := c.take()
	if len(batch) == 0 {
		return
	}
	if err := c.attempt(ctx, batch); err != nil {
		// One bad request must not take its neighbours with it.
		for _, p := range batch {
			p.err = c.attempt(ctx, []*pending[Request, Reply]{p})
		}
	}
	for _, p := range batch {
		close(p.done)
	}
}

func (c *committer[Request, Reply]) attempt(ctx context.Context, batch []*pending[Request, Reply]) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	requests := make([]Request, len(batch))
	for i, p := range batch {
		requests[i] = p.request
	}
	replies, err := c.run(ctx, requests)
	if err != nil {
		return err
	}
	for i, p := range batch {
		p.reply = replies[i]
	}
	return nil
}
