package sandbox

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// courier posts callbacks of one provider, a bounded number at a time; its
// queue is unbounded, as a provider's is.
type courier struct {
	mu     sync.Mutex
	more   *sync.Cond
	queue  []func(context.Context)
	closed bool
}

func (s *Sandbox) startCourier(workers int) *courier {
	c := &courier{}
	c.more = sync.NewCond(&c.mu)
	for range workers {
		s.goRun(func() {
			for {
				job, ok := c.next()
				if !ok {
					return
				}
				job(s.ctx)
			}
		})
	}
	return c
}

func (c *courier) next() (func(context.Context), bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.closed {
		c.more.Wait()
	}
	if c.closed {
		return nil, false
	}
	job := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	return job, true
}

func (c *courier) put(job func(context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, job)
	c.more.Signal()
}

func (c *courier) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.more.Broadcast()
}

// delivery is what came of posting a callback.
type delivery struct {
	status int
	body   []byte
	err    error
}

func (d delivery) ok() bool { return d.err == nil && d.status >= 200 && d.status < 300 }

// refused: no connection came about.
func (d delivery) refused() bool {
	var op *net.OpError
	return errors.As(d.err, &op) && op.Op == "dial"
}

func (d delivery) timedOut() bool {
	var t net.Error
	return !d.refused() && errors.As(d.err, &t) && t.Timeout()
}

// maxCallbackAnswer bounds what is read of a callback's answer (TwiML's limit is 64 kB).
const maxCallbackAnswer = 64 << 10

// post makes a callback; the request carries the context that ends it.
func (s *Sandbox) post(req *http.Request) delivery {
	resp, err := s.cfg.Client.Do(req)
	if err != nil {
		return delivery{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxCallbackAnswer))
	return delivery{status: resp.StatusCode, body: body, err: err}
}

// backoff is the pause before the n-th repetition, from 1.
func (s *Sandbox) backoff(n int) time.Duration {
	d := s.cfg.Timing.Retry
	for ; n > 1 && d < s.cfg.Timing.RetryMax; n-- {
		d *= 2
	}
	return min(d, s.cfg.Timing.RetryMax)
}

func callbackClient() *http.Client {
	return &http.Client{
		Timeout: 15 * time.Second, // Twilio's limit for the whole exchange
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     30 * time.Second,
		},
	}
}

// emission is one callback before the faults had their say.
type emission struct {
	provider    Provider
	channel, to string
	group       string // the message that it speaks of
	send        func()
}

// emit sends a callback on its way, late, twice, after its successor or never
// if a fault says so.
func (s *Sandbox) emit(e emission) {
	f := s.faults.strike(callbackKinds, e.provider, OpAny, e.channel, []string{e.to}, e.to)
	switch {
	case f == nil:
		e.send()
	case f.Kind == FaultLose:
	case f.Kind == FaultLate:
		s.agenda.after(f.Delay.or(time.Second), e.send)
	case f.Kind == FaultDuplicate:
		e.send()
		s.agenda.after(f.Delay.or(10*time.Millisecond), e.send)
	case f.Kind == FaultReorder:
		s.held.hold(e.group, e.send)
		s.agenda.after(f.Delay.or(500*time.Millisecond), func() { s.held.release(e.group) })
		return
	}
	s.held.release(e.group)
}

// held keeps callbacks that a fault makes come after their successor.
type held struct {
	mu    sync.Mutex
	sends map[string][]func()
}

func (h *held) hold(group string, send func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sends == nil {
		h.sends = make(map[string][]func())
	}
	h.sends[group] = append(h.sends[group], send)
}

func (h *held) release(group string) {
	h.mu.Lock()
	sends := h.sends[group]
	delete(h.sends, group)
	h.mu.Unlock()
	for _, send := range sends {
		send()
	}
}
