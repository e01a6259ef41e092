package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/roster"
	"vakhta/internal/store"
)

// RosterParams asks whom to page now at a level of a team, for an incident.
type RosterParams struct {
	Incident string `json:"incident"`
	Team     string `json:"team"`
	Level    int    `json:"level"` // from 0
	// Fallback asks for the team's fallback instead of a level, People for
	// these people's ladders.
	Fallback bool             `json:"fallback,omitempty"`
	People   []string         `json:"people,omitempty"`
	Ladder   []inventory.Rung `json:"ladder"` // of those who have none of their own
}

// Roster is whom to page at a level, by the calendar of this moment.
type Roster struct {
	Policy           string         `json:"policy,omitempty"`
	Levels           int            `json:"levels"` // that the policy has
	Repeat           int            `json:"repeat"`
	Mode             inventory.Mode `json:"mode,omitempty"`
	People           []OnCall       `json:"people"` // in the order of their turns
	AckWithinSeconds int            `json:"ackWithinSeconds"`
	// Gap: nobody is on call, and People are the fallback.
	Gap bool `json:"gap,omitempty"`
}

// OnCall is a person and how to page him.
type OnCall struct {
	Contact string           `json:"contact"`
	Ladder  []inventory.Rung `json:"ladder"`
}

// fallbackWithin is how long a fallback has before all begins again.
const fallbackWithin = 5 * time.Minute

// Roster reads the calendar.
func (a *Activities) Roster(ctx context.Context, p RosterParams) (Roster, error) {
	in, err := a.incident(ctx, p.Incident)
	if err != nil {
		return Roster{}, err
	}
	return a.roster(ctx, p, in)
}

func (a *Activities) roster(ctx context.Context, p RosterParams, in incident.Incident) (Roster, error) {
	t, ok := a.inv.Team(p.Team)
	if !ok {
		return Roster{}, invalid("team: the inventory has no team %q; add it under teams", p.Team)
	}
	policy := t.PolicyAt(string(in.Severity), a.now())
	out := Roster{Policy: policy.ID, Levels: len(policy.Levels), Repeat: policy.Repeat, People: []OnCall{}}
	switch {
	case len(p.People) > 0:
		out.add(a.inv, p.People, p.Ladder)
		return out, nil
	case p.Fallback:
		out.AckWithinSeconds = int(fallbackWithin / time.Second)
		out.add(a.inv, roster.Fallback(t), p.Ladder)
		return out, nil
	case p.Level >= len(policy.Levels):
		return out, nil
	}
	l := &policy.Levels[p.Level]
	out.AckWithinSeconds, out.Mode = l.AckWithinSeconds, l.Mode
	people, err := a.onCall(ctx, t, l)
	if err != nil {
		return Roster{}, err
	}
	if l.Mode == inventory.RoundRobin && len(people) > 1 {
		turn, err := a.store.Turn(ctx, fmt.Sprintf("%s/%s/%d", t.ID, policy.ID, p.Level), p.Incident)
		if err != nil {
			return Roster{}, err
		}
		first := turn % len(people)
		people = slices.Concat(people[first:], people[:first])
	}
	ladder := p.Ladder
	if len(l.Ladder) > 0 {
		ladder = l.Ladder
	}
	out.add(a.inv, people, ladder)
	if len(out.People) == 0 {
		out.Gap, out.Mode = true, inventory.AllAtOnce
		out.add(a.inv, roster.Fallback(t), ladder)
	}
	return out, nil
}

// add takes those whom a page can reach at all.
func (r *Roster) add(inv *inventory.Inventory, people []string, ladder []inventory.Rung) {
	for _, id := range people {
		c, ok := inv.Contact(id)
		if !ok {
			continue
		}
		if way := c.PageLadder(ladder); len(way) > 0 {
			r.People = append(r.People, OnCall{Contact: id, Ladder: way})
		}
	}
}

// onCall are whom a level pages now. The store is asked only where a calendar is.
func (a *Activities) onCall(ctx context.Context, t *inventory.Team, l *inventory.Level) ([]string, error) {
	now := a.now()
	var overrides roster.Overrides
	if len(l.Rotations) > 0 {
		var err error
		if overrides, err = a.store.Overrides(ctx, now); err != nil {
			return nil, err
		}
	}
	return roster.People(t, l, overrides, now), nil
}

const (
	// bundledFor is how long one page of an incident stands for those of other teams, too.
	bundledFor = 2 * time.Minute
	// calmPages are so many pages within calmFor by one channel that those of
	// incidents that are not critical (sev3) leave a person alone.
	calmPages = 6
	calmFor   = 10 * time.Minute
)

// spared says why a page needn't be sent: the person has just been paged for
// the incident by another team, or has had too many pages about small things.
// Neither the first page of an incident nor any of a critical one is spared for
// being one too many.
func (a *Activities) spared(ctx context.Context, p PageParams, contact string, critical bool) (bundled, tooMany bool, err error) {
	rows, err := a.store.Standings(ctx, store.NotificationFilter{Contact: contact, Event: "page", Since: a.now().Add(-calmFor)})
	if err != nil {
		return false, false, fmt.Errorf("read pages to %s: %w", contact, err)
	}
	step, others, first := pageStep(p), 0, true
	for _, n := range rows {
		first = first && n.Subject != "incident/"+p.Incident
		if n.Channel != p.Channel || n.State == ledger.Dropped || n.State == ledger.Refused {
			continue
		}
		if n.Subject != "incident/"+p.Incident {
			others++
			continue
		}
		if n.Team == p.Team && n.Step == step {
			return false, false, nil // written already, by an earlier try
		}
		if n.Team != p.Team && n.CreatedAt.After(a.now().Add(-bundledFor)) {
			bundled = true
		}
	}
	return bundled, !critical && !first && others >= calmPages, nil
}

func pageStep(p PageParams) string {
	if p.Event != "page" {
		return p.Event + "/" + p.Team
	}
	return fmt.Sprintf("%s/%d.%d.%d", PageStep(p.Team), p.Round, p.Level, p.Rung)
}

// quietChannel is by which to tell somebody what needs no answer.
func quietChannel(c *inventory.Contact) inventory.Channel {
	var first inventory.Channel
	for _, ch := range []inventory.Channel{inventory.Telegram, inventory.Slack, inventory.Mattermost, inventory.SMS, inventory.Email} {
		if c.Addresses[ch] != "" {
			first = cmp.Or(first, ch)
		}
	}
	return first
}
