package roster

import (
	"fmt"
	"slices"
	"time"

	"vakhta/internal/inventory"
)

// wakes are the channels by which somebody may be reached at night.
var wakes = []inventory.Channel{inventory.Call, inventory.SMS, inventory.Telegram, inventory.Slack, inventory.Mattermost}

// Lint says what is wrong with the teams' calendars from a to b: gaps, and
// people whom a page can't reach. Problems stand where the level, rotation or
// team does; they name no address.
func Lint(inv *inventory.Inventory, o Overrides, a, b time.Time) []inventory.Problem {
	var out []inventory.Problem
	for _, t := range inv.Teams() {
		out = append(out, gapProblems(t, Gaps(t, o, a, b))...)
		out = append(out, unreachable(t)...)
	}
	for _, x := range o {
		if x.To.Before(a) {
			continue
		}
		if p, ok := stale(inv, x); ok {
			out = append(out, p)
		}
	}
	return out
}

// gapsNamed is how many gaps of one level are named; the rest are counted.
const gapsNamed = 3

func gapProblems(t *inventory.Team, gaps []Gap) []inventory.Problem {
	var out []inventory.Problem
	count := map[string]int{}
	for _, g := range gaps {
		count[g.What]++
	}
	named := map[string]int{}
	for _, g := range gaps {
		if named[g.What]++; named[g.What] > gapsNamed {
			continue
		}
		text := g.String(t.Duty.Zone)
		if more := count[g.What] - gapsNamed; named[g.What] == gapsNamed && more > 0 {
			text += fmt.Sprintf(", and %d times more", more)
		}
		out = append(out, inventory.Problem{
			File: g.place.File, Line: g.place.Line, Column: g.place.Column, Field: "teams[" + t.ID + "]",
			Text: text + "; add a layer, an override or members to the level",
		})
	}
	return out
}

func unreachable(t *inventory.Team) []inventory.Problem {
	var out []inventory.Problem
	at := inventory.Place{}
	if len(t.Levels) > 0 {
		at = t.Levels[0].At
	}
	for _, m := range t.Members {
		if m.Role == inventory.Viewer {
			continue
		}
		if !slices.ContainsFunc(wakes, func(ch inventory.Channel) bool { return m.Addresses[ch] != "" }) {
			out = append(out, inventory.Problem{
				File: at.File, Line: at.Line, Column: at.Column, Field: fmt.Sprintf("teams[%s].members[%s]", t.ID, m.ID),
				Text: "can't be reached by a page: no call, sms or messenger address; add one",
			})
		}
	}
	return out
}

// stale finds an override that nothing can follow any more.
func stale(inv *inventory.Inventory, x Override) (inventory.Problem, bool) {
	p := inventory.Problem{File: "override " + x.ID, Line: 1, Column: 1, Field: "teams[" + x.Team + "]"}
	t, ok := inv.Team(x.Team)
	if !ok {
		p.Text = "an override is for a team that there is not; remove it"
		return p, true
	}
	if _, ok := t.Rotation(x.Rotation); !ok {
		p.Text = fmt.Sprintf("an override is for rotation %s, which there is not; remove it", x.Rotation)
		return p, true
	}
	if _, ok := t.Member(x.Person); !ok {
		p.Text = fmt.Sprintf("an override puts in %s, who is no member; remove it", x.Person)
		return p, true
	}
	return p, false
}
