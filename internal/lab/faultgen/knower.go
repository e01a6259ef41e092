package faultgen

import (
	"math"
	"slices"
)

// Knowable are the components broken and the servers down by themselves that one
// would name, from two to one, who knows the generator and its rates, and of shared equipment even
// everything else that is so that night: the others are hidden by chance and missing rows,
// and nobody can be asked to find them. Rows must still be there.
func (n *Night) Knowable() map[string]bool {
	l, out := n.looker, map[string]bool{}
	told := n.told()
	for _, id := range n.Broken {
		i := slices.IndexFunc(l.e.things, func(t thing) bool { return t.id == id })
		out[id] = l.e.things[i].kind == "site" || n.evidence(i, told)+l.rarity(i) > math.Ln2
	}
	n.ownKnowable(told, out)
	return out
}

// told are this night's rows by thing, without those that don't count.
func (n *Night) told() map[string][]Row {
	out := map[string][]Row{}
	had := map[Row]bool{}
	for _, r := range n.Rows {
		if n.looker.at.Sub(r.At).Hours() < 1 && r.Vantage != n.blind && !had[r] {
			had[r] = true
			out[r.Component] = append(out[r.Component], r)
		}
	}
	return out
}

// evidence is ln P(rows | the night as it was) − ln P(rows | the same without the fault of thing i).
func (n *Night) evidence(i int, told map[string][]Row) float64 {
	l := n.looker
	with := l.lay()
	was := map[string]int{}
	l.broken[i] = false
	without := l.lay()
	sum := 0.0
	for _, v := range l.e.vantages() {
		was[v.name] = v.site
	}
	for k := range l.e.things {
		t := &l.e.things[k]
		site := l.e.things[l.stands[k]].site
		for _, r := range told[t.id] {
			from := was[r.Vantage]
			sum -= l.chance(k, r, without, from == site || without.outward[site])
			l.broken[i] = true
			sum += l.chance(k, r, with, from == site || with.outward[site])
			l.broken[i] = false
		}
	}
	l.broken[i] = true
	return sum
}

// chance is ln P(row | how things are).
func (l *looker) chance(k int, r Row, h *how, seen bool) float64 {
	var well bool
	switch r.Probe {
	case "tcp", "icmp", "snmp":
		well = seen && l.answers(h, k) && !l.mute[k]
	case "power":
		well = h.fed[k] && seen && l.managed(h, k) && l.own[k] != dead && !l.muteBMC[k]
		if r.Result == "down" {
			r.Result = "up" // it answered
		}
	default:
		return 0 // from beside, about others
	}
	switch {
	case !well && r.Result == "up":
		return math.Log(1e-9)
	case !well:
		return 0
	case r.Result == "up":
		return math.Log(1 - l.noise.FalseDown)
	}
	return math.Log(l.noise.FalseDown)
}

// rarity is the log odds with which the fault is drawn: each kind as often as another,
// three a night; of a pair that is broken, both are drawn twice as often as the other alone.
func (l *looker) rarity(i int) float64 {
	t, like := &l.e.things[i], 0
	for k := range l.e.things {
		if o := &l.e.things[k]; o.kind == t.kind && (t.kind != "switch" || (len(o.tor) == 0) == (len(t.tor) == 0)) {
			like++
		}
	}
	for _, other := range l.siblings(i) {
		if other != i && l.broken[other] {
			return math.Ln2
		}
	}
	return math.Log(3 / float64(len(Kinds)) / float64(like))
}

// ownKnowable judges the servers that are down by themselves, by two to one: against
// chance, and their standing elsewhere in their site, where more is down.
func (n *Night) ownKnowable(told map[string][]Row, out map[string]bool) {
	l := n.looker
	h := l.lay()
	dark, cut, all := make([]float64, len(l.e.sites)), make([]float64, len(l.e.sites)), make([]float64, len(l.e.sites))
	for _, k := range l.e.servers {
		site := l.e.things[k].site
		all[site]++
		switch {
		case !h.fed[k]:
			dark[site]++
		case !l.linked(h, k):
			cut[site]++
		}
	}
	noise := &l.noise
	for _, k := range l.e.servers {
		t := &l.e.things[k]
		if !n.Own[t.id] {
			continue
		}
		byChance, power := 1.0, ""
		for _, r := range told[t.id] {
			switch {
			case r.Probe == "power":
				power = r.Result
			case r.Result == "down":
				byChance *= noise.FalseDown
			}
		}
		var off, lost, lit float64 // P(what its BMC told | switched off, without power, with power)
		mute := noise.FalseDown + noise.NeverAnswers
		switch power {
		case "":
			off, lost, lit = 1, 1, 1
		case "down":
			off = 1 - mute
		case "unknown":
			off, lost, lit = mute, 1, mute
		case "up":
			lit = 1 - mute
		}
		own := noise.OwnFaults / 3 * (off + lost + lit)
		other := byChance*lit + noise.WrongRack*(dark[t.site]*lost+cut[t.site]*lit)/max(1, all[t.site])
		out[t.id] = byChance < 1 && own > 2*other || off > 0 && lost == 0 && lit == 0
	}
}
