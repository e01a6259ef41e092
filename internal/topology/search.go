package topology

import (
	"math"
	"slices"
	"sync"
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
	g       *Graph
	global  []int32 // its node → the graph's
	local   []int32 // the graph's → its own, or noNode; servers of a class share one
	size    int     // how many of the graph's have one
	from    []int32 // node n stands for members[from[n]:from[n+1]], by the graph's numbers
	members []int32
	servers []int32       // those that were seen, by the graph's numbers, in order
	alive   []int32       // by node: how many of the servers that it stands for answered
	each    []*likelihood // by the graph's node
	t       *trial
	like    []*likelihood // nil for what was not seen; of a class the sum
	prior   []float64     // log odds; −∞ for what can't be in a hypothesis
	below   []float64     // what better states of everything beneath could gain at most
	total   float64       // the same over all nodes
	chosen  []int32       // the hypothesis, in order
	pairs   []pair
	ofPairs map[int32][]int32 // by node: the pairs that it is in, in order
	kin     [][]int32         // what backs a node up, itself among it; nil: nothing
	up      [][]int32         // ancestors of each node, made when needed
	walk    []int32           // room for one more
	room    []int32           // for lists of ancestors
	placed  int32             // the last one with a list
	marks   []int32           // stamps for walks
	stamp   int32
	habits  *habits
	oftener []float64 // by node; see countFailures
	turn    int32     // the part of the hypothesis that was taken out last
	lost    *despair  // while it climbs
	late    []float64 // by node: ln of how likely its machines went one after another, where that took it back; see oneAfterAnother
	apart   *parted   // two sites that have lost each other from view, or nil
	heard   []int32   // sites whose own vantages tell something, by the graph's numbers

	inBandShare  float64 // how often the management of a rack hangs on its own switch; see inBand
	inBandBeyond float64 // and that of a room on those before its racks
	switchCutOff float64 // how often a rack's switch answers though the rack is cut off; see switchAnswers

	alone    []int32   // every node, to be a set of one
	known    []float64 // by node, then by pair: what a move can bring, while the search is lazy
	failures int       // the nodes from here on say that management hangs on something
}

// pair is a set of components that back each other up: they explain more
// together than each alone.
type pair []int32

// searchFor searches what a view shows.
func searchFor(g *Graph, v *view) *search {
	s := newSearch(g, v.seen)
	for _, site := range v.sight.unheard(g) {
		if l := s.local[site]; l != noNode {
			s.prior[l] -= math.Log(absentElsewhere)
		}
	}
	s.heard, s.apart = v.sight.heard(g), v.sight.apart
	for _, site := range s.heard {
		if l := s.local[site]; l != noNode {
			s.prior[l] += math.Log(speaksThough)
		}
	}
	return s
}

func newSearch(g *Graph, seen []*sighting) *search {
	s := &search{g: g}
	s.gather(seen)
	var all sync.WaitGroup
	all.Go(func() { s.habits = g.habitsOf(seen) })
	nodes := s.localNodes()
	linkUsers(nodes)
	nodes = s.linkBehind(nodes, seen)
	s.t = newTrial(nodes)
	s.like = make([]*likelihood, len(nodes))
	s.prior, s.late = make([]float64, len(nodes)), make([]float64, len(nodes))
	s.below = make([]float64, len(nodes))
	s.up = make([][]int32, len(nodes))
	s.marks = make([]int32, len(nodes))
	s.linkKin()
	s.oftener = s.countFailures(nodes)
	all.Wait()
	s.habits.switchCutOff = s.switchCutOff
	for i := range nodes {
		s.prior[i] = s.priorOf(int32(i))
	}
	g.switchedOff(seen, s.habits.off)
	s.weighAll(seen)
	for i, l := range s.like {
		if l != nil {
			s.addGain(int32(i), l.gain(works))
		}
	}
	s.findPairs()
	s.alone = make([]int32, len(s.t.nodes))
	for i := range s.alone {
		s.alone[i] = int32(i)
	}
	return s
}

// localNodes are the nodes with their own numbers.
func (s *search) localNodes() []node {
	nodes := make([]node, len(s.global))
	inChunks(len(nodes), func(from, to int) {
		groups, members := 0, 0
		for _, n := range s.global[from:to] {
			groups += len(s.g.nodes[n].groups)
			for j := range s.g.nodes[n].groups {
				members += len(s.g.nodes[n].groups[j].members)
			}
		}
		room, list := make([]group, 0, groups), make([]int32, 0, members)
		for i := from; i < to; i++ {
			was := &s.g.nodes[s.global[i]]
			first := len(room)
			for j := range was.groups {
				grp := was.groups[j]
				start := len(list)
				for _, m := range grp.members {
					list = append(list, s.local[m])
				}
				grp.members = list[start:len(list):len(list)]
				room = append(room, grp)
			}
			nodes[i] = node{c: was.c, uplink: was.uplink, server: was.server, groups: room[first:len(room):len(room)]}
		}
	})
	return nodes
}

