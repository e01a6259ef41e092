package topology

import "vakhta/internal/inventory"

const (
	weightOfWrong = 2000 // so many servers the usual share in another place is worth
	mostWrong     = 0.2
)

// hindsight are the habits of a night once it is known what failed in it.
type hindsight struct {
	usual, unknown habits // of servers that answered before, and of those that nobody saw answer
}

// hindsight estimates how many servers stand elsewhere than the inventory has
// them, from those that answer though what they hang on has failed, and with that
// how many are down by themselves. One that the earlier sweep has nothing of may
// be of those that never answer.
func (r *reporter) hindsight(shared []Finding, rows *chronicle) *hindsight {
	h := &hindsight{usual: *r.habits}
	down, up := 0, 0 // not behind uplinks: within the site most stay where they are
	for i := range shared {
		if f := &shared[i]; len(f.Explains) >= leastRows && f.Kind != inventory.KindUplink && f.Kind != inventory.KindSite {
			down += len(f.Explains)
			up += len(f.Contradicts)
		}
	}
	seen, told, lost := 0, 0, 0
	for _, n := range r.servers {
		seen++
		if rows.brief[n].past {
			told++
		}
		if r.explained[n] {
			lost++
		}
	}
	living := max(.1, 1-float64(lost)/float64(max(1, seen))) // where they may really stand
	h.usual.wrong = min(mostWrong, (float64(up)/living+wrongInventory*weightOfWrong)/(float64(down+up)+weightOfWrong))
	h.usual.settle()
	h.unknown = h.usual
	if 2*told > seen {
		h.unknown.mute = max(h.unknown.mute, neverAnswers)
	}
	return h
}

// server weighs what was seen of one, anew.
func (h *hindsight) server(seen *sighting, leaf, unknown bool) likelihood {
	if unknown {
		return h.unknown.server(seen, leaf)
	}
	return h.usual.server(seen, leaf)
}
