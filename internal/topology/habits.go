package topology

// habits are what differs from estate to estate and from night to night: how
// much of it is down anyway, how often probes fail, how often machines do.
type habits struct {
	dark, cut       float64  // of the servers: without power, without network
	noise           float64  // a probe of what is well goes unanswered
	noises          []noises // the same by site
	bmc             float64  // a BMC that has power does not answer
	lies            float64  // it says of a machine that is on that it is off
	hung, off, dead float64  // a server has such a fault of its own
	mute            float64  // a server never answers, by policy
	gone            float64  // of these: nor does its BMC
	wrong           float64  // a server stands elsewhere than the inventory has it
	switchCutOff    float64  // a switch answers though cut off
	counts          counts
}

// counts are what the rates of own faults come from: servers that stand among
// others that answer.
type counts struct {
	servers, bmcAsked, bmcLost, bmcLies, off, dark, unasked int
	at                                                      []int   // of the servers, by site
	silent, byChance, chanceTold                            float64 // the last of those whose BMC was asked
}

// usual are the rates where too little was seen to estimate any.
func usual() *habits {
	return &habits{
		dark: leastDownAnyway, cut: leastDownAnyway, noise: falseDown, bmc: bmcMute, lies: bmcLies,
		hung: ownHung, off: ownOff, dead: ownDead, wrong: wrongInventory, switchCutOff: managedCutOff,
	}
}

const (
	mostNoise   = 0.1 // beyond it hosts have policies, not losses
	leastNoise  = 0.002
	mostHung    = 0.01 // beyond it, too
	weightOfOwn = 1500 // so many servers the usual rates of own faults are worth
	leastLiving = 50
	// weightOfNoise is how many probes the usual share that goes unanswered is worth.
	weightOfNoise = 100
	weightOfSite  = 200 // and the share of the whole estate for that of one of its sites
)

// habitsOf estimates the rates from what was seen.
func (g *Graph) habitsOf(seen []*sighting) *habits {
	r := usual()
	r.noise, r.noises = g.noiseOf(seen)
	r.elsewhere(g, seen)
	r.ownFaults(g, seen)
	return r
}

// outage counts how many machines are down, and how: those whose BMC has power are cut off.
type outage struct{ looked, down, dark, cut int }

func (o *outage) note(s *sighting, counts bool) {
	o.looked++
	if !counts || !s.silent() {
		return
	}
	o.down++
	switch {
	case s.powerIs(isUp):
		o.cut++
	case s.powerIs(isUnknown):
		o.dark++
	}
}

// elsewhere estimates how much of the estate is down: a machine that stands
// elsewhere than the inventory has it is as often down as any.
func (r *habits) elsewhere(g *Graph, seen []*sighting) {
	var all outage
	for n, sight := range seen {
		if sight != nil && g.isServer(int32(n)) {
			all.note(sight, true)
		}
	}
	r.downAnyway(&all)
}

func (r *habits) downAnyway(o *outage) {
	if o.looked < 5*leastRows || o.down == 0 {
		return
	}
	all := float64(o.down) / float64(o.looked)
	split := (float64(o.dark) + 1) / (float64(o.dark+o.cut) + 2)
	r.dark = min(.5, max(leastDownAnyway, all*split))
	r.cut = min(.5, max(leastDownAnyway, all*(1-split)))
}

// noises are how often probes of a site's components go unanswered by chance, from outside and from within.
type noises [2]float64

// noiseOf estimates how many probes go unanswered by chance, from components
// that answered one probe and not another from the same side; and that by site: what
// comes through uplinks that lose packets goes unanswered more often.
func (g *Graph) noiseOf(seen []*sighting) (all float64, at []noises) {
	sites, sum := make([][2]misses, len(g.sites)), misses{}
	for _, sight := range seen {
		if sight == nil {
			continue
		}
		var sides [2]misses
		for i := range sight.reach {
			if sight.reach[i].loss == 0 {
				sides[sight.reach[i].side()].note(sight.reach[i].result)
			}
		}
		for side, k := range sides {
			if k.asked > 1 && k.missed < k.asked {
				sum.add(k)
				if sight.site != noNode {
					sites[sight.site][side].add(k)
				}
			}
		}
	}
	all = sum.shrunk(falseDown, weightOfNoise)
	at = make([]noises, len(sites))
	for site := range sites {
		for side, k := range sites[site] {
			at[site][side] = k.shrunk(all, weightOfSite)
		}
	}
	return all, at
}

// shrunk is the share that was missed, where so many more are taken to be missed as usual.
func (k misses) shrunk(usual, weight float64) float64 {
	return min(mostNoise, max(leastNoise, (float64(k.missed)+usual*weight)/(float64(k.asked)+weight)))
}

