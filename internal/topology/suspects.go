package topology

import (
	"cmp"
	"slices"

	"vakhta/internal/inventory"
)

// Suspects returns up to limit components whose failure could explain that the
// given ones are down: first those that alone take down most of them, then the
// narrower, then by id. The last are members of redundant groups, which only
// explain anything together.
func (g *Graph) Suspects(down []string, limit int) []string {
	nodes := g.known(down)
	suspects := g.rankSuspects(nodes)
	out := make([]string, 0, max(0, min(limit, len(suspects))))
	for _, s := range suspects {
		if len(out) >= limit {
			break
		}
		out = append(out, g.id(s))
	}
	return out
}

func (g *Graph) rankSuspects(down []int32) []int32 {
	ancestors := g.ancestors(down...)
	t := newTrial(g.nodes)
	takes := make(map[int32]int, len(ancestors))
	for _, a := range ancestors {
		t.flip(a)
		for _, d := range down {
			if t.state[d] != works {
				takes[a]++
			}
		}
		t.undo(0)
		t.failed[a] = false
	}
	slices.SortFunc(ancestors, func(a, b int32) int {
		return cmp.Or(cmp.Compare(takes[b], takes[a]), g.narrower(a, b))
	})
	return ancestors
}

// Neighbours returns up to limit components worth a probe to tell the suspects of
// the given ones apart: the suspects that can be probed themselves, then other
// servers beneath them, spread evenly over the suspects and over what stands
// directly beneath each.
func (g *Graph) Neighbours(down []string, limit int) []string {
	nodes := g.known(down)
	suspects := g.rankSuspects(nodes)
	taken := map[int32]bool{}
	for _, n := range nodes {
		taken[n] = true
	}
	var out []string
	pick := func(n int32) {
		if n >= 0 && !taken[n] && len(out) < limit {
			taken[n] = true
			out = append(out, g.id(n))
		}
	}
	for _, s := range suspects {
		if canProbe(g.nodes[s].c) && len(out) < (limit+1)/2 {
			pick(s)
		}
	}
	late := make(map[int32]bool, len(suspects)) // what stands under a narrower suspect says less about a wider one
	for _, s := range suspects {
		late[s] = true
	}
	samplers := make([]*sampler, len(suspects))
	for i, s := range suspects {
		samplers[i] = &sampler{g: g, root: s, late: late}
	}
	for more := true; more && len(out) < limit; {
		more = false
		for _, s := range samplers {
			n := s.next(func(n int32) bool { return !taken[n] && canProbe(g.nodes[n].c) })
			more = more || n >= 0
			pick(n)
		}
	}
	return out
}

func canProbe(c *inventory.Component) bool {
	return c.Probe.ICMP || len(c.Probe.TCP) > 0 || c.Probe.BMC.Given()
}

// sampler yields servers beneath a node, each time from another of its users,
// and there again, so that few samples cover much.
type sampler struct {
	g        *Graph
	root     int32
	late     map[int32]bool // users to look under after the others
	children []*sampler     // made when first asked
	turn     int
	opened   bool
	spent    bool
}

// next returns a server that is wanted, or -1 when there is none left.
func (s *sampler) next(wanted func(int32) bool) int32 {
	if s.spent {
		return -1
	}
	if !s.opened {
		s.opened = true
		if s.g.isServer(s.root) && wanted(s.root) {
			return s.root
		}
	}
	if s.children == nil {
		users := s.g.nodes[s.root].users
		s.children = make([]*sampler, 0, len(users))
		for _, late := range []bool{false, true} {
			for _, u := range users {
				if s.late[u] == late {
					s.children = append(s.children, &sampler{g: s.g, root: u, late: s.late})
				}
			}
		}
	}
	for range s.children {
		child := s.children[s.turn]
		s.turn = (s.turn + 1) % len(s.children)
		if n := child.next(wanted); n >= 0 {
			return n
		}
	}
	s.spent = true
	return -1
}
