// Package roster joins the inventory's teams with their calendars: whom a level
// pages at an instant, where nobody is on call, what the next turns are. It is
// pure: overrides are given to it by who reads the store.
package roster

import (
	"slices"
	"strings"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/oncall"
)

// Override puts somebody in for a stretch of time of a rotation.
type Override struct {
	ID       string    `json:"id"`
	Team     string    `json:"team"`
	Rotation string    `json:"rotation"`
	Person   string    `json:"person"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Author   string    `json:"author"`
	Reason   string    `json:"reason,omitempty"`
	MadeAt   time.Time `json:"madeAt"`
}

// Overrides are those that hold, in the order in which they were made.
type Overrides []Override

// of are the overrides of one rotation.
func (o Overrides) of(team, rotation string) []oncall.Override {
	var out []oncall.Override
	for _, x := range o {
		if x.Team == team && x.Rotation == rotation {
			out = append(out, oncall.Override{Person: x.Person, From: x.From, To: x.To})
		}
	}
	return out
}

// Spans says who is on call in a rotation of the team from a to b.
func Spans(t *inventory.Team, r *oncall.Rotation, o Overrides, a, b time.Time) []oncall.Span {
	return r.Spans(a, b, o.of(t.ID, r.ID), t.Duty.Holidays)
}

// Now says who is on call in a rotation of the team at an instant; empty: nobody.
func Now(t *inventory.Team, r *oncall.Rotation, o Overrides, at time.Time) string {
	return r.At(at, o.of(t.ID, r.ID), t.Duty.Holidays)
}

// People are whom a level pages at the instant, each once: its members, who is
// on call in its rotations, or everybody. Nobody: the calendar has a gap.
func People(t *inventory.Team, l *inventory.Level, o Overrides, at time.Time) []string {
	if l.Everyone {
		return everybody(t)
	}
	out := slices.Clone(l.Members)
	for _, id := range l.Rotations {
		r, ok := t.Rotation(id)
		if !ok {
			continue
		}
		if who := Now(t, r, o, at); who != "" && !slices.Contains(out, who) {
			out = append(out, who)
		}
	}
	return out
}

// Fallback are those who are paged where a level has nobody.
func Fallback(t *inventory.Team) []string {
	if len(t.Fallback) > 0 {
		return slices.Clone(t.Fallback)
	}
	return everybody(t)
}

func everybody(t *inventory.Team) []string {
	out := make([]string, 0, len(t.Members))
	for _, m := range t.Members {
		out = append(out, m.ID)
	}
	return out
}

// Gap is a stretch of time in which a level pages nobody.
type Gap struct {
	Team  string    `json:"team"`
	What  string    `json:"what"` // "level 1", "level 2 of policy night", "rotation spare"
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	place inventory.Place
}

// Gaps finds where nobody would be paged between a and b: in each level, while
// its policy is the one, and in rotations that no level uses.
func Gaps(t *inventory.Team, o Overrides, a, b time.Time) []Gap {
	used := map[string]bool{}
	spans := map[string][]oncall.Span{}
	for i := range t.Duty.Rotations {
		r := &t.Duty.Rotations[i]
		spans[r.ID] = Spans(t, r, o, a, b)
	}
	business := oncall.HoldBetween(t.Duty.Business, t.Duty.Zone, t.Duty.Holidays, a, b)
	var out []Gap
	level := func(what string, l *inventory.Level, when []oncall.Span) {
		for _, id := range l.Rotations {
			used[id] = true
		}
		if len(l.Members) > 0 || l.Everyone {
			return
		}
		var held [][]oncall.Span
		for _, id := range l.Rotations {
			held = append(held, spans[id])
		}
		for _, g := range oncall.Common(oncall.Gaps(a, b, held...), when) {
			out = append(out, Gap{Team: t.ID, What: what, From: g.From, To: g.To, place: l.At})
		}
	}
	for i := range t.Levels {
		level(levelName(i, ""), &t.Levels[i], plainHours(t, business, a, b))
	}
	for p := range t.Policies {
		when := hoursOf(&t.Policies[p], business, a, b)
		for i := range t.Policies[p].Levels {
			level(levelName(i, t.Policies[p].ID), &t.Policies[p].Levels[i], when)
		}
	}
	for _, r := range t.Duty.Rotations {
		if used[r.ID] {
			continue
		}
		for _, g := range oncall.Gaps(a, b, spans[r.ID]) {
			out = append(out, Gap{Team: t.ID, What: "rotation " + r.ID, From: g.From, To: g.To, place: t.Duty.At[r.ID]})
		}
	}
	return out
}

// hoursOf is when a policy may be the one.
func hoursOf(p *inventory.Policy, business []oncall.Span, a, b time.Time) []oncall.Span {
	whole := []oncall.Span{{From: a, To: b}}
	switch p.Hours {
	case "business":
		return business
	case "off":
		return oncall.Gaps(a, b, named(business))
	}
	return whole
}

// plainHours is when the plain levels may be the ones: not while a policy for
// every severity holds.
func plainHours(t *inventory.Team, business []oncall.Span, a, b time.Time) []oncall.Span {
	var taken [][]oncall.Span
	for i := range t.Policies {
		if len(t.Policies[i].Severities) == 0 || len(t.Policies[i].Severities) == 3 {
			taken = append(taken, named(hoursOf(&t.Policies[i], business, a, b)))
		}
	}
	return oncall.Gaps(a, b, taken...)
}

// named makes stretches count as held.
func named(in []oncall.Span) []oncall.Span {
	out := slices.Clone(in)
	for i := range out {
		out[i].Person = "-"
	}
	return out
}

func levelName(i int, policy string) string {
	name := "level " + string(rune('1'+i))
	if i > 8 {
		name = "a level beyond 9"
	}
	if policy != "" {
		name += " of policy " + policy
	}
	return name
}

// String says it to a person, by the clock of the team: "nobody is on call in
// network on 1 January 03:00–07:00".
func (g Gap) String(zone *time.Location) string {
	from, to := g.From.In(zone), g.To.In(zone)
	var b strings.Builder
	b.WriteString("nobody is on call in " + g.Team + " ")
	switch {
	case from.Format(time.DateOnly) == to.Add(-time.Nanosecond).Format(time.DateOnly) && to.Hour()+to.Minute() > 0:
		b.WriteString("on " + from.Format("2 January 2006 15:04") + "–" + to.Format("15:04"))
	case from.Add(24*time.Hour).Equal(to) && from.Hour()+from.Minute() == 0:
		b.WriteString("on " + from.Format("2 January 2006"))
	default:
		b.WriteString("from " + from.Format("2 January 2006 15:04") + " to " + to.Format("2 January 2006 15:04"))
	}
	b.WriteString(" (" + from.Format("MST") + "), " + g.What)
	return b.String()
}
