package topology

import (
	"bytes"
	"encoding/binary"
)

// classify numbers the servers that nothing depends on by what they need: those
// of a class fare alike under every hypothesis, so that the search counts them
// once. Others have noNode.
func (g *Graph) classify() {
	g.class = make([]int32, len(g.nodes))
	known := map[string]int32{}
	var key []byte
	last := int32(noNode) // the class of the last key: neighbours are mostly alike
	var was []byte
	for i := range g.nodes {
		n := &g.nodes[i]
		g.class[i] = noNode
		if !n.server || len(n.users) > 0 {
			continue
		}
		key = append(key[:0], n.c.Rack...)
		for j := range n.groups {
			key = append(key, 0)
			key = append(key, n.groups[j].name...)
			for _, m := range n.groups[j].members {
				key = binary.BigEndian.AppendUint32(append(key, 1), uint32(m))
			}
		}
		if last == noNode || !bytes.Equal(key, was) {
			k, had := known[string(key)]
			if !had {
				k = int32(len(known))
				known[string(key)] = k
			}
			last, was = k, append(was[:0], key...)
		}
		g.class[i] = last
	}
	g.classes = len(known)
}

// gather finds the nodes that were seen and all that they need, and gives them
// their own numbers. A class is one node, of the first of its servers that was seen.
func (s *search) gather(seen []*sighting) {
	g := s.g
	s.local = make([]int32, len(g.nodes))
	for n := range s.local {
		s.local[n] = noNode
	}
	first := make([]int32, g.classes)
	for k := range first {
		first[k] = noNode
	}
	take := func(n int32) {
		if s.local[n] == noNode {
			s.local[n] = 0
			s.global = append(s.global, n)
		}
	}
	for n, sight := range seen {
		if sight == nil {
			continue
		}
		k := g.class[n]
		if k == noNode {
			take(int32(n))
			continue
		}
		s.size++
		if first[k] == noNode {
			first[k] = int32(n)
			take(int32(n))
			s.size--
		}
	}
	for i := 0; i < len(s.global); i++ { //nolint:intrange // it grows
		for _, grp := range g.nodes[s.global[i]].groups {
			for _, m := range grp.members {
				take(m)
			}
		}
	}
	s.size += len(s.global)
	sortNodes(s.global, s.local)
	for n, sight := range seen {
		if k := g.class[n]; sight != nil && k != noNode {
			s.local[n] = s.local[first[k]]
		}
	}
	s.listMembers(seen)
}

// sortNodes puts the nodes that have a number in order, and numbers them so.
func sortNodes(nodes, number []int32) {
	i := int32(0)
	for n := range number {
		if number[n] != noNode {
			nodes[i], number[n] = int32(n), i
			i++
		}
	}
}

// listMembers notes whom each node stands for.
func (s *search) listMembers(seen []*sighting) {
	s.from = make([]int32, len(s.global)+1)
	s.alive = make([]int32, len(s.global))
	for _, l := range s.local {
		if l != noNode {
			s.from[l+1]++
		}
	}
	for l := range s.global {
		s.from[l+1] += s.from[l]
	}
	s.members = make([]int32, s.size)
	next := append([]int32(nil), s.from...)
	s.servers = make([]int32, 0, s.size)
	for n, l := range s.local {
		if l == noNode {
			continue
		}
		s.members[next[l]] = int32(n)
		next[l]++
		if sight := seen[n]; sight != nil && s.g.isServer(int32(n)) {
			s.servers = append(s.servers, int32(n))
			if sight.answered() {
				s.alive[l]++
			}
		}
	}
}

// stands returns whom a node stands for, in order; none for what is no component.
func (s *search) stands(n int32) []int32 {
	if !s.isFailure(n) {
		return nil
	}
	return s.members[s.from[n]:s.from[n+1]]
}

// weighAll weighs what was seen of every node, and adds up what was of a class.
func (s *search) weighAll(seen []*sighting) {
	s.each = make([]*likelihood, len(seen))
	inChunks(len(seen), func(from, to int) {
		likely := &weighed{g: s.g, habits: s.habits, known: map[string]*likelihood{}}
		for n := from; n < to; n++ {
			if sight := seen[n]; sight != nil {
				s.each[n] = likely.of(int32(n), sight)
			}
		}
	})
	sums := make([]likelihood, s.failures)
	for l := range sums {
		s.sumUp(int32(l), &sums[l])
	}
}

// sumUp weighs a node by whom it stands for; the sum has room for that of several.
func (s *search) sumUp(l int32, sum *likelihood) {
	stands := s.stands(l)
	if len(stands) == 1 {
		s.like[l] = s.each[stands[0]]
		return
	}
	*sum = likelihood{}
	for _, n := range stands {
		one := s.each[n]
		for st := range states {
			sum.log[st] += one.log[st]
			sum.from[st] += one.from[st]
		}
	}
	s.like[l] = sum
}
