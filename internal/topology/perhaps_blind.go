package topology

import (
	"fmt"
	"math"
	"slices"
)

// blindInstead is how probable it is that a vantage which hears nothing at all, while another hears something, is blind,
// rather than that all it asks is lost to it, where none but itself tells.
const blindInstead = .3

// perhapsBlind makes less sure of what only the silence towards one vantage speaks for, and that one hears nothing of
// anything: it may have lost its own way out. That the site's own vantages fell silent with it would be no chance.
func (r *reporter) perhapsBlind(f *Finding) {
	n := r.g.index[f.Component]
	v, only := r.onlyEar(r.brokenBy(r.local[n]))
	if !only || !r.view.sight.deaf[v] || !slices.Contains(r.view.sight.deaf, false) || slices.Contains(r.view.sight.unheard(r.g), r.g.site[n]) {
		return
	}
	rest := 1 - blindInstead
	f.Confidence *= rest
	f.Probability *= rest
	for i := range f.Alternatives {
		f.Alternatives[i].Probability *= rest
	}
	f.LogOdds = min(f.LogOdds, math.Log(rest/blindInstead))
	f.Evidence = append(f.Evidence, Evidence{Text: fmt.Sprintf(
		"against it: %s alone says so, and hears nothing at all: it may be blind", r.view.table.vantages[v])})
}

// onlyEar is the vantage to which alone the nodes are silent.
func (r *reporter) onlyEar(nodes []int32) (vantage uint16, only bool) {
	for _, n := range nodes {
		s := r.seen[n]
		if s == nil {
			continue
		}
		for _, list := range [...][]verdict{s.reach, s.power, s.about} {
			for i := range list {
				d := &list[i]
				if d.result == isUp || d.result == isAlive {
					continue
				}
				if d.hands || only && d.vantage != vantage {
					return 0, false
				}
				vantage, only = d.vantage, true
			}
		}
	}
	return vantage, only
}
