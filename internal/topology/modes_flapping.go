package topology

import (
	"fmt"
	"math"
	"slices"
	"time"

	"vakhta/internal/inventory"
)

const (
	leastChanges = 3   // from up to down or back
	recovery     = .05 // of machines that are down: they are back at the next look
	commonShare  = .6  // of what hangs on a component comes and goes: then it does
	lookEnds     = 20 * time.Second
	// longestFlapping is how far back changes count: the earlier sweep mostly is of yesterday, what went before is another story.
	longestFlapping = 30 * time.Hour
)

// glance is what one vantage asked of a node at about one time: ln P of its rows
// if the node worked, and if it did not.
type glance struct{ up, down float64 }

// flapping names what answers now and then.
func (m *modes) flapping() {
	own := map[int32]bool{}
	for i := range m.findings {
		if f := &m.findings[i]; m.isLone(f) {
			own[m.g.index[f.Component]] = true
		}
	}
	var wavering []int32
	for _, n := range m.waverers() {
		if m.taken(n) && !own[n] {
			continue
		}
		if s, _ := m.stateOf(n); !s.worksWithin() {
			continue
		}
		wavering = append(wavering, n)
	}
	m.rows.gather(wavering)
	m.unrest = m.unrestOf()
	found := map[int32]cause{}
	for _, n := range wavering {
		if x, ok := m.wavers(n); ok {
			found[n] = x
		}
	}
	m.flappingTogether(found)
	m.flappingStill()
	m.settled(found)
	for _, n := range wavering {
		if x, ok := found[n]; ok && x.score > 0 {
			m.markFlapping(x)
		}
	}
}

// waverers are the nodes that both answered and did not, more than once each.
func (m *modes) waverers() []int32 {
	m.uneasy = m.uneasy[:0]
	for n := range m.rows.brief {
		if m.seen[n] != nil && m.mayWaver(int32(n)) {
			m.uneasy = append(m.uneasy, int32(n))
		}
	}
	return m.uneasy
}

// wavered says that it is one of these.
func (m *modes) wavered(n int32) bool {
	_, is := slices.BinarySearch(m.uneasy, n)
	return is
}

// mayWaver says that those who tell whether the node comes and goes had an answer from it twice, and none twice.
func (m *modes) mayWaver(n int32) bool {
	b := &m.rows.brief[n]
	if b.ups < 2 || b.downs < 2 {
		return false
	}
	if by := m.tellers(n); by != anywhere {
		ups, downs := m.heardBy(n, by)
		return ups > 1 && downs > 1
	}
	return true
}

// heardBy counts what the node answered to those ears, and did not, at most two of each.
func (m *modes) heardBy(n int32, by ears) (ups, downs int) {
	note := func(o *Observation) {
		switch {
		case o.Result == Up && ups < 2 && reaches(o.Probe) && m.sight.believes(m.g, o.Vantage, n):
			ups++
		case o.Result == Down && downs < 2 && reaches(o.Probe) && m.sight.believes(m.g, o.Vantage, n):
			downs++
		}
	}
	for _, r := range m.rows.table.of(n) {
		if (m.places[r.vantage] == by.site) == by.within {
			note(&m.rows.obs[r.i])
		}
	}
	if m.rows.brief[n].asked == 0 {
		return ups, downs
	}
	m.rows.indexPast()
	for _, i := range m.rows.list[m.rows.begins[n]:m.rows.begins[n+1]] {
		if o := &m.rows.past[i]; (m.placeOf(o.Vantage) == by.site) == by.within {
			note(o)
		}
	}
	return ups, downs
}

// placeOf is where the vantage stands, as [Graph.placeOf] has it, looked up once.
func (m *modes) placeOf(vantage string) int32 {
	at, known := m.stood[vantage]
	if !known {
		at = m.g.placeOf(vantage)
		m.stood[vantage] = at
	}
	return at
}

// tellers are those who tell whether the node comes and goes: of a site that is cut off the vantages within.
func (m *modes) tellers(n int32) ears {
	if s, _ := m.stateOf(n); s.apart() || m.cut[m.g.site[n]] {
		return ears{m.g.site[n], true}
	}
	return anywhere
}

// wavers weighs that n comes and goes, against its having gone or come back for good.
func (m *modes) wavers(n int32) (cause, bool) {
	views := map[string][]*Observation{}
	answered := map[Probe]bool{} // a probe that never was answered says nothing
	rows, by := m.rows.rows[n], m.tellers(n)
	for _, o := range rows {
		if by.hear(m.g, o.Vantage) && reaches(o.Probe) && o.Result != Unknown && rows[len(rows)-1].At.Sub(o.At) <= longestFlapping {
			views[o.Vantage] = append(views[o.Vantage], o)
			answered[o.Probe] = answered[o.Probe] || o.Result == Up
		}
	}
	steady, flapping, best := 0.0, 0.0, wavering{}
	for _, v := range sortedKeys(views) {
		w := m.waversTo(n, v, views[v], answered)
		steady, flapping = steady+w.steady, flapping+w.flapping
		if w.changes > best.changes {
			best = w
		}
	}
	x := cause{node: n, mode: Flapping, score: math.Log(flappingServer) + flapping - steady, explains: []int32{n}}
	x.evidence = []Evidence{{Component: m.g.id(n), Result: Down, Count: best.silent, Text: fmt.Sprintf(
		"it answered at %d of %d looks and not at %d, changing %d times", best.asked-best.silent, best.asked, best.silent, best.changes)}}
	return x, best.changes >= leastChanges
}

