package topology

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"vakhta/internal/inventory"
)

const (
	leastInPart = 3   // machines down…
	leastSure   = 2   // of which it is known of so many that nobody switched them off
	mostInPart  = .75 // a larger share is the whole
)

// branch is one thing that hangs on a component, and on nothing beside it.
type branch struct {
	node   int32
	down   bool
	cost   float64 // of its being down, where nothing explains it
	beside bool    // told from beside: by its supply's input, or the port
	told   bool    // its BMC agrees, or it was told from beside, or is equipment
}

// partial looks for PDUs and switches of which a part has failed: several of what
// hangs on them is down, the rest is not, and nothing else explains it.
func (m *modes) partial() []cause {
	hit := map[int32]bool{}
	note := func(n int32) {
		for _, grp := range m.g.nodes[n].groups {
			for _, c := range grp.members {
				if k := m.g.nodes[c].c.Kind; k == inventory.KindPDU || k == inventory.KindSwitch {
					hit[c] = true
				}
			}
		}
	}
	for n := range m.loose {
		note(n)
	}
	beside := m.toldFromBeside()
	for c := range beside {
		hit[c] = true
	}
	for i := range m.findings {
		if f := &m.findings[i]; f.Mode == "" && f.Kind != inventory.KindServer {
			note(m.g.index[f.Component])
		}
	}
	if len(hit) == 0 {
		return nil
	}
	rate := m.ratesOf()
	var out []cause
	for c := range hit {
		if x, ok := m.partOf(c, rate, beside[c]); ok {
			out = append(out, x)
		}
	}
	return out
}

// leastUntold is how many machines of which nothing but their silence is known must be down
// together for what they hang on to be doubted, and untoldFrom the log odds from which it is; atOnceFrom those where
// all went at once, for all that is known, so that only how rare it is speaks against it.
const (
	untoldFrom  = -1
	atOnceFrom  = -3.5 // ln ambiguousShare
	leastUntold = 3
)

// doubtTogether finds machines that are down by themselves, as it seems, of which no BMC tells, with
// so many others behind the same switch or PDU that a part of it may have failed as well as
// somebody switched them off: it is in the class of each.
func (m *modes) doubtTogether() {
	hit := map[int32]int{}
	for n := range m.loose {
		for _, grp := range m.g.nodes[n].groups {
			for _, c := range grp.members {
				if k := m.g.nodes[c].c.Kind; len(grp.members) == 1 && (k == inventory.KindPDU || k == inventory.KindSwitch) {
					hit[c]++
				}
			}
		}
	}
	beside := m.toldFromBeside()
	m.untold = true
	var causes []cause
	for c, down := range hit {
		if down < leastUntold {
			continue
		}
		if x, ok := m.partOf(c, m.ratesOf(), beside[c]); ok && (x.score >= untoldFrom || x.score >= atOnceFrom && m.wentAtOnce(x.explains)) {
			causes = append(causes, x)
		}
	}
	m.untold = false
	slices.SortFunc(causes, func(a, b cause) int {
		return cmp.Or(cmp.Compare(b.score, a.score), m.g.narrower(a.node, b.node))
	})
	for i := range m.findings {
		if f := &m.findings[i]; m.isLone(f) && f.Mode == "" {
			m.doubt(f, causes)
		}
	}
}

// wentAtOnce says that a vantage saw all of the servers answer, and that they may all have gone at one moment.
func (m *modes) wentAtOnce(servers []int32) bool {
	if slices.ContainsFunc(servers, m.rows.startedSilent) {
		return false
	}
	m.rows.gather(servers)
	for _, list := range m.rows.views(servers, anywhere) {
		if len(list) == len(servers) && atOnce(list) == len(list) {
			return true
		}
	}
	return false
}

// asGood is how many times less likely a part may be than the best one to be in the class beside it: a PDU and a
// switch that carry the same machines are both.
const asGood = 5

