package topology

import (
	"math"
	"slices"

	"vakhta/internal/inventory"
)

// What needs a server for what it serves, such as storage or a database, has power and network of its own. Without it, it
// hangs, with its power on; or it goes on answering probes, as that needs no storage. All that needs one server does mostly the same.
const servesOn = 0.5

// servesBy says that the group is of servers that serve what needs them, rather than house, feed or connect it.
func (g *Graph) servesBy(grp *group) bool {
	if grp.network || grp.power || grp.name == "host" {
		return false
	}
	for _, m := range grp.members {
		if g.nodes[m].c.Kind != inventory.KindServer {
			return false
		}
	}
	return true
}

// findServers notes the servers that others need for what they serve, and for nothing else.
func (g *Graph) findServers() {
	g.serves = map[int32]bool{}
	for n := range g.nodes {
		if !g.server[n] || len(g.nodes[n].users) == 0 {
			continue
		}
		g.serves[int32(n)] = true
		for _, u := range g.nodes[n].users {
			for i := range g.nodes[u].groups {
				grp := &g.nodes[u].groups[i]
				for _, m := range grp.members {
					if m == int32(n) && !grp.service {
						delete(g.serves, int32(n))
					}
				}
			}
		}
	}
}

// byItself is which share of a machine's own faults takes nothing else down, so that they are summed over in its likelihood;
// the rest is for the search.
func (g *Graph) byItself(n int32) float64 {
	switch {
	case !g.server[n]:
		return 0
	case len(g.nodes[n].users) == 0:
		return 1
	case g.serves[n]:
		return servesOn
	}
	return 0
}

// linkServed adds, for each server that serves others, a node that stands for "what needs it hangs where it is down by something
// else": it is one assumption for all of these, which breaks nothing by itself. That it fails by itself and they hang is its own failure.
func (s *search) linkServed(nodes []node) []node {
	if len(s.g.serves) == 0 {
		return nodes
	}
	for i := range s.failures {
		if nodes[i].server && len(nodes[i].users) > 0 && s.g.serves[s.global[i]] {
			nodes = append(nodes, node{c: nodes[i].c, users: nodes[i].users, hang: int32(len(nodes)) + 1})
			nodes[i].hang = int32(len(nodes))
			s.global = append(s.global, s.global[i])
		}
	}
	return nodes
}

// servesOn says that what needs the server goes on though that is down.
func (t *trial) servesOn(m int32) bool {
	hang := t.nodes[m].hang
	return hang > 0 && !t.failed[m] && !t.failed[hang-1]
}

// pairsServed adds what takes a server that serves others, but not all of these, together with them.
func (s *search) pairsServed(all []pair, wrong []bool) []pair {
	for n := range s.failures {
		hang := s.t.nodes[n].hang
		if hang == 0 || !wrong[hang-1] {
			continue
		}
		if l := s.like[n]; l != nil && l.gain(works) <= tie {
			continue // it answers
		}
		for _, a := range s.ancestors(int32(n))[1:] {
			if s.isFailure(a) && !math.IsInf(s.prior[a], -1) && s.takesWithout(a, int32(n)) {
				all = append(all, sortedPair(a, hang-1), sortedPair(append(s.withBehind([]int32{a}), hang-1)...))
			}
		}
	}
	return all
}

// takesWithout says that the failure of a takes n, and not all that needs it.
func (s *search) takesWithout(a, n int32) bool {
	mark := len(s.t.trail)
	s.t.flip(a)
	takes := s.t.state[n] != works && slices.ContainsFunc(s.t.nodes[n].users, func(u int32) bool { return s.t.state[u] == works })
	s.t.undo(mark)
	s.t.failed[a] = false
	return takes
}