// wavering is what one vantage saw of a node in time: ln P of it if that changes as seldom as any, and if it
// comes and goes.
type wavering struct {
	steady, flapping       float64
	asked, silent, changes int
}

// waversTo weighs what one vantage saw of n. What comes through a path that loses a share of what it carries is
// missed as often by chance.
func (m *modes) waversTo(n int32, vantage string, rows []*Observation, answered map[Probe]bool) wavering {
	noise := m.unrest.at(m.g, n)
	w := weighWavering(m.looks(rows, answered, noise))
	part, loss := m.ways.leakOf(m.leaking, n, m.g.placeOf(vantage))
	if part == 0 {
		return w
	}
	lossy := weighWavering(m.looks(rows, answered, max(noise, 1-(1-m.unrest.usual)*(1-loss))))
	lossy.steady, lossy.flapping = lossy.steady+math.Log(part), lossy.flapping+math.Log(part)
	if part < 1 {
		lossy.steady = addLogs(lossy.steady, w.steady+math.Log(1-part))
		lossy.flapping = addLogs(lossy.flapping, w.flapping+math.Log(1-part))
	}
	return lossy
}

func weighWavering(looks []glance) wavering {
	w := wavering{asked: len(looks)}
	w.steady, w.changes = steadily(looks)
	for _, l := range looks {
		w.flapping += addLogs(l.up, l.down) - math.Ln2
		if l.down > l.up {
			w.silent++
		}
	}
	return w
}

// looks splits the rows of one vantage, in time, where a probe comes again or
// much time has gone by. Noise is how often it goes unanswered by chance.
func (m *modes) looks(rows []*Observation, answered map[Probe]bool, noise float64) []glance {
	var out []glance
	had := map[Probe]bool{}
	var began time.Time
	for _, o := range rows {
		if !answered[o.Probe] {
			continue
		}
		if len(out) == 0 || had[o.Probe] || o.At.Sub(began) > lookEnds {
			out = append(out, glance{})
			clear(had)
			began = o.At
		}
		had[o.Probe] = true
		l := &out[len(out)-1]
		if o.Result == Up {
			l.up += math.Log(1 - noise)
			l.down += math.Log(falseUp)
		} else {
			l.up += math.Log(noise)
			l.down += math.Log(1 - falseUp)
		}
	}
	return out
}

// steadily is ln P of the looks where a failure is as rare as any, and a recovery
// too; and how often the node changed, looked at one by one.
func steadily(looks []glance) (log float64, changes int) {
	goes := math.Log(ownHung + ownOff + ownDead)
	stays, back := math.Log(1-recovery), math.Log(recovery)
	var up, down float64
	was := 0
	for i, l := range looks {
		if i == 0 {
			up, down = l.up, goes+l.down
		} else {
			up, down = addLogs(up, down+back)+l.up, addLogs(up+goes, down+stays)+l.down
		}
		now := 1
		if l.down > l.up {
			now = -1
		}
		if was*now < 0 {
			changes++
		}
		was = now
	}
	return addLogs(up, down), changes
}

// flappingTogether puts what comes and goes together down to what it hangs on.
func (m *modes) flappingTogether(found map[int32]cause) {
	hangs := map[int32][]int32{}
	for n := range found {
		if m.g.isServer(n) {
			for _, c := range m.supports(n) {
				hangs[c] = append(hangs[c], n)
			}
		}
	}
	m.settle(func() []cause {
		m.settled(found) // so that what was taken is not taken again, and the next is
		var out []cause
		for c, list := range hangs {
			list = slices.DeleteFunc(list, func(n int32) bool { _, still := found[n]; return !still })
			slices.Sort(list)
			all := 0
			for _, u := range m.supported(c) {
				if _, comes := found[u]; comes || m.steadyUp(u) {
					all++
				}
			}
			if len(list) < leastInPart || float64(len(list)) < commonShare*float64(all) {
				continue
			}
			odds := math.Log(prior[m.g.nodes[c].c.Kind] * flappingOfAll)
			x := cause{node: c, mode: Flapping, prior: odds, score: odds, explains: list}
			x.score += float64(all-len(list)) * math.Log(1-commonShare)
			for _, n := range list { // how much likelier each one's rows are by that
				x.score += min(0, found[n].score) - math.Log(flappingServer)
			}
			x.evidence = []Evidence{{Result: Down, Count: len(list), Text: fmt.Sprintf(
				"%d of %s that hang on it answer now and then", len(list), count(all, "server"))}}
			out = append(out, x)
		}
		return out
	})
}

