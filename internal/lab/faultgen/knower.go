package faultgen

import (
	"math"
	"slices"
)

// Known is what one would name, by which is likelier (maximum a posteriori, no
// threshold), who reads the same rows and knows the generator, its rates, and, judging one
// component and what backs it up, everything else that is so that night; but not which racks are
// managed in-band, only how many: no inventory tells. Nobody who
// knows less errs less often: what that one misses is hidden by chance and missing rows.
type Known struct {
	Broken map[string]bool // components named: broken, or taken for it
	Own    map[string]bool // of the servers down by themselves, those that are named
	Judged []Judged        // all components of which nothing answered that would not without them; sites are given away
}

// Judged is a component with what the one who knows thinks of it.
type Judged struct {
	Odds   float64 // log odds that it is broken
	Broken bool    // whether it is
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
	k.backUp()
	k.lookUp()
	out := Known{Broken: map[string]bool{}, Own: map[string]bool{}}
	for i := range l.e.things {
		t := &l.e.things[i]
		odds := math.Inf(1)
		switch {
		case t.kind == "server":
			continue
		case t.kind == "site": // told
			if !l.broken[i] {
				continue
			}
		case !l.broken[i] && (!k.is.fed[i] || k.livesOn(i)):
			continue
		default:
			odds = k.odds(i)
		}
		out.Judged = append(out.Judged, Judged{Odds: odds, Broken: l.broken[i]})
		if odds > 0 {
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
	was     foreseen
	fits    []float64 // by rack: ln P(its rows | the night as it was), up to what no hypothesis changes
	rack    []int     // by thing: where it stands; itself where that is no rack
	holds   [][]int   // by rack
	like    map[string]int
	lit     []bool  // by thing: something that can't work without it answered
	sibling [][]int // by thing: what backs it up
}

// What a thing would do when asked.
const (
	wouldAnswer uint8 = 1 << iota
	wouldTell         // of its power
)

// foreseen is what things would do, by thing: where the management of its rack
// has a network of its own, and where it hangs on the rack's switch.
type foreseen [2][]uint8

// foresee is what things would do as they are laid.
func (k *knower) foresee(h *how) foreseen {
	var out foreseen
	for inBand := range out {
		out[inBand] = make([]uint8, len(k.e.things))
		for i := range k.e.things {
			managed := inBand == 0 || k.managedInBand(h, i)
			answers := k.answers(h, i)
			if k.e.things[i].kind == "pdu" {
				answers = h.fed[i] && !k.broken[i] && managed
			}
			if answers && !k.mute[i] {
				out[inBand][i] |= wouldAnswer
			}
			if h.fed[i] && managed && k.own[i] != dead && !k.muteBMC[i] {
				out[inBand][i] |= wouldTell
			}
		}
	}
	return out
}

// lookUp notes which rack things stand in, and how the night as it was fits their rows.
func (k *knower) lookUp() {
	k.rack, k.holds, k.fits = make([]int, len(k.e.things)), make([][]int, len(k.e.things)), make([]float64, len(k.e.things))
	for i := range k.rack {
		k.rack[i] = i
		if tor := k.e.things[k.stands[i]].tor; len(tor) > 0 {
			k.rack[i] = tor[0]
		}
		k.holds[k.rack[i]] = append(k.holds[k.rack[i]], i)
	}
	k.was = k.foresee(k.is)
	for rack := range k.holds {
		k.fits[rack] = k.fitOf(rack, k.is, k.was)
	}
}

// fitOf is ln P(rows of a rack | how things are laid), whichever way it is managed.
func (k *knower) fitOf(rack int, h *how, would foreseen) float64 {
	var sums [2]float64
	for inBand := range sums {
		for _, t := range k.holds[rack] {
			site := k.e.things[k.stands[t]].site
			for _, r := range k.told[t] {
				sums[inBand] += k.chance(r, would[inBand][t], k.from[r.Vantage] == site || h.outward[site])
			}
		}
	}
	return sumOfLogs(math.Log(1-k.e.Style.InBand)+sums[0], math.Log(k.e.Style.InBand)+sums[1])
}

// odds are the log odds that thing i is broken. Whether what backs it up is broken is not given
// away: of a pair that failed together, the one half would tell of the other.
func (k *knower) odds(i int) float64 {
	alone := math.Log(3 / float64(len(Kinds)) / float64(k.like[k.kind(i)])) // each kind as often as another, three a night
	well, ill := k.fit(false, i, -1, false), alone+k.fit(true, i, -1, false)
	for _, j := range k.sibling[i] {
		if j != i && !k.livesOn(j) {
			well = sumOfLogs(well, alone+k.fit(false, i, j, true))
			// Both are drawn together as often as the one or the other alone: twice as often as this one.
			ill = sumOfLogs(ill, alone+math.Ln2+k.fit(true, i, j, true))
		}
	}
	return ill - well
}

// sumOfLogs is ln(eᵃ + eᵇ).
func sumOfLogs(a, b float64) float64 {
	if b > a {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// fit is ln P(rows | thing i is broken or not, and so is j; the rest of what backs i up is well) − ln P(rows | the night as it was).
func (k *knower) fit(broken bool, i, j int, jBroken bool) float64 {
	was := k.broken
	k.broken = slices.Clone(was)
	for _, other := range k.sibling[i] {
		k.broken[other] = other == j && jBroken
	}
	k.broken[i] = broken
	h := k.lay()
	would := k.foresee(h)
	k.broken = was
	sum := 0.0
	for rack, holds := range k.holds {
		if slices.ContainsFunc(holds, func(t int) bool {
			site := k.e.things[k.stands[t]].site
			return would[0][t] != k.was[0][t] || would[1][t] != k.was[1][t] || h.outward[site] != k.is.outward[site]
		}) {
			sum += k.fitOf(rack, h, would) - k.fits[rack]
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
