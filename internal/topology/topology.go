// Package topology answers two questions about the inventory graph: what does
// this set of components take down (blast radius), and which smallest set of
// failed components explains these observations (inference). It knows only
// package inventory, reads no clock and keeps no state: the same input gives
// the same answer, byte for byte.
package topology

import (
	"time"

	"vakhta/internal/inventory"
)

// Result is what a probe found.
type Result string

// The results of a probe. Unknown means that the probe could not tell (the
// vantage is absent, the BMC did not answer), never that it was not made.
const (
	Up      Result = "up"
	Down    Result = "down"
	Unknown Result = "unknown"
)

// Probe names what is asked of a component.
type Probe string

// The probes of the first release.
const (
	ProbeTCP   Probe = "tcp"   // does the service accept a connection
	ProbeICMP  Probe = "icmp"  // does the host answer ping
	ProbePower Probe = "power" // Redfish power state: up = on, down = off, unknown = the BMC does not answer
)

// Observation is the result of one probe of one component from one vantage.
type Observation struct {
	Component string    `json:"component"`
	Probe     Probe     `json:"probe"`
	Vantage   string    `json:"vantage,omitempty"`
	At        time.Time `json:"at"`
	Result    Result    `json:"result"`
	Detail    string    `json:"detail,omitempty"` // "connection refused", "PowerState Off"
	RTTMicros int64     `json:"rttMicros,omitempty"`
}

// Evidence is one observation, or a count of like ones, that speaks for a finding.
type Evidence struct {
	Component string `json:"component,omitempty"`
	Probe     Probe  `json:"probe,omitempty"`
	Result    Result `json:"result,omitempty"`
	Count     int    `json:"count,omitempty"` // > 1: Text is about that many components
	Text      string `json:"text"`            // English, one line, no trailing period
}

// Finding is an inferred point of failure.
type Finding struct {
	Component  string         `json:"component"`
	Kind       inventory.Kind `json:"kind"`
	Confidence float64        `json:"confidence"` // 0…1, normalised over the best hypotheses
	LogOdds    float64        `json:"logOdds"`    // natural log, against the next best explanation
	// Explains are the servers whose failure it explains, observed down; by id.
	Explains []string `json:"explains"`
	// Contradicts are servers that should be down by it and were seen up; by id.
	Contradicts []string `json:"contradicts,omitempty"`
	// AmbiguousWith are components that explain the same observations as well; by id.
	AmbiguousWith []string   `json:"ambiguousWith,omitempty"`
	Evidence      []Evidence `json:"evidence"`
	// PowerOff: the machine's own BMC says that it is switched off.
	PowerOff bool `json:"powerOff,omitempty"`
}

// ProbeRequest asks for a probe that would decide between explanations.
type ProbeRequest struct {
	Component string `json:"component"`
	Probe     Probe  `json:"probe"`
	Why       string `json:"why,omitempty"`
}

// Inference is the answer of one round.
type Inference struct {
	Findings []Finding `json:"findings"` // surest first, then by id
	// Unexplained are servers observed down that no finding explains; by id.
	Unexplained []string `json:"unexplained,omitempty"`
	// Blind are vantages that saw nothing where others did: their rows don't count.
	Blind []string `json:"blind,omitempty"`
	// Next are the probes that would decide what is ambiguous, most telling first, bounded.
	Next []ProbeRequest `json:"next,omitempty"`
	Up   int            `json:"up"`   // servers that answered
	Down int            `json:"down"` // servers that did not
}

// Blast is what a set of failed components takes down.
type Blast struct {
	Servers  []string            `json:"servers"`  // that stop working; by id
	ByClient map[string][]string `json:"byClient"` // the same, by client id
	// Degraded are servers that still work but lost a member of a redundant group; by id.
	Degraded []string `json:"degraded,omitempty"`
}
