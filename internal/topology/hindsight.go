package topology

import "vakhta/internal/inventory"

const (
	weightOfWrong   = 500 // so many servers the usual share in another place is worth
	mostWrong       = 0.2
	weightOfMute    = 200 // so many the usual share that never answers
	mostMute        = 0.3
	leastStrays     = 3 // so many, and such a share, say that vantages know where machines really stand
	leastStrayShare = 0.001
)

// hindsight are the habits of a night once it is known what failed in it.
type hindsight struct {
	usual, unknown habits // of servers that answered before, and of those that nobody saw answer
	sites          []outage
	placed         bool // who is asked from within a site stands there
}

// hindsight estimates how many servers stand elsewhere than the inventory has
// them, from those that answer though what they hang on has failed, and with that
// how many are down by themselves. One that the earlier sweep has nothing of may
// be of those that never answer.
func (r *reporter) hindsight(shared []Finding, rows *chronicle) *hindsight {
	h := &hindsight{usual: *r.habits, sites: make([]outage, len(r.g.sites))}
	down, up := 0, 0 // not behind uplinks: within the site most stay where they are
	for i := range shared {
		if f := &shared[i]; len(f.Explains) >= leastRows && f.Kind != inventory.KindUplink && f.Kind != inventory.KindSite {
			down += len(f.Explains)
			for _, id := range f.Contradicts { // of strays it is known anyway
				if !r.seen[r.g.index[id]].stray {
					up++
				}
			}
		}
	}
	seen, told, mute, lost, strays := 0, 0, 0, 0, 0
	for _, n := range r.servers {
		seen++
		if site := r.g.siteNumber[n]; site != noNode && r.seen[n].asked&askedWithin != 0 {
			h.sites[site].note(r.seen[n])
		}
		if b := &rows.brief[n]; b.past {
			told++
			if !b.before {
				mute++
			}
		}
		if r.explained[n] {
			lost++
		}
		if r.seen[n].stray {
			strays++
		}
	}
	h.placed = strays >= leastStrays && float64(strays) >= leastStrayShare*float64(seen)
	living := max(.1, 1-float64(lost)/float64(max(1, seen))) // where they may really stand
	h.usual.wrong = min(mostWrong, (float64(up)/living+wrongInventory*weightOfWrong)/(float64(down+up)+weightOfWrong))
	h.usual.settle()
	h.unknown = h.usual
	if 2*told > seen {
		h.unknown.mute = max(h.unknown.mute, min(mostMute, (float64(mute)+neverAnswers*weightOfMute)/(float64(told)+weightOfMute)))
	}
	return h
}

// server weighs what was seen of one, anew, in the site with that number. Where vantages ask
// what really stands in their site, as strays show, it is down anyway as often as others there.
func (h *hindsight) server(seen *sighting, leaf, unknown bool, site int32) likelihood {
	of := h.usual
	if unknown {
		of = h.unknown
	}
	if h.placed && site != noNode && seen.asked&askedWithin != 0 {
		of.downAnyway(&h.sites[site])
	}
	return of.server(seen, leaf)
}
