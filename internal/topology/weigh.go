package topology

import "math"

// Weight is how well a set of failures explains observations, in natural logs.
type Weight struct {
	Prior    float64 // how rare it is
	Evidence float64 // the likelihood of what was seen; only differences mean anything
}

// Sum is S(H), by which hypotheses are compared.
func (w Weight) Sum() float64 { return w.Prior + w.Evidence }

// Weigh weighs sets of failed components against the same observations, as
// [Graph.Infer] does: to see why it named one and not another. Components that were
// not seen, and have nothing beneath them that was, and servers that nothing
// depends on count for nothing.
func (g *Graph) Weigh(obs []Observation, sets ...[]string) []Weight {
	s := searchFor(g, g.look(obs))
	base := 0.0
	for n, l := range s.like {
		if l != nil {
			base += l.log[s.t.state[n]]
		}
	}
	out := make([]Weight, 0, len(sets))
	for _, set := range sets {
		var flip []int32
		for _, n := range g.known(set) {
			if l := s.local[n]; l != noNode && s.global[l] == n && !math.IsInf(s.prior[l], -1) {
				flip = append(flip, l)
			}
		}
		sum, _ := s.apply(flip)
		sum += s.supposeBehind()
		prior := s.surprise(nil, s.chosen)
		out = append(out, Weight{Prior: prior, Evidence: base + sum - prior})
		s.restore(nil)
	}
	return out
}

// supposeBehind adds what is no failure wherever that explains more.
func (s *search) supposeBehind() float64 {
	var assumptions []int32
	for n := s.failures; n < len(s.t.nodes); n++ {
		assumptions = append(assumptions, int32(n))
	}
	sum := 0.0
	for m, ok := s.best(assumptions, s.isFailure, tie); ok; m, ok = s.best(assumptions, s.isFailure, tie) {
		d, _ := s.apply(m.flip)
		sum += d
	}
	return sum
}
