package topology

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
)

const noNode = -1

// ask is a probe as a number. Those of the component itself come first, the
// power state next, then what is asked from beside a peer.
type ask uint8

const (
	askTCP ask = iota
	askICMP
	askSNMP
	askTLS
	askHTTP
	askDNS
	askSSH
	askPower
	askPSU
	askPort
	askOutlet
	askFeed
	askGuest
	asks
)

var probes = [asks]Probe{ProbeTCP, ProbeICMP, ProbeSNMP, ProbeTLS, ProbeHTTP, ProbeDNS, ProbeSSH, ProbePower, ProbePSU, ProbePort, ProbeOutlet, ProbeFeed, ProbeGuest}

func askOf(p Probe) (ask, bool) {
	i := slices.Index(probes[:], p)
	return ask(max(i, 0)), i >= 0
}

// reaches says that an answer proves that the component can be reached.
func (a ask) reaches() bool { return a < askPower }

// service says that it asks a program on the machine rather than the machine.
func (a ask) service() bool { return a >= askTLS && a <= askSSH }

// beside says that the answer is about a peer.
func (a ask) beside() bool { return a > askPower }

// The results by how much they prove: of two at one instant the better counts.
const (
	isUp uint8 = iota
	isDown
	isUnknown
	isAlive // not up, not down, but somebody answered: a BMC that told of its supplies
)

var results = [...]Result{isUp: Up, isDown: Down, isUnknown: Unknown, isAlive: Up}

func rank(r Result) uint8 {
	switch r {
	case Up:
		return isUp
	case Down:
		return isDown
	}
	return isUnknown
}

// row is an observation in numbers.
type row struct {
	at      int64 // nanoseconds
	i       int32 // which observation
	peer    int32 // node, or noNode
	vantage uint16
	ask     ask
	result  uint8
}

// table holds the rows that can say something by component; those of one stand
// in the order of the question (probe, peer, vantage), the latest first.
type table struct {
	obs      []Observation
	rows     []row
	start    []int32 // rows[start[n]:start[n+1]] are node n's
	vantages []string
	since    []int64 // by vantage; see lastLooks
	node     []int32 // by observation: who was asked; noNode: it can say nothing
	peers    bool    // whether any row is about a peer
}

// of are the rows of a node.
func (t *table) of(n int32) []row { return t.rows[t.start[n]:t.start[n+1]] }

// tabulate sorts the observations out by component.
func (g *Graph) tabulate(obs []Observation) *table {
	t := &table{obs: obs, node: make([]int32, len(obs))}
	raw := make([]row, len(obs))
	t.vantages = vantagesOf(obs)
	inChunks(len(obs), func(from, to int) {
		r := reader{g: g, vantages: t.vantages}
		for i := from; i < to; i++ {
			t.node[i] = r.read(&obs[i], &raw[i])
			raw[i].i = int32(i)
		}
	})
	t.start = make([]int32, len(g.nodes)+1)
	for _, n := range t.node {
		if n != noNode {
			t.start[n+1]++
		}
	}
	for n := range g.nodes {
		t.start[n+1] += t.start[n]
	}
	t.rows = make([]row, t.start[len(g.nodes)])
	next := slices.Clone(t.start)
	for i, n := range t.node {
		if n != noNode {
			t.rows[next[n]] = raw[i]
			next[n]++
			t.peers = t.peers || raw[i].peer != noNode
		}
	}
	inChunks(len(g.nodes), func(from, to int) {
		for n := from; n < to; n++ {
			slices.SortFunc(t.of(int32(n)), t.compare)
		}
	})
	return t
}

func (t *table) compare(a, b row) int {
	switch {
	case a.ask != b.ask:
		return int(a.ask) - int(b.ask)
	case a.peer != b.peer:
		return cmp.Compare(a.peer, b.peer)
	case a.vantage != b.vantage:
		return int(a.vantage) - int(b.vantage)
	case a.at != b.at:
		return cmp.Compare(b.at, a.at)
	case a.result != b.result:
		return int(a.result) - int(b.result)
	}
	return strings.Compare(t.obs[a.i].Detail, t.obs[b.i].Detail)
}