// steadyUp says that a server answers and missed one look at most: what it hangs on alone doesn't come and go. One that never
// answers, or was asked too seldom to show three changes, says nothing of that.
func (m *modes) steadyUp(n int32) bool {
	b := &m.rows.brief[n]
	return m.g.isServer(n) && m.seen[n] != nil && b.ups > 0 && !m.wavered(n)
}

// settled takes out of what was found by itself what comes and goes with something that it hangs on,
// or by whose switch its management is reached.
func (m *modes) settled(found map[int32]cause) {
	for i := range m.findings {
		f := &m.findings[i]
		if f.Mode != Flapping || f.Kind == inventory.KindServer {
			continue
		}
		for _, n := range m.g.known(f.Explains) {
			delete(found, n)
		}
		c := m.g.index[f.Component]
		delete(found, c)
		for _, n := range m.supported(c) {
			delete(found, n)
		}
		if rack := m.g.nodes[c].c.Rack; f.Kind == inventory.KindSwitch && rack != "" {
			for n := range found {
				if m.g.nodes[n].c.Kind == inventory.KindPDU && m.g.nodes[n].c.Rack == rack {
					delete(found, n)
				}
			}
		}
	}
}

// supports is what the node needs alone, and what that needs alone, and so on.
func (m *modes) supports(n int32) []int32 {
	var out []int32
	for queue := []int32{n}; len(queue) > 0; queue = queue[1:] {
		for i := range m.g.nodes[queue[0]].groups {
			grp := &m.g.nodes[queue[0]].groups[i]
			if len(grp.members) != 1 {
				continue
			}
			if c := grp.members[0]; !isPlace(m.g.nodes[c].c.Kind) && !slices.Contains(out, c) {
				out, queue = append(out, c), append(queue, c)
			}
		}
	}
	return out
}

// supported are the nodes that need c alone, and those that need these alone, and so on.
func (m *modes) supported(c int32) []int32 {
	var out []int32
	had := map[int32]bool{c: true}
	for queue := []int32{c}; len(queue) > 0; queue = queue[1:] {
		for _, u := range m.g.nodes[queue[0]].users {
			alone := slices.ContainsFunc(m.g.nodes[u].groups, func(grp group) bool { return len(grp.members) == 1 && grp.members[0] == queue[0] })
			if alone && !had[u] {
				had[u] = true
				out, queue = append(out, u), append(queue, u)
			}
		}
	}
	return out
}

// mostAsked is how many machines of a finding are looked at for its coming and going.
const mostAsked = 60

// flappingStill says of whole failures that they come and go, and are just gone.
func (m *modes) flappingStill() {
	for i := range m.findings {
		f := &m.findings[i]
		if f.Mode != "" || f.Kind == inventory.KindServer || isPlace(f.Kind) || len(f.Explains) < leastInPart {
			continue
		}
		some := m.g.known(f.Explains[:min(len(f.Explains), mostAsked)])
		asked := len(some)
		some = slices.DeleteFunc(some, func(n int32) bool { return !m.wavered(n) })
		m.rows.gather(some)
		wavering := 0
		for _, n := range some {
			if x, ok := m.wavers(n); ok && x.score > 0 {
				wavering++
			}
		}
		if wavering < leastInPart || float64(wavering) < commonShare*float64(asked) {
			continue
		}
		f.Mode = Flapping
		f.Evidence = append(f.Evidence, Evidence{Result: Down, Count: wavering, Text: fmt.Sprintf(
			"%d of %s that hang on it answer now and then", wavering, count(asked, "server"))})
	}
}

// markFlapping makes a finding of it, or says so of the one that is there.
func (m *modes) markFlapping(x cause) {
	id := m.g.id(x.node)
	confidence := 1 / (1 + math.Exp(-x.score))
	for i := range m.findings {
		if f := &m.findings[i]; f.Component == id && f.Mode == "" {
			f.Mode, f.Probability, f.LogOdds = Flapping, max(f.Itself(), confidence), max(f.LogOdds, x.score)
			f.classed(nil)
			f.Evidence = append(x.evidence, f.Evidence...)
			delete(m.loose, x.node)
			return
		}
	}
	f := Finding{Component: id, Kind: m.g.nodes[x.node].c.Kind, Mode: Flapping, Confidence: confidence, Probability: confidence, LogOdds: x.score, Explains: []string{}, Evidence: x.evidence}
	if m.g.isServer(x.node) {
		f.Explains = append(f.Explains, id)
	}
	delete(m.loose, x.node)
	m.findings = append(m.findings, f)
}
