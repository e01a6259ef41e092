package topology

import (
	"math"
	"math/bits"
	"slices"
)

const (
	exhaustCandidates = 14        // at most 16,384 hypotheses
	exhaustWork       = 4_000_000 // hypotheses × nodes
)

// exhaust compares all hypotheses where they are few, which is the case for a
// single fault among one client's servers: there the answer is exact.
func (s *search) exhaust() {
	best := move{flip: slices.Clone(s.chosen)}
	s.restore(nil)
	candidates := s.worthTrying()
	if len(candidates) > exhaustCandidates || (s.size+len(s.t.nodes)-s.failures)<<len(candidates) > exhaustWork {
		s.commit(best.flip...)
		return
	}
	// Narrow ones first: they are flipped most often, and cost least.
	slices.SortFunc(candidates, func(a, b int32) int { return s.g.narrower(s.global[a], s.global[b]) })
	best.delta, best.scope = s.weigh(best.flip...), s.scopeOf(best.flip)
	sum, mask := 0.0, uint(0)
	for i := uint(1); i < 1<<len(candidates); i++ { // Gray code: one flip from each hypothesis to the next
		bit := bits.TrailingZeros(i)
		s.t.trail = s.t.trail[:0]
		sum += s.flip(candidates[bit:bit+1], 0)
		mask ^= 1 << bit
		if sum < best.delta-tie {
			continue
		}
		m := move{delta: sum}
		for j, n := range candidates {
			if mask>>j&1 == 1 {
				m.flip = append(m.flip, n)
			}
		}
		slices.Sort(m.flip)
		if m.scope = s.scopeOf(m.flip); better(&m, &best) {
			best = m
		}
	}
	for _, n := range candidates {
		if s.t.failed[n] {
			s.t.flip(n)
		}
	}
	s.commit(best.flip...)
}

// worthTrying are the components beneath which something looks wrong: no other
// can be part of the best hypothesis.
func (s *search) worthTrying() []int32 {
	var out []int32
	for n := range s.t.nodes {
		if !math.IsInf(s.prior[n], -1) && s.below[n] > tie {
			out = append(out, int32(n))
		}
	}
	return out
}

func (s *search) scopeOf(nodes []int32) int32 {
	var sum int32
	for _, n := range nodes {
		sum += s.g.scope[s.global[n]]
	}
	return sum
}
