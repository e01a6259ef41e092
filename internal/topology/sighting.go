package topology

import (
	"slices"

	"vakhta/internal/inventory"
)

// sighting is what was seen of one component, the latest from each vantage.
type sighting struct {
	reach []verdict // probes of the component itself, without those that could not tell
	power []verdict // what its BMC, or somebody on site, says of its power
	told  []verdict // what it says of its peers
	about []verdict // what others beside it say of it, without those that could not tell
	asked uint8     // from where, whether that is believed or not: askedWithin and so on
	up    bool      // some probe of it got an answer
	lit   uint8     // which results its power has, as bits
	off   uint8     // in steps of 1/stepsOfOffRate: how many beside it are switched off, where that is no chance
	site  int32     // the number of its site, or noNode
	stray bool      // only vantages of other sites ask it, unlike most of its site: it stands there
}

const (
	askedWithin uint8 = 1 << iota // from a vantage of its own site
	askedAbroad                   // from a vantage that stands within another
	askedAfar                     // from one that stands in none
)

// verdict is the latest result of one probe from one vantage.
type verdict struct {
	row     int32 // of the table's observations
	peer    int32 // the node at the other end: of told the peer, of about the one that was asked
	vantage uint16
	ask     ask
	result  uint8
	run     uint8 // how many times in a row, at different times, it was the same
	inside  bool  // asked from within the component's own site
	hands   bool  // somebody looked
	part    uint8 // in percent: how much of it went through what loses a share,
	loss    uint8 // and how much that loses; 0: nothing is known to lose any
}

// side is 1 of what was asked from within the component's own site, else 0.
func (v *verdict) side() int {
	if v.inside {
		return 1
	}
	return 0
}

// answered says that some probe got an answer; silent, that those made got none.
func (s *sighting) answered() bool { return s.up || len(s.reach) == 0 && s.powerIs(isUp) }

func (s *sighting) silent() bool {
	return !s.answered() && (len(s.reach) > 0 || s.powerIs(isDown))
}

func (s *sighting) powerIs(result uint8) bool {
	return s.lit&(1<<result) != 0
}

// switchedOff says that its BMC, or its hypervisor, tells so; who looks and sees no lamp can't tell that from a dead supply.
func (s *sighting) switchedOff() bool {
	return slices.ContainsFunc(s.power, func(v verdict) bool { return v.result == isDown && byBMC(v) }) ||
		slices.ContainsFunc(s.about, func(v verdict) bool { return v.result == isDown && v.ask == askGuest })
}

// silentIn says that what was seen is silence such as that state makes: one
// that is isolated may well answer within its site.
func (s *sighting) silentIn(st state) bool {
	if !st.apart() {
		return s.silent()
	}
	outside := false
	for _, v := range s.reach {
		if !v.inside {
			if v.result == isUp {
				return false
			}
			outside = true
		}
	}
	return outside || s.silent() && !slices.ContainsFunc(s.reach, func(v verdict) bool { return v.inside })
}

// silentWithin says that its site's own vantages hear nothing of it either, which lost uplinks are no reason for.
func (s *sighting) silentWithin(st state) bool {
	asked, answered := s.within()
	return st.apart() && asked && !answered && !s.answered()
}

// answeredIn says that an answer came that the state does not allow.
func (s *sighting) answeredIn(st state) bool {
	switch st {
	case cutOff, severed, hidden: // that a BMC says it is on contradicts no loss of its network
		return s.up
	case isolated, remote:
	default:
		return s.answered()
	}
	return slices.ContainsFunc(s.reach, func(v verdict) bool { return v.result == isUp && !v.inside })
}

// confirmedDown says that the silence was seen more than once.
func (s *sighting) confirmedDown() bool {
	probes := 0
	for _, v := range s.reach {
		if v.result == isDown {
			probes += int(v.run)
		}
	}
	return probes > 1
}

// view is what a set of observations shows.
type view struct {
	table  *table
	sight  *sight
	seen   []*sighting // by node; nil where nothing was seen
	places []int32     // by vantage: the node of the site that it stands in; noNode: outside of all

	habitsKnown bool // what never answers was left out by who asks
}

// sightings sorts the observations out: the last by time counts, per component,
// probe, peer and vantage; copies and unknown components do not.
func (g *Graph) sightings(obs []Observation) []*sighting { return g.look(obs).seen }

