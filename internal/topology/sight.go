package topology

import (
	"maps"
	"slices"

	"vakhta/internal/inventory"
)

const (
	leastRows   = 20 // fewer say nothing about a vantage
	blindShare  = .02
	seeingShare = .3
	// Of a site of which most is down one that sees still sees some, and there are many to ask.
	seeingSome = .08
	seeingMany = 50
	leastAlone = 10 // rows of a site that nobody else asks
	leastGear  = 2  // pieces of equipment that one hears, and one within their site does not
	leastHeard = 6  // components, and seeingShare of what the other does not hear
)

// sees says that a vantage that so many answered sees, whatever else may be down.
func sees(answered, asked int) bool {
	share := float64(answered) / float64(asked)
	return share >= seeingShare || share >= seeingSome && answered >= seeingMany
}

// How much of a site a vantage has lost from view.
const (
	inView  uint8 = iota
	lost          // only vantages that stand elsewhere see it: its uplinks may be gone
	lostAll       // one that stands on the same side sees it: it is the vantage's own fault
)

// sight is how well the vantages see the sites.
type sight struct {
	t     *table
	blind []bool    // by vantage: it sees nothing that others see
	lost  [][]uint8 // by vantage and number of the site
	dim   bool      // any of these
	deaf  []bool    // by vantage: nothing of what it asked answers it
	apart *parted   // nil: no two sites have lost each other from view
}

// sightOf compares what the vantages see of each site. One that gets no answer
// where others do is blind itself, or cut off from that site as a whole: nothing
// follows for any machine.
func (g *Graph) sightOf(t *table) *sight {
	s := &sight{t: t, blind: make([]bool, len(t.vantages)), lost: make([][]uint8, len(t.vantages))}
	for v := range t.vantages {
		s.lost[v] = make([]uint8, len(g.sites))
	}
	s.deaf = make([]bool, len(t.vantages))
	tallies := g.tally(t)
	for _, k := range tallies {
		s.compare(g, k.asked, k.answered)
		for v := range t.vantages {
			s.deaf[v] = k.deaf(v)
			if k.lonelyBlind(v) {
				s.blind[v], s.dim = true, true
			}
		}
	}
	s.part(g, &tallies[1])
	return s
}

// compare adds what follows from these counts, by vantage and site.
func (s *sight) compare(g *Graph, asked, answered [][]int) {
	t := s.t
	for v, name := range t.vantages {
		if name == Hands {
			continue
		}
		looked, dark, sure, blind := 0, 0, false, false
		var gone []int
		within, inside := g.stands(name)
		shut := inside && g.shutIn(within, asked[v], answered[v])
		for site := range g.sites {
			if asked[v][site] < leastRows {
				continue
			}
			looked++
			if float64(answered[v][site]) >= blindShare*float64(asked[v][site]) {
				continue
			}
			dark++
			for other, from := range t.vantages {
				much := asked[other][site] >= leastRows && 2*asked[other][site] >= asked[v][site] && sees(answered[other][site], asked[other][site])
				here := inside && within == g.sites[site]
				if other == v || !much && !g.hears(t, uint16(other), uint16(v), int32(site), here) {
					continue
				}
				// The two see the site by the same way, unless one of them stands within it.
				stands, placed := g.stands(from)
				there := placed && stands == g.sites[site]
				if s.lost[v][site] = max(s.lost[v][site], lost); here == there || here || shut && there {
					s.lost[v][site], sure = lostAll, true
				}
			}
			// Of another site one within asks what stands in its own, and may be as dark as that.
			blind = blind || s.lost[v][site] == lostAll && (!inside || within == g.sites[site])
			if s.lost[v][site] != inView {
				s.dim = true
				gone = append(gone, site)
			}
		}
		// What is its own fault for one site is so for those that nobody sees, too.
		s.blind[v] = s.blind[v] || len(gone) > 0 && dark == looked && (blind || len(gone) == looked && (sure || inside || looked > 1) || !inside && len(gone) > 1 ||
			!inside && slices.ContainsFunc(gone, func(site int) bool { return g.uplinkAnswers(t, site) }))
	}
}

// hears says that the one vantage, by what it heard last, hears a fair share of what both asked, of which the other
// hears next to nothing, however little of the site that is: what answers it is there for the other, too. Of equipment, which stands
// where it is written down, a few are enough against one that stands here, within the site: what is lost behind them is no reason not to hear them.
func (g *Graph) hears(t *table, one, other uint16, site int32, here bool) bool {
	if stands, placed := g.stands(t.vantages[one]); placed && stands != g.sites[site] {
		return false // what it asks of the site may stand in its own
	}
	asked, alone, both := 0, 0, 0
	gear, gearBoth := 0, 0
	for n := range g.nodes {
		if g.siteNumber[n] != site {
			continue
		}
		ears := [2]struct{ asked, up bool }{}
		rows := t.of(int32(n))
		for i := range rows {
			r := &rows[i]
			if !r.ask.reaches() || r.result == isUnknown || r.vantage != one && r.vantage != other || i > 0 && sameQuestion(r, &rows[i-1]) || r.at < t.since[r.vantage] {
				continue
			}
			e := &ears[0]
			if r.vantage == other {
				e = &ears[1]
			}
			e.asked, e.up = true, e.up || r.result == isUp
		}
		if ears[0].asked && ears[1].asked {
			asked++
			equipment := 0
			if !g.isServer(int32(n)) && g.nodes[n].c.Kind != inventory.KindHypervisor {
				equipment = 1
			}
			switch {
			case ears[1].up:
				both, gearBoth = both+1, gearBoth+equipment
			case ears[0].up:
				alone, gear = alone+1, gear+equipment
			}
		}
	}
	if here && gear >= leastGear && gearBoth == 0 {
		return true
	}
	return alone >= leastHeard && float64(alone) >= seeingShare*float64(asked) && float64(both) < seesNoMore*float64(asked)
}

