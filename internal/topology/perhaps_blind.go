package topology

import (
	"fmt"
	"slices"
)

// blindInstead is how probable it is that a vantage which hears nothing at all, while another hears something, is blind,
// rather than that all it asks is lost to it, where none but itself tells.
const blindInstead = .3

// perhapsBlind makes less sure of what only the silence towards one vantage speaks for, and that one hears nothing of
// anything: it may have lost its own way out. That the site's own vantages fell silent with it would be no chance.
func (r *reporter) perhapsBlind(f *Finding) {
	n := r.g.index[f.Component]
	v, only := r.onlyEar(r.local[n])
	if !only || !r.view.sight.deaf[v] || !slices.Contains(r.view.sight.deaf, false) || slices.Contains(r.view.sight.unheard(r.g), r.g.site[n]) {
		return
	}
	f.doubt(1-blindInstead, fmt.Sprintf("against it: %s alone says so, and hears nothing at all: it may be blind", r.view.table.vantages[v]))
}

// onlyEar is the vantage to which alone what is broken by h is silent, by that. What is cut off from outside only may
// well be silent within for reasons of its own, and what has no power is silent to all anyway: neither tells of uplinks.
func (r *reporter) onlyEar(h int32) (vantage uint16, only bool) {
	for _, n := range r.brokenBy(h) {
		s, st := r.seen[n], works
		if l := r.local[n]; l != noNode {
			st = r.t.state[l]
		}
		if s == nil || st == powerless && r.t.nodes[h].uplink {
			continue
		}
		outside := st.apart()
		for _, list := range [...][]verdict{s.reach, s.power, s.about} {
			for i := range list {
				d := &list[i]
				if d.result == isUp || d.result == isAlive || outside && d.inside {
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
