package topology

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

const (
	leastInTurn    = 3    // machines last seen working at as many looks speak against one failure of them all,
	someTogetherOf = .7   // if no more of them may have gone at once,
	manyAtOnce     = 10   // unless so many went at once,
	timesOthers    = 2.5  // and so many times as many as at each of the other looks: what fails as a whole takes what went before, too
	leastOutlived  = .1   // and nothing speaks against that but fewer than such a share, or than manyAtOnce, that answered still later
	mostTogetherOf = .8   // and no vantage saw that so many did
	outOfTurn      = 1e-3 // one that a whole failure takes was last seen working at another look than most
	roundsInTurn   = 24   // a fuse: what is taken back may be replaced by what stands beside it, and that again
)

// oneAfterAnother takes back whole failures whose machines were last seen working at clearly different looks: what
// fails as a whole takes all that hang on it at once. It looks again with what that says against each, until no
// such is left.
func (s *search) oneAfterAnother(seen []*sighting, rows *chronicle) {
	for range roundsInTurn {
		found := false
		for _, h := range slices.Clone(s.chosen) {
			if !s.isFailure(h) || s.g.isServer(s.global[h]) && !s.g.serves[s.global[h]] || s.late[h] != 0 {
				continue
			}
			if what, late := s.tooLate(h, s.onlyBy(h, seen), rows); late > 0 {
				found = true
				s.commit(what)
				s.late[what] = float64(late) * math.Log(outOfTurn)
			}
		}
		if !found {
			return
		}
		s.climb()
	}
}

// onlyBy are the silent servers that would work if h did, for those within their site at least, by the graph's numbers.
func (s *search) onlyBy(h int32, seen []*sighting) []int32 {
	var out []int32
	broken := slices.DeleteFunc(s.brokenBy(h), func(n int32) bool {
		l := s.local[n]
		return l == noNode || !s.g.isServer(n) || seen[n] == nil || !seen[n].silent()
	})
	was := make([]bool, len(broken))
	for i, n := range broken {
		was[i] = s.t.state[s.local[n]].worksWithin()
	}
	mark := len(s.t.trail)
	s.t.flip(h)
	for i, n := range broken {
		if st := s.t.state[s.local[n]]; st == works || st.apart() && !was[i] {
			out = append(out, n)
		}
	}
	s.t.undo(mark)
	s.t.failed[h] = true
	return out
}

// tooLate is what is to be taken back of h, and how many of the servers speak against it: of an uplink without which
// its site is taken to be dark within, too, first that, by what is seen there. Those outside may have lost all at once.
func (s *search) tooLate(h int32, servers []int32, rows *chronicle) (what int32, late int) {
	if core := s.t.nodes[h].core; s.darkToo(h) {
		if late = rows.inTurn(servers, ears{s.g.site[s.global[h]], true}, s.habits.noise); late > 0 {
			return core - 1, late
		}
	}
	return h, rows.inTurn(servers, s.earsFor(h), s.habits.noise)
}

// darkToo says that h is an uplink without which its site is taken to be dark within, too.
func (s *search) darkToo(h int32) bool {
	core := s.t.nodes[h].core
	return s.t.nodes[h].uplink && core > 0 && s.t.failed[core-1]
}

// ears are vantages: those within a site, or all others; of noNode all that there are.
type ears struct {
	site   int32
	within bool
}

func (e ears) hear(g *Graph, vantage string) bool {
	return e.site == noNode || (g.placeOf(vantage) == e.site) == e.within
}

var anywhere = ears{site: noNode}

// earsFor are those who miss what h takes down: where an uplink leaves its site to those within, that they miss
// anything has another reason.
func (s *search) earsFor(h int32) ears {
	if !s.t.nodes[h].uplink || s.darkToo(h) {
		return anywhere
	}
	return ears{s.g.site[s.global[h]], false}
}

// inTurn says how many of the servers went at another moment than most of them, by those ears; 0 where they may all
// have gone at once, for all that is known.
func (c *chronicle) inTurn(servers []int32, by ears, noise float64) int {
	var told []int32
	for _, n := range servers {
		if !c.startedSilent(n) {
			told = append(told, n)
		}
	}
	if len(told) < leastInTurn || 2*len(told) < len(servers) {
		return 0
	}
	c.gather(told)
	late := 0
	for _, list := range c.views(told, by) {
		if len(list) < leastInTurn {
			continue
		}
		together := atOnce(list)
		if float64(together) >= mostTogetherOf*float64(len(list)) {
			return 0
		}
		looks := looksOf(list)
		if looks >= leastInTurn && float64(together) <= someTogetherOf*float64(len(list)) && !(outstanding(together, len(list), looks) && !outlived(list)) {
			late = max(late, len(list)-together)
		}
	}
	if late == 0 || c.unsteady(told, noise) {
		return 0
	}
	return late
}

// outstanding says that those of all that went at once are many more than went at each of the other looks.
func outstanding(together, all, looks int) bool {
	return together >= manyAtOnce && float64(together*(looks-1)) >= timesOthers*float64(all-together)
}

// outlived says that many answered still after the most had gone: what fails as a whole leaves none of them.
func outlived(list []interval) bool {
	_, at := mostAt(list)
	until, left := int64(math.MaxInt64), 0
	for _, d := range list {
		if d.from <= at && at < d.to {
			until = min(until, d.to)
		}
	}
	for _, d := range list {
		if d.from >= until {
			left++
		}
	}
	return left >= manyAtOnce && float64(left) >= leastOutlived*float64(len(list))
}