// needs visits all that can change the node's state.
func (t *trial) needs(n int32, visit func(int32)) {
	from := &t.nodes[n]
	for i := range from.groups {
		for _, m := range from.groups[i].members {
			visit(m)
			if behind := t.nodes[m].behind; behind > 0 && from.groups[i].network {
				visit(behind - 1)
			}
			if core := t.nodes[m].core; core > 0 && from.groups[i].network {
				visit(core - 1)
			}
			if from.groups[i].service && t.nodes[m].hang > 0 {
				visit(t.nodes[m].hang - 1)
			}
		}
	}
	if behind := from.carried(); behind > 0 {
		visit(behind - 1)
	}
	for _, m := range from.via {
		visit(m)
		visit(t.nodes[m].behind - 1)
	}
	for _, m := range from.far {
		visit(m)
		visit(t.nodes[m].behind - 1)
		if core := t.nodes[m].core; core > 0 {
			visit(core - 1)
		}
	}
}

// ancestors of a local node, itself first.
func (s *search) ancestors(n int32) []int32 {
	if s.up[n] != nil {
		return s.up[n]
	}
	if last := s.up[s.placed]; last != nil && s.likePlaced(n, s.placed) {
		s.walk = append(append(s.walk[:0], n), last[1:]...)
		return s.keep(n)
	}
	s.stamp++
	stamp := s.stamp
	s.marks[n] = stamp
	s.walk = append(s.walk[:0], n)
	out := s.walk
	visit := func(m int32) {
		if s.marks[m] != stamp {
			s.marks[m] = stamp
			out = append(out, m)
		}
	}
	for i := 0; i < len(out); i++ { //nolint:intrange // it grows
		s.t.needs(out[i], visit)
	}
	s.walk = out
	return s.keep(n)
}

// keep notes the list in walk as the ancestors of n.
func (s *search) keep(n int32) []int32 {
	if cap(s.room)-len(s.room) < len(s.walk) {
		s.room = make([]int32, 0, max(16384, len(s.walk)))
	}
	first := len(s.room)
	s.room = append(s.room, s.walk...)
	s.up[n], s.placed = s.room[first:len(s.room):len(s.room)], n
	return s.up[n]
}

// likePlaced says that both nodes need the very same.
func (s *search) likePlaced(a, b int32) bool {
	x, y := &s.t.nodes[a], &s.t.nodes[b]
	if len(x.groups) != len(y.groups) || len(x.via) > 0 || len(y.via) > 0 || len(x.far) != len(y.far) || x.carried() != y.carried() {
		return false
	}
	for i := range x.groups {
		if x.groups[i].network != y.groups[i].network || !slices.Equal(x.groups[i].members, y.groups[i].members) {
			return false
		}
	}
	return true
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
		if len(s.kin[n]) > 1 && int(s.kin[n][0]) == n {
			all = append(all, sortedPair(s.kin[n]...))
		}
		for _, grp := range s.t.nodes[n].groups {
			if len(grp.members) > 4 {
				continue
			}
			with := s.withBehind(grp.members)
			if grp.network && len(with) > len(grp.members) {
				all = append(all, with)
				if board := boardOf(s.t.nodes, grp.members[0]); board != noNode && len(grp.members) == 1 {
					all = append(all, s.withBehind([]int32{board}))
				}
			}
			if core := s.t.nodes[grp.members[0]].core; grp.network && core > 0 {
				all = append(all, sortedPair(append(slices.Clone(grp.members), core-1)...), sortedPair(append(with, core-1)...))
			}
			if len(grp.members) < 2 {
				continue
			}
			all = append(all, sortedPair(grp.members...))
			if len(grp.members) == 2 {
				all = s.pairsBehind(all, grp.members[0], grp.members[1])
			}
		}
	}
	all = s.pairsServed(all, wrong)
	slices.SortFunc(all, slices.Compare[pair])
	s.pairs = slices.CompactFunc(all, slices.Equal[pair])
	s.ofPairs = map[int32][]int32{}
	for i, p := range s.pairs {
		for _, n := range p {
			s.ofPairs[n] = append(s.ofPairs[n], int32(i))
		}
	}
}

func (s *search) pairsBehind(all []pair, a, b int32) []pair {
	above, beside := s.ancestors(a), s.ancestors(b)
	for _, x := range above {
		if slices.Contains(beside, x) {
			continue // behind both: it explains alone
		}
		for _, y := range beside {
			if (x != a || y != b) && x != s.t.nodes[a].carried()-1 && y != s.t.nodes[b].carried()-1 && !slices.Contains(above, y) && s.t.nodes[x].c.Kind == s.t.nodes[y].c.Kind {
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
