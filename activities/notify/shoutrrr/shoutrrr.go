// Package shoutrrr passes messages on to whatever the library of that name
// knows and Vakhta doesn't: ntfy, Gotify, Matrix, Pushover, Discord and others.
//
// It is a sink: the library takes no context, gives no ids, and its errors don't
// tell whether anything was sent. So nothing critical is entrusted to it, a
// message that failed is unknown and not sent again, and what it says, which may
// hold tokens, is told to nobody.
package shoutrrr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	library "github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// Provider is the name of this provider in the ledger.
const Provider = "shoutrrr"

// atOnce bounds the sendings under way: one that hangs can't be stopped.
const atOnce = 8

// Bound ends what the library's services have under way after so long. Nearly
// all of them send by the standard library's own client, which by itself waits
// for ever; whoever builds the process calls this once, before anything is sent.
// A service with another protocol is bounded by its slot alone.
func Bound(timeout time.Duration) { http.DefaultClient.Timeout = timeout }

// Channel passes messages on. It is safe for concurrent use.
type Channel struct {
	urls map[string]string
	slot chan struct{}
}

var _ notify.Channel = (*Channel)(nil)

// New takes the sinks' URLs, which are secrets, by the names by which contacts
// are given them, and checks that the library understands each.
func New(urls map[string]string) (*Channel, error) {
	if len(urls) == 0 {
		return nil, errors.New("shoutrrr: no URL is configured; name at least one sink")
	}
	for name, url := range urls {
		if _, err := library.CreateSender(url); err != nil {
			return nil, fmt.Errorf("shoutrrr: the URL of the sink %q is not understood; see the library's documentation for its service", name)
		}
	}
	return &Channel{urls: urls, slot: make(chan struct{}, atOnce)}, nil
}

// Capabilities implements [notify.Channel].
func (*Channel) Capabilities() notify.Capabilities { return notify.Capabilities{InformOnly: true} }

// LookUp implements [notify.Channel]: a sink can't be asked.
func (*Channel) LookUp(context.Context, ledger.Notification, string) (string, bool, error) {
	return "", false, notify.ErrNoLookUp
}

// Send implements [notify.Channel]. A sending that outlives ctx is unknown; it
// keeps its slot until it ends.
func (c *Channel) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	o := ledger.Outcome{Provider: Provider}
	url, there := c.urls[to]
	if !there {
		o.State, o.Class, o.Message = ledger.Refused, ledger.ClassConfig, "the contact's sink is not configured under providers.shoutrrr.urls"
		return o
	}
	select {
	case c.slot <- struct{}{}:
	default:
		o.State, o.Class, o.Message = ledger.Retry, ledger.ClassRetry, "too many sinks do not answer"
		return o
	}
	done := make(chan error, 1)
	go func() { // the library can't be told to stop
		defer func() { <-c.slot }()
		done <- send(url, n)
	}()
	o.Wrote = true // nobody can say
	select {
	case err := <-done:
		if err == nil {
			o.State = ledger.Accepted
			return o
		}
		o.Message = "the sink failed, and does not tell whether it has the message"
	case <-ctx.Done():
		o.Message = "the sink did not answer in time"
	}
	o.State, o.Class = ledger.Unknown, ledger.ClassAmbiguous
	return o
}

func send(url string, n ledger.Notification) error {
	sender, err := library.CreateSender(url)
	if err != nil {
		return err
	}
	params := types.Params{}
	if n.Title != "" {
		params.SetTitle(n.Title)
	}
	return errors.Join(sender.Send(n.Body, &params)...)
}