func (g *Graph) look(obs []Observation) *view {
	t := g.tabulate(obs)
	t.since = t.lastLooks()
	v := &view{table: t, sight: g.sightOf(t), seen: make([]*sighting, len(g.nodes)), places: make([]int32, len(t.vantages))}
	for i, name := range t.vantages {
		v.places[i] = g.placeOf(name)
	}
	all := make([]sighting, len(g.nodes))
	// Each node's verdicts have their own part of this: as many as it has rows, and one drawn from them.
	verdicts := make([]verdict, len(t.rows)+len(g.nodes))
	inChunks(len(g.nodes), func(from, to int) {
		for n := from; n < to; n++ {
			all[n].site = g.siteNumber[n]
			if t.start[n] == t.start[n+1] {
				continue
			}
			room := verdicts[int(t.start[n])+n : int(t.start[n])+n : int(t.start[n+1])+n+1]
			if v.sightingOf(g, int32(n), room, &all[n]) {
				v.seen[n] = &all[n]
			}
		}
	})
	if t.peers {
		v.tellPeers(g, all)
	}
	v.tellSupplies(g, all)
	v.findStrays(g)
	return v
}

// placeOf is the node of the site that the vantage stands in; noNode: outside of all.
func (g *Graph) placeOf(vantage string) int32 {
	if site, placed := g.stands(vantage); placed {
		return site
	}
	return noNode
}

// askedFrom says from where a vantage in that place asks node n.
func (g *Graph) askedFrom(place, n int32) uint8 {
	switch place {
	case noNode:
		return askedAfar
	case g.site[n]:
		return askedWithin
	}
	return askedAbroad
}

// findStrays marks the servers that another site's own vantage asks in place of
// theirs, in sites whose vantages ask most: whoever wrote down what they ask
// knew better than the inventory.
func (v *view) findStrays(g *Graph) {
	for _, n := range g.astray(func(n int32) uint8 {
		if s := v.seen[n]; s != nil {
			return s.asked
		}
		return 0
	}) {
		v.seen[n].stray = true
	}
}

// astray are the servers that only other sites' vantages ask, in sites whose own ask
// most; or asked most, where the site is lost and its vantages with it: then most are asked from afar alone.
func (g *Graph) astray(asked func(n int32) uint8) []int32 {
	within, abroad, afar := make([]int, len(g.sites)), make([]int, len(g.sites)), make([]int, len(g.sites))
	var all []int32
	for n := range g.nodes {
		site := g.siteNumber[n]
		if site == noNode {
			continue
		}
		from := asked(int32(n))
		stray := from&^askedAfar == askedAbroad
		if stray {
			all = append(all, int32(n))
		}
		switch {
		case !g.isServer(int32(n)):
		case stray:
			abroad[site]++
		case from == askedAfar:
			afar[site]++
		case from != 0:
			within[site]++
		}
	}
	for _, node := range g.views {
		if site := g.siteNumber[node]; site != noNode && within[site] == 0 {
			within[site] = afar[site]
		}
	}
	return slices.DeleteFunc(all, func(n int32) bool { site := g.siteNumber[n]; return within[site] <= 9*abroad[site] })
}

// sightingOf sorts out what was asked of one component; false: nothing is left.
func (v *view) sightingOf(g *Graph, n int32, room []verdict, s *sighting) bool {
	rows := v.table.of(n)
	turned := turnsOf(rows)
	out := room
	answered := false // anything but services
	for i := 0; i < len(rows); {
		first := rows[i]
		d := verdict{row: first.i, peer: first.peer, vantage: first.vantage, ask: first.ask, result: first.result, run: 1}
		same, at := true, first.at
		for i++; i < len(rows) && rows[i].ask == first.ask && rows[i].peer == first.peer && rows[i].vantage == first.vantage; i++ {
			if rows[i].at == at {
				continue
			}
			at = rows[i].at
			if same = same && rows[i].result == first.result; same && d.run < 255 {
				d.run++
			}
		}
		hands := v.table.vantages[d.vantage] == Hands
		within := v.places[d.vantage] == g.site[n]
		s.asked |= g.askedFrom(v.places[d.vantage], n)
		answers := d.ask.reaches() && d.result == isUp                            // that proves something, whoever heard it
		passed := first.result == isUp && first.at < v.table.since[first.vantage] // the look that came after did not ask it
		if passed || v.table.outdated(&first, turned) || !answers && !v.sight.believed(g, d.vantage, n) || d.ask.reaches() && d.result == isUnknown {
			continue
		}
		d.hands = hands
		d.inside = hands || within
		if d.ask.service() && d.result == isDown && answered {
			continue // the service fails, and not the machine
		}
		answered = answered || answers && !d.ask.service()
		out = append(out, d)
	}
	s.split(out, g.nodes[n].c.Kind)
	for i := range s.reach {
		s.up = s.up || s.reach[i].result == isUp
	}
	for i := range s.power {
		s.lit |= 1 << s.power[i].result
	}
	return len(out) > 0
}

