package topology

import (
	"math"
	"slices"
)

// Score says how a finding's weight came about, in natural logs.
type Score struct {
	Component string
	Mode      Mode
	Prior     float64 // how rare such a failure is
	Servers   float64 // what the servers' observations bring
	Equipment float64 // what those of other components' own addresses bring
	Lately    float64 // less for having answered a short while ago: since then it has failed that more rarely
	// Rivals are the best explanations without it, best first: what they have
	// instead, and how much worse than the best they are. Nothing instead
	// stands for chance and for faults of the machines themselves.
	Rivals []Rival
}

// Rival is an explanation beside the best one.
type Rival struct {
	Instead []string
	Delta   float64
}

const mostRivals = 5

// noteScore keeps the terms of a finding of the hypothesis.
func (r *reporter) noteScore(h int32, alternatives []alternative) {
	s := Score{Component: r.g.id(r.global[h]), Prior: r.belief(h)}
	mark := len(r.t.trail)
	r.flip([]int32{h}, mark)
	for _, c := range r.t.trail[mark:] {
		l := r.like[c.node]
		switch {
		case l == nil:
		case r.g.isServer(r.global[c.node]):
			s.Servers += l.log[c.before] - l.log[c.after]
		default:
			s.Equipment += l.log[c.before] - l.log[c.after]
		}
	}
	r.t.undo(mark)
	r.t.failed[h] = true
	for _, a := range alternatives[:min(len(alternatives), mostRivals)] {
		rival := Rival{Delta: a.delta}
		for _, n := range a.adds {
			rival.Instead = append(rival.Instead, r.g.id(r.global[n]))
		}
		s.Rivals = append(s.Rivals, rival)
	}
	r.scores = append(r.scores, s)
}

// noteLately takes off what a component is less likely for having answered a short while ago:
// the explanations without it are that much better.
func (r *reporter) noteLately(component string, less float64) {
	for i := range r.scores {
		if s := &r.scores[i]; s.Component == component && s.Mode == "" {
			s.Lately -= less
			for k := range s.Rivals {
				s.Rivals[k].Delta += less
			}
		}
	}
}

// scoresOf puts the scores into the order of the findings. Machines by themselves
// have their faults summed over in their own likelihood, so that all they have is a prior.
func (r *reporter) scoresOf(findings []Finding) []Score {
	out := make([]Score, 0, len(findings))
	for i := range findings {
		f := &findings[i]
		at := slices.IndexFunc(r.scores, func(s Score) bool { return s.Component == f.Component && s.Mode == f.Mode })
		if at >= 0 {
			out = append(out, r.scores[at])
			continue
		}
		s := Score{Component: f.Component, Mode: f.Mode, Prior: logPrior[f.Kind]}
		if f.Mode == Flapping {
			s.Prior = math.Log(flappingServer)
		}
		if f.Mode == "" {
			if rarer := r.table.rarer(r.g.index[f.Component]); rarer > 1 {
				s.Lately = -math.Log(rarer)
			}
		}
		s.Servers = f.LogOdds - s.Prior - s.Lately
		s.Rivals = []Rival{{Instead: f.AmbiguousWith, Delta: -f.LogOdds}}
		out = append(out, s)
	}
	return out
}
