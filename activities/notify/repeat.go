package notify

import (
	"context"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// marked returns the notification with its text marked as a repeat: the first
// sending may have arrived, and nobody should take this for a second event.
func marked(n ledger.Notification) ledger.Notification {
	mark := message.RepeatMark(n.Language)
	n.Body = mark + n.Body
	if n.Channel == inventory.Email {
		n.Title = mark + n.Title
	}
	return n
}

// dressed is the notification as it is sent: marked if it is a repeat, a mail
// with its HTML. Text alone is better than nothing where that fails.
func (a *Activities) dressed(ctx context.Context, n ledger.Notification) ledger.Notification {
	if n.Repeat {
		n = marked(n)
	}
	if a.opts.OptOut != nil && mayOptOut(n) {
		n.OptOutURL = a.opts.OptOut(n)
	}
	if n.Channel != inventory.Email || n.HTML != "" || a.opts.Page == nil {
		return n
	}
	html, err := a.opts.Page(n.Language, n.Title, n.Body)
	if err != nil {
		log(ctx).Error("a mail goes without its HTML", "notification", n.ID, "error", err.Error())
	}
	n.HTML = html
	return n
}

// mayOptOut: a mail to a client that can wait is one of many. What is critical,
// and what a colleague must do, nobody gets out of by a button of his mail program.
func mayOptOut(n ledger.Notification) bool {
	return n.Channel == inventory.Email && n.Client != "" && !n.Critical
}
