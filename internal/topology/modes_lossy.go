package topology

import (
	"fmt"
	"math"
	"slices"

	"vakhta/internal/inventory"
)

const (
	leastMissed = 6   // probes
	leastLoss   = .08 // of the probes, and twice what is missed elsewhere
	leastMixed  = 3   // machines that answer some probes and miss others
	noiseWeight = 50  // probes that the assumed noise counts for
)

// losses are the shares of probes that a lossy path may lose.
var losses = []float64{.1, .15, .2, .25, .3, .35, .4, .5, .6, .7}

// lossy looks for switches and uplinks behind which many machines miss some
// probes and answer others, while those elsewhere do not.
func (m *modes) lossy() []cause {
	var suspects []int32
	for n := range m.passed {
		c := int32(n)
		if m.suspect(c) && !m.hasFinding(c, Lossy) && !m.down(c) {
			suspects = append(suspects, c)
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	suspects = m.waysOut(suspects)
	var out []cause
	seen := m.views()
	behind := m.behind(suspects)
	for _, c := range suspects {
		if x, found := m.likeliestLoss(c, behind[c], seen); found {
			out = append(out, x)
		}
	}
	return out
}

// otherWayOut is how often the vantages of a site ask others by another way than its uplinks.
const otherWayOut = .3

// likeliestLoss weighs that c loses a share, all the time or since it began to, and of an uplink that the vantages of
// its own site, too, go by it, or don't.
func (m *modes) likeliestLoss(c int32, carried *load, all []misses) (best cause, found bool) {
	since, before, steady := m.steady(c, carried.servers)
	if !m.passed[c].last.suspect() && !steady {
		return best, false
	}
	weigh := func(l *load, since int64, odds float64) {
		if x, ok := m.lossOf(c, l, all, since); ok {
			if x.score += odds; !found || x.score > best.score {
				best, found = x, true
			}
		}
	}
	weigh(carried, 0, 0)
	began := -math.Log(float64(before + 1))
	if since > 0 {
		weigh(carried, since, began)
	}
	if inward := m.inward(c, carried); inward != nil {
		weigh(inward, 0, math.Log(otherWayOut))
		if since > 0 {
			weigh(inward, since, math.Log(otherWayOut)+began)
		}
	}
	return best, found
}

// inward is the load of an uplink without what the vantages of its site ask of others through it; nil: there is none of that.
func (m *modes) inward(c int32, carried *load) *load {
	abroad := func(n int32) bool { return m.g.site[n] != m.g.site[c] }
	if !m.g.nodes[c].uplink || !slices.ContainsFunc(carried.servers, abroad) {
		return nil
	}
	return &load{slices.DeleteFunc(slices.Clone(carried.servers), abroad), slices.DeleteFunc(slices.Clone(carried.apart), abroad), carried.share}
}

// suspect says that c may lose some of what it carries, be it only that of earlier looks.
func (m *modes) suspect(c int32) bool {
	p := &m.passed[c]
	if m.cut[m.g.site[c]] { // what comes from outside is lost before it gets there
		return p.last.within.suspect() || p.all.within.suspect()
	}
	return p.last.suspect() || p.all.suspect()
}

// down says that c is down by something else: what answers though it is said to be behind it stands elsewhere.
func (m *modes) down(c int32) bool {
	s, itself := m.stateOf(c)
	return !itself && (s == powerless || s == cutOff || s == severed)
}

// waysOut adds the uplinks of the sites in which vantages stand: who asks another site does so through both.
func (m *modes) waysOut(suspects []int32) []int32 {
	if !slices.ContainsFunc(suspects, func(c int32) bool { return m.g.nodes[c].uplink }) {
		return suspects
	}
	for n := range m.g.nodes {
		if m.g.nodes[n].uplink && !m.cut[m.g.site[n]] && slices.Contains(m.places, m.g.site[n]) && !m.hasFinding(int32(n), Lossy) {
			suspects = append(suspects, int32(n))
		}
	}
	slices.Sort(suspects)
	return slices.Compact(suspects)
}

func (m *modes) hasFinding(n int32, mode Mode) bool {
	return slices.ContainsFunc(m.findings, func(f Finding) bool { return f.Component == m.g.id(n) && f.Mode == mode })
}

// misses counts probes.
type misses struct{ asked, missed int }

// views counts, for each vantage, the probes of servers that answer anything.
func (m *modes) views() []misses {
	out := make([]misses, len(m.rows.table.vantages))
	for n, s := range m.seen {
		if s != nil && m.g.isServer(int32(n)) { // equipment may be behind the same path
			m.view(int32(n), noNode, out)
		}
	}
	return out
}

// caused says that the server is down by what is no loss. That its site is cut off says nothing of what those within ask.
func (m *modes) caused(n int32) bool {
	return m.explained[n] && !m.loose[n] && !m.leaky[n] && (m.taken(n) || !m.cut[m.g.site[n]])
}

// view adds the probes of a server that answers anything and isn't down by something else, by vantage; of those
// across c, if there is one.
func (m *modes) view(n, c int32, views []misses) {
	if all, _ := m.crossings(n); !all.lives() || m.caused(n) {
		return
	}
	t := m.rows.table
	never := neverHeard(t.of(n))
	for i := range t.of(n) {
		r := &t.of(n)[i]
		if r.ask.reaches() && !never[r.ask] && r.result != isUnknown && m.sight.believed(m.g, r.vantage, n) && (c == noNode || m.ways.part(c, n, m.places[r.vantage]) > 0) && !m.pathLost(n, m.places[r.vantage]) {
			views[r.vantage].note(r.result)
		}
	}
}

func (k *misses) note(result uint8) {
	k.asked++
	if result == isDown {
		k.missed++
	}
}

// witness is what one machine behind a lossy path was asked and missed.
type witness struct {
	node   int32
	misses                  // over all vantages; but for
	gone   int              // since when it has been silent, if it rather went down: how many probes
	views  []misses         // by vantage
	probes [askPower]misses // by probe
	lives  bool             // it answers somebody else, who asks it another way
}

// lossOf weighs that c loses a share of what it carries, since a time. Machines that answer
// nothing at all don't count: they may be down.
func (m *modes) lossOf(c int32, carried *load, all []misses, since int64) (cause, bool) {
	behind, share := carried.servers, carried.share
	if len(behind) < leastMixed {
		return cause{}, false
	}
	var witnesses, silent []witness
	sum := witness{views: make([]misses, len(all))}
	here := make([]misses, len(all)) // what views counts of these, be they gone or not
	room := make([]misses, len(behind)*len(all))
	for _, n := range carried.apart {
		m.view(n, c, here)
	}
	mixed := 0
	for _, n := range behind {
		w := witness{node: n, views: room[:len(all):len(all)], lives: m.livesBeyond(c, n)}
		room = room[len(all):]
		m.question(&w, c, since)
		m.view(n, c, here)
		switch {
		case w.asked == 0:
		case w.missed == w.asked && !w.lives:
			silent = append(silent, w)
		default:
			if w.missed > 0 {
				mixed++
			}
			sum.add(&w)
			witnesses = append(witnesses, w)
		}
	}
	if mixed < leastMixed || sum.missed < leastMissed || !even(sum.views, sum.misses) || !even(sum.probes[:], sum.misses) || m.comesAndGoes(c, behind) > 0 {
		return cause{}, false
	}
	x := cause{node: c, mode: Lossy, prior: math.Log(lossyOfAll * prior[m.g.nodes[c].c.Kind])}
	x.score, x.loss = m.weighLoss(c, witnesses, share, here, all)
	rate := float64(sum.missed) / float64(sum.asked)
	for _, w := range silent { // missed all by the same loss, rather than down by themselves
		if math.Pow(rate, float64(w.asked)) > prior[inventory.KindServer] {
			sum.add(&w)
			witnesses = append(witnesses, w)
		}
	}
	for _, w := range witnesses {
		byLoss := math.Pow(min(1, rate/share[w.node]), float64(w.gone)) > prior[inventory.KindServer] // rather than down by itself
		if w.missed+w.gone > 0 && byLoss {
			x.explains = append(x.explains, w.node)
		}
	}
	slices.Sort(x.explains)
	x.evidence = []Evidence{{Result: Down, Count: sum.missed, Text: fmt.Sprintf(
		"%d of %d probes of what is behind it go unanswered, spread over %s", sum.missed, sum.asked, count(len(x.explains), "server"))}}
	if name, alone := m.losesItself(sum.views, here, all); alone {
		x.rival = lossyVantage / (lossyOfAll * prior[m.g.nodes[c].c.Kind])
		x.evidence = append(x.evidence, Evidence{Text: fmt.Sprintf("against it: vantage %s sees nothing that is not behind it, so that its own path may lose them", name)})
	}
	return x, true
}

// losesItself is the one vantage that misses what is behind a suspect and sees nothing else, so that its own path may lose
// it. Where several miss it, all of their paths would have to.
func (m *modes) losesItself(views, here, all []misses) (name string, alone bool) {
	for v := range views {
		if views[v].missed < leastMixed {
			continue
		}
		if alone || all[v].asked-here[v].asked >= leastRows {
			return "", false
		}
		name, alone = m.rows.table.vantages[v], true
	}
	return name, alone
}

func (w *witness) add(o *witness) {
	for v := range o.views {
		w.views[v].add(o.views[v])
	}
	for p := range o.probes {
		w.probes[p].add(o.probes[p])
	}
	w.misses.add(o.misses)
}

func (k *misses) add(o misses) { k.asked, k.missed = k.asked+o.asked, k.missed+o.missed }

// even says that no vantage and no probe misses a much smaller share than all
// do: a filter drops one kind of probe, a lossy path drops of each.
func even(parts []misses, all misses) bool {
	for _, k := range parts {
		if expected := float64(k.asked) * float64(all.missed) / float64(all.asked); expected >= 4 && float64(k.missed) < .35*expected {
			return false
		}
	}
	return true
}

func sortedKeys[V any](set map[string]V) []string {
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// load is the machines whose traffic a node carries, and which share of it.
type load struct {
	servers []int32
	apart   []int32 // that count for nothing
	share   map[int32]float64
}

// add puts a machine, and the share of its traffic, on the load.
func (l *load) add(n int32, share float64, counts bool) {
	l.share[n] = share
	if counts {
		l.servers = append(l.servers, n)
	} else {
		l.apart = append(l.apart, n)
	}
}

// behind finds the load of each of the nodes. Machines that are off or without
// power count for nothing, nor those that have another cause.
func (m *modes) behind(nodes []int32) map[int32]*load {
	out := map[int32]*load{}
	for _, n := range nodes {
		out[n] = &load{share: map[int32]float64{}}
	}
	for _, n := range m.servers {
		s := m.seen[n]
		counts := !m.caused(n) && !(s.silent() && (s.powerIs(isDown) || len(s.power) > 0 && !s.powerIs(isUp)))
		for _, way := range m.ways.of(n) {
			if l := out[way.node]; l != nil {
				l.add(n, way.share, counts)
			}
		}
		if s.asked&askedAbroad != 0 {
			m.askedThrough(nodes, n, out, counts)
		}
	}
	return out
}

// askedThrough adds n to the load of those uplinks through which vantages of their sites ask it.
func (m *modes) askedThrough(uplinks []int32, n int32, loads map[int32]*load, counts bool) {
	for _, c := range uplinks {
		home, l := m.g.site[c], loads[c]
		if !m.g.nodes[c].uplink || home == m.g.site[n] || l.share[n] > 0 ||
			!slices.ContainsFunc(m.rows.table.of(n), func(r row) bool { return m.places[r.vantage] == home }) {
			continue
		}
		l.add(n, m.ways.part(c, n, home), counts)
	}
}

// livesBeyond says that n answers somebody who does not ask it through c: that it misses all that goes that way is no fault of its own.
func (m *modes) livesBeyond(c, n int32) bool {
	return slices.ContainsFunc(m.seen[n].reach, func(v verdict) bool {
		return v.result == isUp && m.ways.part(c, n, m.places[v.vantage]) == 0
	})
}

// question reads what the machine of a witness, behind c, was asked from across it since a time.
func (m *modes) question(w *witness, c int32, since int64) {
	n, t := w.node, m.rows.table
	rows := t.of(n)
	never := neverHeard(rows)
	var gone []bool
	if m.seen[n].silent() {
		gone = silentSinceUp(rows, leastGone)
	}
	for i := range rows {
		r := &rows[i]
		switch {
		case i < len(gone) && gone[i]:
			w.gone++
		case r.at < since || !r.ask.reaches() || never[r.ask] || r.result == isUnknown || t.obs[r.i].Peer != "" || !m.sight.believed(m.g, r.vantage, n) || m.ways.part(c, n, m.places[r.vantage]) == 0 || m.pathLost(n, m.places[r.vantage]):
		case i > 0 && sameRow(r, &rows[i-1]) && t.obs[r.i].Detail == t.obs[rows[i-1].i].Detail: // doubled
		default:
			w.note(r.result)
			w.views[r.vantage].note(r.result)
			w.probes[r.ask].note(r.result)
		}
	}
}

// leastUnheard is how often a probe is missed that a machine doesn't answer by policy, whatever else it misses.
const leastUnheard = 10

// mutePolicy is how often a machine doesn't answer a probe by policy. A loss takes this probe of a machine as
// often as its others from the same vantages: if these tell that it takes all of it more rarely, the policy is likelier.
const mutePolicy = .02

// neverHeard says which probes of a machine were never answered, of which a loss is not why.
func neverHeard(rows []row) (out [askPower]bool) {
	var by [askPower]misses
	var from [askPower]uint64 // the vantages that asked, by number; those from 64 on share
	each := func(do func(r *row)) {
		for i := range rows {
			if r := &rows[i]; r.ask.reaches() && r.result != isUnknown && (i == 0 || !sameRow(r, &rows[i-1])) {
				do(r)
			}
		}
	}
	each(func(r *row) {
		by[r.ask].note(r.result)
		from[r.ask] |= 1 << (r.vantage % 64)
	})
	for a, k := range by {
		if k.asked == 0 || k.missed < k.asked {
			continue
		}
		var beside misses
		each(func(r *row) {
			if int(r.ask) != a && from[a]>>(r.vantage%64)&1 == 1 {
				beside.note(r.result)
			}
		})
		lost := float64(beside.missed+1) / float64(beside.asked+2)
		out[a] = k.missed >= leastUnheard || math.Pow(lost, float64(k.missed)) < mutePolicy
	}
	return out
}

// leastGone is how many probes in a row a machine misses that is rather down than behind a path that loses some.
const leastGone = 4

// silentSinceUp marks the rows, which stand by question and the latest first, that are unanswered since
// the same question was last answered; nil if those are fewer than least.
func silentSinceUp(rows []row, least int) []bool {
	out, marked := make([]bool, len(rows)), 0
	for i := 0; i < len(rows); {
		from := i
		for i < len(rows) && sameQuestion(&rows[i], &rows[from]) && rows[i].result == isDown {
			i++
		}
		answered := i < len(rows) && sameQuestion(&rows[i], &rows[from]) && rows[i].result == isUp
		for k := from; k < i && answered && rows[k].ask.reaches(); k++ {
			out[k] = true
			marked++
		}
		for i < len(rows) && sameQuestion(&rows[i], &rows[from]) {
			i++
		}
	}
	if marked < least {
		return nil
	}
	return out
}

// weighLoss is the log odds of a loss, whatever its share, against noise such as
// each vantage sees elsewhere; and what share is lost, as far as these tell. All machines are known to answer something, if only by another way.
func (m *modes) weighLoss(c int32, witnesses []witness, share map[int32]float64, here, all []misses) (odds, mean float64) {
	noise := make([]float64, len(all))
	for v := range here {
		if here[v].asked == 0 {
			continue
		}
		elsewhere := misses{all[v].asked - here[v].asked, all[v].missed - here[v].missed}
		noise[v] = max(falseDown, (float64(elsewhere.missed)+noiseWeight*falseDown)/(float64(elsewhere.asked)+noiseWeight))
	}
	if missed, expected := against(noise, witnesses); missed < 2*expected {
		return math.Inf(-1), 0 // where so many go unanswered anyway, noise is not so well known
	}
	rows := func(w *witness, loss float64) float64 {
		sum, nothing := 0.0, 1.0
		for v, k := range w.views {
			if k.asked == 0 {
				continue
			}
			p := 1 - (1-noise[v])*(1-loss)
			sum += float64(k.missed)*math.Log(p) + float64(k.asked-k.missed)*math.Log(1-p)
			nothing *= math.Pow(p, float64(k.asked))
		}
		if w.lives {
			return sum
		}
		return sum - math.Log(1-nothing)
	}
	quiet := make([]float64, len(witnesses))
	base := 0.0
	for i := range witnesses {
		quiet[i] = rows(&witnesses[i], 0)
		base += quiet[i]
	}
	base = addLogs(base, louder(rows, witnesses, noise, here, all))
	total, weighted := math.Inf(-1), math.Inf(-1)
	for _, loss := range losses {
		sum, spread := 0.0, 0.0
		for i := range witnesses {
			log := rows(&witnesses[i], loss)
			if part := share[witnesses[i].node]; part < 1 {
				spread += rows(&witnesses[i], loss*part)
				log = addLogs(math.Log(part)+log, math.Log(1-part)+quiet[i])
			} else {
				spread += log
			}
			sum += log
		}
		// Who has two ways may send all of a machine's packets by one, or each by another.
		sum = addLogs(sum, spread) - math.Ln2
		total, weighted = addLogs(total, sum), addLogs(weighted, sum+math.Log(loss))
	}
	return math.Log(lossyOfAll*prior[m.g.nodes[c].c.Kind]/float64(len(losses))) + total - base - m.weak[c], math.Exp(weighted - total)
}

// against is how many probes were missed, and how many noise would miss.
func against(noise []float64, witnesses []witness) (missed, expected float64) {
	for i := range witnesses {
		for v, k := range witnesses[i].views {
			missed += float64(k.missed)
			expected += noise[v] * float64(k.asked)
		}
	}
	return missed, expected
}

func addLogs(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}
