package topology

import (
	"math"

	"vakhta/internal/inventory"
)

// The numbers that inference rests on. They are beliefs about hosting in
// general, set once: what matters is their order of magnitude. What differs
// from estate to estate, and from night to night, is estimated; see habits.
const (
	ownHung = 0.0015 // a server does not answer though its power is on
	ownOff  = 0.001  // it is switched off
	ownDead = 0.001  // not even its BMC answers

	falseDown       = 0.01 // a server that is well misses all attempts of a probe
	falseUp         = 0.0005
	serviceDown     = 0.05  // a program on a server that is well does not answer
	confirmed       = 0.02  // a repetition with the same result is this much less likely to be chance
	mostConfirmed   = 3     // further repetitions say nothing new
	bmcMute         = 0.03  // a BMC that has power does not answer
	bmcLies         = 0.001 // it says of a machine that is on that it is off
	leastBMCLies    = 0.0002
	wrongInventory  = 0.01
	linkedElsewhere = 0.05  // the port that it is written down with has link, though it stands elsewhere: something else is plugged in
	strayWrong      = 0.999 // of what only another site's vantage asks: there are hundreds, and each has a say on its site
	neverAnswers    = 0.02  // a server never answers, by policy

	ownFalseUp        = 0.02  // it answers though the component does not do its work
	managedCutOff     = 0.9   // it answers though cut off, unless tonight's racks tell otherwise: where management hangs on what it manages, that is a part of the hypothesis; see behind.go
	answersHidden     = 0.002 // it answers though the network that carries its management is lost: a room has a hundred such, which must not speak against that together
	hostCutOff        = 0.05  // a hypervisor is asked where its guests are
	absentElsewhere   = 0.2   // the vantages of a site tell nothing, though the site is not lost as a whole: its uplinks are
	speaksThough      = 0.02  // a vantage of a site that is lost as a whole tells something: it has power and a way of its own, or stands elsewhere
	wrongOwnInventory = 0.0002
	leastDownAnyway   = 0.003 // how often what the inventory is wrong about is dark, or cut off; more, where more is
)

// prior is how likely a component of each kind is to be broken just when
// somebody looks because something is.
var prior = map[inventory.Kind]float64{
	inventory.KindSite:       3e-4, // as often, seen from outside, as both of its uplinks
	inventory.KindRoom:       1.2e-4,
	inventory.KindRack:       4e-4,
	inventory.KindFeed:       3e-4,
	inventory.KindPDU:        1e-3,
	inventory.KindPhase:      5e-4,
	inventory.KindUplink:     3e-3,
	inventory.KindSwitch:     1e-3,
	inventory.KindCard:       5e-4,
	inventory.KindHypervisor: 2e-3,
	inventory.KindServer:     ownHung + ownOff + ownDead,
}

// logPrior is the same as ln π/(1−π).
var logPrior = func() map[inventory.Kind]float64 {
	out := make(map[inventory.Kind]float64, len(prior))
	for kind, p := range prior {
		out[kind] = math.Log(p / (1 - p))
	}
	return out
}()

// condition is what may be the matter with a machine, as its power shows it.
type condition uint8

const (
	isOn     condition = iota // well, or the network beyond its site is lost
	isHung                    // powered, mute by its own fault
	isOff                     // switched off
	isDead                    // it and its BMC have no power, by its own fault
	isDark                    // the same, by what it hangs on
	isBeyond                  // on, in a site that has lost its uplinks and its management with them: whether it answers there or not
	isHidden                  // on, where the network that is lost carried its BMC
	isCut                     // on, cut off from the network: its switch may be alive and give it no link
	conditions
)

// told is P(up), P(down), P(unknown), P(alive: somebody answered, about something else).
type told [4]float64

// powerAnswers says what a BMC tells of its machine; the mute are added from habits.
func powerAnswers(c condition, v *verdict, mute, lies float64) float64 {
	if v.hands {
		return handsPower[c][v.result]
	}
	well := 1 - mute
	switch c {
	case isOff:
		return told{.01 * well, .99 * well, mute, well}[v.result]
	case isDark, isDead, isHidden:
		return told{.001, .001, .998, .002}[v.result]
	case isBeyond:
		if !v.inside {
			return told{.001, .001, .998, .002}[v.result]
		}
	}
	return told{(1 - lies) * well, lies * well, mute, well}[v.result]
}

// litInTheDark is how likely somebody sees a lamp lit where nothing has power.
const litInTheDark = .001

