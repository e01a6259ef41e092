package topology

import "vakhta/internal/inventory"

// sharedManagement is what each PDU that works pays (natural log) for the
// silence of its rack: BMCs and PDUs hang on the rack's own switch instead of on
// a management network, which is rare.
const sharedManagement = -2.5

// darkRack counts what was seen in one rack.
type darkRack struct {
	silent, answered int // servers
	power, told      int // BMCs asked, and those that told anything
	gear, alive      int // management addresses asked, and those that answered
}

// allDark says that nothing in the rack answers, its management neither; a
// machine may answer that really stands elsewhere.
func (d *darkRack) allDark() bool {
	return d.silent >= 3 && d.answered*5 <= d.silent && d.told*5 <= d.power && d.gear > 0 && d.alive == 0
}

// easeDarkRacks lets a rack in which nothing answers be explained by its
// network as well as by its power: all of its BMCs and PDUs may hang on its
// switch. That is one coincidence a rack, not one for each machine, so the
// PDUs pay for it.
func (s *search) easeDarkRacks(seen []*sighting) {
	racks := map[string]*darkRack{}
	for _, n := range s.global {
		c, sight := s.g.nodes[n].c, seen[n]
		if c.Rack == "" || sight == nil {
			continue
		}
		d := racks[c.Rack]
		if d == nil {
			d = &darkRack{}
			racks[c.Rack] = d
		}
		d.count(c.Kind, sight)
	}
	for i, n := range s.global {
		c := s.g.nodes[n].c
		if d := racks[c.Rack]; c.Rack == "" || d == nil || !d.allDark() {
			continue
		}
		s.ease(i, c.Kind)
	}
}

func (d *darkRack) count(kind inventory.Kind, sight *sighting) {
	if kind != inventory.KindServer {
		if kind == inventory.KindPDU && len(sight.reach) > 0 {
			d.gear++
			if sight.answered() {
				d.alive++
			}
		}
		return
	}
	switch {
	case sight.answered():
		d.answered++
	case sight.silent():
		d.silent++
	}
	for _, v := range sight.power {
		d.power++
		if v.result != Unknown {
			d.told++
		}
	}
}

// ease weighs a node of an all dark rack anew.
func (s *search) ease(i int, kind inventory.Kind) {
	old := s.like[i]
	switch kind {
	case inventory.KindSwitch:
		if old == nil {
			return
		}
		l := *old
		l.log[cutOff] = max(l.log[cutOff], l.log[powerless])
		l.seal()
		s.like[i] = &l
	case inventory.KindPDU:
		l := likelihood{}
		l.log[works] = sharedManagement
		l.seal()
		s.like[i] = &l
	case inventory.KindServer, inventory.KindHypervisor:
		if old == nil {
			return
		}
		l := *old
		if l.log[isolated] == l.log[cutOff] { // seen from outside only
			l.log[isolated] = l.log[powerless]
		}
		l.log[cutOff] = l.log[powerless]
		l.seal()
		s.like[i] = &l
	}
}
