package message

import "time"

// Data is what a message can speak of. A template uses what its event needs;
// what is empty is left out of the text. Names, titles and the finding are in
// the recipient's language already. Instants are UTC; the renderer writes them
// in Zone.
type Data struct {
	Client  string // name of the client; also of the one who reported, in a message to a team
	Contact string // name of the recipient
	Zone    string // IANA time zone of the recipient; empty is UTC
	Now     time.Time

	Incident string // id
	Report   string // id
	Severity string // sev1, sev2, sev3
	Status   string // investigating, identified, monitoring, resolved
	Team     string // name of the team that a page or a stand-down goes to

	// Finding is the inferred point of failure in one sentence, without a
	// trailing period ("выключен сервер msk-r14-u07: Москва, зал 2, стойка 14"):
	// from [Cause] for a client, who reads nothing of others' machines; from
	// topology.Describe for an engineer.
	Finding string
	// Early, in a page: Finding is what monitoring says, and what is down is
	// being looked for.
	Early bool

	// Servers are the recipient's own machines that the message is about; in a
	// page they are all affected ones. The renderer cuts the list to what the
	// channel bears.
	Servers []Server
	// Total, Checked and Down count the recipient's machines: all that the
	// message is about, those of which is known by now how they are, and without an answer.
	Total, Checked, Down int
	// Restored counts those of Total that work again.
	Restored int
	// Clients counts the affected clients, in a page.
	Clients int
	Sites   []SiteCount // progress per site, in the order to be shown

	// ETA is when the rest is expected to work; zero: not known.
	ETA time.Time
	// NextUpdateMinutes is when the next update comes at the latest; 0: not promised.
	NextUpdateMinutes int

	AckCode string // 6 characters
	AckURL  string // page on which a person confirms

	Work     Work     // report.planned
	Question Question // hands.question, hands.standdown
	TakenBy  string   // page.standdown: who has it; hands.standdown: who answered
	// CalendarURL is where a client's planned work can be subscribed to.
	CalendarURL string
	Text        string // free text: the client's own words, a task's text, a summary
	URL         string // incident.postmortem: where it is published

	// Repeat: the message was sent before and may have arrived.
	Repeat bool

	as setting // the renderer's
}

// Server is one machine that a message names.
type Server struct {
	ID    string
	Label string // what the sticker says; empty: the id is enough
	Place string // "Москва, зал 2, стойка 14, юнит 7"
}

// SiteCount is how far a sweep has come at one site.
type SiteCount struct {
	Name                 string
	Total, Checked, Down int
}

// Work is planned work that explains what a client sees.
type Work struct {
	ID                            string
	Title                         string
	StartsAt, EndsAt, AnnouncedAt time.Time
	// MovedFrom is the start that was announced before; zero: it has not moved.
	MovedFrom time.Time
	// Impact is the worst that befalls the recipient's machines, those in
	// Servers: outage, degraded, reduced-redundancy.
	Impact   string
	Degraded int // machines of his that work worse, beside those that go off

	// What a client hears of it who reports a failure.
	Phase       string    // running, finished, imminent
	Why         string    // what is done
	Times       int       // how often he was written to about it
	ConfirmedAt time.Time // zero: he has not confirmed
	ConfirmedBy string    // who of his contacts did
}