// split puts the verdicts, which are in order, where they belong.
func (s *sighting) split(all []verdict, kind inventory.Kind) {
	reach, power := 0, 0
	for _, v := range all {
		switch {
		case v.ask.reaches():
			reach++
		case v.ask == askPower:
			power++
		}
	}
	s.reach, s.power, s.told = all[:reach:reach], all[reach:reach+power:reach+power], all[reach+power:]
	if len(s.told) == 0 {
		return
	}
	// Whoever tells of others answers; whoever tells nothing may not.
	heard := slices.IndexFunc(s.told, func(v verdict) bool { return v.result != isUnknown && !v.hands })
	voice := s.told[max(heard, 0)]
	if voice.hands {
		return
	}
	all = append(all, verdict{}) // there is room for it
	one := all[len(all)-1:]
	voice.peer, voice.run = noNode, 1
	switch {
	case kind == inventory.KindServer && power == 0:
		if voice.ask = askPower; voice.result != isUnknown {
			voice.result = isAlive
		}
		one[0] = voice
		s.power = one
	case kind != inventory.KindServer && reach == 0 && voice.ask != askFeed:
		voice.ask = askSNMP
		if voice.result != isUnknown {
			voice.result = isUp
		} else {
			voice.result = isDown
		}
		one[0] = voice
		s.reach = one
	}
}

const (
	leastDarkBeside = 3 // machines of a rack whose BMCs are silent,
	darkBeside      = 4 // and how many times as many as those that tell
)

// outOfPlace marks the racks in which next to all BMCs are silent: one that tells there is rather that
// of a machine which stands elsewhere, and so are the supplies that it tells of. Otherwise one machine
// in the wrong rack would speak for its PDUs as often as it has supplies and vantages.
func (v *view) outOfPlace(g *Graph) []bool {
	tell, dark := make([]int, g.hoods), make([]int, g.hoods)
	for n, s := range v.seen {
		if s == nil || g.hood[n] == noNode {
			continue
		}
		switch {
		case s.tells():
			tell[g.hood[n]]++
		case s.silent() && s.powerIs(isUnknown):
			dark[g.hood[n]]++
		}
	}
	out := make([]bool, g.hoods)
	for k := range out {
		out[k] = dark[k] >= leastDarkBeside && dark[k] >= darkBeside*tell[k]
	}
	return out
}

// tells says that its BMC answers.
func (s *sighting) tells() bool { return s.powerIs(isUp) || s.powerIs(isDown) || s.powerIs(isAlive) }

// tellPeers hands on what was said about others.
func (v *view) tellPeers(g *Graph, all []sighting) {
	astray := v.outOfPlace(g)
	count := make([]int32, len(all)+1)
	each := func(do func(about int32, d verdict)) {
		for n := range all {
			if v.seen[n] == nil {
				continue
			}
			for _, d := range all[n].told {
				if d.result == isUnknown && d.ask != askGuest {
					continue
				}
				if hood := g.hood[n]; d.ask == askPSU && !d.hands && hood != noNode && astray[hood] {
					continue
				}
				about := d.peer
				if d.peer = int32(n); about == noNode {
					about = int32(n)
				}
				do(about, d)
			}
		}
	}
	each(func(about int32, _ verdict) { count[about+1]++ })
	for n := range all {
		count[n+1] += count[n]
	}
	out := make([]verdict, count[len(all)])
	next := slices.Clone(count)
	each(func(about int32, d verdict) {
		out[next[about]] = d
		next[about]++
	})
	for n := range all {
		if count[n] < count[n+1] {
			all[n].about = out[count[n]:count[n+1]:count[n+1]]
			v.seen[n] = &all[n]
		}
	}
}

// weighed are the sightings that weigh the same: few kinds of sighting make up
// a large sweep.
type weighed struct {
	g      *Graph
	habits *habits
	known  map[string]*likelihood
	key    []byte
}

// of weighs the sighting of a node, or finds the weight among those known.
func (w *weighed) of(n int32, s *sighting) *likelihood {
	kind := w.g.nodes[n].c.Kind
	byItself := w.g.byItself(n)
	if len(s.about) > 8 {
		l := w.habits.weigh(kind, byItself, s)
		return &l
	}
	w.key = append(w.key[:0], kind...)
	if byItself > 0 {
		w.key = append(w.key, '!', byte(100*byItself))
	}
	if s.stray {
		w.key = append(w.key, '?')
	}
	w.key = append(w.key, s.off, byte(s.site), byte(s.site>>8))
	for _, list := range [...][]verdict{s.reach, s.power, s.about} {
		w.key = append(w.key, '/')
		for i := range list {
			v := &list[i]
			flags := v.result << 2
			if v.inside {
				flags |= 1
			}
			if v.hands {
				flags |= 2
			}
			run := min(v.run, mostConfirmed)
			if v.loss > 0 {
				run = min(v.run, longestRun)
			}
			w.key = append(w.key, byte(v.ask), flags, run, v.part, v.loss)
		}
	}
	if l := w.known[string(w.key)]; l != nil {
		return l
	}
	l := w.habits.weigh(kind, byItself, s)
	w.known[string(w.key)] = &l
	return &l
}