// handsPower is what somebody sees who looks whether it is lit.
var handsPower = [conditions]told{
	isOn: {.997, .003, 1, 1}, isHung: {.99, .01, 1, 1}, isOff: {.02, .98, 1, 1},
	isDead: {.02, .98, 1, 1}, isDark: {.003, .997, 1, 1}, isBeyond: {.997, .003, 1, 1}, isHidden: {.997, .003, 1, 1}, isCut: {.997, .003, 1, 1},
}

// besideMachine is P(down) of what is told of a server from beside it.
var besideMachine = map[ask][conditions]float64{
	askPort:   {isOn: .005, isHung: .25, isOff: .6, isDead: .97, isDark: .97, isBeyond: .005, isHidden: .2, isCut: .2},
	askOutlet: {isOn: .004, isHung: .004, isOff: .15, isDead: .3, isDark: .05, isBeyond: .004, isHidden: .004, isCut: .004},
	askPSU:    {isOn: .004, isHung: .01, isOff: .02, isDead: .5, isDark: .95, isBeyond: .004, isHidden: .004, isCut: .004},
	askGuest:  {isOn: .002, isHung: .05, isOff: .98, isDead: .98, isDark: .3, isBeyond: .002, isHidden: .002, isCut: .002},
	askFeed:   {isOn: .01, isHung: .01, isOff: .01, isDead: .5, isDark: .95, isBeyond: .01, isHidden: .01, isCut: .01},
}

// besideGear is P(down) of what is told of any other component from beside it:
// the supply that it feeds has no input, the port that it is plugged into no link.
var besideGear = map[ask][states]float64{
	askPSU:    {.006, .006, .006, .006, .006, .006, .97, .97, .97, .97}, // one cable or supply is bad, or stands in another PDU
	askFeed:   {.004, .004, .004, .004, .004, .004, .97, .97, .97, .97},
	askPort:   {.005, .005, .005, .02, .02, .02, .98, .8, .8, .8},
	askOutlet: {.005, .005, .005, .005, .005, .005, .05, .2, .2, .2},
	askGuest:  {.01, .01, .01, .01, .01, .01, .5, .5, .5, .5},
}

// gearPower is what the BMC of any other component tells of its power, as those outside of its site hear it.
var gearPower = [states]told{
	works: {.96, .001, .039, .961}, isolated: {.96, .001, .039, .961}, remote: {.02, .001, .979, .02}, cutOff: {.96, .001, .039, .961},
	severed: {.02, .001, .979, .02}, hidden: {.02, .001, .979, .02}, powerless: {.02, .002, .978, .02},
	failed: {.35, .3, .35, .65}, adrift: {.02, .002, .978, .02}, exposed: {.35, .3, .35, .65},
}

// heardWithin is the state in which those outside hear of the management what those within its site hear of it in another.
var heardWithin = [states]state{
	works: works, isolated: isolated, remote: isolated, cutOff: cutOff, severed: cutOff,
	hidden: hidden, powerless: powerless, failed: failed, adrift: failed, exposed: exposed,
}

// handsGear is what somebody sees who looks whether it is lit.
func handsGear(kind inventory.Kind, s state) told {
	lit := [states]float64{.997, .997, .997, .997, .997, .997, .003, .03, .03, .03}[s]
	if s >= failed && kind != inventory.KindPDU && kind != inventory.KindPhase && kind != inventory.KindFeed && !isPlace(kind) {
		lit = .4 // lit, and hung
	}
	return told{lit, 1 - lit, 1, 1}
}

// likelihood holds, for one observed node, ln P(its observations | state), and
// for a server that nothing depends on, how likely its own fault is in each state.
type likelihood struct {
	log  [states]float64
	own  [states]float64
	from [states]float64 // the best log of this state and all worse ones
}

// gain is the most that any state could gain over the present one.
func (l *likelihood) gain(s state) float64 { return l.from[works] - l.log[s] }

// weigh is the likelihood of a sighting.
func (r *habits) weigh(kind inventory.Kind, byItself float64, s *sighting) likelihood {
	if kind == inventory.KindServer {
		return r.server(s, byItself)
	}
	return r.gear(kind, s)
}

// missed is P(down) of a probe of something well, at that site.
func (r *habits) missed(v *verdict, site int32) float64 {
	once := r.noise
	if site != noNode && int(site) < len(r.noises) {
		once = r.noises[site][v.side()]
	}
	switch {
	case v.hands:
		once = .002
	case v.ask.service():
		once = max(once, serviceDown)
	}
	again, all := max(confirmed, once), once
	for range min(v.run, mostConfirmed) - 1 {
		all *= again
	}
	if v.loss > 0 {
		return v.lostInARow(once, all)
	}
	return all
}

