package faultgen

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Noise is how reality differs from the ideal of a sweep, as shares.
type Noise struct {
	FalseDown    float64 // a probe that misses what is well
	NeverAnswers float64 // machines whose address answers nothing, by policy; BMCs that never do
	Missing      float64 // probes that were not made
	WrongRack    float64 // machines that stand in another rack than the inventory has
	OwnFaults    float64 // machines that are down by themselves
	BlindVantage bool    // one vantage sees nothing at all
	HalfDark     int     // racks half of which their owners switched off
	NoPower      bool    // BMCs are not asked
	ICMPOnly     bool    // nothing but ping
}

// NoiseA is the ordinary noise, Harsh four times as much with a blind vantage
// and half-dark racks, PingOnly the ordinary noise where nothing but ping is allowed.
var (
	NoiseA   = Noise{FalseDown: .01, NeverAnswers: .02, Missing: .05, WrongRack: .01, OwnFaults: .003}
	Harsh    = Noise{FalseDown: .04, NeverAnswers: .08, Missing: .20, WrongRack: .04, OwnFaults: .012, BlindVantage: true, HalfDark: 6}
	PingOnly = Noise{FalseDown: .01, NeverAnswers: .02, Missing: .05, WrongRack: .01, OwnFaults: .003, NoPower: true, ICMPOnly: true}
)

// Row is one observation, in the words of the observations' format.
type Row struct {
	Component, Probe, Vantage string
	At                        time.Time
	Result                    string
}

// Case is one night: what broke, what probes saw, and what they had seen the day before.
type Case struct {
	Broken  []string        // components other than servers, in order
	Own     map[string]bool // servers that are down by themselves, and would be seen if well
	Rows    []Row
	Earlier []Row
}

// Outside is the vantage outside of all sites.
const Outside = "outside"

// Case draws one.
func (e *Estate) Case(seed uint64, faults int, noise Noise) Case {
	r := rand.New(rand.NewPCG(seed, 0x6e69676874))
	w := &world{e: e, broken: map[string]bool{}, own: make([]ownFault, len(e.servers)), stands: make([]int, len(e.servers)), talksOn: map[string]bool{}}
	l := &looker{world: w, r: r, noise: noise, mute: make([]bool, len(e.servers)), muteBMC: make([]bool, len(e.servers))}
	for n := range e.servers {
		w.stands[n] = e.servers[n].rack
		if r.Float64() < noise.WrongRack && e.servers[n].host < 0 {
			w.stands[n] = r.IntN(len(e.racks))
		}
		l.mute[n], l.muteBMC[n] = r.Float64() < noise.NeverAnswers, r.Float64() < noise.NeverAnswers
	}
	for i := range noise.HalfDark {
		if i%2 == 0 { // since yesterday or longer
			l.darken(r.IntN(len(e.racks)))
		}
	}
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	c := Case{Own: map[string]bool{}}
	c.Earlier = l.look(now.Add(-24*time.Hour), "")
	old := append([]ownFault(nil), w.own...)
	for i := range noise.HalfDark {
		if i%2 == 1 {
			l.darken(r.IntN(len(e.racks)))
		}
	}
	for n := range e.servers {
		if r.Float64() < noise.OwnFaults && w.own[n] == healthy {
			w.own[n] = ownFault(1 + r.IntN(3))
		}
	}
	c.Broken = w.draw(r, faults)
	for _, id := range c.Broken {
		// Its controller may live though it forwards nothing.
		w.talksOn[id] = strings.HasSuffix(id, "-tor") && r.Float64() < .05
	}
	p := w.lay()
	for n := range e.servers {
		if w.own[n] != healthy && old[n] == healthy && !l.mute[n] && w.fed(p, n) && p.tor[w.stands[n]] {
			c.Own[e.servers[n].id] = true
		}
	}
	blind := ""
	if noise.BlindVantage {
		blind = Outside // or one within a site that is seen from without
		if site := r.IntN(3); site < 2 && p.outward[site] {
			blind = insideOf(e.sites[site])
		}
	}
	c.Rows = l.look(now, blind)
	return c
}

// looker makes the probes.
type looker struct {
	*world
	r             *rand.Rand
	noise         Noise
	mute, muteBMC []bool
	rows          []Row
	at            time.Time
	blind         string
	skew          map[string]time.Duration
}

