// Package notify sends the notifications of the ledger through their
// providers, and settles what nobody knows the fate of.
//
// What lives here: the activities ([Activities.SendBatch],
// [Activities.SettleUnknown]), the interface that a provider fulfils
// ([Channel]), the choice between the providers of a channel ([Routes],
// [Breaker]), and the wire-level proof that a provider's package needs to say
// what became of a request ([Exchange]). Each provider has a folder of its own:
// sendgrid, twilio, telegram; each also verifies and parses that provider's
// callbacks.
//
// The law is package ledger's: an intent is committed before the first byte
// leaves, an outcome that is not certain is Unknown and never blindly sent
// again. Addresses are looked up when a message leaves and are never stored,
// logged or put into an error.
package notify

import (
	"context"
	"errors"
	"slices"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/urgency"
)

// Channel is one way to reach a contact through one provider.
type Channel interface {
	// Send makes one attempt. It never returns an address or a secret in the outcome.
	Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome
	// LookUp asks the provider whether it has seen the notification.
	// [ErrNoLookUp] says that the provider can't be asked.
	LookUp(ctx context.Context, n ledger.Notification, to string) (providerID string, found bool, err error)
	// Capabilities say what the provider can do; they never change.
	Capabilities() Capabilities
}

// Capabilities are what a provider can do on a channel.
type Capabilities struct {
	LookUp      bool // it can be asked what it has accepted
	Receipts    bool // it tells by callback what became of a message
	Acknowledge bool // the recipient can acknowledge within the message itself
	// InformOnly: it tells nothing at all of what becomes of a message. Nothing
	// critical is entrusted to it.
	InformOnly bool
}

// ErrNoLookUp is LookUp's answer where a provider can't be asked what it has accepted.
var ErrNoLookUp = errors.New("the provider offers no look-up")

// Errors of a provider's callback, which must not be answered 2xx.
var (
	// ErrSignature: the callback is not proven to come from the provider; 403.
	ErrSignature = errors.New("callback: the signature is missing or wrong")
	// ErrMalformed: the callback is signed, and still not what the provider documents; 400.
	ErrMalformed = errors.New("callback: malformed")
)

// Ledger is what the activities need of the store.
type Ledger interface {
	Claim(ctx context.Context, ids []string, lease time.Duration, now time.Time) (ledger.Claims, error)
	Settle(ctx context.Context, id string, token int64, o ledger.Outcome, now time.Time) error
	SettleAll(ctx context.Context, all []ledger.Settlement, now time.Time) ([]error, error)
	ResolveUnknown(ctx context.Context, id string, r ledger.Resolution, provider, providerID string, now time.Time) (ledger.State, error)
	Notification(ctx context.Context, id string) (ledger.Notification, error)
	Attempts(ctx context.Context, id string) ([]ledger.Attempt, error)
	PartStandings(ctx context.Context, p ledger.Part) ([]ledger.Notification, error)
	Allow(ctx context.Context, name string, r ledger.Rate, n int, urgent bool, horizon time.Duration, now time.Time) (ledger.Grant, error)
}

// Directory finds a contact, of a client or of a team, by its id.
type Directory interface {
	Contact(id string) (*inventory.Contact, bool)
}

// Options tune the sending. The zero value works.
type Options struct {
	Rates       map[inventory.Channel]Rate // of each provider of the channel that has none of its own
	Concurrency int                        // attempts in flight per batch; 0: 16
	Lease       time.Duration              // of a claim; 0: 1 min
	// SendTimeout bounds one attempt, SettleTimeout how long its outcome is
	// offered to a store that is unwell, even after cancellation. Both fit into
	// the lease: else somebody could call an attempt unknown that is still
	// under way. 0, and at most: a half and a quarter of the lease, 20 s and 15 s.
	SendTimeout   time.Duration
	SettleTimeout time.Duration
	// SettleAfter is how long an unknown waits for its callback before the
	// provider is asked and the policy decides; 0: 10 s.
	SettleAfter time.Duration
	// ReceiptsWithin is how long an unknown that only informs waits for its
	// callback where the provider sends some and can't be asked, before it is
	// given up; at least SettleAfter, and 0: 1 min.
	ReceiptsWithin time.Duration
	// LookUpFor is for how long a look-up that fails is asked again before the
	// policy decides without it; 0: 10 min.
	LookUpFor time.Duration
	Breaker   Breaker
	// Attempted is told of every attempt that was settled; nil drops it. For metrics.
	Attempted func(ch inventory.Channel, o ledger.Outcome)
	// Page makes the HTML of a mail of its title and text, when it is sent: it
	// is ten times as long as what it says. nil: mails are text alone.
	Page func(lang inventory.Language, title, text string) (string, error)
	// OptOut makes the address at which the recipient of a mail wants no more of
	// them; nil: mails name none.
	OptOut func(n ledger.Notification) string
	// Thread finds the thread into which a room's message goes; nil: rooms have none.
	Thread func(ctx context.Context, n ledger.Notification) (ledger.Thread, error)
	// Way is the right of way that bulk gives to what is urgent; nil: none.
	Way *urgency.Way
	Now func() time.Time // nil: time.Now
}

