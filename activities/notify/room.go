package notify

import (
	"context"

	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// A room's messages leave by lanes of their own: what a chat's limit or a dead
// messenger does to them says nothing of the same provider's pages.
func (a *Activities) routeOf(n ledger.Notification) route {
	if message.InRoom(n.Event) {
		return a.rooms[n.Channel]
	}
	return a.routes[n.Channel]
}

// threaded is a room's message with the thread into which it goes. Where its
// thread isn't known it isn't sent: beside the thread nobody would know what it
// is about.
func (a *Activities) threaded(ctx context.Context, n ledger.Notification) (ledger.Notification, ledger.Outcome) {
	if !message.InRoom(n.Event) || a.opts.Thread == nil {
		return n, ledger.Outcome{}
	}
	thread, err := a.opts.Thread(ctx, n)
	if err != nil {
		log(ctx).Warn("the thread of a room's message can't be read", "notification", n.ID, "error", err.Error())
		return n, ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, RetryAfter: backoff(n.Attempts), Message: "its thread could not be read"}
	}
	if thread.ID == "" && !message.OpensThread(n.Event) {
		return n, ledger.Outcome{State: ledger.Refused, Class: ledger.ClassConfig, Message: "its thread was never opened"}
	}
	n.Thread = thread
	return n, ledger.Outcome{}
}
