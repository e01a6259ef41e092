package topology

import "math"

// leak is what loses a share of what it carries, or is in the class of that.
type leak struct {
	node int32
	loss float64
}

// notes keeps a lossy finding and its class: what they carry is lost now and then, and says nothing else.
func (m *modes) notes(f *Finding, causes []cause) {
	class := m.g.known(append([]string{f.Component}, f.AmbiguousWith...))
	for i := range causes {
		for _, n := range class {
			if causes[i].node == n {
				m.leaking = append(m.leaking, leak{n, causes[i].loss})
			}
		}
	}
	for _, n := range causes[0].explains {
		m.leaky[n] = m.leaky[n] || !m.taken(n)
	}
}

// leaks says that what is asked of n from a place goes through what was found lossy.
func (m *modes) leaks(n, place int32) bool {
	for i := range m.leaking {
		if m.ways.part(m.leaking[i].node, n, place) > 0 {
			return true
		}
	}
	return false
}

// pathLost says that what is asked of n from a place goes through what was found lossy, or through uplinks that have
// failed: that it is missed says nothing of what is on its way besides.
func (m *modes) pathLost(n, place int32) bool {
	site := m.g.site[n]
	return place != site && m.cut[site] || m.leaks(n, place)
}

// leastThrough is the share of a site's machines that answer through uplinks which may lose packets, but have not failed.
const leastThrough = .05

// cutSites are the sites all of whose uplinks have failed, so that next to nothing there answers from outside.
func (m *modes) cutSites() map[int32]bool {
	out := map[int32]bool{}
	for n := range m.g.nodes {
		if !m.g.nodes[n].uplink {
			continue
		}
		site := m.g.site[n]
		if _, failed := m.stateOf(int32(n)); !failed {
			out[site] = false
		} else if _, known := out[site]; !known {
			out[site] = true
		}
	}
	through := map[int32]misses{}
	for _, n := range m.servers {
		site := m.g.site[n]
		if !out[site] {
			continue
		}
		k := through[site]
		for i := range m.seen[n].reach {
			if v := &m.seen[n].reach[i]; !v.inside {
				k.note(v.result)
			}
		}
		through[site] = k
	}
	for site, k := range through {
		out[site] = float64(k.asked-k.missed) < leastThrough*float64(k.asked)
	}
	return out
}

// leakOf is the share of what is asked of n from a place that goes through the first of the leaks
// on its way, and how much of that is lost; 0: none is.
func (c *carriers) leakOf(leaking []leak, n, place int32) (part, loss float64) {
	for i := range leaking {
		if part := c.part(leaking[i].node, n, place); part > 0 {
			return part, leaking[i].loss
		}
	}
	return 0, 0
}

// leakThrough marks what was asked through leaks: an answer is missed there by chance more often.
func (v *view) leakThrough(c *carriers, leaking []leak) {
	for n, s := range v.seen {
		if s == nil {
			continue
		}
		for i := range s.reach {
			d := &s.reach[i]
			if d.hands {
				continue
			}
			part, loss := c.leakOf(leaking, int32(n), v.places[d.vantage])
			d.part, d.loss = uint8(math.Round(100*part)), uint8(math.Round(100*loss))
		}
	}
}

const (
	// leastLeaked is how little likely it may be that all of what was asked in a row got lost.
	leastLeaked = falseDown * confirmed * confirmed
	longestRun  = 32
)

// lostInARow is the chance that what went through a leak was missed so often in a row, where usual is
// that of what does not, and once that of a single one.
func (v *verdict) lostInARow(once, usual float64) float64 {
	part, loss := float64(v.part)/100, float64(v.loss)/100
	lost := math.Pow(1-(1-once)*(1-loss), float64(min(v.run, longestRun)))
	return max(leastLeaked, part*lost+(1-part)*usual)
}
