package records

import (
	"cmp"
	"context"
	"slices"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// PlanLine is one channel of one rung of a sending: how many contacts it is
// for, and how long the provider's account takes for them.
type PlanLine struct {
	Rung      int               `json:"rung"` // from 0; later ones are for whoever is not reached, or has not confirmed
	Channel   inventory.Channel `json:"channel"`
	Contacts  int               `json:"contacts"`
	PerSecond float64           `json:"perSecond,omitempty"` // what the account allows; 0: no limit of ours
	Takes     time.Duration     `json:"takes"`               // at that rate
}

// Plan is what a sending will be, before anything is sent.
type Plan struct {
	Clients     int        `json:"clients"`
	Contacts    int        `json:"contacts"`
	Unreachable int        `json:"unreachable,omitempty"` // contacts without any channel that works
	Quiet       int        `json:"quiet,omitempty"`       // contacts of whom every channel waits for the end of their quiet hours
	Lines       []PlanLine `json:"lines"`                 // by rung and channel
	// Openings are when channels open for those who have not confirmed, by the
	// operator's ladders for the event.
	Openings []ledger.Rung `json:"openings,omitempty"`
}

// planner counts a sending's ladders.
type planner struct {
	rates    map[inventory.Channel]float64
	plan     Plan
	openings func(event string) []ledger.Rung
	lines    map[PlanLine]int // by rung and channel
}

func (a *Activities) newPlanner() *planner {
	return &planner{rates: a.opts.Rates, openings: a.openings, lines: map[PlanLine]int{}}
}

func (p *planner) contact(ladder []inventory.Channel, quiet bool) {
	p.plan.Contacts++
	switch {
	case quiet:
		p.plan.Quiet++
	case len(ladder) == 0:
		p.plan.Unreachable++
	}
	for rung, ch := range ladder {
		p.lines[PlanLine{Rung: rung, Channel: ch}]++
	}
}

func (p *planner) done(event string) Plan {
	p.plan.Openings = p.openings(event)
	for line, n := range p.lines {
		line.Contacts, line.PerSecond = n, p.rates[line.Channel]
		if line.PerSecond > 0 {
			line.Takes = time.Duration(float64(n) / line.PerSecond * float64(time.Second)).Round(time.Second)
		}
		p.plan.Lines = append(p.plan.Lines, line)
	}
	slices.SortFunc(p.plan.Lines, func(a, b PlanLine) int {
		return cmp.Or(cmp.Compare(a.Rung, b.Rung), cmp.Compare(a.Channel, b.Channel))
	})
	return p.plan
}

// PlanUpdate tells what ComposeUpdate would write: how many contacts by which
// channel, and how long the providers take. With confirm, the ladder goes on to the call.
func (a *Activities) PlanUpdate(ctx context.Context, c ComposeParams, confirm bool) (Plan, error) {
	about, err := a.occasion(ctx, c)
	if err != nil {
		return Plan{}, err
	}
	return a.planFor(ctx, about, c, confirm)
}

func (a *Activities) planFor(ctx context.Context, about occasion, c ComposeParams, confirm bool) (Plan, error) {
	ways, err := a.newWays(ctx)
	if err != nil {
		return Plan{}, err
	}
	how := toneOf(about, c)
	how.confirm = confirm
	p, except := a.newPlanner(), set(c.Except)
	for _, client := range a.audience(about, c) {
		p.plan.Clients++
		how.rungs = a.ladderFor(c.Event, client.ID)
		for i := range client.Contacts {
			if contact := &client.Contacts[i]; !except[contact.ID] {
				p.contact(ways.of(contact, how))
			}
		}
	}
	return p.done(c.Event), nil
}
