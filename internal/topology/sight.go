package topology

import "slices"

const (
	leastRows   = 20 // fewer say nothing about a vantage
	blindShare  = .02
	seeingShare = .3
)

// sight is how well the vantages see the sites.
type sight struct {
	dim    bool // whether any vantage has lost any site
	number map[string]int
	blind  []bool           // by vantage: it sees nothing that others see
	dimmed []map[int32]bool // by vantage: sites that it, and only it, has lost from view
}

// sightOf compares what the vantages see of each site. One that gets no answer
// where others do is blind itself, or cut off from that site as a whole: nothing
// follows for any machine.
func (g *Graph) sightOf(obs []Observation, nodes []int32) *sight {
	type view struct{ asked, answered int }
	s := &sight{number: map[string]int{}}
	var views []map[int32]*view
	var names []string
	var at *view
	vantage, site := "", int32(noNode)
	var v int
	for i, n := range nodes {
		o := &obs[i]
		if n == noNode || o.Result == Unknown || o.Probe == ProbePower {
			continue
		}
		if at == nil || site != g.site[n] || vantage != o.Vantage {
			vantage, site = o.Vantage, g.site[n]
			var had bool
			if v, had = s.number[vantage]; !had {
				v = len(views)
				s.number[vantage] = v
				views, names = append(views, map[int32]*view{}), append(names, vantage)
			}
			if at = views[v][site]; at == nil {
				at = &view{}
				views[v][site] = at
			}
		}
		at.asked++
		if o.Result == Up {
			at.answered++
		}
	}
	sees := func(v int, site int32, as *view) bool {
		at := views[v][site]
		return at != nil && at.asked >= leastRows && 2*at.asked >= as.asked && float64(at.answered) >= seeingShare*float64(at.asked)
	}
	s.blind, s.dimmed = make([]bool, len(views)), make([]map[int32]bool, len(views))
	for v := range views {
		s.dimmed[v] = map[int32]bool{}
		looked := 0
		for site, at := range views[v] {
			if at.asked < leastRows {
				continue
			}
			looked++
			if float64(at.answered) >= blindShare*float64(at.asked) {
				continue
			}
			for other := range views {
				if other != v && sees(other, site, at) {
					s.dimmed[v][site], s.dim = true, true
				}
			}
		}
		_, within := g.views[names[v]]
		s.blind[v] = looked > 0 && len(s.dimmed[v]) == looked && (within || looked > 1)
	}
	return s
}

// believed says whether the row says anything about its component.
func (s *sight) believed(g *Graph, o *Observation, n int32) bool {
	v, known := s.number[o.Vantage]
	switch {
	case !known:
		return true
	case s.blind[v]:
		return false
	}
	// What is behind the uplinks has a state for being cut off with its site.
	return g.wired[n] || !s.dimmed[v][g.site[n]]
}

// blinded names the vantages that see nothing, in order.
func (s *sight) blinded() []string {
	var out []string
	for name, v := range s.number {
		if s.blind[v] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