// server weighs what was seen of a server. byItself is which share of its own faults is summed over here: all,
// where nothing depends on it; otherwise the search decides whether it has failed. See [Graph.byItself].
func (r *habits) server(seen *sighting, byItself float64) likelihood {
	reachable, unreachable, inSite := 1.0, 1.0, 1.0
	within := false
	for i := range seen.reach {
		v := &seen.reach[i]
		well := r.missed(v, seen.site)
		ill := 1 - falseUp
		if v.result == isUp {
			well, ill = 1-well, falseUp
		}
		reachable *= well
		unreachable *= ill
		if v.inside {
			inSite *= well
			within = true
		} else {
			inSite *= ill
		}
	}
	power, unheard := r.conditions(seen), unheardOf(seen)
	wrong := r.wrong
	switch {
	case seen.stray:
		wrong = max(wrong, strayWrong)
	case seen.linked():
		wrong *= linkedElsewhere
	}
	off := max(r.off, float64(seen.off)/stepsOfOffRate)
	own := unreachable * (r.hung*power[isHung] + off*power[isOff] + r.dead*power[isDead])
	beyond := unreachable * r.faultBeyond(seen, power[isBeyond], off)
	fault := r.hung + off + r.dead
	if byItself == 0 {
		sum := [states]float64{
			works: reachable * power[isOn], isolated: inSite * power[isOn], remote: inSite * power[isBeyond],
			cutOff: unreachable * power[isCut], severed: unreachable * power[isBeyond], hidden: unreachable * power[isHidden],
			powerless: unreachable * power[isDark], failed: own / fault, adrift: beyond / fault, exposed: own / fault,
		}
		for s := range sum {
			sum[s] *= unheard[s]
		}
		return seal(sum, [states]float64{}, wrong, r)
	}
	// By policy, and those that are gone and that nobody took out of the inventory.
	mute := r.mute * unreachable * ((1-r.gone)*power[isOn] + r.gone*power[isDead])
	muteBeyond := r.mute * unreachable * power[isBeyond]
	broken, brokenBeyond := own/fault, beyond/fault
	own, beyond, fault = byItself*own, byItself*beyond, byItself*fault
	well := 1 - fault - r.mute
	sum := [states]float64{
		works:     well*reachable*power[isOn] + mute + own,
		isolated:  well*inSite*power[isOn] + mute + own,
		remote:    well*inSite*power[isBeyond] + muteBeyond + beyond,
		cutOff:    (1-fault)*unreachable*power[isCut] + own,
		severed:   (1-fault)*unreachable*power[isBeyond] + beyond,
		hidden:    unreachable * power[isHidden],
		powerless: unreachable * power[isDark],
		failed:    broken,
		adrift:    brokenBeyond,
		exposed:   broken,
	}
	for s := range sum {
		sum[s] *= unheard[s]
	}
	of := [states]float64{works: own * unheard[works]}
	if within {
		of[isolated], of[remote] = own*unheard[isolated], beyond*unheard[remote]
	}
	return seal(sum, of, wrong, r)
}

// faultBeyond is P(it has a fault of its own, and what is told of its power), where the BMCs of its site are out of
// reach: nobody out here can ask what ails it, those within can. beyond is P(what is told | it is well).
func (r *habits) faultBeyond(seen *sighting, beyond, off float64) float64 {
	hung, gone, dead := 1.0, 1.0, 1.0
	for i := range seen.power {
		v := &seen.power[i]
		if !v.inside {
			continue
		}
		well := powerAnswers(isBeyond, v, r.bmc, r.lies)
		hung *= powerAnswers(isHung, v, r.bmc, r.lies) / well
		gone *= powerAnswers(isOff, v, r.bmc, r.lies) / well
		dead *= powerAnswers(isDead, v, r.bmc, r.lies) / well
	}
	return beyond * (r.hung*hung + off*gone + r.dead*dead)
}

// linked says that the switch that it is written down with has a link to it.
func (s *sighting) linked() bool {
	for i := range s.about {
		if v := &s.about[i]; v.ask == askPort && v.result == isUp {
			return true
		}
	}
	return false
}