// doubt puts what may have failed in part into the class of a machine; the causes come best first.
func (m *modes) doubt(f *Finding, causes []cause) {
	n := m.g.index[f.Component]
	var class []Alternative
	var best cause
	sum := 0.0
	for _, x := range causes {
		if _, of := slices.BinarySearch(x.explains, n); !of {
			continue
		}
		if class == nil {
			best = x
		}
		share := math.Exp(x.score - best.score)
		if share*asGood < 1 {
			break
		}
		sum += share
		class = append(class, Alternative{Components: []string{m.g.id(x.node)}, Probability: share})
		f.Evidence = append(f.Evidence, x.evidence...)
	}
	if class == nil {
		return
	}
	part := f.Probability * min(.5, 1/(1+math.Exp(-best.score)))
	f.Probability -= part
	for i := range class {
		class[i].Probability *= part / sum
	}
	f.classed(append(slices.Clone(f.Alternatives), class...))
}

// toldFromBeside finds what PDUs' supplies and switches' ports say of each thing
// that hangs on them: the last word counts.
func (m *modes) toldFromBeside() map[int32]map[int32]Result {
	type word struct {
		o *Observation
	}
	if !m.rows.table.peers {
		return nil
	}
	if m.beside != nil {
		return m.beside
	}
	last := map[[2]int32]word{}
	for i := range m.rows.obs {
		o := &m.rows.obs[i]
		if o.Peer == "" || o.Result == Unknown || o.Probe != ProbePSU && o.Probe != ProbePort && o.Probe != ProbeOutlet {
			continue
		}
		if o.Probe == ProbeOutlet && o.Result == Up {
			continue // it is switched through; whether anything comes out, it doesn't say
		}
		on, from := o.Component, o.Peer // the component, and what hangs on it
		if o.Probe == ProbePSU {
			on, from = o.Peer, o.Component
		}
		c, known := m.g.index[on]
		n, too := m.g.index[from]
		if !known || !too {
			continue
		}
		key := [2]int32{c, n}
		if old := last[key].o; old == nil || inTime(old, o) < 0 {
			last[key] = word{o}
		}
	}
	out := map[int32]map[int32]Result{}
	for key, w := range last {
		if out[key[0]] == nil {
			out[key[0]] = map[int32]Result{}
		}
		out[key[0]][key[1]] = w.o.Result
	}
	m.beside = out
	return out
}

// partOf weighs that a part of c has failed.
func (m *modes) partOf(c int32, rate rates, beside map[int32]Result) (cause, bool) {
	if s, _ := m.stateOf(c); !s.worksWithin() {
		if _, weak := m.weak[c]; !weak {
			return cause{}, false
		}
	}
	branches := m.branches(c, rate, beside)
	down, fromBeside, sure := 0, 0, 0
	for _, b := range branches {
		if b.down {
			down++
			if b.beside {
				fromBeside++
			}
			if b.told {
				sure++
			}
		}
	}
	if m.untold {
		if down < leastUntold {
			return cause{}, false
		}
		sure = down
	}
	if down < leastInPart || sure < leastSure || len(branches)-down < 2 || float64(down) > mostInPart*float64(len(branches)) {
		return cause{}, false
	}
	odds := math.Log(prior[m.g.nodes[c].c.Kind] * partialOfAll)
	x := cause{node: c, mode: Partial, prior: odds, score: odds + betaBinomial(down, len(branches)) - m.weak[c]}
	for _, b := range branches {
		if !b.down {
			continue
		}
		x.score += b.cost
		x.explains = append(x.explains, m.brokenServers(b.node)...)
	}
	slices.Sort(x.explains)
	x.explains = slices.Compact(x.explains)
	x.evidence = []Evidence{{Result: Down, Count: down, Text: fmt.Sprintf(
		"%d of %d that hang on %s alone are down, the other %d are not", down, len(branches), m.g.id(c), len(branches)-down)}}
	if fromBeside > 0 {
		x.evidence = append(x.evidence, Evidence{Result: Down, Count: fromBeside, Text: fmt.Sprintf("%d of these by their supply or port", fromBeside)})
	}
	return x, true
}

