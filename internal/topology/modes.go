package topology

import (
	"cmp"
	"math"
	"slices"

	"vakhta/internal/inventory"
)

// How likely failures in part are, beside those of prior.
const (
	flappingServer   = 3e-4
	flappingOfAll    = 0.2 // of the failures of what others hang on: it comes and goes
	lossyOfAll       = 0.1
	partialOfAll     = 0.1 // a breaker of a PDU, some ports of a switch
	heatingRack      = 2e-5
	heatingRoom      = 2e-5
	lossyVantage     = 5e-5
	namedFrom        = 1.1 // ln 3: what is less likely than three to one is not named
	mostCauses       = 64
	disbelieved      = 0.2  // one that this share contradicts is none
	contradictedFrom = 0.25 // a whole failure with this share of living machines may be one in part
)

// cause is a failure in part that would explain machines better than what was
// found so far.
type cause struct {
	node     int32
	mode     Mode
	score    float64 // log odds against what was found so far
	prior    float64 // part of it
	explains []int32 // in order
	evidence []Evidence
	rival    float64 // weight of what is no component, such as the vantage's own path
	loss     float64 // of what is lossy: the share that it loses
}

// modes names failures in part. It comes after the search for whole ones, and
// looks at what that leaves over or explains badly.
type modes struct {
	*reporter
	rows     *chronicle
	findings []Finding
	dark     map[int32]bool    // machines that a failure in part has taken the power of
	loose    map[int32]bool    // servers that are silent, with no cause outside themselves
	cut      map[int32]bool    // sites: that all their uplinks have failed
	leaky    map[int32]bool    // servers that are explained by a loss alone
	leaking  []leak            // what was found lossy, and what is in the class of it
	weak     map[int32]float64 // whole failures that much contradicts → their log odds
	noise    float64
	how      []uint8                    // by node: how a server is silent, or none that was seen
	slowly   map[string]*slow           // whole failures → what they took, if one by one; once asked
	beside   map[int32]map[int32]Result // see toldFromBeside; once asked
	stood    map[string]int32           // vantages of older rows → where they stand, as far as looked up
	hit      map[*string][]int32        // what findings explain → the nodes, as far as looked up
	uneasy   []int32                    // nodes that answered now and then, in order; once that is looked for
	unrest   *unrest                    // once what answers now and then is looked for
	untold   bool                       // failures in part are weighed of machines of which nothing but their silence is known
}

// inPart revises findings: failures in part replace what they explain better. Leaking is what was found lossy.
func (r *reporter) inPart(findings []Finding, unexplained []int32, rows *chronicle) (revised []Finding, left []int32, leaking []leak) {
	m := &modes{reporter: r, rows: rows, findings: findings, dark: map[int32]bool{}, loose: map[int32]bool{}, leaky: map[int32]bool{}, weak: map[int32]float64{}, noise: r.habits.noise, slowly: map[string]*slow{}, stood: map[string]int32{}, hit: map[*string][]int32{}}
	for _, n := range unexplained {
		m.loose[n] = true
	}
	for i := range findings {
		f := &findings[i]
		n := r.g.index[f.Component]
		switch {
		case r.isLone(f):
			m.loose[n] = true
		case float64(len(f.Contradicts)) >= contradictedFrom*float64(len(f.Explains)+len(f.Contradicts)) && len(f.Contradicts) > 1:
			m.weak[n] = f.LogOdds
			for _, id := range f.Explains {
				m.loose[r.g.index[id]] = true
			}
		}
	}
	m.cut = m.cutSites()
	m.settle(m.lossy)
	m.settle(m.heating)
	m.settle(m.partial)
	m.flapping()
	m.doubtTogether()
	left = m.disown(unexplained)
	m.dates()
	return m.findings, left, m.leaking
}

// disown takes back whole failures that too many living machines contradict and
// that are none in part either: somebody may have switched off half a rack. It
// returns the servers that nothing explains, in order.
func (m *modes) disown(unexplained []int32) []int32 {
	var left []int32
	for _, n := range unexplained {
		if m.loose[n] {
			left = append(left, n)
		}
	}
	m.findings = slices.DeleteFunc(m.findings, func(f Finding) bool {
		against := len(f.Contradicts)
		if f.Mode != "" || against < 3 || float64(against) < disbelieved*float64(against+len(f.Explains)) {
			return false
		}
		left = append(left, m.g.known(f.Explains)...)
		return true
	})
	has := make([]bool, len(m.g.nodes))
	for i := range m.findings {
		for _, n := range m.hitBy(&m.findings[i]) {
			has[n] = true
		}
	}
	left = slices.DeleteFunc(left, func(n int32) bool { return has[n] })
	slices.Sort(left)
	return slices.Compact(left)
}

