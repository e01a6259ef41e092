// Package ledger is the law of notifications: their states, which transition is
// legal, and what an attempt's outcome means. It does no I/O; internal/store
// keeps the rows and activities/notify makes the attempts.
//
//	queued → intent → accepted → sent → delivered → read     acknowledged is a fact of its own,
//	            ├→ refused   dead address, content           from any channel, at any time
//	            ├→ retry     429, or no byte was written
//	            └→ unknown   timeout, reset, 5xx after the write, or a retry that finds an intent
//
// An unknown is never blindly sent again: a callback settles it, then a look-up
// at the provider, then the policy of its kind.
package ledger

import (
	"slices"
	"time"

	"vakhta/internal/inventory"
)

// State is where a notification stands.
type State string

// The states. Dropped: its deadline passed, or it was superseded, before it was sent.
const (
	Queued    State = "queued"
	Intent    State = "intent"
	Retry     State = "retry"
	Unknown   State = "unknown"
	Accepted  State = "accepted"
	Sent      State = "sent"
	Delivered State = "delivered"
	Read      State = "read"
	Refused   State = "refused"
	Dropped   State = "dropped"
)

// Class is the class of an attempt's failure; it says what may be done next.
type Class string

// The classes of failure, after FIELD-NOTES §1–3.
const (
	ClassNone      Class = ""
	ClassRetry     Class = "retry"     // rate limit, or no byte was written: same channel, later
	ClassNext      Class = "next"      // this channel won't do now: next rung
	ClassDead      Class = "dead"      // the address is dead or opted out: next rung, remember it
	ClassConfig    Class = "config"    // our content or configuration: an operator must look
	ClassAmbiguous Class = "ambiguous" // nobody knows whether it was sent
	ClassExpired   Class = "expired"   // past its deadline
)

// Notification is one message to one contact by one channel.
type Notification struct {
	ID       string             `json:"id"`
	Key      string             `json:"key"`     // unique: Key(subject, contact, channel, step, revision)
	Subject  string             `json:"subject"` // "incident/<id>", "report/<id>", "maintenance/<id>"
	Event    string             `json:"event"`   // message event, e.g. "incident.update"
	Step     string             `json:"step"`    // which sending of the subject, e.g. "update" or "page/emergency/1"
	Revision int                `json:"revision"`
	Client   string             `json:"client,omitempty"` // empty for a team's member
	Team     string             `json:"team,omitempty"`
	Contact  string             `json:"contact"`
	Channel  inventory.Channel  `json:"channel"`
	Language inventory.Language `json:"language"`
	Rung     int                `json:"rung"`     // place in the ladder, from 0
	Critical bool               `json:"critical"` // an unknown is sent once more at once, see MayRepeat
	Title    string             `json:"title,omitempty"`
	Body     string             `json:"body"`               // plain text; what is spoken, for a call
	HTML     string             `json:"html,omitempty"`     // email only
	Calendar string             `json:"calendar,omitempty"` // email only: iCalendar, attached
	// OptOutURL is where the recipient of a mail wants no more of them. It is made
	// when the mail leaves, and kept nowhere.
	OptOutURL string `json:"-"`
	AckCode   string `json:"ackCode"` // unique, 6 characters; spoken or typed to acknowledge
	State     State  `json:"state"`
	Class     Class  `json:"class,omitempty"`
	Attempts  int    `json:"attempts"`
	Repeat    bool   `json:"repeat,omitempty"` // the policy's marked repeat was used

	Provider   string    `json:"provider,omitempty"`
	ProviderID string    `json:"providerId,omitempty"`
	Deadline   time.Time `json:"deadline,omitzero"` // zero: none
	RetryAt    time.Time `json:"retryAt,omitzero"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`

	AcknowledgedAt  time.Time `json:"acknowledgedAt,omitzero"`
	AcknowledgedVia string    `json:"acknowledgedVia,omitempty"` // a channel, "page", "cli", "desk"

	// AcknowledgedBy is who acted, where several people read the message: a
	// contact's id, or a name at the provider. Empty: the contact.
	AcknowledgedBy string `json:"acknowledgedBy,omitempty"`

	// Silent is said when it leaves, and not kept: it can wait, and the
	// recipient has quiet hours.
	Silent bool `json:"-"`

	// Thread is where a room's message goes. It is read when the message leaves.
	Thread Thread `json:"-"`

	LeaseToken int64     `json:"leaseToken"` // fencing: grows by one with each claim
	LeaseUntil time.Time `json:"leaseUntil,omitzero"`
}

// Thread is an incident's thread in a room: the id at the provider of the
// message, or of the topic, that opened it, and the event of that.
type Thread struct{ ID, Event string }

