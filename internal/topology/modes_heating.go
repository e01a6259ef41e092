package topology

import (
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
		if f.Mode != "" || len(f.Explains) < leastInTurn || f.Kind == inventory.KindSite {
			continue
		}
		if m.slowly[f.Component] == nil {
			m.slowly[f.Component] = m.fellBy(f)
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
	by        ears    // who tells of the cause
	inTurn    bool
}

// fellBy reads when the servers of a finding fell.
func (m *modes) fellBy(f *Finding) *slow {
	s := &slow{all: m.hitBy(f), by: anywhere}
	if h := m.local[m.g.index[f.Component]]; h != noNode && m.t.failed[h] {
		s.by = m.earsFor(h)
	}
	if s.told = slices.DeleteFunc(slices.Clone(s.all), m.rows.startedSilent); 2*len(s.told) >= len(s.all) {
		m.rows.gather(s.told)
	} else {
		s.told = nil
	}
	return s
}

// wentInTurn says that they went one after another.
func (m *modes) wentInTurn(s *slow) bool {
	moments, _, _ := m.rows.spread(s.told, s.by)
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
	moments, span, known := m.rows.spread(down, anywhere)
	if moments < momentsOf(known) || span < leastHeatSpan || 2*known < len(down) || m.rows.unsteady(down, m.noise) {
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
	x.explains = merge(down, m.alsoHot(place, float64(len(down))/float64(all), moments))
	x.evidence = []Evidence{{Result: Down, Count: len(x.explains), Text: fmt.Sprintf(
		"%s went one after another, at %d moments or more within %s", count(len(x.explains), "server"), moments, span.Round(time.Second))}}
	if answer > 0 {
		x.evidence = append(x.evidence, Evidence{Result: Up, Count: answer, Text: count(answer, "server") + " there still " + verb(answer, "answers", "answer")})
	}
	return x, true
}

// alsoHot are the machines of a place that heats which something there seems to have taken, that answers itself or was
// not asked: where such a share of the others goes, at so many moments, those few went by the heat rather than by so
// rare a failure. Small things, such as phases, seem to have failed by the dozen where three or four of theirs are gone.
func (m *modes) alsoHot(place int32, share float64, moments int) []int32 {
	id := m.g.id(place)
	var out []int32
	for i := range m.findings {
		f := &m.findings[i]
		n := m.g.index[f.Component]
		if c := m.g.nodes[n].c; f.Mode != "" || m.isLone(f) || c.Rack != id && c.Room != id || m.seen[n] != nil && !m.seen[n].answered() {
			continue
		}
		of := m.g.known(f.Explains)
		outside := func(n int32) bool {
			c := m.g.nodes[n].c
			return m.rows.startedSilent(n) || silence(m.seen[n]) == silentDark || c.Rack != id && c.Room != id
		}
		if len(of) == 0 || slices.ContainsFunc(of, outside) {
			continue
		}
		m.rows.gather(of)
		together := 0
		for _, list := range m.rows.views(of, anywhere) {
			together = max(together, atOnce(list))
		}
		heat := float64(len(of))*math.Log(share) - float64(max(0, together-1))*math.Log(float64(moments))
		whole := logPrior[f.Kind] + float64(len(of)-together)*math.Log(outOfTurn)
		if m.seen[n] != nil {
			whole += math.Log(ownFalseUp)
		}
		if heat > whole+namedFrom {
			out = merge(out, of)
		}
	}
	return out
}
