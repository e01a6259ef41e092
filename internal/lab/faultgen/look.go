package faultgen

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
	Messy        float64 // rows that come twice, are a day old, or of nobody
}

// NoiseA is the ordinary noise, Harsh four times as much with a blind vantage
// and half-dark racks, PingOnly the ordinary noise where nothing but ping is allowed.
var (
	NoiseA   = Noise{FalseDown: .01, NeverAnswers: .02, Missing: .05, WrongRack: .01, OwnFaults: .003, Messy: .01}
	Harsh    = Noise{FalseDown: .04, NeverAnswers: .08, Missing: .20, WrongRack: .04, OwnFaults: .012, BlindVantage: true, HalfDark: 6, Messy: .04}
	PingOnly = Noise{FalseDown: .01, NeverAnswers: .02, Missing: .05, WrongRack: .01, OwnFaults: .003, NoPower: true, ICMPOnly: true, Messy: .01}
)

// Row is one observation, in the words of the observations' format.
type Row struct {
	Component string    `json:"component"`
	Probe     string    `json:"probe"`
	Peer      string    `json:"peer,omitempty"`
	Vantage   string    `json:"vantage"`
	At        time.Time `json:"at"`
	Result    string    `json:"result"`
}

// Case is one night: what broke, what probes saw, and what they had seen the day before.
type Case struct {
	Broken  []string        // components other than servers, in order
	Own     map[string]bool // servers that are down by themselves, and would be seen if well
	Ailing  map[string]bool // all that newly are: those that never answer, or that other faults hide, too
	Rows    []Row
	Earlier []Row
}

// Case draws one.
func (e *Estate) Case(seed uint64, faults int, noise Noise) Case {
	return e.Night(seed, faults, noise).Case
}

// Night is a case that can be looked at again.
type Night struct {
	Case
	looker *looker
	blind  string
}

// Look makes every probe again at another time of the night: chance differs,
// what is broken does not.
func (n *Night) Look(at time.Time) []Row { return n.looker.look(at, n.blind) }

// Night draws a case that can be looked at again.
func (e *Estate) Night(seed uint64, faults int, noise Noise) *Night {
	r := rand.New(rand.NewPCG(seed, 0x6e69676874))
	w := newWorld(e)
	l := &looker{world: w, r: r, noise: noise, mute: make([]bool, len(e.things)), muteBMC: make([]bool, len(e.things))}
	for _, n := range e.servers {
		if r.Float64() < noise.WrongRack && e.things[n].host < 0 {
			if other := e.servers[r.IntN(len(e.servers))]; e.things[other].host < 0 {
				w.stands[n] = other
			}
		}
		l.mute[n], l.muteBMC[n] = r.Float64() < noise.NeverAnswers, r.Float64() < noise.NeverAnswers
	}
	for i := range noise.HalfDark {
		if i%2 == 0 { // since yesterday or longer
			l.darken()
		}
	}
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	c := Case{Own: map[string]bool{}, Ailing: map[string]bool{}}
	c.Earlier = l.look(now.Add(-24*time.Hour), "")
	old := slices.Clone(w.own)
	for i := range noise.HalfDark {
		if i%2 == 1 {
			l.darken()
		}
	}
	for _, n := range e.servers {
		if r.Float64() < noise.OwnFaults && w.own[n] == healthy {
			w.own[n] = ownFault(1 + r.IntN(3))
		}
	}
	c.Broken = w.draw(r, faults)
	h := w.lay()
	for _, n := range e.servers {
		if w.own[n] != healthy && old[n] == healthy {
			c.Ailing[e.things[n].id] = true
		}
		if w.own[n] != healthy && old[n] == healthy && !l.mute[n] && h.fed[n] && w.linked(h, n) && (e.Style.Inside || h.outward[e.things[w.stands[n]].site]) {
			c.Own[e.things[n].id] = true
		}
	}
	blind := ""
	if all := e.vantages(); noise.BlindVantage && len(all) > 1 {
		blind = all[r.IntN(len(all))].name
		for i, s := range e.sites { // not the only eye that is left on a site
			if blind == insideOf(e.things[s].id) && (!h.outward[i] || len(e.Style.Outside) == 0) || len(e.Style.Outside) == 1 && blind == e.Style.Outside[0] && w.broken[s] {
				blind = ""
			}
		}
	}
	c.Rows = l.look(now, blind)
	return &Night{Case: c, looker: l, blind: blind}
}

type vantage struct {
	name string
	site int // -1: outside
}

func (e *Estate) vantages() []vantage {
	var out []vantage
	for _, name := range e.Style.Outside {
		out = append(out, vantage{name, -1})
	}
	if e.Style.Inside {
		for i, s := range e.sites {
			out = append(out, vantage{insideOf(e.things[s].id), i})
		}
	}
	return out
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
	now           *how
}

// darken switches every second machine of a rack off.
func (l *looker) darken() {
	one := &l.e.things[l.e.servers[l.r.IntN(len(l.e.servers))]]
	if one.host >= 0 {
		return
	}
	k := 0
	for _, n := range l.e.servers {
		if t := &l.e.things[n]; slices.Equal(t.tor, one.tor) {
			if k++; k%2 == 0 {
				l.own[n] = off
			}
		}
	}
}

