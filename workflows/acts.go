package workflows

import (
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/topology"
)

// Act says who did it, and through which door. It is part of every update.
type Act struct {
	By  string `json:"by"`  // contact id, or the name that the door authenticated
	Via string `json:"via"` // cli, web, ui, telegram, call …
}

// PageAnswer tells Escalate that a page was answered by a person; the fact is
// in the ledger already.
type PageAnswer struct {
	Contact      string `json:"contact"`
	By           string `json:"by,omitempty"` // who, where several people read the contact's messages
	Notification string `json:"notification"`
	Via          string `json:"via"`
}

// AlertsSignal hands stored alerts to Triage, by id.
type AlertsSignal struct {
	IDs []string `json:"ids"`
}

// ReportedSignal tells an incident that one more client or alert speaks of it.
type ReportedSignal struct {
	Report string   `json:"report,omitempty"`
	Client string   `json:"client,omitempty"`
	Told   string   `json:"told,omitempty"` // contact id: who gets the answer to his report
	Alerts []string `json:"alerts,omitempty"`
}

// FoundSignal tells a provisional incident what came of looking for its cause:
// the store has the finding; or there is none; or it is that of another incident.
type FoundSignal struct {
	Nothing bool   `json:"nothing,omitempty"`
	Into    string `json:"into,omitempty"`
}

// ChangedSignal tells InformClients that there is news.
type ChangedSignal struct {
	Why string `json:"why"`
}

// StopSignal ends an escalation or a beat.
type StopSignal struct {
	Why string `json:"why"`
}

// AcknowledgeUpdate says that somebody takes the incident, or a page of a team.
type AcknowledgeUpdate struct {
	Act
	Team string `json:"team,omitempty"` // Incident only: which team's escalation; empty: all
}

// NoteUpdate adds a line to the timeline; Internal lines are never shown to clients.
type NoteUpdate struct {
	Act
	Text     string `json:"text"`
	Internal bool   `json:"internal,omitempty"`
}

// CheckedUpdate says that a component was looked at and what was found.
type CheckedUpdate struct {
	Act
	Component string `json:"component"`
	Result    string `json:"result"` // ok, or what is wrong
}

// RestoredUpdate says that a person believes these components to be back.
type RestoredUpdate struct {
	Act
	Components []string `json:"components"`
}

// SetETAUpdate sets when the rest will be back.
type SetETAUpdate struct {
	Act
	At time.Time `json:"at"` // RFC 3339
}

// SetSeverityUpdate changes the severity.
type SetSeverityUpdate struct {
	Act
	Severity incident.Severity `json:"severity"`
}

// CompleteTaskUpdate completes a manual step of the runbook.
type CompleteTaskUpdate struct {
	Act
	Step   string `json:"step"`
	Result string `json:"result,omitempty"`
}

// ApproveUpdate passes or refuses a gate of the runbook, or approves a postmortem.
type ApproveUpdate struct {
	Act
	Step   string `json:"step,omitempty"`
	Refuse bool   `json:"refuse,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// ResolveUpdate resolves the incident by hand.
type ResolveUpdate struct {
	Act
	Reason string `json:"reason"`
}

// ReopenUpdate opens a resolved incident again.
type ReopenUpdate struct {
	Act
	Reason string `json:"reason"`
}

// DeclineUpdate says that the person can't; the next is paged at once.
type DeclineUpdate struct {
	Act
}

// HandOverUpdate gives an acknowledged escalation to a colleague.
type HandOverUpdate struct {
	Act
	To string `json:"to"` // contact id
	// From is who has it, as far as who sends this knows: if it is somebody else
	// by now, nothing is done.
	From string `json:"from,omitempty"`
}

// AskHandsUpdate has people at a site look at one thing, for an incident.
type AskHandsUpdate struct {
	Act
	Component string         `json:"component"`
	Probe     topology.Probe `json:"probe"` // power, psu, port, outlet, feed
	Peer      string         `json:"peer,omitempty"`
}

// AnswerUpdate answers a question to people at a site; By is who looked.
type AnswerUpdate struct {
	Act
	Answer incident.Answer `json:"answer"` // yes, no, cant-tell
	Note   string          `json:"note,omitempty"`
}

// FollowSignal says that another incident waits for a question's answer, too.
type FollowSignal struct {
	Incident string `json:"incident"`
}

// StopUpdate stops a broadcast, or withdraws a question: what is not sent yet is dropped.
type StopUpdate struct {
	Act
	Reason string `json:"reason"`
}

// RetargetUpdate takes clients out of a broadcast that is under way.
type RetargetUpdate struct {
	Act
	Except []string `json:"except"` // client ids
}

// EditUpdate replaces sections of a postmortem.
type EditUpdate struct {
	Act
	Sections map[string]string `json:"sections"` // by name, Markdown
}

// AddActionUpdate adds a follow-up action to a postmortem.
type AddActionUpdate struct {
	Act
	Text  string    `json:"text"`
	Owner string    `json:"owner"`
	Due   time.Time `json:"due,omitzero"`
}

// ActionUpdate completes or verifies a follow-up action.
type ActionUpdate struct {
	Act
	Action string `json:"action"` // its id
}