// conditions is P(what is told of the machine's power and link | its condition).
func (r *habits) conditions(seen *sighting) [conditions]float64 {
	var out [conditions]float64
	for c := range conditions {
		p := 1.0
		for i := range seen.power {
			p *= powerAnswers(c, &seen.power[i], r.bmc, r.lies)
		}
		for i := range seen.about {
			v := &seen.about[i]
			down := besideMachine[v.ask][c]
			switch {
			case v.result == isUnknown: // a hypervisor that says nothing of its guest: see unheardOf
			case v.hands && v.ask == askPSU && c != isOn:
				p *= told{1 - down, down}[v.result]
			case v.hands && v.ask == askFeed && v.result == isUp: // or something else that hangs on the same: see tellSupplies
				if c == isDark {
					p *= litInTheDark
				}
			case v.result == isUp:
				p *= 1 - down
			default:
				p *= down
			}
		}
		out[c] = p
	}
	return out
}

// unheardOf is P(its hypervisor says nothing of it | state): one that can't be reached where its
// guests can't says nothing of them either, which is not that it has lost its power.
func unheardOf(seen *sighting) [states]float64 {
	out := [states]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	for i := range seen.about {
		v := &seen.about[i]
		if v.result != isUnknown {
			continue
		}
		beyond := .95
		if v.inside {
			beyond = .05
		}
		for s, p := range [states]float64{
			works: .05, isolated: beyond, remote: beyond, cutOff: .9, severed: .95, hidden: .95, powerless: .95, failed: .05, adrift: beyond, exposed: .05,
		} {
			out[s] *= p
		}
	}
	return out
}

// gear weighs what was seen of any other component by its own management
// address, and by what is beside it: direct evidence on it.
func (r *habits) gear(kind inventory.Kind, seen *sighting) likelihood {
	separate := managedCutOff
	switch kind {
	case inventory.KindHypervisor:
		separate = hostCutOff
	case inventory.KindSwitch:
		separate = r.switchCutOff
	}
	// What it would answer where its management works, is lost, and is lost to those outside.
	reached, lost, away := 1.0, 1.0, 1.0
	for i := range seen.reach {
		v := &seen.reach[i]
		well, ill := 1-r.missed(v, seen.site), ownFalseUp
		if v.result != isUp {
			well, ill = 1-well, 1-ill
		}
		reached *= well
		lost *= ill
		if v.inside {
			away *= well
		} else {
			away *= ill
		}
	}
	sum := [states]float64{
		works: reached, isolated: separate*reached + (1-separate)*away, remote: .002*reached + .998*away,
		cutOff: separate*reached + (1-separate)*lost, severed: .002*reached + .998*(separate*away+(1-separate)*lost),
		hidden: answersHidden*reached + (1-answersHidden)*lost, powerless: lost, failed: lost, adrift: lost, exposed: lost,
	}
	for i := range seen.power {
		v := &seen.power[i]
		if v.hands {
			continue
		}
		for s := range sum {
			of := state(s)
			if v.inside {
				of = heardWithin[s]
			}
			sum[s] *= gearPower[of][v.result]
		}
	}
	l := seal(sum, [states]float64{}, wrongOwnInventory, r)
	for i := range seen.power {
		if v := &seen.power[i]; v.hands {
			for s := range sum {
				l.log[s] += math.Log(handsGear(kind, state(s))[v.result])
			}
		}
	}
	l.beside(seen.about)
	return l
}

// beside adds what was told of a component from beside it. Each has a chance of
// its own to be wrong, so that many together may outweigh the component's own address.
func (l *likelihood) beside(about []verdict) {
	for i := range about {
		v := &about[i]
		if v.result == isUnknown {
			continue
		}
		for s := range states {
			down := besideGear[v.ask][s]
			if v.hands {
				down = min(.999, max(.003, 3*down-1)) // a lamp that is lit is no mistake; a dark one may be broken
			}
			if v.result == isUp {
				down = 1 - down
			}
			l.log[s] += math.Log(down)
		}
	}
	l.seal()
}

// seal mixes in the chance that the inventory is wrong about this component, so
// that no single contradiction is worth more than that, and takes logarithms.
func seal(sum, own [states]float64, wrong float64, r *habits) likelihood {
	anyway := (1-r.dark-r.cut)*sum[works] + r.dark*sum[powerless] + r.cut*sum[cutOff]
	var l likelihood
	for s := range sum {
		p := (1-wrong)*sum[s] + wrong*anyway
		l.log[s] = math.Log(max(p, math.SmallestNonzeroFloat64))
		// One that stands elsewhere may be down by itself there.
		l.own[s] = ((1-wrong)*own[s] + wrong*(1-r.dark-r.cut)*own[works]) / max(p, math.SmallestNonzeroFloat64)
	}
	l.seal()
	return l
}

// seal notes the best of each state and the worse ones.
func (l *likelihood) seal() {
	best := math.Inf(-1)
	for s := states - 1; s >= 0; s-- {
		best = max(best, l.log[s])
		l.from[s] = best
	}
}
