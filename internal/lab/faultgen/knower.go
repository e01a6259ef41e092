package faultgen

import (
	"math"
	"slices"
)

// Known is what one would name, by which is likelier (maximum a posteriori, no
// threshold), who reads the same rows and knows the generator, its rates, and, judging one
// component, everything else that is so that night. Nobody who knows less errs
// less often: what that one misses is hidden by chance and missing rows.
type Known struct {
	Broken map[string]bool // components named: broken, or taken for it
	Own    map[string]bool // of the servers down by themselves, those that are named
}

// Knower asks the one who knows. Rows must still be there. Rows from beside
// are not read, so that it is no bound where a style has them.
func (n *Night) Knower() Known {
	l := n.looker
	k := &knower{looker: l, told: make([][]Row, len(l.e.things)), from: map[string]int{}, is: l.lay(), like: map[string]int{}}
	for _, v := range l.e.vantages() {
		k.from[v.name] = v.site
	}
	told := n.told()
	for i := range l.e.things {
		k.told[i] = told[l.e.things[i].id]
		k.like[k.kind(i)]++
	}
	k.was = k.foresee(k.is)
	k.backUp()
	out := Known{Broken: map[string]bool{}, Own: map[string]bool{}}
	for i := range l.e.things {
		t := &l.e.things[i]
		switch {
		case t.kind == "server":
		case t.kind == "site": // told
			if l.broken[i] {
				out.Broken[t.id] = true
			}
		case l.broken[i]:
			if -k.flip(i)+k.rarity(i) > 0 {
				out.Broken[t.id] = true
			}
		case k.is.fed[i] && !k.livesOn(i) && k.flip(i)+k.rarity(i) > 0:
			out.Broken[t.id] = true
		}
	}
	n.ownKnown(told, k.is, out.Own)
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

type knower struct {
	*looker
	told    [][]Row        // by thing
	from    map[string]int // by vantage: which site it stands in
	is      *how
	was     []uint8 // by thing, as things are
	like    map[string]int
	lit     []bool  // by thing: something that can't work without it answered
	sibling [][]int // by thing: what backs it up
}

// What a thing would do when asked.
const (
	wouldAnswer uint8 = 1 << iota
	wouldTell         // of its power
)

// foresee is what things would do, by thing.
func (k *knower) foresee(h *how) []uint8 {
	out := make([]uint8, len(k.e.things))
	for i := range out {
		if k.answers(h, i) && !k.mute[i] {
			out[i] |= wouldAnswer
		}
		if h.fed[i] && k.managed(h, i) && k.own[i] != dead && !k.muteBMC[i] {
			out[i] |= wouldTell
		}
	}
	return out
}

// flip is ln P(rows | thing i were otherwise) − ln P(rows | the night as it was).
func (k *knower) flip(i int) float64 {
	k.broken[i] = !k.broken[i]
	h := k.lay()
	would := k.foresee(h)
	k.broken[i] = !k.broken[i]
	sum := 0.0
	for t := range would {
		site := k.e.things[k.stands[t]].site
		if would[t] == k.was[t] && h.outward[site] == k.is.outward[site] {
			continue
		}
		for _, r := range k.told[t] {
			within := k.from[r.Vantage] == site
			sum += k.chance(r, would[t], within || h.outward[site]) - k.chance(r, k.was[t], within || k.is.outward[site])
		}
	}
	return sum
}

// chance is ln P(row | what its thing would do, and whether the vantage sees it).
func (k *knower) chance(r Row, would uint8, seen bool) float64 {
	answered := r.Result == "up"
	bit := wouldAnswer
	switch r.Probe {
	case "tcp", "icmp", "snmp":
	case "power":
		answered, bit = r.Result != "unknown", wouldTell
	default:
		return 0 // from beside, about others
	}
	switch well := seen && would&bit != 0; {
	case !well && answered:
		return math.Log(1e-9)
	case !well:
		return 0
	case answered:
		return math.Log(1 - k.noise.FalseDown)
	}
	return math.Log(k.noise.FalseDown)
}

// livesOn says that something answered that would not if thing i were broken: no
// need to reckon.
func (k *knower) livesOn(i int) bool {
	if k.lit == nil {
		k.lit = make([]bool, len(k.e.things))
		for t := range k.e.things {
			if !slices.ContainsFunc(k.told[t], func(r Row) bool { return r.Result == "up" }) {
				continue
			}
			k.lit[t] = k.e.things[t].kind != "server" // those have no faults that are looked for here
			stands := &k.e.things[k.stands[t]]
			for _, in := range stands.in {
				k.lit[in] = true
			}
			for _, group := range [][]int{stands.power, stands.network} {
				if len(group) == 1 && stands.host < 0 {
					k.lit[group[0]] = true
				}
			}
		}
	}
	return k.lit[i]
}

// kind is what is drawn as such.
func (k *knower) kind(i int) string {
	t := &k.e.things[i]
	if t.kind == "switch" && len(t.tor) == 0 {
		return "agg"
	}
	return t.kind
}

// backUp notes what is broken in pairs, too.
func (k *knower) backUp() {
	k.sibling = make([][]int, len(k.e.things))
	for t := range k.e.things {
		for _, group := range [][]int{k.e.things[t].network, k.e.things[t].power} {
			for _, i := range group {
				if len(group) > len(k.sibling[i]) && slices.Contains(Kinds, k.kind(i)+" pair") {
					k.sibling[i] = group
				}
			}
		}
	}
}

// rarity is the log odds with which the fault is drawn beside the others: each kind as often as
// another, three a night; of a pair both are drawn twice as often as the other alone.
func (k *knower) rarity(i int) float64 {
	for _, other := range k.sibling[i] {
		if other != i && k.broken[other] {
			return math.Ln2
		}
	}
	return math.Log(3 / float64(len(Kinds)) / float64(k.like[k.kind(i)]))
}

// ownKnown judges the servers that are down by themselves: against
// chance, and their standing elsewhere in their site, where more is down.
func (n *Night) ownKnown(told map[string][]Row, h *how, out map[string]bool) {
	l := n.looker
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
		if byChance < 1 && own > other || off > 0 && lost == 0 && lit == 0 {
			out[t.id] = true
		}
	}
}
