package faultgen

import (
	"math/rand/v2"
	"slices"
)

// ownFault is what can ail a server by itself.
type ownFault uint8

const (
	healthy ownFault = iota
	hung             // powered, mute
	off              // switched off; its BMC says so
	dead             // its power supply is gone, its BMC with it
)

// world is how things really are: which component is broken, where machines really stand.
type world struct {
	e       *Estate
	broken  map[string]bool
	own     []ownFault
	stands  []int // the rack where each server really is
	talksOn map[string]bool
}

// power says what is fed and what forwards, computed afresh for a world.
type power struct {
	room, rack []bool
	feed       [][2]bool // by room
	agg        [][2]bool
	pdu        [][2]bool // by rack
	tor        []bool    // works and has somebody to forward to
	torFed     []bool
	uplink     [][2]bool
	outward    []bool // by site: some uplink works
	host       []bool
}

func (w *world) ok(id string) bool { return !w.broken[id] }

// lay follows the cables from the site down.
func (w *world) lay() *power {
	e := w.e
	p := &power{}
	for i, site := range e.sites {
		var up [2]bool
		for j, u := range e.uplinks[i] {
			up[j] = w.ok(site) && w.ok(u.id)
		}
		p.uplink = append(p.uplink, up)
		p.outward = append(p.outward, up[0] || up[1])
	}
	for i := range e.rooms {
		m := &e.rooms[i]
		room := w.ok(e.sites[m.site]) && w.ok(m.id)
		var feed, agg [2]bool
		for j := range feed {
			feed[j] = room && w.ok(m.feeds[j])
		}
		for j := range agg {
			agg[j] = room && (feed[0] || feed[1]) && w.ok(m.aggs[j])
		}
		p.room, p.feed, p.agg = append(p.room, room), append(p.feed, feed), append(p.agg, agg)
	}
	for i := range e.racks {
		k := &e.racks[i]
		rack := p.room[k.room] && w.ok(k.id)
		var pdu [2]bool
		for j := range pdu {
			pdu[j] = rack && p.feed[k.room][j] && w.ok(k.pdus[j])
		}
		fed := fedBy(pdu, k.torSides)
		p.rack, p.pdu, p.torFed = append(p.rack, rack), append(p.pdu, pdu), append(p.torFed, fed)
		p.tor = append(p.tor, fed && w.ok(k.tor) && (p.agg[k.room][0] || p.agg[k.room][1]))
	}
	for _, h := range e.hosts {
		p.host = append(p.host, fedBy(p.pdu[h.rack], both) && w.ok(h.id))
	}
	return p
}

func fedBy(pdu [2]bool, sides uint8) bool {
	return pdu[0] && sides&sideA != 0 || pdu[1] && sides&sideB != 0
}

// fed says whether server n has electricity.
func (w *world) fed(p *power, n int) bool {
	s := &w.e.servers[n]
	if s.host >= 0 {
		return p.host[s.host]
	}
	return fedBy(p.pdu[w.stands[n]], s.sides)
}

// Kinds are the kinds of fault that are drawn, each as often as the others.
var Kinds = []string{"site", "room", "rack", "feed", "pdu", "tor", "agg", "agg pair", "uplink", "uplink pair", "hypervisor", "server"}

// draw breaks so many things, none of which is dead already because of another.
// It returns the components broken, apart from servers.
func (w *world) draw(r *rand.Rand, faults int) []string {
	e := w.e
	var drawn [][]string
	lost := false
	for tries := 0; len(drawn) < faults && tries < 200; tries++ {
		m, k := &e.rooms[r.IntN(len(e.rooms))], &e.racks[r.IntN(len(e.racks))]
		site := r.IntN(len(e.sites))
		up := e.uplinks[site]
		var ids []string
		switch kind := Kinds[r.IntN(len(Kinds))]; kind {
		case "site", "uplink pair":
			if lost { // one at a time: both sites away look like no eyes at all
				continue
			}
			lost = true
			ids = []string{e.sites[site]}
			if kind == "uplink pair" {
				ids = []string{up[0].id, up[1].id}
			}
		case "room":
			ids = []string{m.id}
		case "rack":
			ids = []string{k.id}
		case "feed":
			ids = []string{m.feeds[r.IntN(2)]}
		case "pdu":
			ids = []string{k.pdus[r.IntN(2)]}
		case "tor":
			ids = []string{k.tor}
		case "agg":
			ids = []string{m.aggs[r.IntN(2)]}
		case "agg pair":
			ids = m.aggs[:]
		case "uplink":
			ids = []string{up[r.IntN(2)].id}
		case "hypervisor":
			if len(e.hosts) == 0 {
				continue
			}
			ids = []string{e.hosts[r.IntN(len(e.hosts))].id}
		case "server":
			w.own[r.IntN(len(e.servers))] = ownFault(1 + r.IntN(3))
			drawn = append(drawn, nil)
			continue
		}
		drawn = append(drawn, slices.Clone(ids))
		if !w.allMatter(drawn) {
			drawn = drawn[:len(drawn)-1]
		}
	}
	var out []string
	for _, ids := range drawn {
		out = append(out, ids...)
	}
	slices.Sort(out)
	for _, id := range out {
		w.broken[id] = true
	}
	return out
}

// allMatter says that every fault changes something that the others leave
// whole: a PDU in a rack that has lost its room is nobody's finding.
func (w *world) allMatter(drawn [][]string) bool {
	whole := func(without int) string {
		w.broken = map[string]bool{}
		for i, ids := range drawn {
			if i != without {
				for _, id := range ids {
					w.broken[id] = true
				}
			}
		}
		return w.fingerprint()
	}
	all := whole(-1)
	for i, ids := range drawn {
		if len(ids) > 0 && whole(i) == all {
			return false
		}
	}
	w.broken = map[string]bool{}
	return true
}

// fingerprint is the state of all equipment that a probe can tell, as text. What stands
// behind two dead aggregation switches is nobody's finding until these are back.
func (w *world) fingerprint() string {
	p := w.lay()
	out := make([]byte, 0, 8*len(w.e.racks))
	bit := func(list ...bool) {
		for _, b := range list {
			if b {
				out = append(out, '1')
			} else {
				out = append(out, '0')
			}
		}
	}
	for i := range p.uplink {
		bit(p.uplink[i][:]...)
	}
	for i := range p.room {
		bit(p.room[i])
		bit(p.feed[i][:]...)
		bit(p.agg[i][:]...)
	}
	for i := range p.rack {
		k := &w.e.racks[i]
		if room := p.agg[k.room]; !room[0] && !room[1] {
			continue
		}
		bit(p.tor[i])
		if k.outOfBand || p.tor[i] {
			bit(p.rack[i], p.torFed[i] && w.ok(k.tor))
			bit(p.pdu[i][:]...)
		}
	}
	for i, h := range w.e.hosts {
		bit(p.host[i] && p.tor[h.rack])
	}
	return string(out)
}
