package records

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
)

// resolveIn resolves a scope that may need the store.
func (a *Activities) resolveIn(ctx context.Context, s Scope) ([]string, error) {
	if s.Work == "" {
		return a.resolve(s)
	}
	w, err := a.store.MaintenanceBare(ctx, s.Work)
	if err != nil {
		return nil, permanent(err)
	}
	return a.touchedBy(&w), nil
}

// touchedBy is everything that a work touches: what it is done on, the machines
// that go off, work worse or lose redundancy.
func (a *Activities) touchedBy(w *maintenance.Work) []string {
	all := map[string]bool{}
	for _, id := range w.Components {
		if _, ok := a.inv.Component(id); ok {
			all[id] = true
		}
	}
	blast := a.graph().Blast(w.Components...)
	for _, id := range slices.Concat(blast.Servers, blast.Degraded) {
		all[id] = true
	}
	return sorted(all)
}

// maxPowerAsked bounds the controllers that are asked before and after a work.
const maxPowerAsked = 4000

// links asks for what a reachable machine may still have lost: its power
// supplies, its ports and outlets, from both ends.
func (q *questions) links(ids []string) {
	devices := map[string]bool{}
	for n, id := range ids {
		c, ok := q.a.inv.Component(id)
		if !ok {
			continue
		}
		devices[id] = true
		for _, g := range c.Needs {
			for _, m := range g.Members {
				devices[m] = true
			}
		}
		if n < maxPowerAsked && c.CanAsk(string(topology.ProbePSU)) {
			q.ask([]topology.Probe{topology.ProbePower, topology.ProbePSU}, id)
		}
	}
	for _, id := range sorted(devices) {
		c, ok := q.a.inv.Component(id)
		if !ok {
			continue
		}
		for _, p := range []topology.Probe{topology.ProbePort, topology.ProbeOutlet, topology.ProbeFeed, topology.ProbeGuest} {
			if c.CanAsk(string(p)) {
				q.ask([]topology.Probe{p}, id)
			}
		}
	}
}

// MissingParams compare the sweeps before and after a work.
type MissingParams struct {
	Before string `json:"before"`
	After  string `json:"after"`
	// Explained are components of which incidents speak already, with their machines.
	Explained []string `json:"explained,omitempty"`
}

// Missing is a component of which something was up before a work and is not now.
type Missing struct {
	Component string `json:"component"`
	Down      bool   `json:"down"` // it does not answer; otherwise it works without the link
	Text      string `json:"text"` // English: what is missing
}

// maxMissing bounds what of one work is handed to people one by one.
const maxMissing = 50

// WhatIsMissing finds what was up before a work and is not up after it, beyond
// what the findings explain: machines, power supplies, ports, outlets, guests.
func (a *Activities) WhatIsMissing(ctx context.Context, p MissingParams) ([]Missing, error) {
	before, err := a.upIn(ctx, p.Before)
	if err != nil {
		return nil, err
	}
	after, err := a.upIn(ctx, p.After)
	if err != nil {
		return nil, err
	}
	explained := set(p.Explained)
	answers := map[string]bool{}
	for q, up := range after {
		answers[q.component] = answers[q.component] || up && reaches(q.probe)
	}
	found := map[string]*Missing{}
	for _, q := range slices.SortedFunc(maps.Keys(after), compareQuestions) {
		if after[q] || !before[q] || explained[q.component] || explained[q.peer] {
			continue
		}
		about, text := a.lost(q)
		if explained[about] {
			continue
		}
		m := found[about]
		if m == nil {
			m = &Missing{Component: about}
			found[about] = m
		} else {
			m.Text += "; "
		}
		m.Text += text
		m.Down = m.Down || (reaches(q.probe) || q.probe == topology.ProbePower) && !answers[about]
	}
	var out []Missing
	for _, id := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[id])
	}
	return out[:min(len(out), maxMissing)], nil
}

// lost says of which component something is lost, and what.
func (a *Activities) lost(q question) (component, text string) {
	switch q.probe {
	case topology.ProbePSU:
		return q.component, fmt.Sprintf("the supply that %s feeds had power before the work, and has none now", q.peer)
	case topology.ProbePort:
		return a.end(q), fmt.Sprintf("the link between %s and %s was up before the work, and is down now", q.component, q.peer)
	case topology.ProbeOutlet:
		return a.end(q), fmt.Sprintf("the outlet of %s that feeds %s was on before the work, and is off now", q.component, q.peer)
	case topology.ProbeFeed:
		return q.component, fmt.Sprintf("%s had input power before the work, and has none now", q.component)
	case topology.ProbeGuest:
		return a.end(q), fmt.Sprintf("%s ran on %s before the work, and does not now", q.peer, q.component)
	case topology.ProbePower:
		return q.component, "it was on before the work, and is off now"
	default:
		return q.component, fmt.Sprintf("it answered (%s) before the work, and does not now", q.probe)
	}
}

// end is the machine at the other end of a link, else the device itself.
func (a *Activities) end(q question) string {
	if c, ok := a.inv.Component(q.peer); ok && c.Kind == inventory.KindServer {
		return q.peer
	}
	return q.component
}

// upIn is what a sweep saw, by question: up if it was so in any round and from
// anywhere, not up if it was seen down and never up.
func (a *Activities) upIn(ctx context.Context, sweep string) (map[question]bool, error) {
	if sweep == "" {
		return nil, nil
	}
	rows, err := a.store.Observations(ctx, sweep)
	if err != nil {
		return nil, fmt.Errorf("read observations of sweep %s: %w", sweep, err)
	}
	out := map[question]bool{}
	for _, o := range rows {
		if o.Result == topology.Unknown {
			continue
		}
		q := question{component: o.Component, peer: o.Peer, probe: o.Probe}
		out[q] = out[q] || o.Result == topology.Up
	}
	return out, nil
}

func compareQuestions(x, y question) int {
	if x.component != y.component {
		return compare(x.component, y.component)
	}
	if x.probe != y.probe {
		return compare(string(x.probe), string(y.probe))
	}
	return compare(x.peer, y.peer)
}
