package topology

import "slices"

// Blast says what the failed components take down. Ids that the inventory
// does not know are ignored.
//
// A server is degraded if it works but redundancy that it leans on is lost: one
// of its groups, or of a component that it can't do without, lost a member.
func (g *Graph) Blast(failed ...string) Blast {
	t := newTrial(g.nodes)
	for _, n := range g.known(failed) {
		t.flip(n)
	}
	broken := t.broken()
	out := Blast{Servers: []string{}, ByClient: map[string][]string{}}
	for _, n := range broken {
		if c := g.nodes[n].c; g.isServer(n) {
			out.Servers = append(out.Servers, c.ID)
			out.ByClient[c.Client] = append(out.ByClient[c.Client], c.ID)
		}
	}
	for _, n := range g.degraded(t, broken) {
		if g.isServer(n) {
			out.Degraded = append(out.Degraded, g.id(n))
		}
	}
	return out
}

// Taken returns a function that says which servers failed components take down, by
// id: [Graph.Blast]'s, for many sets one after another; it is for one goroutine.
func (g *Graph) Taken() func(failed ...string) []string {
	t := newTrial(g.nodes)
	return func(failed ...string) (out []string) {
		nodes := g.known(failed)
		for _, n := range nodes {
			t.flip(n)
		}
		for _, n := range t.broken() {
			if g.isServer(n) {
				out = append(out, g.id(n))
			}
		}
		t.undo(0)
		for _, n := range nodes {
			t.failed[n] = false
		}
		return out
	}
}

// broken are the nodes that do not work, in order.
func (t *trial) broken() []int32 {
	var out []int32
	for _, c := range t.trail {
		if t.state[c.node] != works {
			out = append(out, c.node)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// degraded returns the nodes that work with less redundancy than they have on paper.
func (g *Graph) degraded(t *trial, broken []int32) []int32 {
	marked := make([]bool, len(g.nodes))
	lost := func(grp *group) bool {
		whole := false
		for _, m := range grp.members {
			if t.state[m] != works {
				return true
			}
			whole = whole || !marked[m]
		}
		return !whole
	}
	var out, queue []int32
	for _, b := range broken {
		queue = append(queue, g.nodes[b].users...)
	}
	for i := 0; i < len(queue); i++ {
		n := queue[i]
		if marked[n] || t.state[n] != works {
			continue
		}
		for j := range g.nodes[n].groups {
			if lost(&g.nodes[n].groups[j]) {
				marked[n] = true
				out = append(out, n)
				queue = append(queue, g.nodes[n].users...)
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// Jointly returns, for a second set of failed components besides a first one,
// the servers that fail of both together and of neither alone: the redundancy
// that one leans on is what the other takes away. It is [Graph.Blast] of the
// three, for many second sets; the function it returns is for one goroutine.
func (g *Graph) Jointly(first []string) func(second []string) []string {
	with, alone := newTrial(g.nodes), newTrial(g.nodes)
	for _, n := range g.known(first) {
		with.flip(n)
	}
	before := len(with.trail)
	return func(second []string) (out []string) {
		var more []int32 // what the first set has not failed
		nodes := g.known(second)
		for _, n := range nodes {
			alone.flip(n)
			if !with.failed[n] {
				more = append(more, n)
				with.flip(n)
			}
		}
		var lost []int32
		seen := map[int32]bool{}
		for _, c := range with.trail[before:] {
			was := c.before == works && c.after != works
			if was && !seen[c.node] && g.isServer(c.node) && with.state[c.node] != works && alone.state[c.node] == works {
				lost = append(lost, c.node)
			}
			seen[c.node] = true
		}
		slices.Sort(lost)
		for _, n := range lost {
			out = append(out, g.id(n))
		}
		with.undo(before)
		alone.undo(0)
		for _, n := range more {
			with.failed[n] = false
		}
		for _, n := range nodes {
			alone.failed[n] = false
		}
		return out
	}
}
