package topology

import (
	"math"
	"slices"
)

// ratherItself turns a finding on equipment of which one machine alone tells into one on
// that machine, with the equipment in its class, unless the equipment is clearly likelier: its only
// machine is rather in the evidence than what it hangs on.
func (r *reporter) ratherItself(f Finding) Finding {
	if len(f.Explains) != 1 || f.Probability >= leastConfidence {
		return f
	}
	at := slices.IndexFunc(f.Alternatives, func(a Alternative) bool { return slices.Equal(a.Components, f.Explains) })
	n, known := r.g.index[f.Explains[0]]
	if at < 0 || !known || r.g.byItself(n) == 0 || !r.g.isServer(n) {
		return f
	}
	c, own := r.g.nodes[n].c, f.Alternatives[at].Probability
	out := Finding{
		Component: c.ID, Kind: c.Kind, Probability: own, LogOdds: math.Log(own / f.Probability),
		Explains: []string{c.ID}, PowerOff: r.seen[n].switchedOff(), Evidence: r.ownEvidence(n),
	}
	class := slices.Delete(slices.Clone(f.Alternatives), at, at+1)
	out.classed(append(class, Alternative{Components: []string{f.Component}, Probability: f.Probability}))
	return out
}
