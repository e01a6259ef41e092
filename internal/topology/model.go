package topology

import (
	"math"

	"vakhta/internal/inventory"
)

// The numbers that inference rests on. They are beliefs about hosting in
// general, set once: what matters is their order of magnitude.
const (
	ownHung = 0.006 // a server does not answer though its power is on
	ownOff  = 0.003 // it is switched off
	ownDead = 0.001 // not even its BMC answers

	falseDown      = 0.003 // a server that is well misses all attempts of a probe
	falseUp        = 0.0005
	confirmed      = 0.1 // a repetition with the same result is this much less likely to be chance
	mostConfirmed  = 3   // further repetitions say nothing new
	wrongInventory = 0.01

	ownFalseDown      = 0.002 // a component's management address fails alone
	ownFalseUp        = 0.02  // it answers though the component does not do its work
	cutOffAnswers     = 0.6   // management networks are mostly, not always, separate
	wrongOwnInventory = 0.001
	downAnyway        = 0.05 // how often what the inventory is wrong about is down
)

// prior is how likely a component of each kind is to be broken just when
// somebody looks because something is.
var prior = map[inventory.Kind]float64{
	inventory.KindSite:       2e-5,
	inventory.KindRoom:       5e-5,
	inventory.KindRack:       1e-4,
	inventory.KindFeed:       3e-4,
	inventory.KindPDU:        1e-3,
	inventory.KindUplink:     3e-4,
	inventory.KindSwitch:     1e-3,
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
	log [4]float64
	own [4]float64
}

// best is the most that any state could gain over the present one.
func (l *likelihood) gain(s state) float64 {
	best := l.log[works]
	for _, v := range l.log[1:] {
		best = max(best, v)
	}
	return best - l.log[s]
}

// serverLikelihood weighs what was seen of a server. leaf: nothing depends on
// it, so that its own faults are summed over here; otherwise the search decides
// whether it has failed.
func serverLikelihood(seen *sighting, leaf bool) likelihood {
	reachable, unreachable := 1.0, 1.0
	for _, v := range seen.reach {
		chance := falseDown * math.Pow(confirmed, float64(min(v.run, mostConfirmed)-1))
		if v.result == Up {
			reachable *= 1 - chance
			unreachable *= falseUp
		} else {
			reachable *= chance
			unreachable *= 1 - falseUp
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
	well := reachable * power[isOn]
	if leaf {
		well *= 1 - fault
	}
	sum := [4]float64{
		works:     well,
		cutOff:    unreachable * power[isOn],
		powerless: unreachable * power[isDark],
		failed:    faulty / fault,
	}
	var own [4]float64
	if leaf {
		sum[works] += faulty
		sum[cutOff] = unreachable * ((1-fault+ownHung)*power[isOn] + ownOff*power[isOff] + ownDead*power[isDark])
		own[works] = faulty
	}
	return seal(sum, own, wrongInventory)
}

// componentLikelihood weighs what was seen of any other component by its own
// management address: direct evidence on it.
func componentLikelihood(seen *sighting) likelihood {
	sum := [4]float64{1, 1, 1, 1}
	for _, list := range [][]verdict{seen.reach, seen.power} {
		for _, v := range list {
			chance := ownFalseDown * math.Pow(confirmed, float64(min(v.run, mostConfirmed)-1))
			switch v.result {
			case Up:
				sum[works] *= 1 - chance
				sum[cutOff] *= cutOffAnswers
				sum[powerless] *= ownFalseUp
				sum[failed] *= ownFalseUp
			case Down:
				sum[works] *= chance
				sum[cutOff] *= 1 - cutOffAnswers
				sum[powerless] *= 1 - ownFalseUp
				sum[failed] *= 1 - ownFalseUp
			}
		}
	}
	return seal(sum, [4]float64{}, wrongOwnInventory)
}

// seal mixes in the chance that the inventory is wrong about this component, so
// that no single contradiction is worth more than that, and takes logarithms.
func seal(sum, own [4]float64, wrong float64) likelihood {
	anyway := (1-downAnyway)*sum[works] + downAnyway*max(sum[powerless], sum[cutOff])
	var l likelihood
	for s := range sum {
		p := (1-wrong)*sum[s] + wrong*anyway
		l.log[s] = math.Log(max(p, math.SmallestNonzeroFloat64))
		l.own[s] = (1 - wrong) * own[s] / max(p, math.SmallestNonzeroFloat64)
	}
	return l
}
