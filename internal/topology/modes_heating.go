package topology

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"vakhta/internal/inventory"
)

const (
	leastHot      = 5               // machines down
	leastMoments  = 3               // at which they must have gone, one after another
	leastHeatSpan = 2 * time.Minute // from the first to the last
	mostAtOnce    = .6              // of those whose time is known
	surestHeating = .95             // somebody may switch them off one after another
	manyHot       = 20              // so many need not have gone at more than fewMoments, for want of looks between
	fewMoments    = 2
	mostUnsteady  = .05 // of what they were asked before, and so many times the noise: they missed it by something else
	timesNoise    = 3
)

// heating looks for rooms and racks whose machines went one after another, with
// no cause that they share.
func (m *modes) heating() []cause {
	gone := m.oneByOne()
	told := 0
	for _, n := range gone {
		if !m.rows.startedSilent(n) {
			told++
		}
	}
	if len(gone) < leastHot || told < leastMoments {
		return nil
	}
	rate := m.ratesOf()
	places := map[int32][]int32{}
	for _, n := range gone {
		c := m.g.nodes[n].c
		for _, id := range []string{c.Rack, c.Room} {
			if p, ok := m.g.index[id]; ok && id != "" {
				places[p] = append(places[p], n)
			}
		}
	}
	var out []cause
	for p, down := range places {
		if len(down) >= leastHot {
			if x, ok := m.heatOf(p, down, rate); ok {
				out = append(out, x)
			}
		}
	}
	return out
}

// oneByOne lists the silent servers that may have gone one by one: those without
// a shared cause, and those whose shared cause would have taken them at once, and did not.
func (m *modes) oneByOne() []int32 {
	out := make([]int32, 0, len(m.loose))
	for n := range m.loose {
		out = append(out, n)
	}
	var asked []*slow
	for i := range m.findings {
		f := &m.findings[i]
		if f.Mode != "" || len(f.Explains) < leastHot || f.Kind == inventory.KindSite {
			continue
		}
		if m.slowly[f.Component] == nil {
			m.slowly[f.Component] = m.fellBy(f.Explains)
			asked = append(asked, m.slowly[f.Component])
		}
	}
	inParts(len(asked), 1, func(from, to int) {
		for _, s := range asked[from:to] {
			s.inTurn = m.wentInTurn(s)
		}
	})
	for i := range m.findings {
		if s := m.slowly[m.findings[i].Component]; s != nil && s.inTurn && m.findings[i].Mode == "" {
			out = append(out, s.all...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// slow are servers with a cause that they share, which may have gone one after another.
type slow struct {
	all, told []int32 // and those that answered before
	inTurn    bool
}

// fellBy reads when servers fell.
func (m *modes) fellBy(servers []string) *slow {
	s := &slow{all: m.g.known(servers)}
	if s.told = slices.DeleteFunc(slices.Clone(s.all), m.rows.startedSilent); 2*len(s.told) >= len(servers) {
		m.rows.gather(s.told)
	} else {
		s.told = nil
	}
	return s
}

// wentInTurn says that they went one after another.
func (m *modes) wentInTurn(s *slow) bool {
	moments, _, _ := m.spread(s.told)
	return moments >= leastMoments
}

// momentsOf is at how many moments so many servers must have gone, one after another.
func momentsOf(servers int) int {
	if servers >= manyHot {
		return fewMoments
	}
	return leastMoments
}

// heatOf weighs that the place is too hot.
func (m *modes) heatOf(place int32, down []int32, rate rates) (cause, bool) {
	m.rows.gather(down)
	moments, span, known := m.spread(down)
	if moments < momentsOf(known) || span < leastHeatSpan || 2*known < len(down) || m.unsteady(down) {
		return cause{}, false
	}
	all := len(down)
	isDown := map[int32]bool{}
	for _, n := range down {
		isDown[n] = true
		rate.note(m.seen[n], true, -1)
	}
	answer := 0
	for _, n := range m.servers {
		c := m.g.nodes[n].c
		id := m.g.id(place)
		if s := m.seen[n]; (c.Rack == id || c.Room == id) && !isDown[n] && s.answered() {
			answer++
			rate.note(s, false, -1)
		}
	}
	all += answer
	odds := heatingRoom
	if m.g.nodes[place].c.Kind == inventory.KindRack {
		odds = heatingRack
	}
	x := cause{node: place, mode: Heating, prior: math.Log(odds), score: math.Log(odds) + betaBinomial(len(down), all), explains: down, rival: 1/surestHeating - 1}
	for _, n := range down {
		x.score += rate.cost(m.seen[n])
	}
	x.evidence = []Evidence{{Result: Down, Count: len(down), Text: fmt.Sprintf(
		"%s went one after another, at %d moments or more within %s", count(len(down), "server"), moments, span.Round(time.Second))}}
	if answer > 0 {
		x.evidence = append(x.evidence, Evidence{Result: Up, Count: answer, Text: count(answer, "server") + " there still " + verb(answer, "answers", "answer")})
	}
	return x, true
}

// unsteady says that the machines had missed many probes before they fell silent, and answered again:
// something loses them, and they may be well.
func (m *modes) unsteady(servers []int32) bool {
	var before misses
	for _, n := range servers {
		for _, d := range m.rows.fell[n] {
			for _, o := range m.rows.rows[n] {
				if o.At.After(d.after) {
					break
				}
				if o.Vantage == d.vantage && reaches(o.Probe) && o.Result != Unknown {
					before.note(rank(o.Result))
				}
			}
		}
	}
	return float64(before.missed) > (mostUnsteady+timesNoise*m.noise)*float64(before.asked)
}

// spread says at how many moments, at least, the servers must have gone, how
// long the first is before the last, and of how many the time is known, by the
// vantage that tells most. None are told where most may have gone at once.
func (m *modes) spread(servers []int32) (moments int, span time.Duration, known int) {
	views := map[string][]interval{}
	for _, n := range servers {
		for _, d := range m.rows.fell[n] {
			if !d.after.IsZero() {
				if views[d.vantage] == nil {
					views[d.vantage] = make([]interval, 0, len(servers))
				}
				views[d.vantage] = append(views[d.vantage], interval{d.after.UnixNano(), d.seen.UnixNano()})
			}
		}
	}
	for _, v := range sortedKeys(views) {
		list := views[v]
		if float64(atOnce(list)) > mostAtOnce*float64(len(list)) {
			continue
		}
		k, s := stabs(list)
		if k > moments || k == moments && s > span {
			moments, span, known = k, s, len(list)
		}
	}
	return moments, span, known
}

// interval is between two instants, in nanoseconds.
type interval struct{ from, to int64 }

// stabs is the least number of moments of which each interval has one, and how
// far the first of these is from the last.
func stabs(list []interval) (n int, span time.Duration) {
	slices.SortFunc(list, func(a, b interval) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.from, b.from)) })
	var first, at int64
	for _, d := range list {
		if n > 0 && d.from <= at {
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
	begins, ends := make([]int64, len(list)), make([]int64, len(list))
	for i, d := range list {
		begins[i], ends[i] = d.from, d.to
	}
	slices.Sort(begins)
	slices.Sort(ends)
	most, over := 0, 0
	for i, at := range begins { // what ends just then is over
		for over < len(ends) && ends[over] <= at {
			over++
		}
		most = max(most, i+1-over)
	}
	return most
}
