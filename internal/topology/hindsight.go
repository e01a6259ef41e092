package topology

import (
	"math"
	"slices"

	"vakhta/internal/inventory"
)

const (
	weightOfWrong   = 500 // so many servers the usual share in another place is worth
	mostWrong       = 0.2
	weightOfAnyway  = 100 // so many the usual shares that are dark, or cut off
	weightOfMute    = 200 // so many the usual share that never answers
	mostMute        = 0.3
	leastStrays     = 3 // so many, and such a share, say that vantages know where machines really stand
	leastStrayShare = 0.001
)

// hindsight are the habits of a night once it is known what failed in it.
type hindsight struct {
	usual, unknown habits // of servers that answered before, and of those that nobody asked then
	unheard        habits // of those that were asked again and again, and never answered
	sites          []outage
	placed         bool             // who is asked from within a site stands there
	began          map[string]int64 // by vantage: when what is lost began to be, in nanoseconds; none where that is not known
	moved          map[int32]bool   // whom another site's vantage asked earlier, and its own did not
}

// hindsight estimates how many servers stand elsewhere than the inventory has
// them, from those that answer though what they hang on has failed, and with that
// how many are down by themselves. One that the earlier sweep has nothing of may
// be of those that never answer.
func (r *reporter) hindsight(shared []Finding, rows *chronicle) *hindsight {
	h := &hindsight{usual: *r.habits, sites: make([]outage, len(r.g.sites))}
	near, far := r.amongLost(shared)
	h.moved = map[int32]bool{}
	for _, n := range r.g.astray(func(n int32) uint8 { return rows.brief[n].asked }) {
		if s := r.seen[n]; s != nil && s.asked&askedWithin == 0 {
			h.moved[n] = true
		}
	}
	var all outage
	seen, told, mute, lost, strays := 0, 0, 0, 0, 0
	for _, n := range r.servers {
		seen++
		all.note(r.seen[n], r.explained[n])
		if site := r.g.siteNumber[n]; site != noNode && r.seen[n].asked&askedWithin != 0 {
			h.sites[site].note(r.seen[n], r.explained[n])
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
		if r.seen[n].stray || h.moved[n] {
			strays++
		}
	}
	leftOut := r.leftOut(rows)
	told, mute = told+leftOut, mute+leftOut
	h.began = r.beganToFail(rows)
	h.placed = strays >= leastStrays && float64(strays) >= leastStrayShare*float64(seen)
	living := max(.1, 1-float64(lost)/float64(max(1, seen))) // where they may really stand
	h.usual.wrong = min(mostWrong, max(near.share(living, wrongInventory), far.share(living, 0)))
	h.usual.downBy(&all)
	if 2*told > seen {
		r.leaveStrangersOut(&h.usual.counts, rows)
	}
	if h.placed {
		h.usual.settleAt(h.sites)
	} else {
		h.usual.settle()
	}
	h.unknown = h.usual
	if 2*told > seen {
		h.unknown.mute = max(h.unknown.mute, min(mostMute, (float64(mute)+neverAnswers*weightOfMute)/(float64(told)+weightOfMute)))
	}
	silent, looked := r.neverHeard(rows)
	h.unheard = h.usual
	if !r.habitsKnown {
		first := firstMute(silent, looked)
		found := (float64(leftOut) + first*weightOfMute) / (float64(told) + weightOfMute)
		h.unheard.mute, h.unheard.gone = min(mostMute, max(first, found)), goneOfMute
	}
	switch many := silent / float64(max(1, looked)); {
	case silent >= leastMute && many > timesHung*ownHung:
		h.unknown.hung, h.unknown.mute = ownHung, max(h.unknown.mute, min(mostMute, many-ownHung))
		h.unheard = h.unknown
	case 2*told <= seen: // of most nobody asked: they are as unknown as at a first sweep, whatever older rows tell of others
		h.unknown = h.unheard
	}
	return h
}

const (
	leastMute = 5 // so many machines that nobody heard make a policy, rather than faults of their own,
	timesHung = 3 // if they are so many times as many as hang
)

// At a first sweep nothing tells whether one that is silent ever answered. Somebody looks because something is down: one silent
// machine is it, more are rather those that never answer, by policy, unless as many fail by themselves in so large an estate.
const (
	sought     = 0.4 // machines that are down by themselves beside those that always are: what made somebody look
	muteBeyond = 0.9 // so many silent ones are no policy
	leastMutes = 0.03
	// Where two in a hundred never answer, hardly one alone of several hundred is silent; of a few dozen it may be.
	muteOfFew, fewLooked = 0.15, 100
	goneOfMute           = 0.3 // of those that never answer so many have no BMC that does: they are in the inventory alone
)

// firstMute is how often a machine never answers by policy, where that many of those looked at were never heard.
func firstMute(silent float64, looked int) float64 {
	own, n := ownHung+ownOff+ownDead, float64(looked)
	one := leastMutes + muteOfFew*math.Exp(-n/fewLooked)
	return own * max(one, silent-muteBeyond) / (sought + own*n)
}

// neverHeard is how many machines were silent in every row, one here and one there, beyond what chance
// explains, of how many. Where nobody saw them answer before it is a policy that so many don't answer; where many do not in one
// rack, somebody may have switched them off.
func (r *reporter) neverHeard(rows *chronicle) (beyond float64, looked int) {
	hoods := make([]struct{ looked, silent int }, r.g.hoods)
	silent := 0
	for _, n := range r.servers {
		s := r.seen[n]
		if r.explained[n] || len(s.reach) == 0 || r.g.hood[n] == noNode {
			continue
		}
		looked++
		here := &hoods[r.g.hood[n]]
		here.looked++
		if s.silent() && rows.neverUp(n) && !s.powerIs(isDown) {
			here.silent++
		}
	}
	for _, here := range hoods {
		if here.silent < leastTogether || float64(here.silent) < leastShare*float64(here.looked) {
			silent += here.silent
		}
	}
	return max(0, float64(silent)-r.habits.counts.byChance), looked
}

// leftOut is how many machines nobody ever heard that are no news for that: of those that the earlier sweep
// missed as large a part never answers. Where many do not in one rack, it was something else.
func (r *reporter) leftOut(rows *chronicle) int {
	if r.habitsKnown {
		return 0
	}
	hoods := make([]int, r.g.hoods)
	for n := range r.g.nodes {
		if b := &rows.brief[n]; r.seen[n] == nil && r.g.hood[n] != noNode && b.past && !b.before && b.ups == 0 {
			hoods[r.g.hood[n]]++
		}
	}
	out := 0
	for _, here := range hoods {
		if here < leastTogether {
			out += here
		}
	}
	return out
}

// leaveStrangersOut takes the machines that the earlier sweep has nothing of out of the counts of own
// faults: those that never answer hide among them.
func (r *reporter) leaveStrangersOut(c *counts, rows *chronicle) {
	strange := 0
	for _, n := range r.servers {
		s := r.seen[n]
		if rows.brief[n].past || r.explained[n] || len(s.reach) == 0 || r.g.byItself(n) == 0 {
			continue
		}
		strange++
		switch {
		case !s.silent():
		case s.powerIs(isDown):
			c.off--
		case s.powerIs(isUnknown) && !s.powerIs(isUp):
			c.dark--
		default:
			c.silent--
		}
	}
	c.off, c.dark, c.silent = max(0, c.off), max(0, c.dark), max(0, c.silent)
	if c.servers == 0 {
		return
	}
	known := max(0, 1-float64(strange)/float64(c.servers))
	c.servers, c.unasked = int(known*float64(c.servers)), int(known*float64(c.unasked))
	c.byChance, c.chanceTold = known*c.byChance, known*c.chanceTold
	c.at = slices.Clone(c.at)
	for site := range c.at {
		c.at[site] = int(known * float64(c.at[site]))
	}
}

// places counts machines that are down where something has failed, and that answer there.
type places struct{ down, up int }

// share is how many stand elsewhere, where those live by that share, and usual is believed before.
func (p places) share(living, usual float64) float64 {
	return (float64(p.up)/living + usual*weightOfWrong) / (float64(p.down+p.up) + weightOfWrong)
}

// amongLost counts the machines that lie in what has failed within a site, and those in sites that are lost
// or cut off. Most that stand elsewhere stay within their site, so that the latter only say that there are more.
func (r *reporter) amongLost(shared []Finding) (near, far places) {
	for i := range shared {
		f := &shared[i]
		if len(f.Explains) < leastRows {
			continue
		}
		of := &near
		if f.Kind == inventory.KindUplink || f.Kind == inventory.KindSite {
			of = &far
		}
		of.down += len(f.Explains)
		of.up += len(f.Contradicts) // of strays it is known anyway
	}
	return near, far
}

// downBy takes how much is dark and cut off from what is explained: of what stands
// elsewhere so much is down by what has failed there.
func (r *habits) downBy(o *outage) {
	looked := float64(o.looked) + weightOfAnyway
	untold := float64(o.down - o.dark - o.cut)
	split := (float64(o.dark) + 1) / (float64(o.dark+o.cut) + 2)
	r.dark = min(.5, (float64(o.dark)+untold*split+leastDownAnyway*weightOfAnyway)/looked)
	r.cut = min(.5, (float64(o.cut)+untold*(1-split)+leastDownAnyway*weightOfAnyway)/looked)
}

// settleAt is settle where those asked from within their sites stand there.
func (r *habits) settleAt(sites []outage) {
	dark, cut, all := 0.0, 0.0, 0.0
	for site := range sites {
		here := *r
		here.downBy(&sites[site])
		weight := float64(r.counts.at[site])
		dark, cut, all = dark+weight*here.dark, cut+weight*here.cut, all+weight
	}
	of := *r
	if all > 0 {
		of.dark, of.cut = dark/all, cut/all
	}
	of.settle()
	of.dark, of.cut = r.dark, r.cut
	*r = of
}

// server weighs what was seen of one, anew, in the site with that number; byItself is which share of its faults takes
// nothing else down. Where vantages ask what really stands in their site, as strays show, it is down anyway as often as others there.
func (h *hindsight) server(n int32, seen *sighting, byItself float64, rows *chronicle, site int32) likelihood {
	if h.moved[n] && !seen.stray {
		moved := *seen
		moved.stray = true
		seen = &moved
	}
	of := h.usual
	switch {
	case rows.startedSilent(n):
		of = h.unknown
	case rows.neverUp(n):
		of = h.unheard
	default:
		of.mute = 0
	}
	if h.placed && site != noNode && seen.asked&askedWithin != 0 {
		of.downBy(&h.sites[site])
	}
	if rows.silentBefore(n, h.began) { // wherever it stands, what is lost now did not take it
		of.dark, of.cut = leastDownAnyway, leastDownAnyway
	}
	return of.server(seen, byItself)
}
