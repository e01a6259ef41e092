package topology

import (
	"container/heap"
	"math"
	"slices"
)

// weigh is the change in score if the nodes were flipped as well: failed ones
// healed, others failed.
func (s *search) weigh(flip ...int32) float64 {
	mark := len(s.t.trail)
	delta := s.flip(flip, mark)
	s.t.undo(mark)
	for _, n := range flip {
		s.t.failed[n] = !s.t.failed[n]
	}
	return delta
}

// attempt adds nodes to the hypothesis, as weigh does, but gives up (false) once
// the change in score can't exceed the floor; bound is where its hope begins. States only
// get worse by an addition, so a node that got worse can hope for no more than
// the best of the states left to it. The caller reverts in either case.
func (s *search) attempt(nodes []int32, bound, floor float64) (delta float64, ok bool) {
	t := s.t
	hope := bound
	for _, n := range nodes {
		delta += s.belief(n)
		t.failed[n] = true
		t.queue = append(t.queue[:0], n)
		for i := 0; i < len(t.queue); i++ { //nolint:intrange // it grows
			n := t.queue[i]
			t.queued[n] = false
			before, now := t.state[n], t.evaluate(n)
			if now == before {
				continue
			}
			t.trail = append(t.trail, change{n, before, now})
			t.state[n] = now
			if l := s.like[n]; l != nil {
				delta += l.log[now] - l.log[before]
				if hope += l.from[now] - l.from[before]; hope <= floor {
					t.giveUp(i + 1)
					return delta, false
				}
			}
			t.spread(n)
		}
	}
	return delta, true
}

// revert takes back an attempt.
func (s *search) revert(nodes []int32, mark int) {
	s.t.undo(mark)
	for _, n := range nodes {
		s.t.failed[n] = false
	}
}

// tryOut is what the addition of nodes would bring, if more than the floor.
func (s *search) tryOut(m *move, floor float64) bool {
	if s.hopeless(m, floor) {
		return false
	}
	mark := len(s.t.trail)
	delta, ok := s.attempt(m.flip, m.bound, floor)
	changes := len(s.t.trail) - mark
	s.revert(m.flip, mark)
	if !ok {
		s.gaveUp(m, changes)
	}
	m.delta = delta
	return ok
}

// flip flips the nodes and returns the change in score.
func (s *search) flip(nodes []int32, mark int) float64 {
	delta := 0.0
	for _, n := range nodes {
		if s.t.failed[n] {
			delta -= s.belief(n)
		} else {
			delta += s.belief(n)
		}
		s.t.flip(n)
	}
	for _, c := range s.t.trail[mark:] {
		if l := s.like[c.node]; l != nil {
			delta += l.log[c.after] - l.log[c.before]
		}
	}
	return delta
}

// commit flips the nodes for good, keeps the bounds right, and returns the
// change in score and the nodes that are above what changed.
func (s *search) commit(nodes ...int32) (delta float64, touched []int32) {
	delta, changed := s.apply(nodes)
	return delta, s.above(changed)
}

// apply is commit without a look at what is above.
func (s *search) apply(nodes []int32) (delta float64, changed []int32) {
	s.t.trail = s.t.trail[:0]
	if s.lost != nil {
		s.lost.flips = append(s.lost.flips, nodes...)
	}
	delta = s.flip(nodes, 0)
	for _, c := range s.t.trail {
		l := s.like[c.node]
		if l == nil {
			continue
		}
		s.addGain(c.node, l.gain(c.after)-l.gain(c.before))
		changed = append(changed, c.node)
	}
	for _, n := range nodes {
		if s.t.failed[n] {
			s.chosen = append(s.chosen, n)
		} else if i := slices.Index(s.chosen, n); i >= 0 {
			s.chosen = slices.Delete(s.chosen, i, i+1)
		}
	}
	slices.Sort(s.chosen)
	return delta, changed
}

