package topology

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCostDoesNotDependOnTheWay adds and heals components in any order, of which some are known to have
// gone one after another: what a hypothesis gains on the way is what it is worth, so that no search goes round in circles.
func TestCostDoesNotDependOnTheWay(t *testing.T) {
	for seed := range uint64(60) {
		g, obs := smallCase(t, seed)
		s := newSearch(g, g.sightings(obs))
		r := rand.New(rand.NewPCG(seed, 1))
		var can []int32
		for n := range s.t.nodes {
			if !math.IsInf(s.prior[n], -1) {
				can = append(can, int32(n))
				s.late[n] = -float64(r.IntN(3)) * 20
			}
		}
		sum, nothing := 0.0, s.evidenceNow()
		for range 40 {
			delta, _ := s.commit(can[r.IntN(len(can))])
			sum += delta
			require.InDelta(t, s.surprise(nil, s.chosen)+s.evidenceNow()-nothing, sum, 1e-6, "seed %d", seed)
		}
	}
}

// evidenceNow is what the sightings are worth under the present hypothesis.
func (s *search) evidenceNow() float64 {
	sum := 0.0
	for n, l := range s.like {
		if l != nil {
			sum += l.log[s.t.state[n]]
		}
	}
	return sum
}
