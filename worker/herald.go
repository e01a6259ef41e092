package main

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"

	"vakhta/workflows"
)

// herald tells the workflows of incidents' threads in rooms that there is news.
// Who writes the news down, a page's line among it, doesn't wait for that.
type herald struct {
	mu   sync.Mutex
	news map[string]bool // workflows that have not been told
	some chan struct{}
}

func newHerald() *herald { return &herald{news: map[string]bool{}, some: make(chan struct{}, 1)} }

// heraldWithin bounds one telling: a thread looks by itself, too.
const heraldWithin = 2 * time.Second

// tell notes that a thread has news.
func (h *herald) tell(_ context.Context, incident, room string) {
	h.mu.Lock()
	h.news[workflows.WarRoomID(incident, room)] = true
	h.mu.Unlock()
	select {
	case h.some <- struct{}{}:
	default:
	}
}

func (h *herald) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for id := range h.news {
		ids = append(ids, id)
	}
	clear(h.news)
	return ids
}

// run passes news on until ctx ends, and then what is left.
func (h *herald) run(ctx context.Context, flows client.Client, log zerolog.Logger) {
	for {
		select {
		case <-ctx.Done():
		case <-h.some:
		}
		for _, id := range h.take() {
			each, cancel := context.WithTimeout(context.WithoutCancel(ctx), heraldWithin)
			if err := flows.SignalWorkflow(each, id, "", workflows.SignalNews, nil); err != nil {
				log.Debug().Err(err).Str("workflow", id).Msg("a thread is not told that there is news; it looks by itself")
			}
			cancel()
		}
		if ctx.Err() != nil {
			return
		}
	}
}