// above returns the nodes and all their ancestors, in order, but for the nodes
// that can't be in a hypothesis.
func (s *search) above(nodes []int32) []int32 {
	s.stamp++
	var out []int32
	last := int32(noNode)
	for _, n := range nodes {
		switch {
		case !math.IsInf(s.prior[n], -1):
			out = s.visit(out, n)
		case last == noNode || !s.likePlaced(n, last):
			last = n
			out = s.visitNeeds(out, n)
		}
	}
	for i := 0; i < len(out); i++ {
		out = s.visitNeeds(out, out[i])
	}
	slices.Sort(out)
	return out
}

// visit appends a node that the present walk has not seen.
func (s *search) visit(out []int32, n int32) []int32 {
	if s.marks[n] == s.stamp {
		return out
	}
	s.marks[n] = s.stamp
	return append(out, n)
}

// visitNeeds visits all that can change the node's state, as [trial.needs] does.
func (s *search) visitNeeds(out []int32, n int32) []int32 {
	t := s.t
	for laws := t.laws[t.begin[n]:t.begin[n+1]]; len(laws) > 0; {
		end := 1 + laws[0]>>lawLength
		for _, m := range laws[1:end] {
			if s.marks[m] == s.stamp && laws[0]&lawNetwork == 0 {
				continue
			}
			out = s.visit(out, m)
			if laws[0]&lawNetwork != 0 {
				if behind := t.nodes[m].behind; behind > 0 {
					out = s.visit(out, behind-1)
				}
				if core := t.nodes[m].core; core > 0 {
					out = s.visit(out, core-1)
				}
			}
			if laws[0]&lawService != 0 && t.nodes[m].hang > 0 {
				out = s.visit(out, t.nodes[m].hang-1)
			}
		}
		laws = laws[end:]
	}
	if behind := t.nodes[n].carried(); behind > 0 {
		out = s.visit(out, behind-1)
	}
	if t.detour[n] {
		for _, m := range t.nodes[n].via {
			out = s.visit(s.visit(out, m), t.nodes[m].behind-1)
		}
		for _, m := range t.nodes[n].far {
			out = s.visit(s.visit(out, m), t.nodes[m].behind-1)
			if core := t.nodes[m].core; core > 0 {
				out = s.visit(out, core-1)
			}
		}
	}
	return out
}

// move is a change of hypothesis with what it would bring.
type move struct {
	flip  []int32
	delta float64
	bound float64
	scope int32
	which int      // its number: that of the node, or, after all of those, of the pair
	known *float64 // the most that it brought when last tried, while the search is lazy
}

// better orders moves: by what they bring, then the narrower, then by id.
func better(a, b *move) bool {
	switch {
	case a.delta > b.delta+tie:
		return true
	case a.delta < b.delta-tie:
		return false
	case a.scope != b.scope:
		return a.scope < b.scope
	}
	return slices.Compare(a.flip, b.flip) < 0
}

// additions lists the additions to the hypothesis that could bring more than
// floor, by their bound. within limits them to those nodes; nil: all.
func (s *search) additions(within []int32, floor float64) []move {
	out := s.hopes(within, floor)
	slices.SortFunc(out, func(a, b move) int { return hopesMore(&a, &b) })
	return out
}

// hopesMore orders moves by their bound.
func hopesMore(a, b *move) int {
	switch {
	case a.bound > b.bound:
		return -1
	case a.bound < b.bound:
		return 1
	}
	return slices.Compare(a.flip, b.flip)
}

// hopeful is a heap of moves, the one with the best bound on top: mostly few are looked at.
type hopeful []move

func (h hopeful) Len() int           { return len(h) }
func (h hopeful) Less(i, j int) bool { return hopesMore(&h[i], &h[j]) < 0 }
func (h hopeful) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *hopeful) Push(any)          {}

func (h *hopeful) Pop() any {
	*h = (*h)[:len(*h)-1]
	return nil
}

