package records

import (
	"fmt"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const (
	// sampleFrom is how large an estate is of which samples alone are asked
	// everything: a smaller one is asked as a whole just as fast.
	sampleFrom = 3000
	// samplesOfEach is how many machines are asked everything for those that share
	// everything with them: one may be down by itself, and one may never answer.
	samplesOfEach = 3
	// enoughUp is how many of a sample must answer, and none be silent, for the
	// class to be well; of the others one may be silent by itself.
	enoughUp = 2
)

// class is the machines that share every cause that could take more than one of
// them down: they stand in the same place and hang on the same supplies and switches.
type class []string

// sample are those that are asked for all of them, spread over the class.
func (c class) sample() []string { return spread(c, samplesOfEach) }

// rest are the others.
func (c class) rest() []string {
	if len(c) <= samplesOfEach {
		return nil
	}
	out, sample := make([]string, 0, len(c)), c.sample()
	for _, id := range c {
		if len(sample) > 0 && id == sample[0] {
			sample = sample[1:]
			continue
		}
		out = append(out, id)
	}
	return out
}

// classesOf sorts all machines that have an address by what they share.
func classesOf(inv *inventory.Inventory) []class {
	place := map[string]int{}
	var out []class
	for _, id := range inv.Servers() {
		c, ok := inv.Component(id)
		if !ok || c.Probe.Address == "" {
			continue
		}
		name := domain(c)
		i, known := place[name]
		if !known {
			i = len(out)
			place[name], out = i, append(out, nil)
		}
		out[i] = append(out[i], id)
	}
	return out
}

// domain names all that a component leans on.
func domain(c *inventory.Component) string {
	var b strings.Builder
	b.WriteString(c.In)
	for _, g := range c.Needs {
		fmt.Fprintf(&b, "|%s=%s", g.Name, strings.Join(g.Members, ","))
	}
	return b.String()
}

// bySample: some machines of each failure domain are asked everything, and the
// others are pinged. A routine sweep asks everything of all: it is to learn.
func (s Scope) bySample(servers int, routine bool) bool {
	return s.All && !s.Full && !routine && servers >= sampleFrom
}

// whole says that the scope is the estate or a site, and so all equipment that is there: one of a pair may be dead
// without any machine that tells.
func (s Scope) whole() bool { return s.Client == "" && len(s.Components) == 0 && s.Work == "" }

// allEquipment asks all equipment of a site, or of all.
func (q *questions) allEquipment(site string) {
	for _, c := range q.a.inv.Components() {
		if c.Kind != inventory.KindServer && (site == "" || c.Site == site) {
			q.askEquipment(c)
		}
	}
}

// firstSamples asks everything of some machines of each class; the others are pinged. A ping of
// everybody takes a second or two, so that no machine that is down by itself is missed; what costs is to connect.
func (q *questions) firstSamples() {
	for _, c := range q.a.classes() {
		q.first(c.sample())
		for _, id := range c.rest() {
			q.brief(id)
		}
	}
}

// brief pings a machine for the first time, or asks everything where it answers no ping.
func (q *questions) brief(id string) {
	c, ok := q.a.inv.Component(id)
	if !ok || !c.Probe.ICMP {
		q.first([]string{id})
		return
	}
	q.add(q.vantages(c.Site), false, []topology.Probe{topology.ProbeICMP}, true, id)
}

// askEquipment asks what its profile answers of ping and services, or else its agent.
func (q *questions) askEquipment(c *inventory.Component) {
	switch {
	case c.Probe.Address != "":
		q.ask(nil, c.ID)
	case c.CanAsk(string(topology.ProbeSNMP)):
		q.ask([]topology.Probe{topology.ProbeSNMP}, c.ID)
	}
}

// narrow asks everything of the machines that have not answered their ping, by
// habit or not, and of all in the classes that are not well.
func (r *round) narrow() {
	heard := make(map[string]hearing, len(r.obs))
	for i := range r.obs {
		if o := &r.obs[i]; reaches(o.Probe) {
			h := heard[o.Component]
			h.up = h.up || o.Result == topology.Up
			h.down = h.down || o.Result == topology.Down
			heard[o.Component] = h
		}
	}
	for _, c := range r.a.classes() {
		rest := c.rest()
		var quiet []string
		for _, id := range rest {
			if !heard[id].up {
				quiet = append(quiet, id)
			}
		}
		if wellBy(c.sample(), heard) && countDown(quiet, heard) <= 1 {
			rest = quiet
		}
		r.ask(nil, rest...)
	}
}

// hearing is what the probes of one machine came to: some answered, some did not.
type hearing struct{ up, down bool }

func countDown(ids []string, heard map[string]hearing) (n int) {
	for _, id := range ids {
		if heard[id].down {
			n++
		}
	}
	return n
}

// wellBy says that the sample speaks for its class: enough answered, none is
// silent, and at most one missed a probe.
func wellBy(sample []string, heard map[string]hearing) bool {
	ups, missed := 0, 0
	for _, id := range sample {
		h := heard[id]
		if h.down {
			missed++
		}
		if h.up {
			ups++
		} else if h.down {
			return false
		}
	}
	return ups >= min(enoughUp, len(sample)) && missed <= 1
}
