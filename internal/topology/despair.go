package topology

import (
	"math"
	"slices"
)

const (
	wideFrom  = 128 // what takes down fewer nodes is tried as fast as it is looked up
	oftenLost = 3   // times that an addition is given up before it is weighed to the end
)

// despair remembers how little wide additions bring, so that they need not be tried anew for each part of the
// hypothesis that is taken out: what a few components can make of a whole site is bounded by what hangs on them.
//
// What an addition m brings to the hypothesis H is, but for what it costs, the sum over nodes of L(state in H+m) − L(state in H).
// Where another hypothesis differs in a component, only the terms of what hangs on that change, each by no more than twice the range of its L.
type despair struct {
	bounds map[int]float64 // by the number of the addition: what it brings at most, at the hypothesis without flips
	tried  map[int]int     // how often it was given up
	reach  []float64       // by node: how much its flip may change; 0: not asked yet
	flips  []int32         // all since the bounds began to be kept
	drift  []float64       // how much the first, the first two, … of them may have changed
	home   int             // so many of the flips stay
}

func (s *search) despair() {
	s.lost = &despair{bounds: map[int]float64{}, tried: map[int]int{}}
}

// driftAt is by how much the first flips may have changed what an addition brings.
func (s *search) driftAt(flips int) float64 {
	d := s.lost
	for i := len(d.drift); i < flips; i++ {
		sum := s.reachOf(d.flips[i])
		if i > 0 {
			sum += d.drift[i-1]
		}
		d.drift = append(d.drift, sum)
	}
	if flips == 0 {
		return 0
	}
	return d.drift[flips-1]
}

// stay says that the present hypothesis is the one from which others are tried.
func (d *despair) stay() {
	if d != nil {
		d.home = len(d.flips)
	}
}

// goHome forgets the flips that were taken back.
func (d *despair) goHome() {
	if d != nil {
		d.backTo(d.home)
	}
}

// backTo forgets all flips but so many.
func (d *despair) backTo(flips int) {
	d.flips = d.flips[:flips]
	d.drift = d.drift[:min(len(d.drift), flips)]
}

// hopeless says that it is known that the addition brings no more than the floor.
func (s *search) hopeless(m *move, floor float64) bool {
	if s.lost == nil || len(s.lost.bounds) == 0 {
		return false
	}
	bound, known := s.lost.bounds[m.which]
	return known && bound+s.driftAt(len(s.lost.flips)) <= floor
}

// gaveUp notes that the addition was tried in vain, after so many changes of state. One that is so again and again is
// weighed to the end: what is known of it then outlasts many other hypotheses.
func (s *search) gaveUp(m *move, changes int) {
	if s.lost == nil || changes < wideFrom {
		return
	}
	if s.lost.tried[m.which]++; s.lost.tried[m.which] >= oftenLost {
		home := s.driftAt(s.lost.home)
		s.lost.bounds[m.which] = s.weigh(m.flip...) + slack + s.driftAt(len(s.lost.flips)) - home - home
	}
}

// reachOf is by how much the flip of a node may change what any addition brings.
func (s *search) reachOf(n int32) float64 {
	if s.lost.reach == nil {
		s.lost.reach = make([]float64, len(s.t.nodes))
	}
	if known := s.lost.reach[n]; known != 0 {
		return known
	}
	sum := slack                                        // not 0
	for _, k := range append([]int32{n}, s.kin[n]...) { // what it costs, and what its kin do beside it
		if p := s.prior[k] + s.late[k]; !math.IsInf(p, 0) {
			sum += 2 * (math.Abs(p) + math.Abs(s.beside(k, 1)) + math.Abs(s.beside(k, 2)))
		}
	}
	s.stamp++
	s.marks[n] = s.stamp
	all := []int32{n}
	for i := 0; i < len(all); i++ {
		if l := s.like[all[i]]; l != nil {
			sum += 2 * (slices.Max(l.log[:]) - slices.Min(l.log[:]))
		}
		for _, u := range s.t.users[all[i]] {
			all = s.visit(all, u)
		}
	}
	s.lost.reach[n] = sum
	return sum
}