// hopes are the additions in no order.
func (s *search) hopes(within []int32, floor float64) []move {
	var out []move
	lazy := within == nil && s.known != nil
	add := func(flip []int32, bound float64, which int) {
		m := move{flip: flip, bound: bound, which: which}
		if lazy {
			m.known = &s.known[which]
			m.bound = min(bound, *m.known)
		}
		if m.bound > floor {
			m.scope = s.scopeOf(flip)
			out = append(out, m)
		}
	}
	single := func(n int32) {
		if s.below[n] > floor && !s.t.failed[n] && !math.IsInf(s.prior[n], -1) { // any failure costs something
			add(s.alone[n:n+1], s.belief(n)+s.below[n], int(n))
		}
	}
	if within == nil {
		for n := range s.t.nodes {
			single(int32(n))
		}
		for i := range s.pairs {
			if flip, bound := s.addPair(s.pairs[i]); len(flip) > 1 {
				add(flip, bound, len(s.t.nodes)+i)
			}
		}
		return out
	}
	var pairs []int32
	for _, n := range within {
		single(n)
		pairs = append(pairs, s.ofPairs[n]...)
	}
	slices.Sort(pairs)
	for _, i := range slices.Compact(pairs) {
		if flip, bound := s.addPair(s.pairs[i]); len(flip) > 1 {
			add(flip, bound, len(s.t.nodes)+int(i))
		}
	}
	return out
}

// addPair are those of a pair that have not failed, and the most that their failure could bring.
func (s *search) addPair(p pair) (flip []int32, bound float64) {
	below := 0.0
	for _, n := range p {
		if s.t.failed[n] {
			continue
		}
		bound += s.beliefWith(n, flip)
		flip = append(flip, n)
		below += s.below[n]
	}
	return flip, bound + min(below, s.total)
}

// best is the best single addition that improves the score by more than least.
// Barred are nodes that must stay out; nil: none must.
func (s *search) best(within []int32, barred func(int32) bool, least float64) (move, bool) {
	var top move
	found := false
	hopes := hopeful(s.hopes(within, least))
	heap.Init(&hopes)
	for ; len(hopes) > 0; heap.Pop(&hopes) {
		m := hopes[0]
		if found && m.bound < top.delta-tie {
			break
		}
		if barred != nil && slices.ContainsFunc(m.flip, barred) {
			continue
		}
		floor := least
		if found {
			floor = top.delta - tie
		}
		ok := s.tryOut(&m, floor-slack)
		if m.known != nil {
			*m.known = m.delta + slack
			if !ok {
				*m.known = floor
			}
		}
		if !ok || m.delta <= least {
			continue
		}
		if !found || better(&m, &top) {
			top, found = m, true
		}
	}
	return top, found
}

// climb looks for the best hypothesis: it adds what brings most while anything
// brings something, then tries to replace each part of it, until nothing helps.
func (s *search) climb() {
	s.despair()
	for range 1000 { // each round improves the score, so that it ends; the bound is a fuse
		// What an addition brings mostly shrinks with others made: first those are
		// tried again that brought most, then, to be sure, all.
		for _, lazy := range []bool{true, false} {
			s.known = nil
			if lazy {
				s.known = make([]float64, len(s.t.nodes)+len(s.pairs))
				for i := range s.known {
					s.known[i] = math.Inf(1)
				}
			}
			for m, ok := s.best(nil, nil, tie); ok; m, ok = s.best(nil, nil, tie) {
				s.commit(m.flip...)
				s.lost.stay()
			}
		}
		if !s.replaceOne() {
			break
		}
	}
	s.lost = nil
	s.exhaust()
}

// restore commits whatever takes the hypothesis back to want, which is in order.
func (s *search) restore(want []int32) {
	var flip []int32
	for _, n := range s.chosen {
		if _, stays := slices.BinarySearch(want, n); !stays {
			flip = append(flip, n)
		}
	}
	for _, n := range want {
		if _, has := slices.BinarySearch(s.chosen, n); !has {
			flip = append(flip, n)
		}
	}
	s.apply(flip)
}

func merge(a, b []int32) []int32 {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
