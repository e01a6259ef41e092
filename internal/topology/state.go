package topology

// state is how a component fares, from best to worst.
type state uint8

const (
	works     state = iota
	isolated        // its site has lost its uplinks: only vantages within see it
	remote          // the same, and its management hangs on these uplinks, too
	cutOff          // powered, but without network
	hidden          // the same, and its management hangs on the network that is lost
	powerless       // what it stands in, hangs on or is fed by is lost
	failed          // broken itself
	exposed         // the same, and the network that is lost behind it carried the management of what is before it

	states = 8
)

// trial holds the states of all nodes under a set of failed ones, and can
// change its mind cheaply: only what depends on a flipped node is looked at again.
type trial struct {
	nodes  []node
	state  []state
	failed []bool
	trail  []change // every change of state since the last reset, oldest first
	queue  []int32
	queued []bool // waits in the queue
}

type change struct {
	node          int32
	before, after state
}

func newTrial(nodes []node) *trial {
	return &trial{nodes: nodes, state: make([]state, len(nodes)), failed: make([]bool, len(nodes)), queued: make([]bool, len(nodes))}
}

// flip fails a node that was not, or heals one that was, and lets that spread.
func (t *trial) flip(n int32) {
	t.failed[n] = !t.failed[n]
	worse := t.failed[n]
	t.queue = append(t.queue[:0], n)
	for i := 0; i < len(t.queue); i++ { //nolint:intrange // it grows
		n := t.queue[i]
		t.queued[n] = false
		now := t.evaluate(n)
		if now == t.state[n] {
			continue
		}
		t.trail = append(t.trail, change{n, t.state[n], now})
		t.state[n] = now
		if worse {
			t.spread(n)
		} else {
			for _, u := range t.nodes[n].users {
				t.enqueue(u)
			}
		}
	}
}

// spread queues what needs n, which got worse, but for what can get no worse itself.
func (t *trial) spread(n int32) {
	for _, u := range t.nodes[n].users {
		if t.state[u] != powerless || t.failed[u] {
			t.enqueue(u)
		}
	}
}

// enqueue has a node looked at again, once for all that changed before.
func (t *trial) enqueue(n int32) {
	if !t.queued[n] {
		t.queued[n] = true
		t.queue = append(t.queue, n)
	}
}

// giveUp forgets what waits in the queue from there on.
func (t *trial) giveUp(from int) {
	for _, n := range t.queue[from:] {
		t.queued[n] = false
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
	from := &t.nodes[n]
	worst := works
	for i := range from.groups {
		if s := t.group(&from.groups[i]); s > worst {
			worst = s
		}
	}
	if t.failed[n] {
		if worst == hidden { // behind lost uplinks its own site still sees what it carried
			return exposed
		}
		return failed
	}
	if worst == works {
		for _, m := range from.via {
			switch s := t.beyond(m); s {
			case remote, hidden:
				return s
			}
		}
	}
	return worst
}

// group is what the group leaves of the component that needs it.
func (t *trial) group(g *group) state {
	best := exposed
	for _, m := range g.members {
		s := t.state[m]
		switch {
		case s == works, g.power && s < powerless && len(t.nodes[m].via) > 0: // a PDU feeds on, though nobody can ask it
			return works
		case g.network:
			s = t.beyond(m)
		}
		best = min(best, s)
	}
	if !g.network && best > hidden {
		return powerless
	}
	return best
}

// beyond is the state of what has its network from a node.
func (t *trial) beyond(m int32) state {
	s := t.state[m]
	if s == works {
		return works
	}
	bare := s == remote || s == hidden || s == exposed
	if behind := t.nodes[m].behind; behind > 0 && t.failed[behind-1] {
		bare = true
	}
	away := t.nodes[m].uplink || s == isolated || s == remote
	if core := t.nodes[m].core; core > 0 && t.failed[core-1] {
		away = false
	}
	switch {
	case away && bare:
		return remote
	case away:
		return isolated
	case bare:
		return hidden
	}
	return cutOff
}
