package topology

import (
	"math"

	"vakhta/internal/inventory"
)

// The numbers that inference rests on. They are beliefs about hosting in
// general, set once: what matters is their order of magnitude.
const (
	ownHung = 0.0018 // a server does not answer though its power is on
	ownOff  = 0.001  // it is switched off
	ownDead = 0.0007 // not even its BMC answers

	falseDown      = 0.01 // a server that is well misses all attempts of a probe
	falseUp        = 0.0005
	confirmed      = 0.02 // a repetition with the same result is this much less likely to be chance
	mostConfirmed  = 3    // further repetitions say nothing new
	wrongInventory = 0.01

	ownFalseUp        = 0.02 // it answers though the component does not do its work
	managedCutOff     = 0.6  // it answers though cut off: management networks are mostly, not always, separate
	hostCutOff        = 0.05 // a hypervisor is asked where its guests are
	wrongOwnInventory = 0.001
	leastDownAnyway   = 0.003 // how often what the inventory is wrong about is dark, or cut off; more, where more is
)

// prior is how likely a component of each kind is to be broken just when
// somebody looks because something is.
var prior = map[inventory.Kind]float64{
	inventory.KindSite:       2e-5,
	inventory.KindRoom:       5e-5,
	inventory.KindRack:       1e-4,
	inventory.KindFeed:       3e-4,
	inventory.KindPDU:        1e-3,
	inventory.KindPhase:      5e-4,
	inventory.KindUplink:     3e-4,
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

// powerAnswers is P(power probe | what the machine's power really is), by up, down, unknown.
var powerAnswers = [3][3]float64{
	isOn:   {.97, .001, .029},
	isOff:  {.01, .98, .01},
	isDark: {.015, .001, .984},
}

const (
	isOn = iota
	isOff
	isDark // neither it nor its BMC has power
)

// likelihood holds, for one observed node, ln P(its observations | state), and
// for a server that nothing depends on, how likely its own fault is in each state.
type likelihood struct {
	log  [states]float64
	own  [states]float64
	from [states]float64 // the best log of this state and all worse ones
}

// gain is the most that any state could gain over the present one.
func (l *likelihood) gain(s state) float64 { return l.from[works] - l.log[s] }

// chanceOf is how likely a probe of something well goes unanswered by chance,
// where that many do so once.
func chanceOf(once float64, v verdict) float64 {
	return once * math.Pow(max(confirmed, once), float64(min(v.run, mostConfirmed)-1))
}

// serverLikelihood weighs what was seen of a server. leaf: nothing depends on
// it, so that its own faults are summed over here; otherwise the search decides
// whether it has failed.
func serverLikelihood(seen *sighting, leaf bool, anyway share) likelihood {
	reachable, unreachable, inSite := 1.0, 1.0, 1.0
	within := false
	for _, v := range seen.reach {
		chance := chanceOf(anyway.noise, v)
		well, ill := chance, 1-falseUp
		if v.result == Up {
			well, ill = 1-chance, falseUp
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
	power := [3]float64{1, 1, 1}
	for _, v := range seen.power {
		for i := range power {
			power[i] *= powerAnswers[i][rank(v.result)]
		}
	}
	faulty := unreachable * (ownHung*power[isOn] + ownOff*power[isOff] + ownDead*power[isDark])
	const fault = ownHung + ownOff + ownDead
	well, isolation := reachable*power[isOn], inSite*power[isOn]
	if leaf {
		well *= 1 - fault
		isolation *= 1 - fault
	}
	sum := [states]float64{
		works:     well,
		isolated:  isolation,
		cutOff:    unreachable * power[isOn],
		powerless: unreachable * power[isDark],
		failed:    faulty / fault,
	}
	var own [states]float64
	if leaf {
		sum[works] += faulty
		sum[isolated] += faulty
		sum[cutOff] = unreachable * ((1-fault+ownHung)*power[isOn] + ownOff*power[isOff] + ownDead*power[isDark])
		own[works] = faulty
		if within {
			own[isolated] = faulty
		}
	}
	return seal(sum, own, wrongInventory, anyway)
}

// componentLikelihood weighs what was seen of any other component by its own
// management address: direct evidence on it.
func componentLikelihood(seen *sighting, cutOffAnswers, noise float64) likelihood {
	sum := [states]float64{1, 1, 1, 1, 1}
	for _, list := range [][]verdict{seen.reach, seen.power} {
		for _, v := range list {
			if v.result == Unknown {
				continue
			}
			chance := chanceOf(noise, v)
			given := [states]float64{1 - chance, cutOffAnswers, cutOffAnswers, ownFalseUp, ownFalseUp}
			if v.result == Down {
				given = [states]float64{chance, 1 - cutOffAnswers, 1 - cutOffAnswers, 1 - ownFalseUp, 1 - ownFalseUp}
			}
			if v.inside {
				given[isolated] = given[works]
			}
			for s := range sum {
				sum[s] *= given[s]
			}
		}
	}
	return seal(sum, [states]float64{}, wrongOwnInventory, share{dark: leastDownAnyway, cut: leastDownAnyway})
}

// share says how much of the estate is without power, and without network, and
// how many probes of what is well go unanswered.
type share struct{ dark, cut, noise float64 }

// seal mixes in the chance that the inventory is wrong about this component, so
// that no single contradiction is worth more than that, and takes logarithms.
func seal(sum, own [states]float64, wrong float64, elsewhere share) likelihood {
	anyway := (1-elsewhere.dark-elsewhere.cut)*sum[works] + elsewhere.dark*sum[powerless] + elsewhere.cut*sum[cutOff]
	var l likelihood
	for s := range sum {
		p := (1-wrong)*sum[s] + wrong*anyway
		l.log[s] = math.Log(max(p, math.SmallestNonzeroFloat64))
		l.own[s] = (1 - wrong) * own[s] / max(p, math.SmallestNonzeroFloat64)
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
