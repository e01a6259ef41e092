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

// The probes. Most ask a component about itself; those from beside it are
// answered by another one, which is the observation's component, about a peer.
const (
	ProbeTCP   Probe = "tcp"   // does the service accept a connection
	ProbeICMP  Probe = "icmp"  // does the host answer ping
	ProbePower Probe = "power" // is it on: up = on, down = off, unknown = its BMC does not answer

	ProbeTLS  Probe = "tls"  // does a TLS handshake succeed with a certificate that is valid
	ProbeHTTP Probe = "http" // does the page answer as its profile expects
	ProbeDNS  Probe = "dns"  // does the name server answer
	ProbeSSH  Probe = "ssh"  // does the SSH banner come
	ProbeSNMP Probe = "snmp" // does the SNMP agent answer

	ProbePSU    Probe = "psu"    // of a server: has the supply that Peer feeds input power
	ProbePort   Probe = "port"   // of a switch: is the link to Peer up
	ProbeOutlet Probe = "outlet" // of a PDU: is the outlet that feeds Peer on
	ProbeFeed   Probe = "feed"   // of a PDU: has it input power, of Peer where it has several
	ProbeGuest  Probe = "guest"  // of a hypervisor: does the guest Peer run
)

// Hands is the vantage of people who went and looked: what they say is an
// observation like any other.
const Hands = "hands"

// Observation is the result of one probe of one component from one vantage.
type Observation struct {
	Component string    `json:"component"`
	Probe     Probe     `json:"probe"`
	Peer      string    `json:"peer,omitempty"` // the component at the other end, for probes from beside it
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
	Hands     bool   `json:"hands,omitempty"` // people saw it who were sent to look
	Text      string `json:"text"`            // English, one line, no trailing period
}

// Mode is how a component fails; empty: it does not work at all.
type Mode string

// The ways to fail in part.
const (
	Flapping Mode = "flapping" // works now and then
	Lossy    Mode = "lossy"    // loses a share of what it should carry
	Heating  Mode = "heating"  // its machines drop one after another
	Partial  Mode = "partial"  // a part of it has failed: a phase, a line card
)

// Finding is an inferred point of failure.
type Finding struct {
	Component string         `json:"component"`
	Kind      inventory.Kind `json:"kind"`
	Mode      Mode           `json:"mode,omitempty"`
	Since     time.Time      `json:"since,omitzero"` // first seen failing; not before the oldest observation
	// Worked is when what it explains was last seen working before that: it failed
	// between the two. Zero: nothing tells.
	Worked time.Time `json:"worked,omitzero"`
	// Confidence is how likely what failed is in its class: the component or what
	// it is ambiguous with. 0…1, normalised over the best hypotheses.
	Confidence float64 `json:"confidence"`
	// Probability is how likely it is the component itself: the same where it is
	// ambiguous with nothing. 0: not told, by those who find it otherwise.
	Probability float64 `json:"probability,omitempty"`
	LogOdds     float64 `json:"logOdds"` // natural log, against the next best explanation
	// Explains are the servers whose failure it explains, observed down; by id.
	// Brief findings name only some of these, and of those below; see Brief.
	Explains  []string `json:"explains"`
	Explained int      `json:"explained,omitempty"` // how many, where Explains lacks some
	// Contradicts are servers that should be down by it and were seen up; by id.
	Contradicts  []string `json:"contradicts,omitempty"`
	Contradicted int      `json:"contradicted,omitempty"` // how many, where Contradicts lacks some
	// AmbiguousWith are components that explain the same observations as well; by id.
	AmbiguousWith []string `json:"ambiguousWith,omitempty"`
	// Alternatives are the explanations that these make, the likeliest first.
	Alternatives []Alternative `json:"alternatives,omitempty"`
	Evidence     []Evidence    `json:"evidence"`
	// PowerOff: the machine's own BMC, or its hypervisor, says that it is switched off.
	PowerOff bool `json:"powerOff,omitempty"`
}

// Alternative is what may have failed in place of a finding's component: all of
// these together, or one of a few machines by itself.
type Alternative struct {
	Components  []string `json:"components"`  // by id
	Probability float64  `json:"probability"` // 0…1
}

// Itself is how likely it is that the component named has failed, and nothing
// that can't be told from it.
func (f *Finding) Itself() float64 {
	if f.Probability > 0 {
		return f.Probability
	}
	return f.Confidence
}

// ProbeRequest asks for a probe that would decide between explanations.
type ProbeRequest struct {
	Component string `json:"component"`
	Probe     Probe  `json:"probe"`
	Peer      string `json:"peer,omitempty"` // the component at the other end, for probes from beside it
	// Vantage is [Hands] where only people who look can tell; empty: any vantage.
	Vantage string `json:"vantage,omitempty"`
	Why     string `json:"why,omitempty"`
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
	// Scores say how each finding's weight came about, in the same order.
	Scores []Score `json:"-"`
	Up     int     `json:"up"`   // servers that answered
	Down   int     `json:"down"` // servers that did not
}

// Blast is what a set of failed components takes down.
type Blast struct {
	Servers  []string            `json:"servers"`  // that stop working; by id
	ByClient map[string][]string `json:"byClient"` // the same, by client id
	// Degraded are servers that still work but lost a member of a redundant group; by id.
	Degraded []string `json:"degraded,omitempty"`
}