// stateOf is how a node fares under the best hypothesis of whole failures.
func (m *modes) stateOf(n int32) (s state, itself bool) {
	l := m.local[n]
	if l == noNode {
		return works, false
	}
	return m.t.state[l], m.t.failed[l]
}

// taken says that it is known why the server is silent, or misses what it misses. That its site is cut off tells nothing of
// what those within see.
func (m *modes) taken(n int32) bool {
	if !m.explained[n] || m.loose[n] {
		return false
	}
	s, _ := m.stateOf(n)
	return !s.apart() || m.leaky[n] || !m.seen[n].answered()
}

// isLone says that the finding is on a machine by itself.
func (r *reporter) isLone(f *Finding) bool {
	return f.Kind == inventory.KindServer && len(f.Explains) == 1 && f.Explains[0] == f.Component
}

// settle takes the likeliest cause while there is one, and looks again.
func (m *modes) settle(find func() []cause) {
	for range mostCauses {
		causes := find()
		slices.SortFunc(causes, func(a, b cause) int {
			return cmp.Or(cmp.Compare(b.score, a.score), m.g.narrower(a.node, b.node))
		})
		if len(causes) == 0 || causes[0].score < namedFrom {
			return
		}
		m.take(causes)
	}
}

// take makes the first cause a finding; the others are its rivals.
func (m *modes) take(causes []cause) {
	best := &causes[0]
	c := m.g.nodes[best.node].c
	f := Finding{Component: c.ID, Kind: c.Kind, Mode: best.mode, Evidence: best.evidence, Explains: []string{}}
	others := math.Exp(-best.score) + best.rival
	score := Score{Component: c.ID, Mode: best.mode, Prior: best.prior, Servers: best.score - best.prior, Rivals: []Rival{{Delta: -best.score}}}
	next := best.score
	var class []Alternative
	for i := range causes[1:] {
		rival := &causes[1+i]
		if !overlap(best.explains, rival.explains) {
			continue
		}
		share := math.Exp(rival.score - best.score)
		others += share
		if len(score.Rivals) < mostRivals {
			score.Rivals = append(score.Rivals, Rival{[]string{m.g.id(rival.node)}, rival.score - best.score})
		}
		next = min(next, best.score-rival.score)
		if share >= ambiguousShare {
			class = append(class, Alternative{[]string{m.g.id(rival.node)}, share})
		}
	}
	slices.SortStableFunc(score.Rivals, func(a, b Rival) int { return cmp.Compare(b.Delta, a.Delta) })
	m.scores = append(m.scores, score)
	f.Probability, f.LogOdds = 1/(1+others), next
	if f.Probability >= certain {
		class = nil
	}
	for i := range class {
		class[i].Probability *= f.Probability
	}
	f.classed(class)
	if best.mode == Lossy {
		m.notes(&f, causes)
	}
	gone := map[string]bool{}
	dark := best.mode == Heating || best.mode == Partial && c.Kind == inventory.KindPDU
	for _, n := range best.explains {
		if dark {
			m.dark[n] = true
		}
		f.Explains = append(f.Explains, m.g.id(n))
		gone[m.g.id(n)] = true
		delete(m.loose, n)
		m.explained[n] = true
	}
	gone[c.ID] = true
	m.findings = slices.DeleteFunc(m.findings, func(old Finding) bool {
		n := m.g.index[old.Component]
		_, weak := m.weak[n]
		replaced := gone[old.Component] && (old.Component == c.ID || m.isLone(&old)) || (weak || old.Kind != inventory.KindServer) && allIn(old.Explains, gone)
		if replaced {
			delete(m.weak, n)
		}
		return replaced
	})
	m.findings = append(m.findings, f)
}

// allIn says that all ids, of which there are some, are in the set.
func allIn(ids []string, set map[string]bool) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool { return !set[id] })
}

// overlap says that at least half of the smaller list is in the other; both are in order.
func overlap(a, b []int32) bool {
	both := 0
	for _, n := range a {
		if _, in := slices.BinarySearch(b, n); in {
			both++
		}
	}
	return 2*both >= min(len(a), len(b))
}