// rowNodes finds who was asked in each row that can say something; noNode in the others.
func (g *Graph) rowNodes(obs []Observation) []int32 {
	out := make([]int32, len(obs))
	inChunks(len(obs), func(from, to int) {
		r := reader{g: g}
		var ignored row
		for i := from; i < to; i++ {
			out[i] = r.read(&obs[i], &ignored)
		}
	})
	return out
}

// vantagesOf names the vantages in order, so that their numbers do not depend on
// the order of the rows.
func vantagesOf(obs []Observation) []string {
	var mutex sync.Mutex
	all := map[string]bool{}
	inChunks(len(obs), func(from, to int) {
		mine := map[string]bool{}
		last := ""
		for i := from; i < to; i++ {
			if v := obs[i].Vantage; v != last || i == from {
				last = v
				mine[v] = true
			}
		}
		mutex.Lock()
		defer mutex.Unlock()
		for v := range mine {
			all[v] = true
		}
	})
	out := make([]string, 0, len(all))
	for v := range all {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// reader turns observations into rows; it remembers the last look-ups, since
// like rows often stand together.
type reader struct {
	g         *Graph
	vantages  []string
	component string
	node      int32
	last      int32 // the last node that was found
	vantage   string
	number    int
	seen      bool
	probe     Probe
	ask       ask
	known     bool
}

// read fills in the row, and returns the node that was asked: noNode for a row
// that can say nothing.
func (r *reader) read(o *Observation, to *row) int32 {
	if !r.seen || o.Component != r.component {
		r.component, r.node = o.Component, r.find(o.Component)
	}
	if !r.seen || o.Vantage != r.vantage {
		r.vantage = o.Vantage
		r.number, _ = slices.BinarySearch(r.vantages, o.Vantage)
	}
	if !r.seen || o.Probe != r.probe {
		r.probe = o.Probe
		r.ask, r.known = askOf(o.Probe)
	}
	r.seen = true
	if r.node == noNode || !r.known || o.Result != Up && o.Result != Down && o.Result != Unknown {
		return noNode
	}
	*to = row{at: o.At.UnixNano(), peer: noNode, vantage: uint16(r.number), ask: r.ask, result: rank(o.Result)}
	if !r.ask.beside() {
		return r.node
	}
	if peer, ok := r.g.index[o.Peer]; ok {
		to.peer = peer
	} else if n := r.g.besideOf(r.node, r.ask); o.Peer == "" && n != noNode {
		if to.peer = n; r.ask != askPSU { // they are the other's words about the machine
			to.peer = r.node
			return n
		}
	} else if r.ask != askFeed || o.Peer != "" {
		return noNode // about something that nobody knows
	}
	return r.node
}

// besideOf is what a machine's supply, port or outlet must be on where no row says it: the only PDU
// or switch that it hangs on. noNode: it has several, or none.
func (g *Graph) besideOf(n int32, a ask) int32 {
	if a != askPSU && a != askPort && a != askOutlet || !g.server[n] {
		return noNode
	}
	only := int32(noNode)
	for i := range g.nodes[n].groups {
		grp := &g.nodes[n].groups[i]
		if (a == askPort) != grp.network || a != askPort && !grp.power {
			continue
		}
		if len(grp.members) != 1 || only != noNode {
			return noNode
		}
		only = grp.members[0]
	}
	return only
}

// find is the node of a component, or noNode. Rows mostly come in the inventory's
// order, so that the next one is tried first.
func (r *reader) find(component string) int32 {
	if next := int(r.last) + 1; next < len(r.g.ids) && r.g.ids[next] == component {
		r.last = int32(next)
		return r.last
	}
	n, ok := r.g.index[component]
	if !ok {
		return noNode
	}
	r.last = n
	return n
}

const leastChunk = 4096

// inChunks does the work for 0…n-1 in parts at once, and waits for all of them.
// What is done for one index must not depend on another's.
func inChunks(n int, do func(from, to int)) { inParts(n, leastChunk, do) }

// inParts is the same for work of which so much is worth a part of its own.
func inParts(n, least int, do func(from, to int)) {
	chunks := min(runtime.GOMAXPROCS(0), (n+least-1)/least)
	if chunks <= 1 {
		do(0, n)
		return
	}
	var all sync.WaitGroup
	for c := range chunks {
		all.Go(func() { do(n*c/chunks, n*(c+1)/chunks) })
	}
	all.Wait()
}
