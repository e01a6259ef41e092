package main

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/workflows"
)

// herald tells the workflow of an incident's thread in a room that there is news.
type herald struct{ flows client.Client }

// heraldWithin bounds what the news costs who writes it down: a thread looks by
// itself, too.
const heraldWithin = 500 * time.Millisecond

func (h *herald) tell(ctx context.Context, incident, room string) {
	if h.flows == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, heraldWithin)
	defer cancel()
	_ = h.flows.SignalWorkflow(ctx, workflows.WarRoomID(incident, room), "", workflows.SignalNews, nil) // over, or away: it looks by itself
}