// ownFaults estimates how often servers are down by themselves, from those
// that stand among others that answer.
func (r *habits) ownFaults(g *Graph, seen []*sighting) {
	living, watched, c := g.living(seen), g.watched(seen), &r.counts
	c.at = make([]int, len(g.sites))
	for n, sight := range seen {
		if sight == nil || len(sight.reach) == 0 || !g.isServer(int32(n)) || !living.surround(&g.nodes[n]) {
			continue
		}
		if site := g.siteNumber[n]; site != noNode && watched[site] {
			if within, _ := sight.within(); !within {
				continue // its uplinks may be why it is silent, or it stands where nobody within is left
			}
		}
		c.servers++
		if site := g.siteNumber[n]; site != noNode {
			c.at[site]++
		}
		chance := 1.0
		for i := range sight.reach {
			chance *= r.missed(&sight.reach[i], sight.site)
		}
		c.byChance += chance
		told, lost := len(sight.power) > 0, sight.powerIs(isUnknown) && !sight.powerIs(isUp) && !sight.powerIs(isDown)
		if told {
			c.chanceTold += chance
		} else {
			c.unasked++
		}
		switch {
		case sight.answered():
			if told {
				c.bmcAsked++
				if lost {
					c.bmcLost++
				}
				if sight.powerIs(isDown) {
					c.bmcLies++
				}
			}
		case sight.powerIs(isDown):
			c.off++
		case lost:
			c.dark++
		default:
			c.silent++
		}
	}
	r.settle()
}

// watched says of each site that its own vantages ask most of its machines.
func (g *Graph) watched(seen []*sighting) []bool {
	all, within := make([]int, len(g.sites)), make([]int, len(g.sites))
	for n, sight := range seen {
		if site := g.siteNumber[n]; sight != nil && len(sight.reach) > 0 && site != noNode && g.isServer(int32(n)) {
			all[site]++
			if asked, _ := sight.within(); asked {
				within[site]++
			}
		}
	}
	out := make([]bool, len(g.sites))
	for site := range out {
		out[site] = 2*within[site] > all[site]
	}
	return out
}

// settle takes the rates of own faults from the counts.
func (r *habits) settle() {
	c := &r.counts
	if c.servers < leastLiving {
		return
	}
	r.bmc = min(.3, max(.003, (float64(c.bmcLost)+bmcMute*200)/(float64(c.bmcAsked)+200)))
	r.lies = min(.01, max(leastBMCLies, (float64(c.bmcLies)+bmcLies*200)/(float64(c.bmcAsked)+200)))
	all, unasked := float64(c.servers), float64(c.unasked)
	asked := all - unasked
	shrunk := func(found, of, usual float64) float64 {
		return (max(0, found) + usual*weightOfOwn) / (of + weightOfOwn)
	}
	r.off, r.mute = min(.02, shrunk(float64(c.off), asked, ownOff)), 0
	// Some stand elsewhere, where more is down; some are silent by chance, and their BMCs, too.
	for range 2 { // each of the two rates has a part in the other's counts
		hung := c.silent - (c.byChance - r.bmc*c.chanceTold) - r.wrong*(r.cut*all+r.dark*unasked) - (r.off+r.dead)*unasked
		r.hung = shrunk(hung, all, ownHung)
		dead := float64(c.dark) - r.bmc*(c.chanceTold+r.hung*asked) - r.wrong*r.dark*asked
		r.dead = min(.02, shrunk(dead, asked, ownDead))
	}
	if r.hung > mostHung {
		r.mute = min(.3, r.hung-ownHung)
		r.hung = ownHung
	}
}

// lives says behind which nodes servers answer for the most part: those that
// hang on the node alone, and those that have it first of several.
type lives [2][]bool

func (g *Graph) living(seen []*sighting) lives {
	var up, down [2][]int32
	var out lives
	for k := range out {
		up[k], down[k], out[k] = make([]int32, len(g.nodes)), make([]int32, len(g.nodes)), make([]bool, len(g.nodes))
	}
	for n, sight := range seen {
		if sight == nil || !g.isServer(int32(n)) {
			continue
		}
		count := &up
		if !sight.answered() {
			count = &down
		}
		for i := range g.nodes[n].groups {
			members := g.nodes[n].groups[i].members
			count[min(len(members)-1, 1)][members[0]]++
		}
	}
	for k := range out {
		for n := range g.nodes {
			out[k][n] = up[k][n] > 0 && 2*up[k][n] >= 3*down[k][n]
		}
	}
	return out
}

// surround says that what the node leans on carries others in the same way.
func (l *lives) surround(n *node) bool {
	for i := range n.groups {
		members := n.groups[i].members
		if !l[min(len(members)-1, 1)][members[0]] {
			return false
		}
	}
	return true
}
