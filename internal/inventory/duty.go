package inventory

import (
	"slices"
	"time"

	"vakhta/internal/oncall"
)

// Rung is a channel on a person's ladder, and how long a page there is given
// before the next.
type Rung struct {
	Channel     Channel `json:"channel"`
	WaitSeconds int     `json:"waitSeconds"`
}

// Mode says how the people of a level are paged.
type Mode string

// The modes. RoundRobin begins with another of them at each incident.
const (
	AllAtOnce  Mode = ""
	InTurn     Mode = "in-turn"
	RoundRobin Mode = "round-robin"
)

// Role says what a person may do to an incident. Empty is Responder.
type Role string

// The roles, each with what the one before it may.
const (
	Viewer    Role = "viewer"    // looks
	Responder Role = "responder" // works on incidents
	Manager   Role = "manager"   // and decides: overrides, approvals, postmortems
)

// Place is where something stands in the documents.
type Place struct {
	File         string
	Line, Column int
}

// Level is one level of a policy: whom to page, and for how long before the
// next level. Its people are its members, who is on call in its rotations, and
// everybody if it says so.
type Level struct {
	Members   []string `json:"members"` // contact ids of the team
	Rotations []string `json:"rotations,omitempty"`
	Everyone  bool     `json:"everyone,omitempty"`
	Mode      Mode     `json:"mode,omitempty"`
	Ladder    []Rung   `json:"ladder,omitempty"` // of those who have none of their own; empty: the runbook's
	// AckWithinSeconds is how long the level has; in turn, how long each has.
	AckWithinSeconds int   `json:"ackWithinSeconds"`
	At               Place `json:"-"`
}

// Policy is the levels that an escalation climbs, and when it is the one.
type Policy struct {
	ID         string   `json:"id,omitempty"`         // empty: the team's plain levels
	Severities []string `json:"severities,omitempty"` // empty: any
	Hours      string   `json:"hours,omitempty"`      // business, off or, empty, any
	Levels     []Level  `json:"levels"`
	Repeat     int      `json:"repeat"` // how often the levels are climbed again before the escalation is exhausted
}

// Duty is what a team says of its time: kept apart, since it needs a calendar to be read.
type Duty struct {
	Zone      *time.Location
	Rotations []oncall.Rotation
	Business  []oncall.Window // empty: always
	Holidays  oncall.Holidays
	At        map[string]Place // of each rotation
}

// Rotation finds one of the team's rotations.
func (t *Team) Rotation(id string) (*oncall.Rotation, bool) {
	for i := range t.Duty.Rotations {
		if t.Duty.Rotations[i].ID == id {
			return &t.Duty.Rotations[i], true
		}
	}
	return nil, false
}

// Member finds a member of the team.
func (t *Team) Member(id string) (*Contact, bool) {
	i := slices.IndexFunc(t.Members, func(c Contact) bool { return c.ID == id })
	if i < 0 {
		return nil, false
	}
	return &t.Members[i], true
}

// BusinessAt says whether the team's business hours hold at the instant.
func (t *Team) BusinessAt(at time.Time) bool {
	return oncall.Hold(t.Duty.Business, t.Duty.Zone, t.Duty.Holidays, at)
}

// PolicyAt is the policy for an incident of the severity at the instant: the
// first that fits, else the team's plain levels.
func (t *Team) PolicyAt(severity string, at time.Time) Policy {
	for _, p := range t.Policies {
		if p.Fits(severity, t.BusinessAt(at)) {
			return p
		}
	}
	return Policy{Levels: t.Levels, Repeat: t.Repeat}
}

// Fits says whether the policy is for such an incident, within business hours or off them.
func (p *Policy) Fits(severity string, business bool) bool {
	if len(p.Severities) > 0 && !slices.Contains(p.Severities, severity) {
		return false
	}
	switch p.Hours {
	case "business":
		return business
	case "off":
		return !business
	}
	return true
}

// PageLadder is how to page the person: by his own ladder, else by the given
// one, as far as he has the addresses; if that leaves nothing, by what he has.
func (c *Contact) PageLadder(usual []Rung) []Rung {
	ladder := c.Pages
	if len(ladder) == 0 {
		ladder = usual
	}
	var out []Rung
	for _, r := range ladder {
		if c.Addresses[r.Channel] != "" {
			out = append(out, r)
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, ch := range c.Urgent() {
		out = append(out, Rung{Channel: ch, WaitSeconds: 60})
	}
	return out
}
