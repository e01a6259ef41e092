package ping

import "time"

// event says when a host is due for its next attempt or, after the last one,
// for its verdict.
type event struct {
	due  time.Duration // since the start of the call
	host int32
}

// queue is a binary heap of events, the earliest first. Events are mostly
// pushed in their order, which costs nothing.
type queue []event

func (q *queue) push(e event) {
	h := append(*q, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].due <= e.due {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	*q = h
}

// pop removes the earliest event; the queue must not be empty.
func (q *queue) pop() event {
	h := *q
	first, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*q = h
	if len(h) == 0 {
		return first
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if right := down + 1; right < len(h) && h[right].due < h[down].due {
			down = right
		}
		if h[down].due >= last.due {
			break
		}
		h[i] = h[down]
		i = down
	}
	h[i] = last
	return first
}