func (o Options) withDefaults() Options {
	if o.Concurrency <= 0 {
		o.Concurrency = 16
	}
	if o.Lease <= 0 {
		o.Lease = time.Minute
	}
	if o.SendTimeout <= 0 {
		o.SendTimeout = 20 * time.Second
	}
	if o.SettleTimeout <= 0 {
		o.SettleTimeout = 15 * time.Second
	}
	if o.SettleAfter <= 0 {
		o.SettleAfter = 10 * time.Second
	}
	if o.ReceiptsWithin <= 0 {
		o.ReceiptsWithin = time.Minute
	}
	o.ReceiptsWithin = max(o.ReceiptsWithin, o.SettleAfter)
	if o.LookUpFor <= 0 {
		o.LookUpFor = 10 * time.Minute
	}
	o.SendTimeout = min(o.SendTimeout, o.Lease/2)
	o.SettleTimeout = min(o.SettleTimeout, o.Lease/4)
	o.Breaker = o.Breaker.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Attempted == nil {
		o.Attempted = func(inventory.Channel, ledger.Outcome) {}
	}
	return o
}

// Activities are the side effects of sending. Workflows name them through a
// nil *Activities.
type Activities struct {
	store    Ledger
	contacts Directory
	routes   map[inventory.Channel]route
	rooms    map[inventory.Channel]route // the same providers; see routeOf
	limits   limits
	opts     Options
}

// New returns the activities over a store, the contacts and the configured providers.
func New(store Ledger, contacts Directory, routes Routes, opts Options) *Activities {
	opts = opts.withDefaults()
	return &Activities{
		store:    store,
		contacts: contacts,
		routes:   newRoutes(routes, opts.Breaker),
		rooms:    newRoutes(routes, opts.Breaker),
		limits:   newLimits(store, routes, opts.Rates, opts.Now),
		opts:     opts,
	}
}

// silent says that a message should make no noise where its channel can do so:
// it can wait, and the contact has quiet hours.
func (a *Activities) silent(n ledger.Notification) bool {
	if n.Critical || n.Channel != inventory.Telegram {
		return false
	}
	contact, ok := a.contacts.Contact(n.Contact)
	return ok && contact.QuietAt(a.opts.Now())
}

// address resolves where a notification goes, now. The outcome, if it has a
// state, tells why nowhere.
func (a *Activities) address(n ledger.Notification) (route, string, ledger.Outcome) {
	refused := func(class ledger.Class, why string) ledger.Outcome {
		return ledger.Outcome{State: ledger.Refused, Class: class, Message: why}
	}
	r := a.routeOf(n)
	if len(r) == 0 {
		return nil, "", refused(ledger.ClassConfig, "no provider is configured for channel "+string(n.Channel))
	}
	if !slices.ContainsFunc(r, func(l *lane) bool { return l.carries(n) }) {
		return nil, "", refused(ledger.ClassConfig, "no provider of channel "+string(n.Channel)+" may carry what is critical; configure one that tells what becomes of a message")
	}
	contact, ok := a.contacts.Contact(n.Contact)
	if !ok {
		return nil, "", refused(ledger.ClassDead, "contact "+n.Contact+" is not in the inventory")
	}
	to := contact.Addresses[n.Channel]
	if to == "" {
		return nil, "", refused(ledger.ClassDead, "contact "+n.Contact+" has no address for channel "+string(n.Channel))
	}
	return r, to, ledger.Outcome{}
}
