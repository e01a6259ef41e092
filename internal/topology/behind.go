package topology

import (
	"math"
	"slices"

	"vakhta/internal/inventory"
)

// behindUplink is how often the management of what is behind an uplink, as seen from
// outside, hangs on it instead of on a network of its own. For switches see inBand.
const behindUplink = 0.4

// darkWithin is how often a site without its uplinks is dark for its own vantages,
// too: they reach its machines by the same routers, or somebody takes the
// inventory at its word, by which what needs the uplinks doesn't work without.
const (
	darkWithin      = 0.2
	darkWithinShare = 0.3 // fewer silent machines than that say that it is not so
)

// linkBehind adds, for each switch and uplink behind which management is dark, a
// node that stands for "the management of what is behind it hangs on it". It is
// part of a hypothesis like a failure, so that it is one coincidence a switch and
// not one for each machine; but it breaks nothing, and no report names it.
func (s *search) linkBehind(nodes []node, seen []*sighting) []node {
	s.inBand(seen)
	switches := map[string][]int32{} // by rack
	for i := range nodes {
		if nodes[i].server {
			continue
		}
		if c := nodes[i].c; c.Kind == inventory.KindSwitch && c.Rack != "" && len(nodes[i].users) > 0 {
			switches[c.Rack] = append(switches[c.Rack], int32(i))
		}
	}
	uplinks := s.uplinksOf(nodes)
	dark := s.darkBehind(nodes, switches, uplinks, seen)
	s.failures = len(nodes)
	for i := range s.failures {
		if dark[i] && len(nodes[i].users) > 0 && s.hangsOn(nodes[i].c) > 0 && boardOf(nodes, int32(i)) == noNode {
			nodes = append(nodes, node{c: nodes[i].c, users: nodes[i].users})
			nodes[i].behind = int32(len(nodes))
			s.global = append(s.global, s.global[i])
		}
	}
	nodes = s.linkServed(s.linkCores(nodes, seen))
	rooms := waysOfRooms(nodes[:s.failures])
	for i := range s.failures {
		if nodes[i].server || !isSupply(nodes[i].c.Kind) {
			continue
		}
		for _, m := range switches[nodes[i].c.Rack] {
			if behind := nodes[m].behind; behind > 0 {
				nodes[i].via = append(nodes[i].via, m)
				nodes[m].users = append(nodes[m].users, int32(i))
				nodes[behind-1].users = nodes[m].users
			}
		}
		if far := s.farFrom(int32(i), nodes, switches, uplinks, rooms); len(far) > 0 {
			reachFrom(nodes, int32(i), far)
		}
	}
	shareBehind(nodes[:s.failures], nodes)
	for i := range s.failures {
		if behind := nodes[i].carried(); behind > 0 {
			nodes[behind-1].users = append(slices.Clip(nodes[behind-1].users), int32(i))
		}
	}
	return nodes
}

// carried is what says that the management of what is behind the node hangs on it, and so its own on the way that leads
// to it, plus 1; 0: nothing.
func (n *node) carried() int32 {
	if n.uplink {
		return 0
	}
	return n.behind
}

// shareBehind lets the line cards of a switch stand for the same assumption as the switch: management hangs on it, by
// whichever of its cards, or does not.
func shareBehind(failures, nodes []node) {
	for i := range failures {
		board := boardOf(nodes, int32(i))
		if board == noNode || nodes[board].behind == 0 {
			continue
		}
		nodes[i].behind = nodes[board].behind
		behind := &nodes[nodes[board].behind-1]
		behind.users = merge(behind.users, nodes[i].users)
	}
}

// boardOf is the switch that a line card is part of; noNode of what is none.
func boardOf(nodes []node, n int32) int32 {
	if nodes[n].server || nodes[n].c.Kind != inventory.KindCard {
		return noNode
	}
	for i := range nodes[n].groups {
		for _, m := range nodes[n].groups[i].members {
			if nodes[m].c.Kind == inventory.KindSwitch {
				return m
			}
		}
	}
	return noNode
}

// uplinksOf are the uplinks by site.
func (s *search) uplinksOf(nodes []node) map[int32][]int32 {
	out := map[int32][]int32{}
	for i := range nodes {
		if site := s.g.siteNumber[s.global[i]]; nodes[i].uplink && site != noNode {
			out[site] = append(out[site], int32(i))
		}
	}
	return out
}

// isSupply says that such equipment carries power and needs no network to, so that the inventory does not say what
// its management hangs on.
func isSupply(kind inventory.Kind) bool {
	return kind == inventory.KindPDU || kind == inventory.KindPhase || kind == inventory.KindFeed
}

// waysOfRooms are, by room, the switches outside of racks that carry all its racks' switches, where these are the same.
func waysOfRooms(nodes []node) map[string][]int32 {
	out := map[string][]int32{}
	for i := range nodes {
		c := nodes[i].c
		if nodes[i].server || c.Kind != inventory.KindSwitch || c.Rack == "" || c.Room == "" {
			continue
		}
		for j := range nodes[i].groups {
			grp := &nodes[i].groups[j]
			if !grp.network {
				continue
			}
			switch way, known := out[c.Room]; {
			case slices.ContainsFunc(grp.members, func(m int32) bool {
				return nodes[m].server || nodes[m].c.Kind != inventory.KindSwitch || nodes[m].c.Rack != ""
			}), known && !slices.Equal(way, grp.members):
				out[c.Room] = nil
			default:
				out[c.Room] = grp.members
			}
		}
	}
	return out
}

