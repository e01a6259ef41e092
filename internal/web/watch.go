package web

import (
	"context"
	"errors"
	"time"

	"vakhta/internal/inventory"
)

// Watch says where an incident stands at this moment, and does to it what an
// engineer asks for on a page. Its errors are shown to him as they are.
type Watch interface {
	// Live asks the incident's workflows; an error means that they don't answer,
	// and the page is whole without.
	Live(ctx context.Context, incident string) (Live, error)
	// May says whether somebody may do an act; the error says why not.
	May(by, act string) error
	// Do does an act. [ErrNoAnswer] says that nobody knows whether it was done.
	Do(ctx context.Context, a IncidentAct) error
}

// ErrNoAnswer is the error of an act of which nobody could say in time whether it was done.
var ErrNoAnswer = errors.New("no answer came in time")

// Live is what an incident's workflows say.
type Live struct {
	Teams []LiveTeam
	Steps []LiveStep
}

// LiveTeam is where the paging of a team stands.
type LiveTeam struct {
	Team    string
	State   string // paging, acknowledged, stopped
	HasIt   string // who acknowledged
	Since   time.Time
	Via     string
	Round   int
	Level   int
	Paged   []string
	Next    []LivePage // rungs still to come at this level, the soonest first
	NextAt  time.Time  // the next people are paged; of what is acknowledged, the page returns
	Members []string   // who may be given it
}

// LivePage is a rung to come.
type LivePage struct {
	Contact string
	Channel inventory.Channel
	At      time.Time
}

// LiveStep is a step of the runbook.
type LiveStep struct {
	ID, Kind, Title, Result string
	State                   string // waiting, running, done, skipped, failed
	Since                   time.Time
	Asks                    bool // it waits for a person
}

// IncidentAct is an act as it is written into its form: text, not checked yet.
type IncidentAct struct {
	Incident, Act, By string
	// Key is the form's own: however often it is sent, the act is done once.
	Key string

	Team, To  string
	From      string // who had it when the form was shown
	Text      string // of a note or an answer; the result of a task
	Internal  bool
	Component string // of restored: several, apart by spaces or commas
	Result    string
	When      string // 45m, 04:30, or RFC 3339
	Severity  string
	Step      string
	Refuse    bool
	Reason    string
	Probe     string
	Peer      string
	Question  string
	Answer    string
}

// The acts of a page, as its addresses name them.
const (
	actAcknowledge = "acknowledge"
	actDecline     = "decline"
	actHandOver    = "handOver"
	actAssign      = "assign"
	actNote        = "note"
	actChecked     = "checked"
	actRestored    = "restored"
	actETA         = "setEta"
	actSeverity    = "setSeverity"
	actTask        = "completeTask"
	actApprove     = "approve"
	actAsk         = "askHands"
	actAnswer      = "answer"
	actResolve     = "resolve"
	actReopen      = "reopen"
)
