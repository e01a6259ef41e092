package topology

// state is how a component fares, from best to worst.
type state uint8

const (
	works     state = iota
	isolated        // its site has lost its uplinks: only vantages within see it
	remote          // the same, and its management hangs on these uplinks, too
	cutOff          // powered, but without network
	severed         // the same, in a site that has lost its uplinks: of its management, too, only vantages within tell
	hidden          // the same, and its management hangs on the network that is lost
	powerless       // what it stands in, hangs on or is fed by is lost
	failed          // broken itself
	adrift          // the same, in a site that has lost its uplinks, and that with them which they carried the management of
	exposed         // the same, and the network that is lost behind it carried the management of what is before it

	states = 10
)

// apart says that those within its site see it work, and those outside don't.
func (s state) apart() bool { return s == isolated || s == remote }

// worksWithin says that it works, for those within its site at least.
func (s state) worksWithin() bool { return s == works || s.apart() }

// trial holds the states of all nodes under a set of failed ones, and can
// change its mind cheaply: only what depends on a flipped node is looked at again.
type trial struct {
	nodes  []node
	state  []state
	failed []bool
	trail  []change // every change of state since the last reset, oldest first
	queue  []int32
	queued []bool    // waits in the queue
	laws   []int32   // by what each node works, the groups one after another; see law
	begin  []int32   // node n's are laws[begin[n]:begin[n+1]]
	detour []bool    // whether a node's own management hangs on something
	users  [][]int32 // of the nodes
	looked int       // how often a state was worked out: what a search costs
}

// A group in laws is its length and kind in one number, then its members.
const (
	lawNetwork = 1 << iota
	lawPower
	lawService
	lawLength = iota // bits before the length
)

type change struct {
	node          int32
	before, after state
}

func newTrial(nodes []node) *trial {
	t := &trial{nodes: nodes, state: make([]state, len(nodes)), failed: make([]bool, len(nodes)), queued: make([]bool, len(nodes))}
	t.begin, t.detour, t.users = make([]int32, len(nodes)+1), make([]bool, len(nodes)), make([][]int32, len(nodes))
	size := 0
	for i := range nodes {
		for j := range nodes[i].groups {
			size += 1 + len(nodes[i].groups[j].members)
		}
	}
	t.laws = make([]int32, 0, size)
	for i := range nodes {
		from := &nodes[i]
		for j := range from.groups {
			t.laws = append(append(t.laws, from.groups[j].law()), from.groups[j].members...)
		}
		t.begin[i+1], t.detour[i], t.users[i] = int32(len(t.laws)), len(from.via)+len(from.far) > 0, from.users
	}
	return t
}

func (g *group) law() int32 {
	law := int32(len(g.members)) << lawLength
	if g.network {
		law |= lawNetwork
	}
	if g.power {
		law |= lawPower
	}
	if g.service {
		law |= lawService
	}
	return law
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
			for _, u := range t.users[n] {
				t.enqueue(u)
			}
		}
	}
}

// spread queues what needs n, which got worse, but for what can get no worse itself.
func (t *trial) spread(n int32) {
	for _, u := range t.users[n] {
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
	t.looked++
	worst := works
	for laws := t.laws[t.begin[n]:t.begin[n+1]]; len(laws) > 0; {
		end := 1 + laws[0]>>lawLength
		if s := t.group(laws[0], laws[1:end]); s > worst {
			worst = s
		}
		laws = laws[end:]
	}
	if t.failed[n] {
		switch worst {
		case remote, severed: // its own site still sees the management of what it carried
			return adrift
		case hidden:
			return exposed
		}
		return failed
	}
	if worst == isolated && t.bare(n) { // whoever manages others through it, reaches it by the same way
		return remote
	}
	if worst == works && t.detour[n] {
		for _, m := range t.nodes[n].via {
			switch s := t.beyond(m); s {
			case remote, hidden:
				return s
			case severed: // by the uplinks, and not by m
				return remote
			}
		}
		if s := t.fromAfar(n); s == remote || s == hidden {
			return s
		}
	}
	return worst
}

// fromAfar is what the uplinks of its site leave of the management of n.
func (t *trial) fromAfar(n int32) state {
	if len(t.nodes[n].far) == 0 {
		return works
	}
	best := exposed
	for _, m := range t.nodes[n].far {
		best = min(best, t.beyond(m))
	}
	return best
}

// group is what a group leaves of the component that needs it.
func (t *trial) group(law int32, members []int32) state {
	for _, m := range members {
		if t.state[m] == works {
			return works
		}
	}
	best := exposed
	for _, m := range members {
		s := t.state[m]
		switch {
		case law&lawService != 0 && t.servesOn(m):
			return works
		case law&lawPower != 0 && s < powerless && t.detour[m]: // a PDU feeds on, though nobody can ask it
			return works
		case law&lawNetwork != 0:
			s = t.beyond(m)
		}
		best = min(best, s)
	}
	switch {
	case law&lawService != 0:
		return min(best, cutOff)
	case law&lawNetwork == 0 && best > hidden:
		return powerless
	}
	return best
}

// bare says that the management of what is behind a node is taken to hang on it.
func (t *trial) bare(n int32) bool {
	behind := t.nodes[n].behind
	return behind > 0 && t.failed[behind-1]
}

// beyond is the state of what has its network from a node.
func (t *trial) beyond(m int32) state {
	s := t.state[m]
	if s == works {
		return works
	}
	bare := s == remote || s == hidden || s == exposed || t.bare(m)
	away := t.nodes[m].uplink || s.apart()
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
	case s == severed || s == adrift:
		return severed
	}
	return cutOff
}