func (l *looker) darken(rack int) {
	for l.e.racks[rack].hypervisor {
		rack = (rack + 1) % len(l.e.racks)
	}
	for i, n := range l.e.racks[rack].servers {
		if i%2 == 0 {
			l.own[n] = off
		}
	}
}

func (l *looker) look(at time.Time, blind string) []Row {
	l.rows, l.at, l.blind, l.skew = nil, at, blind, map[string]time.Duration{}
	for _, v := range []string{Outside, insideOf(l.e.sites[0]), insideOf(l.e.sites[1])} {
		l.skew[v] = time.Duration(l.r.IntN(180)-90) * time.Second
	}
	p := l.lay()
	for i := range l.e.sites {
		for j, u := range l.e.uplinks[i] {
			l.managed(u.id, i, p.uplink[i][j], true, p)
		}
	}
	for i := range l.e.rooms {
		m := &l.e.rooms[i]
		for _, id := range m.aggs {
			l.managed(id, m.site, p.room[i] && (p.feed[i][0] || p.feed[i][1]), true, p)
		}
	}
	for i := range l.e.racks {
		k := &l.e.racks[i]
		path := k.outOfBand || p.tor[i]
		site := l.e.rooms[k.room].site
		for j, id := range k.pdus {
			l.managed(id, site, p.rack[i] && p.feed[k.room][j], path, p)
		}
		l.managed(k.tor, site, p.torFed[i], k.outOfBand || p.agg[k.room][0] || p.agg[k.room][1], p)
	}
	for _, h := range l.e.hosts {
		l.managed(h.id, l.e.rooms[l.e.racks[h.rack].room].site, fedBy(p.pdu[h.rack], both), p.tor[h.rack], p)
	}
	for n := range l.e.servers {
		l.server(n, p)
	}
	return l.rows
}

// managed probes the address of a piece of equipment, from within its site and from outside.
func (l *looker) managed(id string, site int, fed, path bool, p *power) {
	well := fed && path && (l.ok(id) || l.talksOn[id])
	at := l.at
	for range 2 { // equipment is asked twice, a minute apart
		for _, probe := range []string{"tcp", "icmp"} {
			l.reach(id, probe, insideOf(l.e.sites[site]), well)
			l.reach(id, probe, Outside, well && p.outward[site])
		}
		l.at = l.at.Add(time.Minute)
	}
	l.at = at
}

func (l *looker) server(n int, p *power) {
	s := &l.e.servers[n]
	rack := l.stands[n]
	site := l.e.rooms[l.e.racks[rack].room].site
	fed := l.fed(p, n)
	answers := fed && p.tor[rack] && l.own[n] == healthy && !l.mute[n]
	inside := insideOf(l.e.sites[site])
	if s.tcp {
		l.reach(s.id, "tcp", inside, answers)
	}
	if s.icmp {
		l.reach(s.id, "icmp", inside, answers)
	}
	if s.tcp {
		l.reach(s.id, "tcp", Outside, answers && p.outward[site])
	} else {
		l.reach(s.id, "icmp", Outside, answers && p.outward[site])
	}
	if !s.bmc || l.noise.NoPower || l.r.Float64() < l.noise.Missing {
		return
	}
	result := "up"
	switch {
	case !fed || l.own[n] == dead || l.muteBMC[n] || l.blind == inside,
		!l.e.racks[rack].outOfBand && !p.tor[rack], l.r.Float64() < l.noise.FalseDown:
		result = "unknown"
	case l.own[n] == off:
		result = "down"
	}
	l.row(s.id, "power", inside, result)
}

func (l *looker) reach(id, probe, vantage string, answers bool) {
	if l.r.Float64() < l.noise.Missing || probe != "icmp" && l.noise.ICMPOnly {
		return
	}
	result := "up"
	if !answers || vantage == l.blind || l.r.Float64() < l.noise.FalseDown {
		result = "down"
	}
	l.row(id, probe, vantage, result)
}

func (l *looker) row(id, probe, vantage, result string) {
	for _, site := range l.e.sites {
		if vantage == insideOf(site) && !l.ok(site) {
			return // the vantage lost its power with the site
		}
	}
	at := l.at.Add(l.skew[vantage]).Add(time.Duration(l.r.IntN(3_000_000)) * time.Microsecond)
	l.rows = append(l.rows, Row{id, probe, vantage, at, result})
}

// String says the case in one line, for whoever looks into it.
func (c *Case) String() string {
	return fmt.Sprintf("broken %v, %d servers by themselves, %d rows", c.Broken, len(c.Own), len(c.Rows))
}
