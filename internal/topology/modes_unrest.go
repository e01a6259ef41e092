package topology

const (
	leastUnrest  = .06 // of the probes of a site: fewer are noise as it is everywhere,
	moreUnrest   = 1.3 // and if it is not so many times as much as that
	timesUnrest  = 2   // who sends by the one of two ways that loses packets misses twice as many as all do
	mostUnrest   = .4
	leastProbing = 200 // probes elsewhere in the site
)

// unrest is how many probes go unanswered in a site, and are answered again later, at every look of the
// sweep: behind an uplink that loses packets everything seems to come and go.
type unrest struct {
	sites, hoods []misses
	usual        float64
}

func (m *modes) unrestOf() *unrest {
	u := &unrest{make([]misses, len(m.g.sites)), make([]misses, m.g.hoods), max(falseDown, m.noise)}
	for n, s := range m.seen {
		site := m.g.siteNumber[n]
		if s == nil || site == noNode {
			continue
		}
		all, again := m.crossings(int32(n))
		if !all.lives() {
			continue
		}
		k := misses{all.asked[0] + all.asked[1], all.missed[0] + all.missed[1]}
		if !again { // it went, and may have gone for good
			k.missed = 0
		}
		u.sites[site].add(k)
		if hood := m.g.hood[n]; hood != noNode {
			u.hoods[hood].add(k)
		}
	}
	return u
}

// at is how often a probe of n goes unanswered by chance, as those in other racks of its site do.
func (u *unrest) at(g *Graph, n int32) float64 {
	site := g.siteNumber[n]
	if site == noNode {
		return u.usual
	}
	k := u.sites[site]
	if hood := g.hood[n]; hood != noNode {
		k.asked, k.missed = k.asked-u.hoods[hood].asked, k.missed-u.hoods[hood].missed
	}
	share := float64(k.missed) / float64(max(1, k.asked))
	if k.asked < leastProbing || share < leastUnrest || share < moreUnrest*u.usual {
		return u.usual
	}
	return min(mostUnrest, timesUnrest*share)
}