// brokenServers are the servers down with a branch: itself, or what it took down.
func (m *modes) brokenServers(n int32) []int32 {
	if m.g.isServer(n) {
		if s := m.seen[n]; s != nil && s.silent() {
			return []int32{n}
		}
		return nil
	}
	for i := range m.findings {
		if m.findings[i].Component == m.g.id(n) {
			return m.g.known(m.findings[i].Explains)
		}
	}
	return nil
}

// branches are what hangs on c alone, as far as it was seen.
func (m *modes) branches(c int32, rate rates, told map[int32]Result) []branch {
	users := slices.Clone(m.g.nodes[c].users)
	for n := range told {
		users = append(users, n)
	}
	slices.Sort(users)
	users = slices.Compact(users)
	var off, looked float64
	for _, u := range users { // the rate of elsewhere
		if s := m.seen[u]; s != nil && m.g.isServer(u) && !m.taken(u) {
			rate.note(s, m.loose[u], -1)
			if told := silence(s); told != silentUntold {
				looked++
				if m.loose[u] && told == silentOff {
					off++
				}
			}
		}
	}
	rate.off = off / max(looked, 1)
	power := m.g.nodes[c].c.Kind == inventory.KindPDU
	var out []branch
	for _, u := range users {
		word, asked := told[u]
		if st, _ := m.stateOf(u); asked && word == Down && (!st.worksWithin() || !power && m.dark[u]) {
			continue // it has no power, or no way, anyway
		}
		if asked && !power && word == Down {
			switch s := m.seen[u]; {
			case m.g.isServer(u) && (s == nil || !s.answered() && !s.silent()), s != nil && s.powerIs(isDown):
				continue // what is switched off, since long perhaps, lights no port
			case s != nil && s.answered() && m.hangsAlone(u, c):
				word = Up // it answers by that port
			}
		}
		if asked && (word == Up || m.seen[u] == nil || !m.loose[u]) {
			// A supply without input, a port without link: one in a hundred is out by itself, or
			// as many as are asked in vain.
			out = append(out, branch{u, word == Down, -math.Log(max(.01, m.noise)), true, true})
			continue
		}
		if !asked && !m.hangsAlone(u, c) {
			continue
		}
		if b, ok := m.branch(u, rate, power); ok {
			b.beside = asked
			b.told = b.told || asked && b.down
			out = append(out, b)
		}
	}
	return out
}

// branch judges what hangs on a component by its own silence.
func (m *modes) branch(u int32, rate rates, power bool) (branch, bool) {
	s := m.seen[u]
	switch {
	case !m.g.isServer(u):
		if _, itself := m.stateOf(u); itself {
			return branch{node: u, down: true, cost: -logPrior[m.g.nodes[u].c.Kind], told: true}, true
		}
		return branch{node: u}, s != nil && s.answered()
	case s == nil:
		return branch{}, false
	case m.loose[u]:
		how := silence(s)
		fits := how == silentUntold || power == (how == silentDark)
		// A machine whose link is gone has no power, or no link: either is a part of something.
		linkless := slices.ContainsFunc(s.about, func(v verdict) bool { return v.ask == askPort && v.result == isDown })
		return branch{node: u, down: true, cost: rate.cost(s), told: how != silentUntold || linkless}, fits && how != silentOff
	}
	return branch{node: u}, s.answered()
}

// hangsAlone says that u needs c, and has nothing else in its place that works.
func (m *modes) hangsAlone(u, c int32) bool {
	for i := range m.g.nodes[u].groups {
		grp := &m.g.nodes[u].groups[i]
		if !slices.Contains(grp.members, c) {
			continue
		}
		alone := true
		for _, other := range grp.members {
			if s, _ := m.stateOf(other); other != c && s.worksWithin() {
				alone = false
			}
		}
		if alone {
			return true
		}
	}
	return false
}