// shutIn says that a vantage within a site sees much of that and nothing of the others: it
// may be its own way out that is lost, so that what it says of them proves nothing.
func (g *Graph) shutIn(within int32, asked, answered []int) bool {
	abroad := false
	for site := range g.sites {
		dark := float64(answered[site]) < blindShare*float64(asked[site])
		switch {
		case asked[site] < leastRows:
		case g.sites[site] == within:
			if !sees(answered[site], asked[site]) {
				return false
			}
		case !dark:
			return false
		default:
			abroad = true
		}
	}
	return abroad
}

// lonelyBlind says that the vantage alone asked several sites, be it for their BMCs, and that they are all silent
// to it: that is rather its own way out than all sites at once.
func (k *tallied) lonelyBlind(v int) bool {
	silent := 0
	for site := range k.asked[v] {
		n := k.asked[v][site] + k.power[v][site]
		if n == 0 {
			continue
		}
		if float64(k.answered[v][site]+k.told[v][site]) >= blindShare*float64(n) {
			return false
		}
		for u := range k.asked {
			if u != v && float64(k.asked[u][site]+k.power[u][site]) >= blindShare*float64(n) {
				return false
			}
		}
		if n >= leastAlone {
			silent++
		}
	}
	return silent > 1
}

// deaf says that nothing answers the vantage.
func (k *tallied) deaf(v int) bool {
	asked, heard := 0, 0
	for site := range k.asked[v] {
		asked += k.asked[v][site] + k.power[v][site]
		heard += k.answered[v][site] + k.told[v][site]
	}
	return asked >= leastRows && float64(heard) < blindShare*float64(asked)
}

// uplinkAnswers says that an uplink of the site answers from within it: whoever
// sees nothing from outside is rather blind than the site cut off.
func (g *Graph) uplinkAnswers(t *table, site int) bool {
	for n := range g.nodes {
		if !g.nodes[n].uplink || g.siteNumber[n] != int32(site) {
			continue
		}
		if slices.ContainsFunc(t.of(int32(n)), func(r row) bool {
			stands, placed := g.stands(t.vantages[r.vantage])
			return placed && stands == g.sites[site] && r.ask.reaches() && r.result == isUp
		}) {
			return true
		}
	}
	return false
}

// tallied counts, by vantage and site, what was asked and answered.
type tallied struct {
	asked, answered [][]int
	power, told     [][]int // the same of BMCs
}

func (k *tallied) note(r *row, site int32) {
	if r.ask == askPower {
		k.power[r.vantage][site]++
		if r.result != isUnknown {
			k.told[r.vantage][site]++
		}
		return
	}
	k.asked[r.vantage][site]++
	if r.result == isUp {
		k.answered[r.vantage][site]++
	}
}

// tally counts it for every look, and for the last one: a vantage that sees nothing since the middle of
// a sweep sees nothing, and one that never did is known by what others saw before they lost it.
func (g *Graph) tally(t *table) []tallied {
	out := make([]tallied, 2)
	for k := range out {
		for _, counts := range []*[][]int{&out[k].asked, &out[k].answered, &out[k].power, &out[k].told} {
			*counts = make([][]int, len(t.vantages))
			for v := range *counts {
				(*counts)[v] = make([]int, len(g.sites))
			}
		}
	}
	for n := range g.nodes {
		site := g.siteNumber[n]
		if site == noNode {
			continue
		}
		rows := t.of(int32(n))
		for i := range rows {
			r := &rows[i]
			if r.ask != askPower && (!r.ask.reaches() || r.result == isUnknown) {
				continue
			}
			out[0].note(r, site)
			if first := i == 0 || !sameQuestion(r, &rows[i-1]); first && r.at >= t.since[r.vantage] {
				out[1].note(r, site)
			}
		}
	}
	return out
}

// believed says whether what the vantage told says anything about the node.
func (s *sight) believed(g *Graph, vantage uint16, n int32) bool {
	if s.blind[vantage] {
		return false
	}
	site := g.siteNumber[n]
	if site == noNode || s.lost[vantage][site] == inView {
		return true
	}
	// What is behind the uplinks has a state for being cut off with its site.
	return g.wired[n] && s.lost[vantage][site] == lost
}

// believes is the same for a vantage by name.
func (s *sight) believes(g *Graph, vantage string, n int32) bool {
	if !s.dim {
		return true
	}
	v, known := slices.BinarySearch(s.t.vantages, vantage)
	return !known || s.believed(g, uint16(v), n)
}

// blinded names the vantages that see nothing, in order.
func (s *sight) blinded() []string {
	var out []string
	for v, name := range s.t.vantages {
		if s.blind[v] {
			out = append(out, name)
		}
	}
	return out
}

// heard are the sites of whose own vantages one tells anything.
func (s *sight) heard(g *Graph) []int32 {
	heard := map[int32]bool{}
	for v, name := range s.t.vantages {
		if site, within := g.stands(name); within && !s.blind[v] {
			heard[site] = true
		}
	}
	return slices.Sorted(maps.Keys(heard))
}

// unheard are the sites none of whose own vantages tells anything.
func (s *sight) unheard(g *Graph) []int32 {
	heard := s.heard(g)
	quiet := map[int32]bool{}
	for _, site := range g.views {
		if !slices.Contains(heard, site) {
			quiet[site] = true
		}
	}
	return slices.Sorted(maps.Keys(quiet))
}
