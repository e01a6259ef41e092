// Package incident holds the records of an incident: what was reported, what
// the incident is, and its timeline. They are data; workflows decide, the store keeps.
package incident

import (
	"slices"
	"strings"
	"time"

	"vakhta/internal/topology"
)

// Status is where an incident stands, in Statuspage's words.
type Status string

// The statuses of an incident.
const (
	Investigating Status = "investigating"
	Identified    Status = "identified"
	Monitoring    Status = "monitoring" // fixed, being watched
	Resolved      Status = "resolved"
)

// Severity says how bad it is: sev1 is worst.
type Severity string

// The severities.
const (
	Sev1 Severity = "sev1" // a site, a room, or more than 100 servers
	Sev2 Severity = "sev2" // shared equipment, several clients
	Sev3 Severity = "sev3" // one machine
)

// Incident is one thing that went wrong, however many alerts and clients speak of it.
type Incident struct {
	ID         string           `json:"id"`
	Component  string           `json:"component"` // the point of failure that it was opened for; Finding says what is known now
	Title      string           `json:"title"`     // English, one line
	Site       string           `json:"site"`
	Severity   Severity         `json:"severity"`
	Status     Status           `json:"status"`
	Runbook    string           `json:"runbook,omitempty"`
	RunbookRev string           `json:"runbookRev,omitempty"` // sha256 of the pinned text
	Finding    topology.Finding `json:"finding"`
	Sweep      string           `json:"sweep,omitempty"` // whose observations led to the finding
	Servers    []string         `json:"servers"`         // affected, by id
	// ServerCount is how many these are, where Servers names only some; see Brief.
	ServerCount int       `json:"serverCount,omitempty"`
	Clients     []string  `json:"clients"`  // affected, by id
	Restored    []string  `json:"restored"` // servers seen up again, by id
	ETA         time.Time `json:"eta,omitzero"`
	Drill       bool      `json:"drill,omitempty"`
	// Provisional: nothing is known yet but a critical alert. Somebody is paged,
	// no client is told, and the finding will say what it is.
	Provisional bool      `json:"provisional,omitempty"`
	OpenedAt    time.Time `json:"openedAt"`
	ResolvedAt  time.Time `json:"resolvedAt,omitzero"`
}

// Report is a client's own "it's down".
type Report struct {
	ID         string    `json:"id"`
	Channel    string    `json:"channel"`          // telegram, email, phone, web, api
	From       string    `json:"from,omitempty"`   // the sender's address at that channel; personal data
	Client     string    `json:"client,omitempty"` // known, or told by an authenticated intake
	Contact    string    `json:"contact,omitempty"`
	Text       string    `json:"text"`
	ReceivedAt time.Time `json:"receivedAt"`
	Incident   string    `json:"incident,omitempty"` // what it came to
	Answer     string    `json:"answer,omitempty"`   // healthy, incident, planned, unknown-client
}

// Alert is a machine's word, deduplicated by the sender's key.
type Alert struct {
	ID         string            `json:"id"`
	Source     string            `json:"source"` // "alertmanager", "pagerduty"
	Key        string            `json:"key"`    // unique with Source
	Component  string            `json:"component,omitempty"`
	Summary    string            `json:"summary"`
	Firing     bool              `json:"firing"`
	Labels     map[string]string `json:"labels,omitempty"`
	StartsAt   time.Time         `json:"startsAt"`
	EndsAt     time.Time         `json:"endsAt,omitzero"`
	ReceivedAt time.Time         `json:"receivedAt"`
	Incident   string            `json:"incident,omitempty"`
	Raised     string            `json:"raised,omitempty"` // the provisional incident that spoke for it first
}

// Critical says that the alert can't wait until its cause is found.
func (a *Alert) Critical() bool {
	return slices.Contains([]string{"critical", "page", "emergency", "disaster", "fatal"}, strings.ToLower(a.Labels["severity"]))
}

// Entry is one line of an incident's timeline, which is only ever appended to.
type Entry struct {
	Seq      int64     `json:"seq"`     // grows within the store
	Key      string    `json:"key"`     // unique: the same fact is written once
	Subject  string    `json:"subject"` // "incident/<id>" or "report/<id>"
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`            // opened, finding, page, acknowledged, update, check, restored, note, eta, resolved, …
	Actor    string    `json:"actor,omitempty"` // contact id, "vakhta", "alertmanager"; never an address
	Via      string    `json:"via,omitempty"`   // channel or door
	Text     string    `json:"text"`            // English, one line, no personal data
	Internal bool      `json:"internal,omitempty"`
}

// Action is something that must be done so that it never happens again.
type Action struct {
	ID         string    `json:"id"`
	Text       string    `json:"text"`
	Owner      string    `json:"owner"`
	Due        time.Time `json:"due,omitzero"`
	DoneAt     time.Time `json:"doneAt,omitzero"`
	VerifiedAt time.Time `json:"verifiedAt,omitzero"`
	VerifiedBy string    `json:"verifiedBy,omitempty"`
}

// Postmortem is the document that ends every incident.
type Postmortem struct {
	Incident   string            `json:"incident"`
	Title      string            `json:"title"`
	Status     string            `json:"status"` // draft, approved, published, closed
	Revision   int               `json:"revision"`
	Sections   map[string]string `json:"sections"` // summary, impact, cause, detection, response, lessons: Markdown
	Actions    []Action          `json:"actions"`
	ApprovedBy string            `json:"approvedBy,omitempty"`
	CreatedAt  time.Time         `json:"createdAt"`
	UpdatedAt  time.Time         `json:"updatedAt"`
}