// looksOf is at how many looks the servers were last seen working.
func looksOf(list []interval) int {
	slices.SortFunc(list, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	looks, last := 0, int64(0)
	for _, d := range list {
		if looks == 0 || d.from-last > int64(lookEnds) {
			looks++
		}
		last = d.from
	}
	return looks
}

// unsteady says that the machines had missed many probes before they fell silent, and answered again:
// something loses them, and they may be well.
func (c *chronicle) unsteady(servers []int32, noise float64) bool {
	var before misses
	for _, n := range servers {
		for _, d := range c.fell[n] {
			for _, o := range c.rows[n] {
				if o.At.After(d.after) {
					break
				}
				if o.Vantage == d.vantage && reaches(o.Probe) && o.Result != Unknown {
					before.note(rank(o.Result))
				}
			}
		}
	}
	return float64(before.missed) > (mostUnsteady+timesNoise*noise)*float64(before.asked)
}

// spread says at how many moments, at least, the servers must have gone, and how
// long the first is before the last, by the vantage that tells most; and of how many the time is known,
// by any of those ears. None are told where most may have gone at once.
func (c *chronicle) spread(servers []int32, by ears) (moments int, span time.Duration, known int) {
	views := c.views(servers, by)
	for v, list := range views {
		if float64(atOnce(list)) > mostAtOnce*float64(len(list)) {
			delete(views, v)
			continue
		}
		k, s := stabs(list)
		if k > moments || k == moments && s > span {
			moments, span = k, s
		}
	}
	for _, n := range servers {
		if slices.ContainsFunc(c.fell[n], func(d drop) bool { return !d.after.IsZero() && views[d.vantage] != nil }) {
			known++
		}
	}
	return moments, span, known
}

// views are, by vantage, between which instants the servers went; but for one that had lost most of them before, by
// something else.
func (c *chronicle) views(servers []int32, by ears) map[string][]interval {
	views, otherwise := map[string][]interval{}, map[string]int{}
	for _, n := range servers {
		for _, d := range c.fell[n] {
			if d.after.IsZero() {
				continue
			}
			if by == anywhere && c.heardAfter(n, d) {
				otherwise[d.vantage]++
			}
			if views[d.vantage] == nil {
				views[d.vantage] = make([]interval, 0, len(servers))
			}
			views[d.vantage] = append(views[d.vantage], interval{d.after.UnixNano(), d.seen.UnixNano()})
		}
	}
	maps.DeleteFunc(views, func(vantage string, list []interval) bool {
		return 2*otherwise[vantage] >= len(list) || !by.hear(c.g, vantage)
	})
	return views
}

// heardAfter says that another vantage heard the node after that one had lost it, by another cause.
func (c *chronicle) heardAfter(n int32, lost drop) bool {
	return slices.ContainsFunc(c.fell[n], func(d drop) bool { return d.vantage != lost.vantage && d.after.After(lost.seen.Add(lookEnds)) })
}

// interval is between two instants, in nanoseconds: after the first, and not after the second.
type interval struct{ from, to int64 }

// stabs is the least number of moments of which each interval has one, and how
// far the first of these is from the last.
func stabs(list []interval) (n int, span time.Duration) {
	slices.SortFunc(list, func(a, b interval) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.from, b.from)) })
	var first, at int64
	for _, d := range list {
		if n > 0 && d.from < at {
			continue
		}
		at = d.to
		if n == 0 {
			first = at
		}
		n++
	}
	return n, time.Duration(at - first)
}

// atOnce is the largest number of intervals that share a moment.
func atOnce(list []interval) int {
	most, _ := mostAt(list)
	return most
}

// mostAt is the largest number of intervals that share a moment, and just before the first such.
func mostAt(list []interval) (most int, moment int64) {
	begins, ends := make([]int64, len(list)), make([]int64, len(list))
	for i, d := range list {
		begins[i], ends[i] = d.from, d.to
	}
	slices.Sort(begins)
	slices.Sort(ends)
	over := 0
	for i, at := range begins { // what ends just then is over
		for over < len(ends) && ends[over] <= at {
			over++
		}
		if i+1-over > most {
			most, moment = i+1-over, at
		}
	}
	return most, moment
}

// earlyOnes is the part of the machines that are lost which may have missed a probe before, or been lost with something small.
const earlyOnes = 50

// beganToFail is, by vantage, when nearly all that whole failures explain still answered. It is nil where that is
// not known of some: they may have failed long ago.
func (r *reporter) beganToFail(rows *chronicle) map[string]int64 {
	all, untold := 0, 0
	last := map[string][]int64{}
	for _, n := range r.servers {
		if !r.explained[n] || !r.seen[n].silent() {
			continue
		}
		all++
		told := false
		if !rows.startedSilent(n) {
			for _, d := range rows.fell[n] {
				if !d.after.IsZero() {
					told = true
					last[d.vantage] = append(last[d.vantage], d.after.UnixNano())
				}
			}
		}
		if !told {
			untold++
		}
	}
	if all == 0 || earlyOnes*untold > all {
		return nil
	}
	out := map[string]int64{}
	for v, list := range last {
		if len(list) >= leastRows {
			slices.Sort(list)
			out[v] = list[len(list)/earlyOnes]
		}
	}
	return out
}

// silentBefore says that a vantage found the node, which used to answer, silent before, and ever since: by that it is
// none of what was lost then.
func (c *chronicle) silentBefore(n int32, began map[string]int64) bool {
	if len(began) == 0 || c.neverUp(n) {
		return false
	}
	c.gather([]int32{n})
	return slices.ContainsFunc(c.fell[n], func(d drop) bool {
		at, known := began[d.vantage]
		return known && d.seen.UnixNano() < at
	})
}
