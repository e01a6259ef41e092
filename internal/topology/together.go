package topology

import "vakhta/internal/inventory"

const (
	leastTogether  = 3 // so many machines of a rack that are switched off were so by one hand
	weightOfAlone  = 5 // so many machines of the rack the usual rate of own faults is worth
	mostTogether   = 0.7
	stepsOfOffRate = 16 // to which rates are rounded, so that few kinds of sighting are weighed
)

// switchedOff notes on each machine's sighting how many of those beside it its owner has switched
// off, by what their BMCs say, and their hypervisors of guests. Machines are switched off by the dozen: a silent one
// without a word of its BMC, among others that are off, is rather off itself than without power.
func (g *Graph) switchedOff(seen []*sighting, usual float64) {
	type beside struct{ told, off int }
	hoods := make([]beside, g.hoods)
	each := func(do func(s *sighting, b *beside)) {
		for n, s := range seen {
			if hood := g.hood[n]; s != nil && hood != noNode {
				do(s, &hoods[hood])
			}
		}
	}
	each(func(s *sighting, b *beside) {
		on, off := s.switched()
		if on || off {
			b.told++
		}
		if off && s.silent() {
			b.off++
		}
	})
	each(func(s *sighting, b *beside) {
		if b.off < leastTogether {
			return
		}
		share := (float64(b.off) + usual*weightOfAlone) / (float64(b.told) + weightOfAlone)
		s.off = uint8(min(mostTogether, share) * stepsOfOffRate)
	})
}

// switched says that its BMC, or its hypervisor, tells that it is switched on, or off.
func (s *sighting) switched() (on, off bool) {
	on, off = s.powerIs(isUp), s.powerIs(isDown)
	for i := range s.about {
		if v := &s.about[i]; v.ask == askGuest {
			on, off = on || v.result == isUp, off || v.result == isDown
		}
	}
	return on, off
}

// leastShare is how many of those in a rack that nothing explains must be silent, to be so together.
const leastShare = 0.15

// together finds racks in which many machines are silent that the hypothesis leaves without a cause,
// so that those that it does explain may be as silent for the same reason, whoever switched half
// of the rack off. It weighs these racks anew, and says whether there are any that matter.
func (s *search) together(seen []*sighting) bool {
	type rest struct{ looked, silent, explained int }
	hoods := make([]rest, s.g.hoods)
	each := func(do func(l int32, hood *rest)) {
		for l := range s.failures {
			if hood := s.g.hood[s.global[l]]; hood != noNode {
				do(int32(l), &hoods[hood])
			}
		}
	}
	each(func(l int32, hood *rest) {
		for _, n := range s.stands(l) {
			switch sight := seen[n]; {
			case sight == nil:
			case s.t.state[l] != works:
				hood.explained++
			default:
				hood.looked++
				if sight.silent() && !sight.powerIs(isDown) {
					hood.silent++
				}
			}
		}
	})
	found := false
	each(func(l int32, hood *rest) {
		if hood.explained == 0 || hood.silent < leastTogether || float64(hood.silent) < leastShare*float64(hood.looked) {
			return
		}
		share := (float64(hood.silent) + s.habits.off*weightOfAlone) / (float64(hood.looked) + weightOfAlone)
		steps := uint8(min(mostTogether, share) * stepsOfOffRate)
		before := s.like[l].gain(s.t.state[l])
		for _, n := range s.stands(l) {
			if sight := seen[n]; sight != nil && sight.off < steps {
				sight.off = steps
				one := s.habits.weigh(inventory.KindServer, 1, sight)
				s.each[n] = &one
				found = true
			}
		}
		s.sumUp(l, &likelihood{})
		s.addGain(l, s.like[l].gain(s.t.state[l])-before)
	})
	return found
}

// neighbours numbers the racks by their machines, of those that nothing depends on: hood is noNode for all others.
// Where no rack is known, those on the same switch stand together.
func (g *Graph) neighbours() {
	g.hood = make([]int32, len(g.nodes))
	known := map[string]int32{}
	for i := range g.nodes {
		n := &g.nodes[i]
		g.hood[i] = noNode
		if !n.server || len(n.users) > 0 {
			continue
		}
		place := n.c.Rack
		for j := 0; place == "" && j < len(n.groups); j++ {
			if n.groups[j].network {
				place = g.id(n.groups[j].members[0])
			}
		}
		if place == "" {
			continue
		}
		hood, had := known[place]
		if !had {
			hood = int32(len(known))
			known[place] = hood
		}
		g.hood[i] = hood
	}
	g.hoods = len(known)
}