// hitBy are the servers that a finding explains, in order; they are not to be changed.
func (m *modes) hitBy(f *Finding) []int32 {
	if len(f.Explains) == 0 {
		return nil
	}
	had, ok := m.hit[&f.Explains[0]]
	if !ok || len(had) != len(f.Explains) {
		had = m.g.known(f.Explains)
		m.hit[&f.Explains[0]] = had
	}
	return had
}

// dates says of every finding since when it is so, and when it last was not.
func (m *modes) dates() {
	var all []int32
	of := make([][]int32, len(m.findings))
	for i := range m.findings {
		f := &m.findings[i]
		of[i] = m.hitBy(f)
		if len(of[i]) == 0 {
			of[i] = m.g.known([]string{f.Component})
		}
		all = append(all, of[i]...)
	}
	m.rows.gather(slices.DeleteFunc(all, m.rows.startedSilent))
	as := make([]int, len(m.findings)) // the first that explains the same: of a pair that is lost each half does
	var own []int
	for i := range m.findings {
		as[i] = slices.IndexFunc(of[:i+1], func(o []int32) bool { return slices.Equal(o, of[i]) })
		if as[i] == i || m.findings[as[i]].Mode != m.findings[i].Mode {
			as[i] = i
			own = append(own, i)
		}
	}
	inParts(len(own), 1, func(from, to int) {
		for _, i := range own[from:to] {
			f := &m.findings[i]
			if f.Mode == Flapping {
				f.Since = m.rows.firstSilence(of[i])
			} else {
				f.Since = m.rows.since(of[i], f.Mode == "")
			}
			f.Worked = m.rows.worked(of[i], f.Since)
		}
	})
	for i, same := range as {
		m.findings[i].Since, m.findings[i].Worked = m.findings[same].Since, m.findings[same].Worked
	}
}

// betaBinomial is ln of the chance that some k of n fail, and no others, where
// all shares of failing are as likely.
func betaBinomial(k, n int) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x)); return v }
	return lg(k+1) + lg(n-k+1) - lg(n+2)
}

// rates is how often machines are silent by themselves, told apart by what
// their BMC says, apart from some of them.
type rates struct {
	lost, looked [4]int
	off          float64 // share of those close by that their owners switched off
}

// The ways in which a machine is silent, by its BMC.
const (
	silentOn = iota
	silentOff
	silentDark
	silentUntold // no BMC was asked
	notSeen
)

func silence(s *sighting) int {
	switch {
	case s.powerIs(isUp):
		return silentOn
	case s.powerIs(isDown):
		return silentOff
	case len(s.power) > 0 && !s.powerIs(isAlive): // a BMC that told of its supplies has power, and did not say whether its machine has
		return silentDark
	}
	return silentUntold
}

// ratesOf counts the loose machines in the whole of what was seen.
func (m *modes) ratesOf() rates {
	var out rates
	if m.how == nil {
		m.how = make([]uint8, len(m.seen))
		inChunks(len(m.seen), func(from, to int) {
			for n := from; n < to; n++ {
				m.how[n] = notSeen
				if s := m.seen[n]; s != nil && m.g.isServer(int32(n)) {
					m.how[n] = uint8(silence(s))
				}
			}
		})
	}
	for n, how := range m.how {
		if how == notSeen || m.taken(int32(n)) {
			continue
		}
		if how == silentUntold {
			out.looked[silentUntold]++
		} else {
			out.looked[silentOn]++
		}
	}
	out.looked[silentOff], out.looked[silentDark] = out.looked[silentOn], out.looked[silentOn]
	for n := range m.loose {
		if how := m.how[n]; how != notSeen {
			out.lost[how]++
		}
	}
	return out
}

func (r *rates) note(s *sighting, lost bool, by int) {
	how := silence(s)
	if lost {
		r.lost[how] += by
	}
	if how == silentUntold {
		r.looked[silentUntold] += by
		return
	}
	for _, told := range []int{silentOn, silentOff, silentDark} {
		r.looked[told] += by
	}
}

// cost is what one more such silence costs where nothing explains it: −ln of its
// rate, which is not below what is assumed of machines in general.
func (r *rates) cost(s *sighting) float64 {
	how := silence(s)
	least := [4]float64{ownHung, ownOff, ownDead, ownHung + ownOff + ownDead}[how]
	const weight = 400 // machines that the assumption counts for
	rate := (float64(max(r.lost[how], 0)) + weight*least) / (float64(max(r.looked[how], 0)) + weight)
	// Where machines were switched off, so were those of which no BMC told.
	rate += r.off * [4]float64{.02, 1, .1, 1}[how]
	return -math.Log(max(rate, least))
}
