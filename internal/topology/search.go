package topology

import (
	"math"
	"slices"
)

// tie is the difference in score below which two hypotheses are as good as each
// other; it is well above what rounding leaves of sums over 100,000 servers.
const tie = 1e-6

// slack is what rounding may take from a bound that was kept up over many moves.
const slack = 1e-3

// search looks for the set of failed components that explains the sightings
// best. It works on the part of the graph that was seen: observed nodes and
// their ancestors.
type search struct {
	g      *Graph
	global []int32 // its node → the graph's
	local  []int32 // the graph's → its own, where it has it
	t      *trial
	like   []*likelihood // nil for what was not seen
	prior  []float64     // log odds; −∞ for what can't be in a hypothesis
	below  []float64     // what better states of everything beneath could gain at most
	total  float64       // the same over all nodes
	chosen []int32       // the hypothesis, in order
	pairs  []pair
	up     [][]int32 // ancestors of each node, made when needed
	seen   []int32   // stamps for walks
	stamp  int32
}

// pair is a set of components that back each other up: they explain more
// together than each alone.
type pair []int32

func newSearch(g *Graph, seen []*sighting) *search {
	s := &search{g: g, local: make([]int32, len(g.nodes))}
	for n, sight := range seen {
		if sight != nil && s.local[n] == 0 {
			s.local[n] = 1
			s.global = append(s.global, int32(n))
		}
	}
	for i := 0; i < len(s.global); i++ { // and all that they need
		for _, grp := range g.nodes[s.global[i]].groups {
			for _, m := range grp.members {
				if s.local[m] == 0 {
					s.local[m] = 1
					s.global = append(s.global, m)
				}
			}
		}
	}
	slices.Sort(s.global)
	for i, n := range s.global {
		s.local[n] = int32(i)
	}
	nodes := make([]node, len(s.global))
	inChunks(len(nodes), func(from, to int) {
		for i := from; i < to; i++ {
			nodes[i] = s.localNode(s.global[i])
		}
	})
	linkUsers(nodes)
	s.t = newTrial(nodes)
	s.like = make([]*likelihood, len(nodes))
	s.prior = make([]float64, len(nodes))
	s.below = make([]float64, len(nodes))
	s.up = make([][]int32, len(nodes))
	s.seen = make([]int32, len(nodes))
	likely := map[sightingKey]*likelihood{}
	elsewhere := g.shareDown(seen)
	for i, n := range s.global {
		s.prior[i] = logPrior[g.nodes[n].c.Kind]
		if g.isServer(n) && len(g.nodes[n].users) == 0 {
			s.prior[i] = math.Inf(-1) // its own faults are in its likelihood
		}
		if sight := seen[n]; sight != nil {
			s.like[i] = g.likelihoodOf(n, sight, elsewhere, likely)
		}
	}
	s.easeDarkRacks(seen)
	for i, l := range s.like {
		if l != nil {
			s.addGain(int32(i), l.gain(works))
		}
	}
	s.findPairs()
	return s
}

// shareDown is how many of the servers that were looked at are down: a machine
// that stands elsewhere than the inventory has it is as often down as any. BMCs
// tell how many of these have power.
func (g *Graph) shareDown(seen []*sighting) share {
	looked, down, dark, cut := 0, 0, 0, 0
	for n, sight := range seen {
		if sight == nil || !g.isServer(int32(n)) {
			continue
		}
		looked++
		if !sight.silent() {
			continue
		}
		down++
		switch {
		case sight.powerIs(Up):
			cut++
		case sight.powerIs(Unknown):
			dark++
		}
	}
	out := share{leastDownAnyway, leastDownAnyway, noiseOf(seen)}
	if looked < 5*leastRows || down == 0 {
		return out
	}
	all := float64(down) / float64(looked)
	split := (float64(dark) + 1) / (float64(dark+cut) + 2)
	out.dark = min(.3, max(out.dark, all*split))
	out.cut = min(.3, max(out.cut, all*(1-split)))
	return out
}

// mostNoise bounds the estimate: beyond it hosts have policies, not losses.
const mostNoise = 0.1

// noiseOf estimates how many probes go unanswered by chance, from components
// that answered one probe and not another from the same side.
func noiseOf(seen []*sighting) float64 {
	asked, lost := 0, 0
	for _, sight := range seen {
		if sight == nil {
			continue
		}
		var up, down [2]int
		for _, v := range sight.reach {
			side := 0
			if v.inside {
				side = 1
			}
			if v.result == Up {
				up[side]++
			} else {
				down[side]++
			}
		}
		for side := range up {
			if up[side] > 0 && up[side]+down[side] > 1 {
				asked += up[side] + down[side]
				lost += down[side]
			}
		}
	}
	if asked < 50*leastRows {
		return falseDown
	}
	return min(mostNoise, max(falseDown, float64(lost)/float64(asked)))
}

func (s *search) localNode(n int32) node {
	from := &s.g.nodes[n]
	out := node{c: from.c, uplink: from.uplink, groups: make([]group, len(from.groups))}
	for j, grp := range from.groups {
		members := make([]int32, len(grp.members))
		for k, m := range grp.members {
			members[k] = s.local[m]
		}
		out.groups[j] = group{name: grp.name, network: grp.network, members: members}
	}
	return out
}

// ancestors of a local node, itself first.
func (s *search) ancestors(n int32) []int32 {
	if s.up[n] != nil {
		return s.up[n]
	}
	s.stamp++
	stamp := s.stamp
	s.seen[n] = stamp
	out := []int32{n}
	for i := 0; i < len(out); i++ {
		for j := range s.t.nodes[out[i]].groups {
			for _, m := range s.t.nodes[out[i]].groups[j].members {
				if s.seen[m] != stamp {
					s.seen[m] = stamp
					out = append(out, m)
				}
			}
		}
	}
	s.up[n] = out
	return out
}

func (s *search) addGain(n int32, gain float64) {
	if math.Abs(gain) < tie {
		return
	}
	s.total += gain
	for _, a := range s.ancestors(n) {
		s.below[a] += gain
	}
}

// findPairs collects the redundant groups above what was seen to be wrong, and
// the like components behind their members (the feeds behind two PDUs).
func (s *search) findPairs() {
	wrong := make([]bool, len(s.t.nodes))
	for n, l := range s.like {
		if l != nil && l.gain(works) > tie {
			for _, a := range s.ancestors(int32(n)) {
				wrong[a] = true
			}
		}
	}
	var all []pair
	for n := range wrong {
		if !wrong[n] {
			continue
		}
		for _, grp := range s.t.nodes[n].groups {
			if len(grp.members) < 2 || len(grp.members) > 4 {
				continue
			}
			all = append(all, sortedPair(grp.members...))
			if len(grp.members) == 2 {
				all = s.pairsBehind(all, grp.members[0], grp.members[1])
			}
		}
	}
	slices.SortFunc(all, slices.Compare[pair])
	s.pairs = slices.CompactFunc(all, slices.Equal[pair])
}

func (s *search) pairsBehind(all []pair, a, b int32) []pair {
	above, beside := s.ancestors(a), s.ancestors(b)
	for _, x := range above {
		if slices.Contains(beside, x) {
			continue // behind both: it explains alone
		}
		for _, y := range beside {
			if (x != a || y != b) && !slices.Contains(above, y) && s.t.nodes[x].c.Kind == s.t.nodes[y].c.Kind {
				all = append(all, sortedPair(x, y))
			}
		}
	}
	return all
}

func sortedPair(members ...int32) pair {
	p := slices.Clone(pair(members))
	slices.Sort(p)
	return p
}
