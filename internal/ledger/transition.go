package ledger

import "time"

// ranks order what a notification has been proved to have reached. Evidence
// only ever climbs: of a refusal and a delivery, delivery is the truth, in
// whichever order they are told.
var ranks = map[State]int{
	Queued:    0,
	Retry:     1,
	Intent:    2,
	Unknown:   3,
	Dropped:   4,
	Accepted:  5,
	Sent:      6,
	Refused:   7,
	Delivered: 8,
	Read:      9,
}

// States are all states, by rank.
func States() []State {
	return []State{Queued, Retry, Intent, Unknown, Dropped, Accepted, Sent, Refused, Delivered, Read}
}

// Rank is the place of a state in the order of proof; -1 for what is no state.
func (s State) Rank() int {
	if rank, ok := ranks[s]; ok {
		return rank
	}
	return -1
}

// Terminal says that nothing more is expected of the sender or the provider.
// A late callback may still climb further (delivered → read, refused → delivered).
func (s State) Terminal() bool {
	return s == Dropped || s == Refused || s == Delivered || s == Read
}

// Sendable says that the sender may claim it, once it is due.
func (s State) Sendable() bool { return s == Queued || s == Retry }

// proof says that a state is something which a provider can attest.
func (s State) proof() bool {
	return s.Rank() >= ranks[Accepted]
}

// Advance applies what a provider attests to where the notification stands. It
// never moves backwards, so callbacks may come in any order and any number of
// times; moved is false where it changes nothing. Only accepted and beyond can
// be attested: the sender's own moves are conditions of the store's claims.
func Advance(from, to State) (state State, moved bool) {
	if !to.proof() || to.Rank() <= from.Rank() {
		return from, false
	}
	return to, true
}

// Attempt is one attempt to send a notification.
type Attempt struct {
	Notification string    `json:"notification"`
	N            int       `json:"n"` // from 1
	LeaseToken   int64     `json:"leaseToken"`
	Repeat       bool      `json:"repeat,omitempty"`
	State        State     `json:"state"` // Intent until it is settled
	Class        Class     `json:"class,omitempty"`
	Provider     string    `json:"provider,omitempty"`
	ProviderID   string    `json:"providerId,omitempty"`
	HTTPStatus   int       `json:"httpStatus,omitempty"`
	Code         string    `json:"code,omitempty"`
	Message      string    `json:"message,omitempty"`
	Wrote        bool      `json:"wrote"`
	IntentAt     time.Time `json:"intentAt"`
	SettledAt    time.Time `json:"settledAt,omitzero"`
}

// Tally counts the notifications of one sending.
type Tally struct {
	Total        int           `json:"total"`
	Acknowledged int           `json:"acknowledged"`
	ByState      map[State]int `json:"byState"`
}

// Reached counts those that are proved to have arrived.
func (t Tally) Reached() int { return t.ByState[Delivered] + t.ByState[Read] }

// Open counts those whose end is not known yet.
func (t Tally) Open() int {
	open := 0
	for state, n := range t.ByState {
		if !state.Terminal() {
			open += n
		}
	}
	return open
}
