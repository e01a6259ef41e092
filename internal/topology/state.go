package topology

// state is how a component fares, from best to worst.
type state uint8

const (
	works     state = iota
	isolated        // its site has lost its uplinks: only vantages within see it
	cutOff          // powered, but without network
	powerless       // what it stands in, hangs on or is fed by is lost
	failed          // broken itself

	states = 5
)

// trial holds the states of all nodes under a set of failed ones, and can
// change its mind cheaply: only what depends on a flipped node is looked at again.
type trial struct {
	nodes  []node
	state  []state
	failed []bool
	trail  []change // every change of state since the last reset, oldest first
	queue  []int32
}

type change struct {
	node          int32
	before, after state
}

func newTrial(nodes []node) *trial {
	return &trial{nodes: nodes, state: make([]state, len(nodes)), failed: make([]bool, len(nodes))}
}

// flip fails a node that was not, or heals one that was, and lets that spread.
func (t *trial) flip(n int32) {
	t.failed[n] = !t.failed[n]
	t.queue = append(t.queue[:0], n)
	for i := 0; i < len(t.queue); i++ {
		n := t.queue[i]
		now := t.evaluate(n)
		if now == t.state[n] {
			continue
		}
		t.trail = append(t.trail, change{n, t.state[n], now})
		t.state[n] = now
		t.queue = append(t.queue, t.nodes[n].users...)
	}
}

// undo takes the states back to what they were when the trail had this length.
// The caller flips failed itself.
func (t *trial) undo(length int) {
	for i := len(t.trail) - 1; i >= length; i-- {
		t.state[t.trail[i].node] = t.trail[i].before
	}
	t.trail = t.trail[:length]
}

// evaluate is the law of the graph: AND over groups of OR over members.
func (t *trial) evaluate(n int32) state {
	if t.failed[n] {
		return failed
	}
	worst := works
	for i := range t.nodes[n].groups {
		if s := t.group(&t.nodes[n].groups[i]); s > worst {
			worst = s
		}
	}
	return worst
}

// group is what the group leaves of the component that needs it.
func (t *trial) group(g *group) state {
	best := failed
	for _, m := range g.members {
		s := t.state[m]
		if s == works {
			return works
		}
		if g.network && t.nodes[m].uplink {
			s = isolated
		}
		best = min(best, s)
	}
	switch {
	case best == isolated:
		return isolated
	case g.network || best == cutOff:
		return cutOff
	}
	return powerless
}
