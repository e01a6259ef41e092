package topology

import (
	"slices"

	"vakhta/internal/inventory"
)

// carrier is a switch or uplink on a machine's way to those who probe it, and
// the share of its traffic that goes there.
type carrier struct {
	node  int32
	share float64
}

// carriers finds the ways of machines; those on the same switches share theirs.
type carriers struct {
	g     *Graph
	known map[[3]int32][]carrier
	class [][]carrier   // by class of servers; nil: not looked up
	ups   map[int32]int // how many uplinks each site has
}

func newCarriers(g *Graph) *carriers {
	c := &carriers{g: g, known: map[[3]int32][]carrier{}, class: make([][]carrier, g.classes), ups: map[int32]int{}}
	for n := range g.nodes {
		if g.nodes[n].uplink {
			c.ups[g.site[n]]++
		}
	}
	return c
}

// of lists what carries the traffic of n.
func (c *carriers) of(n int32) []carrier {
	class := c.g.class[n]
	if class != noNode && c.class[class] != nil {
		return c.class[class]
	}
	list := c.find(n)
	if class != noNode {
		c.class[class] = list
	}
	return list
}

func (c *carriers) find(n int32) []carrier {
	key, ways := [3]int32{noNode, noNode, noNode}, 0
	for i := range c.g.nodes[n].groups {
		if grp := &c.g.nodes[n].groups[i]; c.g.carries(grp) {
			members := grp.members
			key = [3]int32{members[0], members[len(members)-1], int32(len(members))}
			ways++
		}
	}
	if list, had := c.known[key]; had && ways < 2 {
		return list
	}
	share := map[int32]float64{}
	c.walk(n, 1, share, 0)
	list := make([]carrier, 0, len(share))
	for node, part := range share {
		list = append(list, carrier{node, min(part, 1)})
	}
	slices.SortFunc(list, func(a, b carrier) int { return int(a.node) - int(b.node) })
	if ways < 2 {
		c.known[key] = list
	}
	return list
}

const longestWay = 8 // hops; the inventory has no cycles, this bounds the work

// walk adds a part of the traffic of n to the shares of what it goes by. Each group that it goes by carries all of it: that
// of a guest goes by its host and by the switch that it is written down with, which mostly is the same way.
func (c *carriers) walk(n int32, part float64, share map[int32]float64, hops int) {
	if hops > longestWay {
		return
	}
	var only *group
	var most map[int32]float64 // where there are several groups
	for i := range c.g.nodes[n].groups {
		grp := &c.g.nodes[n].groups[i]
		switch {
		case !c.g.carries(grp):
		case only == nil:
			only = grp
		default:
			if most == nil {
				most = map[int32]float64{}
				c.by(only, 1, most, hops)
			}
			this := map[int32]float64{}
			c.by(grp, 1, this, hops)
			for m, p := range this {
				most[m] = max(most[m], p)
			}
		}
	}
	switch {
	case most != nil:
		for m, p := range most {
			share[m] += part * p
		}
	case only != nil:
		c.by(only, part, share, hops)
	}
}

// by adds a part of the traffic that goes by the group, each of whose members takes as much.
func (c *carriers) by(grp *group, part float64, share map[int32]float64, hops int) {
	each := part / float64(len(grp.members))
	for _, m := range grp.members {
		switch c.g.nodes[m].c.Kind {
		case inventory.KindSwitch, inventory.KindCard, inventory.KindUplink:
			share[m] += each
		}
		c.walk(m, each, share, hops+1)
	}
}

// carries says that traffic goes by the group: a line card's by the switch that it is in, too, and a guest's by its host.
func (g *Graph) carries(grp *group) bool {
	if grp.network || grp.name == "host" {
		return true
	}
	kind := g.nodes[grp.members[0]].c.Kind
	return kind == inventory.KindSwitch || kind == inventory.KindHypervisor
}

// part is the share of what is asked of n from a place, the node of a site or noNode, that goes through
// the carrier. An uplink carries all that comes into its site or leaves it, management too.
func (c *carriers) part(carrier, n, place int32) float64 {
	home := c.g.site[carrier]
	uplink := c.g.nodes[carrier].uplink
	switch {
	case uplink && place == c.g.site[n]:
		return 0
	case uplink && place == home:
		return 1 / float64(c.ups[home])
	case !uplink && n == carrier:
		return 1
	}
	for _, way := range c.of(n) {
		if way.node == carrier {
			return way.share
		}
	}
	if uplink && c.g.site[n] == home {
		return 1 / float64(c.ups[home])
	}
	return 0
}