// Outcome is what one attempt came to.
type Outcome struct {
	State      State         `json:"state"` // Accepted, Refused, Retry or Unknown
	Class      Class         `json:"class,omitempty"`
	Provider   string        `json:"provider"`
	ProviderID string        `json:"providerId,omitempty"`
	HTTPStatus int           `json:"httpStatus,omitempty"`
	Code       string        `json:"code,omitempty"`       // the provider's own error code
	Message    string        `json:"message,omitempty"`    // for an operator; no address, no secret
	RetryAfter time.Duration `json:"retryAfter,omitempty"` // for Retry
	Wrote      bool          `json:"wrote"`                // at least one byte of the request was written
	OptedOut   bool          `json:"optedOut,omitempty"`   // refused because the recipient wants nothing more by this channel
}

// Settlement is what became of a notification that was claimed.
type Settlement struct {
	ID      string
	Token   int64 // the claim's LeaseToken
	Outcome Outcome
}

// Event is what a provider told us of a notification by callback.
type Event struct {
	Provider     string    `json:"provider"`               // sendgrid, twilio, telegram
	Key          string    `json:"key"`                    // unique with Provider: the same callback is applied once
	Notification string    `json:"notification,omitempty"` // our id, where the provider carries it
	ProviderID   string    `json:"providerId,omitempty"`
	State        State     `json:"state,omitempty"` // what it proves: Accepted … Read or Refused; empty for an acknowledgement alone
	Class        Class     `json:"class,omitempty"`
	Code         string    `json:"code,omitempty"`         // the provider's own error code
	AckCode      string    `json:"ackCode,omitempty"`      // the code that a button or a reply carried
	Acknowledged bool      `json:"acknowledged,omitempty"` // a person acted: pressed 1, pressed the button
	Declined     bool      `json:"declined,omitempty"`     // pressed 2: can't, page the next
	HungUp       bool      `json:"hungUp,omitempty"`       // took the call and put it down at once
	Answer       string    `json:"answer,omitempty"`       // of a question to people on site: yes, no, cant-tell; acknowledges, too
	OptedOut     bool      `json:"optedOut,omitempty"`     // the recipient wants nothing more by this channel
	By           string    `json:"by,omitempty"`           // who acted, where several people read the message: a contact's id, or his name there
	At           time.Time `json:"at"`
}

// Applied is what a callback came to.
type Applied struct {
	Notification Notification // that it is about, without its texts; zero: nobody knows yet
	Fresh        bool         // it was not there already
}

// Claims is what became of a request to send a set of notifications.
type Claims struct {
	// Claimed are in Intent now, leased to the caller: it must attempt and settle each.
	Claimed []Notification
	// Unknown were found in Intent with an expired lease: somebody died between
	// intent and outcome. They are in Unknown now and must not be sent.
	Unknown []string
	// Waiting are not due yet or leased to somebody else; RetryAt says when to ask again.
	Waiting []Waiting
	// Done need nothing more from the sender: accepted or beyond, refused, dropped, unknown before.
	Done []Notification
}

// Waiting is a notification that can't be claimed before RetryAt.
type Waiting struct {
	ID      string
	RetryAt time.Time
}

// Resolution settles an unknown notification.
type Resolution string

// The resolutions of an unknown.
const (
	Found  Resolution = "found"   // the look-up saw it at the provider: accepted
	Resend Resolution = "resend"  // critical: once more, same ack code, marked as a repeat
	GiveUp Resolution = "give-up" // informational: refused with ClassAmbiguous, the next rung may be tried
)

// Part is a part of one sending: the notifications of a channel and a rung
// whose ids lie between two bounds. Workflows pass parts, not ids: a sending
// to a hundred thousand stays a few lines of history.
type Part struct {
	Subject  string            `json:"subject"`
	Step     string            `json:"step"`
	Revision int               `json:"revision"`
	Rung     int               `json:"rung"`
	Channel  inventory.Channel `json:"channel"`
	From     string            `json:"from"`
	To       string            `json:"to,omitempty"` // the first id behind the part; empty: none
	Count    int               `json:"count"`        // when the part was made
}

// mustArrive are messages on which clients act, though they can wait: an
// unknown is sent once more, marked as a repeat, when nothing was heard of it.
var mustArrive = []string{"maintenance.announced", "maintenance.moved", "maintenance.cancelled"}

// MayRepeat says that one of whom nobody knows whether it arrived is rather sent
// twice, marked as a repeat, than not at all.
func (n *Notification) MayRepeat() bool {
	return (n.Critical || slices.Contains(mustArrive, n.Event)) && !n.Repeat
}
