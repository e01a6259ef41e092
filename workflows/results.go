package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// SiteProgress counts a sweep at one site.
type SiteProgress struct {
	Site    string `json:"site"`
	Total   int    `json:"total"`
	Checked int    `json:"checked"`
	Down    int    `json:"down"`
	Unknown int    `json:"unknown"`
}

// LocalizeProgress is how far a localization is.
type LocalizeProgress struct {
	Scope   string         `json:"scope"`
	Stage   string         `json:"stage"` // planning, sweeping, deciding, confirming, done
	Round   int            `json:"round"`
	Total   int            `json:"total"`
	Checked int            `json:"checked"`
	Down    int            `json:"down"`
	Sites   []SiteProgress `json:"sites"`
	WasSo   int            `json:"wasSo,omitempty"`  // of those down: were so before, or are under planned work
	Absent  []string       `json:"absent,omitempty"` // vantages that did not answer
}

// Unknown counts the machines of which nobody can say how they are.
func (p LocalizeProgress) Unknown() int {
	n := p.Total - p.Checked // those that nothing can ask
	for _, s := range p.Sites {
		n += s.Unknown
	}
	return max(n, 0)
}

// allUp: every machine was asked and answered, which takes at least one. One
// that has long ceased to answer is no news, but it is not up.
func (p LocalizeProgress) allUp() bool {
	return p.Total > 0 && p.Down == 0 && p.Unknown() == 0 && len(p.Absent) == 0
}

// unwell names the services that fail on machines that answer.
func (r LocalizeResult) unwell() string {
	var out []string
	for _, n := range r.Notices {
		if n.Unwell {
			out = append(out, fmt.Sprintf("%s (%s, %s)", n.Component, strings.ToUpper(string(n.Probe)), n.Text))
		}
	}
	return strings.Join(out, "; ")
}

// LocalizeResult is the answer of Localize.
type LocalizeResult struct {
	Sweep    string             `json:"sweep"` // key of its observations in the store
	Progress LocalizeProgress   `json:"progress"`
	Findings []topology.Finding `json:"findings"`
	// Unexplained are servers down that no finding explains; by id.
	Unexplained []string `json:"unexplained,omitempty"`
	// UnexplainedCount is how many these are, where Unexplained lacks some. Findings
	// are brief then, too: the store has all of it, under the sweep.
	UnexplainedCount int `json:"unexplainedCount,omitempty"`
	// Troubles say why probes could not tell, the commonest reason first.
	Troubles []string `json:"troubles,omitempty"`
	// Notices are services that fail on machines that answer, or soon will; those that fail come first.
	Notices []records.Notice `json:"notices,omitempty"`
	// Blind are vantages that saw nothing where others did: they are not believed.
	Blind []string `json:"blind,omitempty"`
}

// Cut says that lists of the result lack their tails.
func (r *LocalizeResult) Cut() bool {
	return r.UnexplainedCount > len(r.Unexplained) || slices.ContainsFunc(r.Findings, func(f topology.Finding) bool { return f.Cut() })
}

// ReportAnswer is what a report came to.
type ReportAnswer struct {
	Report   string           `json:"report"`
	Client   string           `json:"client,omitempty"`
	Stage    string           `json:"stage"` // identifying, checking, answered
	Kind     string           `json:"kind"`  // healthy, finding, incident, planned, unclear, unknown-client; empty while checking
	Incident []string         `json:"incident,omitempty"`
	Work     string           `json:"work,omitempty"` // maintenance id
	Progress LocalizeProgress `json:"progress"`
	Summary  string           `json:"summary,omitempty"` // English, one line
}

// StepStatus is where a runbook step stands.
type StepStatus struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	State   string    `json:"state"` // waiting, running, done, skipped, failed
	Title   string    `json:"title,omitempty"`
	Result  string    `json:"result,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Manual  bool      `json:"manual,omitempty"`  // completeTask or approve ends it
	Attempt int       `json:"attempt,omitempty"` // from 1
}

// IncidentStatus is the state of an incident.
type IncidentStatus struct {
	Incident incident.Incident         `json:"incident"`
	Steps    []StepStatus              `json:"steps"`
	Teams    map[string]EscalateStatus `json:"teams"`
	// Questions are what people at a site were asked, by number.
	Questions []HandsStatus `json:"questions,omitempty"`
}

// HandsStatus is the state of a question to people at a site.
type HandsStatus struct {
	Question incident.Question `json:"question"`
	Text     string            `json:"text,omitempty"` // English: what to look at, where, and the one question
	Round    int               `json:"round"`          // from 1
	Level    int               `json:"level"`          // from 1
	Asked    []string          `json:"asked"`          // contact ids
}

// EscalateStatus is the state of an escalation to one team.
type EscalateStatus struct {
	Incident string   `json:"incident"`
	Team     string   `json:"team"`
	State    string   `json:"state"` // paging, acknowledged, stopped
	Round    int      `json:"round"` // from 1
	Level    int      `json:"level"` // from 1
	Policy   string   `json:"policy,omitempty"`
	Paged    []string `json:"paged"` // contact ids
	// Bundled are members whose page of another team stands for this one's, too.
	Bundled []string `json:"bundled,omitempty"`
	// Late is how many acknowledged when somebody had it already.
	Late           int       `json:"late,omitempty"`
	AcknowledgedBy string    `json:"acknowledgedBy,omitempty"`
	AcknowledgedAt time.Time `json:"acknowledgedAt,omitzero"`
	Via            string    `json:"via,omitempty"`
	// Next are the rungs of those who are being paged that are still to come, the
	// soonest first, and NextAt is when the next people are paged; of what is
	// acknowledged, when the page returns unless somebody gives a sign of life.
	// Only the query says them.
	Next   []NextPage `json:"next,omitempty"`
	NextAt time.Time  `json:"nextAt,omitzero"`
}

// NextPage is a rung that somebody who is being paged comes to, if nobody acknowledges.
type NextPage struct {
	Contact string            `json:"contact"`
	Channel inventory.Channel `json:"channel"`
	At      time.Time         `json:"at"`
}

// InformStatus is the state of the beat of client updates.
type InformStatus struct {
	Incident string    `json:"incident"`
	Updates  int       `json:"updates"`
	LastAt   time.Time `json:"lastAt,omitzero"`
	NextAt   time.Time `json:"nextAt,omitzero"`
}

// BroadcastProgress is how far a broadcast is.
type BroadcastProgress struct {
	Subject      string `json:"subject"`
	Event        string `json:"event"`
	Step         string `json:"step"`
	Revision     int    `json:"revision"`
	Stage        string `json:"stage"` // planning, sending, waiting, done, stopped
	Rung         int    `json:"rung"`
	Contacts     int    `json:"contacts"`
	Accepted     int    `json:"accepted"`
	Refused      int    `json:"refused"`
	Dropped      int    `json:"dropped,omitempty"` // old news, or acknowledged before they left
	Acknowledged int    `json:"acknowledged"`
	// Unreachable are contact ids with no channel left, the first few of
	// UnreachableTotal; vakhta broadcast unreachable lists them all.
	Unreachable      []string `json:"unreachable,omitempty"`
	UnreachableTotal int      `json:"unreachableTotal,omitempty"`
	Quiet            int      `json:"quiet,omitempty"` // contacts who wait for the end of their quiet hours
	// NextAt is when it climbs for whoever has not confirmed; zero: it does not.
	NextAt time.Time `json:"nextAt,omitzero"`
	// Plan is who is told by which channel, and how long the providers take.
	Plan records.Plan `json:"plan,omitzero"`
}
