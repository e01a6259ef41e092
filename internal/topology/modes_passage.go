package topology

import (
	"maps"
	"math"
	"slices"
	"time"
)

// passage counts what a carrier carried of the probes of machines that answer
// anything, and the machines that missed some.
type passage struct {
	tally
	within tally // what was asked from within its site
}

type tally struct{ asked, missed, mixed int }

// suspect says that it may lose some.
func (t *tally) suspect() bool {
	return t.mixed >= leastMixed && float64(t.missed) >= leastLoss*float64(t.asked)
}

func (t *tally) note(asked, missed int) {
	t.asked += asked
	t.missed += missed
	if missed > 0 {
		t.mixed++
	}
}

func (p *passage) note(c crossing, outside bool) {
	if outside {
		p.tally.note(c.asked[0], c.missed[0])
		return
	}
	p.tally.note(c.asked[0]+c.asked[1], c.missed[0]+c.missed[1])
	p.within.note(c.asked[1], c.missed[1])
}

// crossing counts what was asked of a machine and missed, from outside and from within.
type crossing struct{ asked, missed [2]int }

// lives says that it answered something: of what doesn't, it is not known.
func (c *crossing) lives() bool { return c.asked != c.missed }

func (c *crossing) note(inside, missed bool) {
	side := 0
	if inside {
		side = 1
	}
	c.asked[side]++
	if missed {
		c.missed[side]++
	}
}

// passages are those of a carrier: when last asked, and in every look of the sweep.
type passages struct{ last, all passage }

// passages counts them for all carriers.
func (r *reporter) passages() []passages {
	counts := make([]passages, len(r.g.nodes))
	for _, n := range r.servers {
		var last crossing
		for i := range r.seen[n].reach {
			v := &r.seen[n].reach[i]
			last.note(v.inside, v.result == isDown)
		}
		all, again := r.crossings(n)
		if !all.lives() {
			continue
		}
		for _, c := range r.ways.of(n) {
			if last.lives() {
				counts[c.node].last.note(last, r.g.nodes[c.node].uplink)
			}
			if !again { // it went, and may have gone for good
				all.missed = [2]int{}
			}
			counts[c.node].all.note(all, r.g.nodes[c.node].uplink)
		}
	}
	return counts
}

// crossings counts what a machine was asked and missed in every look. Again: it answered
// what it had missed before.
func (r *reporter) crossings(n int32) (all crossing, again bool) {
	rows := r.table.of(n)
	for i := range rows { // of each question the latest first
		row := &rows[i]
		if !row.ask.reaches() || row.result == isUnknown || i > 0 && sameRow(row, &rows[i-1]) || !r.sight.believed(r.g, row.vantage, n) {
			continue
		}
		all.note(r.places[row.vantage] == r.g.site[n], row.result == isDown)
		again = again || i > 0 && row.result == isDown && sameQuestion(row, &rows[i-1]) && rows[i-1].result == isUp
	}
	return all, again
}

// leastSteady is at how many times, a minute apart, what is behind it must have been asked since it began to lose.
const leastSteady = 3

// steady says that what is behind c misses about as much at each time, or since a time: an outage that is
// over doesn't. It returns that time, 0 being the first, and how many there were before it; the latest that may be
// where they are too few to say so.
func (m *modes) steady(c int32, behind []int32) (since int64, before int, steady bool) {
	times := map[int64]misses{}
	var all misses
	t := m.rows.table
	for _, n := range behind {
		rows := t.of(n)
		for i := range rows {
			r := &rows[i]
			if r.ask.reaches() && r.result != isUnknown && m.ways.part(c, n, m.places[r.vantage]) > 0 && !m.pathLost(n, m.places[r.vantage]) {
				k := times[r.at/int64(time.Minute)]
				k.note(r.result)
				times[r.at/int64(time.Minute)] = k
				all.note(r.result)
			}
		}
	}
	order := slices.Sorted(maps.Keys(times))
	parts := make([]misses, 0, len(times))
	for _, at := range order {
		parts = append(parts, times[at])
	}
	for k := range parts {
		if all.missed < leastMissed {
			break
		}
		if k > 0 {
			since = order[k] * int64(time.Minute)
		}
		if steadyIn(parts[k:], all) {
			return since, k, k == 0 || len(parts)-k >= leastSteady
		}
		all.asked, all.missed = all.asked-parts[k].asked, all.missed-parts[k].missed
	}
	return 0, 0, false
}

// unsteady is how little likely so few misses must be, at the times that see few, where as many are lost at each.
const unsteady = .05

// steadyIn says that no times see a much smaller share missed than all do, beyond chance.
func steadyIn(parts []misses, all misses) bool {
	few, expected := 0, 0.0
	for _, k := range parts {
		if usual := float64(k.asked) * float64(all.missed) / float64(all.asked); usual >= 4 && float64(k.missed) < .35*usual {
			few, expected = few+k.missed, expected+usual
		}
	}
	return atMost(few, expected) > unsteady/float64(len(parts))
}

// atMost is the chance of k events or fewer where so many are expected.
func atMost(k int, expected float64) float64 {
	term, sum := math.Exp(-expected), 0.0
	for i := range k + 1 {
		if i > 0 {
			term *= expected / float64(i)
		}
		sum += term
	}
	return sum
}

// comesAndGoes counts how often all machines behind c fell silent or came back
// at once, which is not a loss.
func (m *modes) comesAndGoes(c int32, behind []int32) int {
	const step = 30 * time.Second
	m.rows.gather(behind)
	times := map[string]map[int64]misses{}
	for _, n := range behind {
		for _, o := range m.rows.now[n] {
			if !reaches(o.Probe) || o.Result == Unknown || m.ways.part(c, n, m.g.placeOf(o.Vantage)) == 0 {
				continue
			}
			if times[o.Vantage] == nil {
				times[o.Vantage] = map[int64]misses{}
			}
			bin := o.At.UnixNano() / int64(step)
			k := times[o.Vantage][bin]
			k.asked++
			if o.Result == Down {
				k.missed++
			}
			times[o.Vantage][bin] = k
		}
	}
	most := 0
	for _, bins := range times {
		order := make([]int64, 0, len(bins))
		for at := range bins {
			order = append(order, at)
		}
		slices.Sort(order)
		changes, was := 0, 0
		for _, at := range order {
			k := bins[at]
			now := 0
			switch {
			case k.asked < 4:
				continue
			case 10*k.missed >= 9*k.asked:
				now = -1
			case 10*k.missed <= k.asked:
				now = 1
			}
			if was*now < 0 {
				changes++
			}
			if now != 0 {
				was = now
			}
		}
		most = max(most, changes)
	}
	return most
}