// farFrom are the switches, or else the uplinks, by which those outside reach the management of a PDU or feed in
// whose rack no switch is known, or that stands in none: those that carry the racks of its room, as far as management may hang on them.
func (s *search) farFrom(n int32, nodes []node, switches map[string][]int32, uplinks map[int32][]int32, rooms map[string][]int32) []int32 {
	if len(switches[nodes[n].c.Rack]) > 0 {
		return nil
	}
	hangs := func(m int32) bool { return nodes[m].behind > 0 && !leansOn(nodes, m, n) } // else its management is not dark, or n comes before it
	for _, way := range [][]int32{rooms[nodes[n].c.Room], uplinks[s.g.siteNumber[s.global[n]]]} {
		if len(way) > 0 && !slices.ContainsFunc(way, func(m int32) bool { return !hangs(m) }) {
			return way
		}
	}
	return nil
}

// leansOn says that m needs n for more than power, which n delivers whether anybody can ask it or not.
func leansOn(nodes []node, m, n int32) bool {
	for i := range nodes[m].groups {
		grp := &nodes[m].groups[i]
		for _, k := range grp.members {
			fed := grp.power && !nodes[k].server && isSupply(nodes[k].c.Kind)
			if !fed && (k == n || leansOn(nodes, k, n)) {
				return true
			}
		}
	}
	return false
}

// reachFrom notes that the management of n hangs on these uplinks.
func reachFrom(nodes []node, n int32, far []int32) {
	nodes[n].far = far
	for _, m := range far {
		nodes[m].users = append(nodes[m].users, n)
		nodes[nodes[m].behind-1].users = nodes[m].users
	}
	if core := nodes[far[0]].core; core > 0 {
		nodes[core-1].users = append(nodes[core-1].users, n)
	}
}

// linkCores adds, for each site whose own vantages miss much of it, a node that
// stands for "without its uplinks it is dark within, too": the same kind of
// assumption, one for all uplinks of the site.
func (s *search) linkCores(nodes []node, seen []*sighting) []node {
	asked, silent := make([]int, len(s.g.sites)), make([]int, len(s.g.sites))
	for n, sight := range seen {
		site := s.g.siteNumber[n]
		if sight != nil && site != noNode && s.g.wired[n] && s.g.isServer(int32(n)) {
			if within, up := sight.within(); within {
				asked[site]++
				if !up {
					silent[site]++
				}
			}
		}
	}
	cores := make([]int32, len(s.g.sites))
	for i := range s.failures {
		site := s.g.siteNumber[s.global[i]]
		if !nodes[i].uplink || site == noNode || silent[site] == 0 || float64(silent[site]) < darkWithinShare*float64(asked[site]) {
			continue
		}
		if cores[site] == 0 {
			nodes = append(nodes, node{c: nodes[i].c})
			cores[site] = int32(len(nodes))
			nodes[len(nodes)-1].core = cores[site]
			s.global = append(s.global, s.global[i])
		}
		core := &nodes[cores[site]-1]
		core.users = append(core.users, nodes[i].users...)
		nodes[i].core = cores[site]
	}
	for _, core := range cores {
		if core > 0 {
			users := slices.Clone(nodes[core-1].users)
			slices.Sort(users)
			nodes[core-1].users = slices.Compact(users)
		}
	}
	return nodes
}

// within says whether it was asked from within its own site, and answered there.
func (s *sighting) within() (asked, answered bool) {
	for i := range s.reach {
		if s.reach[i].inside {
			asked = true
			answered = answered || s.reach[i].result == isUp
		}
	}
	return asked, answered
}

// darkBehind marks what has dark management behind it.
func (s *search) darkBehind(nodes []node, switches map[string][]int32, uplinks map[int32][]int32, seen []*sighting) []bool {
	dark := make([]bool, len(nodes))
	var stack []int32
	up := func(m int32) {
		if !dark[m] {
			dark[m] = true
			stack = append(stack, m)
		}
	}
	for n, sight := range seen {
		if sight != nil && sight.managementDark(s.g.isServer(int32(n))) {
			up(s.local[n])
		}
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for i := range nodes[n].groups {
			if grp := &nodes[n].groups[i]; grp.name != "power" {
				for _, m := range grp.members {
					up(m)
				}
			}
		}
		if nodes[n].server {
			continue
		}
		if c := nodes[n].c; isSupply(c.Kind) {
			way := switches[c.Rack]
			if len(way) == 0 {
				way = uplinks[s.g.siteNumber[s.global[n]]]
			}
			for _, m := range way {
				up(m)
			}
		}
	}
	return dark
}

// priorOf is the log odds of a node before anything was seen.
func (s *search) priorOf(n int32) float64 {
	switch from := &s.t.nodes[n]; {
	case from.core == n+1:
		return math.Log(darkWithin / (1 - darkWithin))
	case from.hang == n+1:
		return math.Log((1 - servesOn) / servesOn)
	case int(n) >= s.failures:
		p := s.hangsOn(from.c)
		return math.Log(p / (1 - p))
	case from.server && len(from.users) == 0:
		return math.Inf(-1) // its own faults are in its likelihood
	case s.g.serves[s.global[n]]:
		return logPrior[from.c.Kind] + math.Log(1-servesOn)
	default:
		return logPrior[from.c.Kind] + s.oftener[n]
	}
}

// isFailure says that the node stands for a failure.
func (s *search) isFailure(n int32) bool { return int(n) < s.failures }

// managementDark says that a BMC or a management address did not answer.
func (s *sighting) managementDark(server bool) bool {
	if server {
		return s.silent() && s.powerIs(isUnknown)
	}
	return s.silent()
}

// withBehind is the set together with the management behind its members.
func (s *search) withBehind(nodes []int32) pair {
	out := pair(append([]int32(nil), nodes...))
	for _, n := range nodes {
		if behind := s.t.nodes[n].behind; behind > 0 {
			out = append(out, behind-1)
		}
	}
	slices.Sort(out)
	return out
}
