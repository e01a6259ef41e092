package topology

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"vakhta/internal/inventory"
)

// wayBetween is how probable it is that two sites, which see themselves and nothing of each other, have lost what lies between
// them and the inventory does not have, and not the uplinks of either.
const wayBetween = 0.15

// parted are two sites, by number, whose vantages see their own and nothing of the other, where nobody else asks either.
// The uplinks of both carry what they ask of each other, so that it is one loss, and nothing tells which: what is told of
// the first is believed, and what explains that stands for the same of the second.
type parted struct{ one, other int }

// part finds two sites that have lost each other from view by these counts, and lets what is told of one of them count.
func (s *sight) part(g *Graph, k *tallied) {
	seers := map[int][]int{} // by the number of the site: the vantages within that see it and no other
	for v, name := range s.t.vantages {
		stands, within := g.stands(name)
		if few := slices.Max(append(slices.Clone(k.asked[v]), 0)) < leastRows; name == Hands || few && (within || slices.Max(k.answered[v]) == 0) {
			continue
		}
		if !within || s.blind[v] || !g.shutIn(stands, k.asked[v], k.answered[v]) {
			return
		}
		at := int(g.siteNumber[stands])
		seers[at] = append(seers[at], v)
	}
	pair := slices.Sorted(maps.Keys(seers))
	if len(pair) != 2 {
		return
	}
	for i, at := range pair {
		for _, v := range seers[at] {
			for site, asked := range k.asked[v] {
				if asked >= leastRows && !slices.Contains(pair, site) || site == pair[1-i] && (asked < leastRows || s.lost[v][site] == inView) {
					return
				}
			}
		}
	}
	one, other := g.lossOf(s.t, pair[0]), g.lossOf(s.t, pair[1])
	if other > one {
		one = other
		slices.Reverse(pair)
	}
	if one == 0 {
		return
	}
	s.apart = &parted{one: pair[0], other: pair[1]}
	for _, v := range seers[pair[1]] {
		s.lost[v][pair[0]] = lost
	}
}

// lossOf says how much speaks for the loss of a site's uplinks, by what they answer within it themselves: nothing where one does.
// More where none does, and, where they were not asked, the fewer there are.
func (g *Graph) lossOf(t *table, site int) float64 {
	if g.uplinkAnswers(t, site) {
		return 0
	}
	count, silent := 0, 0
	for n := range g.nodes {
		if !g.nodes[n].uplink || g.siteNumber[n] != int32(site) {
			continue
		}
		count++
		if slices.ContainsFunc(t.of(int32(n)), func(r row) bool { return r.ask.reaches() && g.inside(t.vantages[r.vantage], int32(n)) }) {
			silent++
		}
	}
	if count == 0 {
		return 0
	}
	return float64(silent) + 1/float64(1+count)
}

// uplinksAt are those of the site with that number, as nodes of the search; failed: those of the hypothesis alone.
func (s *search) uplinksAt(site int, failed bool) []int32 {
	var out []int32
	for i := range s.failures {
		if s.t.nodes[i].uplink && int(s.g.siteNumber[s.global[i]]) == site && s.t.failed[i] == failed {
			out = append(out, int32(i))
		}
	}
	return out
}

// acrossFrom is the explanation that not the uplinks of its site are lost, h among them, but those of another, where the two see
// nothing of each other. Only what their own addresses told, and how rare it is, makes a difference.
func (s *search) acrossFrom(h int32, best []int32) []alternative {
	if s.apart == nil || !s.t.nodes[h].uplink || int(s.g.siteNumber[s.global[h]]) != s.apart.one {
		return nil
	}
	lost, others := s.uplinksAt(s.apart.one, true), s.uplinksAt(s.apart.other, false)
	if len(others) == 0 || len(s.uplinksAt(s.apart.one, false))+len(s.uplinksAt(s.apart.other, true)) > 0 {
		return nil
	}
	told := 0.0
	for _, n := range lost {
		if l := s.like[n]; l != nil {
			told += l.log[s.t.state[n]] - l.log[works]
		}
	}
	more := s.surprise(best, others)
	delta, _ := s.apply(others)
	s.restore(best)
	evidence := delta - more - told
	prior := more - s.surprise(nil, lost)
	return []alternative{{adds: others, delta: evidence + prior, prior: prior, parts: true}}
}

// perhapsBetween makes less sure of uplinks for which, not being silent themselves, only speaks that two sites see nothing of each other.
func (r *reporter) perhapsBetween(f *Finding) {
	apart, n := r.search.apart, r.g.index[f.Component]
	if apart == nil || f.Kind != inventory.KindUplink || int(r.g.siteNumber[n]) != apart.one || r.seen[n] != nil && r.seen[n].silent() {
		return
	}
	f.doubt(1-wayBetween, fmt.Sprintf("against it: %s and %s see nothing of each other, and nobody else asks either: what lies between them may be lost",
		r.g.id(r.g.sites[apart.one]), r.g.id(r.g.sites[apart.other])))
}

// doubt makes less sure of all of the finding's class: that share is left.
func (f *Finding) doubt(rest float64, why string) {
	f.Confidence *= rest
	f.Probability *= rest
	for i := range f.Alternatives {
		f.Alternatives[i].Probability *= rest
	}
	f.LogOdds = min(f.LogOdds, math.Log(rest/(1-rest)))
	f.Evidence = append(f.Evidence, Evidence{Text: why})
}
