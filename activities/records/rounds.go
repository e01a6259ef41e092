package records

import (
	"slices"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const (
	// maxNeighbours bounds the bystanders that are asked to tell suspects
	// apart: a few of each suspect are enough.
	maxNeighbours = 150
	// someOfEach is how many machines of one finding are asked what many of
	// them would answer alike: their power, and a second view. A dead BMC
	// costs its whole time-out.
	someOfEach = 16
	// enoughOfEach: what the BMCs of so many did not tell, others of the same finding won't.
	enoughOfEach = 12
	// maxAlone bounds the machines without a shared cause that are asked more.
	maxAlone = 200
	// maxConfirm is how many machines of one finding are asked once more.
	maxConfirm = 200
	// maxFollowUp bounds the machines that a finding should take down and that
	// nobody has asked: all of them are, up to this.
	maxFollowUp = 20_000
)

// round plans the next round from what is known.
type round struct {
	*questions
	p    InferParams
	inf  topology.Inference
	obs  []topology.Observation // those that are news
	seen seen
	// unsure counts the rounds in which a component was asked over the network and
	// no probe could tell: the prober was too busy, or had no way.
	unsure map[string]int
	// downIn counts the rounds in which a component did not answer.
	downIn map[string]int
	// downFrom are the vantages from which it did not.
	downFrom map[string][]string
	// failedIn counts the rounds in which a service failed.
	failedIn map[question]int
}

type question struct {
	component, peer string
	probe           topology.Probe
}

// seen are the probes of each component that were made, as bits: a sweep of the
// whole estate asks a hundred thousand of them.
type seen map[string]uint16

var probeBits = map[topology.Probe]uint16{
	topology.ProbeTCP: 1, topology.ProbeICMP: 1 << 1, topology.ProbeTLS: 1 << 2, topology.ProbeHTTP: 1 << 3, topology.ProbeDNS: 1 << 4,
	topology.ProbeSSH: 1 << 5, topology.ProbeSNMP: 1 << 6, topology.ProbePower: 1 << 7, topology.ProbePSU: 1 << 8, topology.ProbePort: 1 << 9,
	topology.ProbeOutlet: 1 << 10, topology.ProbeFeed: 1 << 11, topology.ProbeGuest: 1 << 12,
}

func (s seen) note(component string, p topology.Probe) { s[component] |= probeBits[p] }

func (s seen) has(component string, p topology.Probe) bool { return s[component]&probeBits[p] != 0 }

func (a *Activities) newRound(p InferParams, rounds [][]topology.Observation) *round {
	most := 0
	for _, obs := range rounds {
		most = max(most, len(obs))
	}
	r := &round{
		questions: a.newQuestions(p.Absent), p: p, seen: make(seen, most), unsure: map[string]int{},
		downIn: map[string]int{}, downFrom: map[string][]string{}, failedIn: map[question]int{},
	}
	for _, obs := range rounds {
		silent, unsure, failed := map[string]bool{}, map[string]bool{}, map[question]bool{}
		for i := range obs {
			o := &obs[i]
			if reaches(o.Probe) && o.Result == topology.Unknown {
				unsure[o.Component] = true
				continue
			}
			r.seen.note(o.Component, o.Probe)
			if toldNothing(o) {
				r.seen.note(o.Component, topology.ProbePower)
			}
			if o.Result == topology.Down && slices.Contains(services, o.Probe) {
				failed[question{component: o.Component, probe: o.Probe}] = true
			}
			if o.Result == topology.Down && (reaches(o.Probe) || o.Probe == topology.ProbeSNMP) {
				silent[o.Component] = true
				if !slices.Contains(r.downFrom[o.Component], o.Vantage) {
					r.downFrom[o.Component] = append(r.downFrom[o.Component], o.Vantage)
				}
			}
		}
		for id := range silent {
			r.downIn[id]++
		}
		for id := range unsure {
			r.unsure[id]++
		}
		for service := range failed {
			r.failedIn[service]++
		}
	}
	return r
}

// maxUnsure is in how many rounds a component is asked of which no probe can tell.
const maxUnsure = 2

// asked: some probe of it that goes over the network was made, and could tell,
// or there is no use in trying once more.
func (r *round) asked(id string) bool {
	if r.unsure[id] >= maxUnsure {
		return true
	}
	for _, p := range []topology.Probe{
		topology.ProbeTCP, topology.ProbeICMP, topology.ProbeHTTP, topology.ProbeTLS, topology.ProbeSSH, topology.ProbeDNS,
	} {
		if r.seen.has(id, p) {
			return true
		}
	}
	return false
}

// decide asks for the probes not made yet: the power of machines that are
// down, the management addresses of suspects, neighbours behind them, what
// inference itself asks for, and a second view of what is down.
func (r *round) decide() {
	down := downServers(r.a.inv, r.obs)
	some := r.someOf(down)
	for _, id := range some {
		if c, _ := r.a.inv.Component(id); c.Probe.BMC.Given() && !r.seen.has(id, topology.ProbePower) {
			r.ask([]topology.Probe{topology.ProbePower}, id)
		}
		if c, _ := r.a.inv.Component(id); len(r.downFrom[id]) == 1 {
			if second := r.second(c.Site); second != r.downFrom[id][0] {
				r.askFrom(second, id)
			}
		}
	}
	r.agents()
	for _, n := range r.inf.Next {
		switch {
		case n.Vantage == topology.Hands: // people are asked later, by the incident
		case reaches(n.Probe):
			if !r.asked(n.Component) {
				r.ask(nil, n.Component)
			}
		case !r.seen.has(n.Component, n.Probe): // a device is asked for all that hangs on it
			r.ask([]topology.Probe{n.Probe}, n.Component)
		}
	}
	// One missed probe may be chance: what nothing explains is asked once more.
	r.ask(nil, r.inf.Unexplained[:min(len(r.inf.Unexplained), maxAlone)]...)
	for _, id := range r.a.graph().Neighbours(down, maxNeighbours) {
		if !r.asked(id) {
			r.ask(nil, id)
		}
	}
}

// equipment asks switches, PDUs and uplinks that missed a probe once more, and
// their agents: where what hangs on one hangs on another, too, their own silence
// is all that tells of it, and once may be chance.
func (r *round) equipment() {
	silent := map[string]bool{}
	for i := range r.obs {
		o := &r.obs[i]
		if o.Result == topology.Down && r.downIn[o.Component] == 1 && (reaches(o.Probe) || o.Probe == topology.ProbeSNMP) {
			silent[o.Component] = true
		}
	}
	var ids []string
	for _, id := range sorted(silent) {
		if c, ok := r.a.inv.Component(id); ok && c.Kind != inventory.KindServer {
			ids = append(ids, id)
		}
	}
	for _, id := range spread(ids, maxAlone) {
		c, _ := r.a.inv.Component(id)
		if c.Probe.Address != "" {
			r.again(id)
		}
		if c.CanAsk(string(topology.ProbeSNMP)) && (c.Probe.Address == "" || !r.seen.has(id, topology.ProbeSNMP)) {
			r.ask([]topology.Probe{topology.ProbeSNMP}, id)
		}
	}
}

// someOf are the machines that are down, a few of each that share a finding.
func (r *round) someOf(down []string) []string {
	shared := map[string]bool{}
	some := map[string]bool{}
	for _, f := range r.inf.Findings {
		if f.Kind == inventory.KindServer {
			continue
		}
		for _, id := range f.Explains {
			shared[id] = true
		}
		told, rest := r.toldPower(f.Explains)
		for _, id := range spread(told, someOfEach) {
			some[id] = true
		}
		if len(told) < enoughOfEach {
			for _, id := range spread(rest, someOfEach-len(told)) {
				some[id] = true
			}
		}
	}
	alone := slices.DeleteFunc(slices.Clone(down), func(id string) bool { return shared[id] })
	for _, id := range spread(alone, maxAlone) {
		some[id] = true
	}
	return sorted(some)
}

// toldPower are those of the machines whose BMCs were asked, and the rest.
func (r *round) toldPower(ids []string) (told, rest []string) {
	for _, id := range ids {
		if r.seen.has(id, topology.ProbePower) {
			told = append(told, id)
		} else {
			rest = append(rest, id)
		}
	}
	return told, rest
}

// agents asks those of equipment that is suspected: one that is dead costs its whole time-out, which may as well go by
// while the BMCs behind it keep silent.
func (r *round) agents() {
	asked := 0
	for _, f := range r.inf.Findings {
		if f.Kind == inventory.KindServer || asked >= maxAlone {
			continue
		}
		for _, id := range append([]string{f.Component}, f.AmbiguousWith...) {
			c, ok := r.a.inv.Component(id)
			if ok && c.Kind != inventory.KindServer && c.CanAsk(string(topology.ProbeSNMP)) && !r.seen.has(id, topology.ProbeSNMP) {
				asked++
				r.ask([]topology.Probe{topology.ProbeSNMP}, id)
			}
		}
	}
}

// confirm asks all machines that the findings should take down and that were
// not asked, and once more those that were asked in one round only: from where
// they were seen to be down. Of a machine that failed by itself the BMC is asked, too,
// however sure that is: whether it is switched off, or hangs, says what to do.
func (r *round) confirm() {
	if len(r.inf.Findings) == 0 {
		return
	}
	asked, alone, takenBy := 0, 0, r.a.graph().Taken()
	for _, f := range r.inf.Findings {
		if f.Kind == inventory.KindServer && alone < maxAlone && r.askAils(f.Component) {
			alone++
		}
		for _, id := range spread(f.Explains, maxConfirm) {
			if r.downIn[id] == 1 {
				r.again(id)
			}
		}
		for _, id := range takenBy(f.Component) {
			if asked < maxFollowUp && !r.asked(id) {
				asked++
				r.ask(nil, id)
			}
		}
	}
}

// askAils asks a machine's BMC, or, where it has none, its hypervisor, its port and its outlet; it says whether it asked.
func (r *round) askAils(id string) (asked bool) {
	if c, ok := r.a.inv.Component(id); ok && c.Probe.BMC.Given() {
		if r.seen.has(id, topology.ProbePower) {
			return false
		}
		r.ask([]topology.Probe{topology.ProbePower}, id)
		return true
	}
	for _, b := range r.a.inv.Beside(id) {
		if p := topology.Probe(b.Probe); !r.seen.has(b.Device, p) {
			r.ask([]topology.Probe{p}, b.Device)
			asked = true
		}
	}
	return asked
}

// again asks from the best vantage, and where only another saw it down, from there.
func (r *round) again(id string) {
	c, ok := r.a.inv.Component(id)
	if !ok {
		return
	}
	best := r.vantages(c.Site)[0]
	if from := r.downFrom[id]; len(from) > 0 && !slices.Contains(from, best) {
		r.askFrom(from[0], id)
		return
	}
	r.ask(nil, id)
}
