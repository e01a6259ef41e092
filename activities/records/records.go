// Package records holds the activities that read and write what is so: the
// store, the inventory and its graph, the runbooks and the messages. Every
// write is keyed by what it is, so an activity that runs twice changes nothing.
package records

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/internal/urgency"
	"vakhta/runbooks"
)

// Links makes the addresses of pages that a message points to.
type Links interface {
	// Ack is the page on which a contact confirms that he read a notification.
	Ack(notification, contact string) string
	// Feed is the calendar of planned work on a client's machines.
	Feed(client string) string
}

// Options are what an operator can set.
type Options struct {
	// PublicURL is where clients and engineers reach the gateway, no slash at the end.
	PublicURL string
	// Organizer is the mail address that calendars name; empty: noc at the host of PublicURL.
	Organizer string
	// Rates are the messages per second that the first provider of each channel
	// allows; they tell how long a broadcast will take.
	Rates map[inventory.Channel]float64
	// Ladders are the operator's orders of channels; the first that fits counts.
	Ladders []ledger.Ladder
	// Hands says how people on site are asked.
	Hands Hands
	// KeepSweeps is how long the observations of sweeps that led to no incident are
	// kept; routine sweeps drop older ones. 0 is for ever.
	KeepSweeps time.Duration
	// Together is how long a critical alert counts as one more of those raised
	// from what could be the same cause; 0: each machine's is on its own.
	Together time.Duration
	// Light builds the graph of the inventory when it is first asked for.
	Light bool
	// News tells an incident's thread in a room that there is some; nil: it looks by itself.
	News func(ctx context.Context, incident, room string)
	// Way is the right of way that a broadcast gives to a page; nil: none.
	Way *urgency.Way
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Activities are the records activities; workflows call them by method value.
type Activities struct {
	store   *store.Store
	inv     *inventory.Inventory
	graph   func() *topology.Graph
	render  *message.Renderer
	library *runbooks.Library
	links   Links
	opts    Options
	classes func() []class
	works   plannedNow
}

// New makes the activities over one store and one revision of the inventory.
func New(st *store.Store, inv *inventory.Inventory, render *message.Renderer, library *runbooks.Library, links Links, opts Options) *Activities {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	graph := sync.OnceValue(func() *topology.Graph { return topology.New(inv) })
	if !opts.Light {
		graph()
	}
	return &Activities{
		store: st, inv: inv, graph: graph, render: render, library: library, links: links, opts: opts,
		classes: sync.OnceValue(func() []class { return classesOf(inv) }),
	}
}

func (a *Activities) now() time.Time { return a.opts.Now().UTC() }

// TypeInvalid is the error type of bad input: it is not retried.
const TypeInvalid = "InvalidInput"

// TypeConflict is the error type of what another record stands in the way of:
// it is not retried.
const TypeConflict = "Conflict"

// TypeNotFound is the error type of an id that does not exist: it is not retried.
const TypeNotFound = "NotFound"

// TypeForbidden is the error type of what somebody asks for who may not.
const TypeForbidden = "Forbidden"

// may asks for somebody's role.
func (a *Activities) may(by string, needs inventory.Role) error {
	if err := a.inv.May(by, needs); err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), TypeForbidden, err)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), TypeInvalid, nil)
}

// permanent marks an error that a retry can't mend as such; others pass.
func permanent(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return temporal.NewNonRetryableApplicationError(err.Error(), TypeNotFound, err)
	}
	return err
}
