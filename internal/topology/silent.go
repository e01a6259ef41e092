package topology

import "slices"

const (
	leastCeased = leastRows / 2 // questions that a vantage asks of a site again
	seesNoMore  = .1            // of a site that it has lost: what answers stands elsewhere
)

// silentVantages are those all of whose rows are from before they fell silent.
func (g *Graph) silentVantages(t *table) []bool {
	looks := t.looksMade()
	silent := t.fellSilent(looks)
	g.fellWithSite(t, looks, silent)
	return silent
}

// fellWithSite marks, beside those that are known to be silent, the vantages of a site that has gone from the view of
// all others, and that have not looked since: what they saw is how it was before, and says nothing against the loss.
func (g *Graph) fellWithSite(t *table, looks [][]int64, silent []bool) {
	for site := range g.sites {
		var own, others []int
		for v, name := range t.vantages {
			switch stands, within := g.stands(name); {
			case name == Hands || len(looks[v]) == 0:
			case within && stands == g.sites[site]:
				own = append(own, v)
			default:
				others = append(others, v)
			}
		}
		behind := func(v int) bool {
			return slices.ContainsFunc(others, func(u int) bool { return len(looks[u]) > len(looks[v]) })
		}
		if !slices.ContainsFunc(own, behind) {
			continue
		}
		seen := g.seenOf(t, int32(site), looks)
		if slices.ContainsFunc(others, func(u int) bool { return seen[u].seesStill() }) {
			continue
		}
		for _, u := range others {
			onset, is := seen[u].lost()
			if is && !slices.ContainsFunc(own, func(v int) bool { return !silent[v] && !missed(looks[v], looks[u], onset) }) {
				for _, v := range own {
					silent[v] = true
				}
				break
			}
		}
	}
}

// looksMade is looks, where what was asked at one moment is a look as well.
func (t *table) looksMade() [][]int64 {
	out := t.looks()
	for i := range t.rows {
		switch r := &t.rows[i]; {
		case len(out[r.vantage]) > 1 || t.vantages[r.vantage] == Hands:
		case len(out[r.vantage]) == 0:
			out[r.vantage] = []int64{r.at}
		default:
			out[r.vantage][0] = min(out[r.vantage][0], r.at)
		}
	}
	return out
}

// missed says that who made these looks made none since another lost the site from view at its look number onset. Looks
// are counted, since clocks differ; where the two don't look at the same pace, the clock must not speak against it.
func missed(own, other []int64, onset int) bool {
	pace, keeps := rhythm(other)
	last, end := own[len(own)-1], other[len(other)-1]
	if len(own) > onset || 2*abs(last-end) < pace {
		return false
	}
	if step, regular := rhythm(own); regular && keeps && 4*abs(step-pace) <= pace {
		return true
	}
	return 2*(other[onset]-last) > pace || last-end > int64(staleAfter)
}

// seenAt is what a vantage saw of a site, by look.
type seenAt struct {
	asked, up []int
	ceased    int // questions that were answered, and are not at the last look that asked them
}

// seenOf counts it for every vantage.
func (g *Graph) seenOf(t *table, site int32, looks [][]int64) []seenAt {
	out := make([]seenAt, len(t.vantages))
	for v := range out {
		out[v].asked, out[v].up = make([]int, len(looks[v])), make([]int, len(looks[v]))
	}
	for n := range g.nodes {
		if g.siteNumber[n] != site {
			continue
		}
		rows := t.of(int32(n))
		down := int64(0) // when the question at hand went unanswered, if that is its last row
		for i := range rows {
			r := &rows[i]
			if !r.ask.reaches() {
				break
			}
			s := &out[r.vantage]
			if first := i == 0 || !sameQuestion(r, &rows[i-1]); first {
				down = 0
				if r.result == isDown {
					down = r.at
				}
			} else if r.result == isUp && r.at < down-int64(lookEnds) {
				s.ceased++
				down = 0
			}
			if r.result == isUnknown {
				continue
			}
			if k := lookOf(looks[r.vantage], r.at); k >= 0 {
				s.asked[k]++
				if r.result == isUp {
					s.up[k]++
				}
			}
		}
	}
	return out
}

func (s *seenAt) share(look int) float64 { return float64(s.up[look]) / float64(max(1, s.asked[look])) }

// seesStill says that its last look saw some of the site.
func (s *seenAt) seesStill() bool {
	last := len(s.asked) - 1
	return last >= 0 && s.asked[last] > 0 && s.share(last) >= seesNoMore
}

// lost says that it saw the site, and does not see it any more; from which look on.
func (s *seenAt) lost() (onset int, is bool) {
	last := len(s.asked) - 1
	if s.ceased < leastCeased || last < 1 || s.asked[last] < leastCeased {
		return 0, false
	}
	for onset = last; onset > 0 && s.share(onset-1) < seesNoMore; onset-- {
	}
	whole := onset > 0 && 4*s.asked[onset] >= 3*s.asked[onset-1] // not one that follows up what the others found
	return onset, whole && !s.seesStill() && s.share(onset-1) >= seeingShare
}
