package workflows

import "vakhta/internal/incident"

// ClientReportInput starts ClientReport. Either Report names a stored report
// (the gateway's way), or Client and Text make a new one (a person's way).
type ClientReportInput struct {
	Report string `json:"report,omitempty"`
	Client string `json:"client,omitempty"`
	Text   string `json:"text,omitempty"`
}

// LocalizeInput starts Localize over exactly one scope.
type LocalizeInput struct {
	Client     string   `json:"client,omitempty"`
	Site       string   `json:"site,omitempty"`
	Components []string `json:"components,omitempty"`
	All        bool     `json:"all,omitempty"`  // the whole estate
	Work       string   `json:"work,omitempty"` // everything that planned work touches
	// Full: with All, everything is asked of every machine. Otherwise of some of
	// each failure domain of a large estate, and the others are pinged.
	Full bool `json:"full,omitempty"`
	// Routine: nobody waits for the answer. What was seen is learned, and kept
	// only if something was found.
	Routine bool `json:"routine,omitempty"`
	// TimeoutMillis is the budget of one probe; 0 means the worker's default.
	TimeoutMillis int `json:"timeoutMs,omitempty"`
}

// IncidentInput starts Incident. Incident names a stored one; or Component (and
// Title) opens one by hand.
type IncidentInput struct {
	Incident  string            `json:"incident,omitempty"`
	Component string            `json:"component,omitempty"`
	Title     string            `json:"title,omitempty"`
	Severity  incident.Severity `json:"severity,omitempty"`
	Runbook   string            `json:"runbook,omitempty"` // default: the one whose `on` matches the finding
	// Told are contacts who hear of it at this moment, as the answer to their report.
	Told []string `json:"told,omitempty"`
}

// TriageInput starts Triage; the gateway starts it by signal.
type TriageInput struct {
	Region string `json:"region"`
	// Pending is carried over continue-as-new.
	Pending []string `json:"pending,omitempty"`
}

// PostmortemInput starts Postmortem.
type PostmortemInput struct {
	Incident string `json:"incident"`
}
