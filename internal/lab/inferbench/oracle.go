package main

import (
	"slices"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/faultgen"
	"vakhta/internal/topology"
)

// reason is why something broken was not named.
type reason int

const (
	inClass   reason = iota // it is in the class of a finding
	alike                   // no observation tells it from what was found
	tooRare                 // observations speak for it, but less than it is rare
	unlikely                // they speak against it
	notSought               // it scores better than what was found
	reasons
)

var reasonNames = [reasons]string{
	inClass: "in a class", alike: "no evidence", tooRare: "too little evidence", unlikely: "evidence against it", notSought: "search",
}

// miss is something broken that was not named, with what it would have brought, in natural logs.
type miss struct {
	id              string
	why             reason
	prior, evidence float64
}

// ask weighs what was broken against what was found, for each component that was
// missed: added to what was found, and in place of what is wrong about it.
func (b *bench) ask(night *faultgen.Case, inf *topology.Inference, obs []topology.Observation) []miss {
	var found, missed []string
	class := map[string]bool{}
	for _, f := range inf.Findings {
		if f.Mode == "" && f.Kind != inventory.KindServer {
			found = append(found, f.Component)
		}
		class[f.Component] = f.Kind != inventory.KindServer
		for _, id := range f.AmbiguousWith {
			class[id] = true
		}
	}
	for _, id := range night.Broken {
		if !slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return f.Component == id }) {
			missed = append(missed, id)
		}
	}
	if len(missed) == 0 {
		return nil
	}
	sets := [][]string{found, night.Broken}
	for _, id := range missed {
		sets = append(sets, append(slices.Clone(found), id))
	}
	for _, id := range missed { // the night without it
		sets = append(sets, slices.DeleteFunc(slices.Clone(night.Broken), func(o string) bool { return o == id }))
	}
	w := b.graph.Weigh(obs, sets...)
	out := make([]miss, 0, len(missed))
	for i, id := range missed {
		m := miss{id: id}
		alone, without := w[2+i], w[2+len(missed)+i]
		// Against what was found, or within the night as it was, whichever speaks more for it.
		m.prior, m.evidence = alone.Prior-w[0].Prior, alone.Evidence-w[0].Evidence
		if p, e := w[1].Prior-without.Prior, w[1].Evidence-without.Evidence; p+e > m.prior+m.evidence {
			m.prior, m.evidence = p, e
		}
		switch {
		case class[id]:
			m.why = inClass
		case w[1].Sum() > w[0].Sum()+.01 || alone.Sum() > w[0].Sum()+.01:
			m.why = notSought
		case m.evidence < -.5:
			m.why = unlikely
		case m.evidence < .5 || w[1].Evidence-w[0].Evidence > -.5 && w[1].Evidence-w[0].Evidence < .5:
			m.why = alike
		case w[1].Evidence < w[0].Evidence && m.prior+m.evidence > 0: // the night as a whole
			m.why, m.prior, m.evidence = unlikely, w[1].Prior-w[0].Prior, w[1].Evidence-w[0].Evidence
		default:
			m.why = tooRare
		}
		out = append(out, m)
	}
	return out
}