func (l *looker) look(at time.Time, blind string) []Row {
	l.rows, l.at, l.blind, l.skew = nil, at, blind, map[string]time.Duration{}
	all := l.e.vantages()
	for _, v := range all {
		l.skew[v.name] = time.Duration(l.r.IntN(180)-90) * time.Second
	}
	l.now = l.lay()
	for i := range l.e.things {
		t := &l.e.things[i]
		site := l.e.things[l.stands[i]].site
		for _, v := range all {
			if v.site >= 0 && (v.site != site || !l.now.fed[l.e.sites[site]]) {
				continue // it asks its own site, and loses its power with that
			}
			seen := v.site == site || l.now.outward[site]
			switch {
			case t.kind == "server":
				l.server(i, v, seen)
			case t.gear:
				l.gear(i, v, seen)
			}
		}
	}
	l.mess()
	return l.rows
}

func (l *looker) gear(i int, v vantage, seen bool) {
	well := seen && l.answers(l.now, i)
	for k := range 2 {
		if k == 1 && !l.e.Style.GearTwice {
			break
		}
		for _, probe := range l.e.Style.Gear {
			l.reach(i, probe, v, well, time.Duration(k)*time.Minute)
		}
	}
	if l.e.Style.Beside && v.site >= 0 && l.e.things[i].kind == "pdu" {
		l.beside(i, "feed", l.e.things[i].power, v, well, func(p int) bool { return l.now.forwards[p] })
	}
}

func (l *looker) server(i int, v vantage, seen bool) {
	t := &l.e.things[i]
	well := seen && l.answers(l.now, i) && !l.mute[i]
	if t.tcp {
		l.reach(i, "tcp", v, well, 0)
	}
	if t.icmp && (v.site >= 0 || !t.tcp || !l.e.Style.Inside || l.noise.ICMPOnly) {
		l.reach(i, "icmp", v, well, 0)
	}
	// One vantage asks the BMCs: the one within, where there is one.
	if v.site < 0 && (l.e.Style.Inside || v.name != l.e.Style.Outside[0]) {
		return
	}
	told := l.now.fed[i] && seen && l.managed(l.now, i) && l.own[i] != dead && !l.muteBMC[i] && v.name != l.blind
	if t.bmc && !l.noise.NoPower {
		l.power(i, v, told)
	}
	if l.e.Style.Beside && !l.noise.NoPower && l.stands[i] == i {
		if t.bmc {
			l.beside(i, "psu", t.power, v, told, func(p int) bool { return l.now.forwards[p] })
		}
		for _, sw := range t.network {
			l.port(sw, i, v)
		}
	}
}

func (l *looker) power(i int, v vantage, told bool) {
	if l.r.Float64() < l.noise.Missing {
		return
	}
	result := "up"
	switch {
	case !told || l.r.Float64() < l.noise.FalseDown:
		result = "unknown"
	case l.own[i] == off:
		result = "down"
	}
	l.row(i, "power", "", v, result, 0)
}

// beside asks thing i of each of its peers.
func (l *looker) beside(i int, probe string, peers []int, v vantage, told bool, well func(int) bool) {
	for _, p := range peers {
		if l.r.Float64() < l.noise.Missing || l.noise.ICMPOnly {
			continue
		}
		result := "up"
		switch {
		case !told || v.name == l.blind:
			result = "unknown"
		case !well(p) || l.r.Float64() < l.noise.FalseDown:
			result = "down"
		}
		l.row(i, probe, l.e.things[p].id, v, result, 0)
	}
}

// port asks a switch for its link to a machine.
func (l *looker) port(sw, i int, v vantage) {
	live := l.now.fed[i] && (l.own[i] == healthy || l.own[i] == hung || l.own[i] == off && l.r.IntN(2) == 0)
	l.beside(sw, "port", []int{i}, v, l.answers(l.now, sw), func(int) bool { return live })
}

func (l *looker) reach(i int, probe string, v vantage, answers bool, later time.Duration) {
	if l.r.Float64() < l.noise.Missing || probe != "icmp" && l.noise.ICMPOnly {
		return
	}
	result := "up"
	if !answers || v.name == l.blind || l.r.Float64() < l.noise.FalseDown {
		result = "down"
	}
	l.row(i, probe, "", v, result, later)
}

func (l *looker) row(i int, probe, peer string, v vantage, result string, later time.Duration) {
	at := l.at.Add(later).Add(l.skew[v.name]).Add(time.Duration(l.r.IntN(3_000_000)) * time.Microsecond)
	l.rows = append(l.rows, Row{l.e.things[i].id, probe, peer, v.name, at, result})
}

// mess adds rows that must not count, and takes the order away.
func (l *looker) mess() {
	other := map[string]string{"up": "down", "down": "up", "unknown": "up"}
	for k := range int(l.noise.Messy * float64(len(l.rows))) {
		row := l.rows[l.r.IntN(len(l.rows))]
		switch k % 3 {
		case 1:
			row.At, row.Result = row.At.Add(-23*time.Hour), other[row.Result]
		case 2:
			row.Component += "-gone"
		}
		l.rows = append(l.rows, row)
	}
	// Shards of a sweep come in at any time; within one the rows stand together.
	const shard = 500
	var out []Row
	for _, k := range l.r.Perm((len(l.rows) + shard - 1) / shard) {
		out = append(out, l.rows[k*shard:min(len(l.rows), (k+1)*shard)]...)
	}
	l.rows = out
}

// String says the case in one line, for whoever looks into it.
func (c *Case) String() string {
	return fmt.Sprintf("broken %v, %d servers by themselves", c.Broken, len(c.Own))
}
