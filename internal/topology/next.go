package topology

import (
	"cmp"
	"fmt"
	"slices"

	"vakhta/internal/inventory"
)

const (
	maxNext        = 40 // requests of one round
	maxPerFinding  = 12
	firstBMCs      = 3  // before servers not seen yet: they tell power from network
	enoughBMCs     = 12 // of one finding: what they don't tell, the next one won't
	maxExplanation = 8  // explanations compared with each other
)

// next lists the probes that would decide what is ambiguous. Findings take
// turns, so that one does not starve the others.
func (r *reporter) next(findings []Finding, unexplained []int32) []ProbeRequest {
	var lists [][]ProbeRequest
	for i := range findings {
		if f := &findings[i]; len(lists) < maxNext && (len(f.AmbiguousWith) > 0 || f.Confidence < .9) {
			lists = append(lists, r.decide(f))
		}
	}
	for _, n := range unexplained[:min(len(unexplained), maxNext)] {
		lists = append(lists, r.again(n))
	}
	var out []ProbeRequest
	asked := map[ProbeRequest]bool{}
	for turn, more := 0, true; more && len(out) < maxNext; turn++ {
		more = false
		for _, list := range lists {
			if turn >= len(list) || len(out) == maxNext {
				continue
			}
			more = true
			key := list[turn]
			key.Why = ""
			if !asked[key] {
				asked[key] = true
				out = append(out, list[turn])
			}
		}
	}
	return out
}

// decide lists what would tell a finding from the explanations that rival it.
func (r *reporter) decide(f *Finding) []ProbeRequest {
	class := r.g.known(append([]string{f.Component}, f.AmbiguousWith...))
	if len(class) > maxExplanation {
		self := r.g.index[f.Component]
		slices.SortFunc(class, func(a, b int32) int {
			return cmp.Or(-boolCompare(a == self, b == self), r.g.narrower(a, b))
		})
		class = class[:maxExplanation]
		slices.Sort(class)
	}
	var out []ProbeRequest
	for _, n := range class {
		if r.seen[n] != nil && (len(r.seen[n].reach) > 0 || !r.g.isServer(n)) {
			continue
		}
		if p, ok := firstProbe(r.g.nodes[n].c); ok {
			out = append(out, ProbeRequest{Component: r.g.id(n), Probe: p, Why: "does " + r.g.id(n) + " answer itself?"})
		}
	}
	bmcs := r.bmcsOf(f.Explains)
	out = append(out, bmcs[:min(len(bmcs), firstBMCs)]...)
	out = append(out, r.telling(class)...)
	out = append(out, bmcs[min(len(bmcs), firstBMCs):]...)
	out = append(out, r.besideOf(f.Explains)...)
	if len(out) == 0 && len(f.AmbiguousWith) > 0 {
		out = r.hands(class, f.Explains)
	}
	for _, id := range f.Explains {
		if n := r.g.index[id]; len(out) < maxPerFinding && len(f.Explains) <= 3 && !r.seen[n].confirmedDown() {
			out = append(out, r.again(n)...)
		}
	}
	if n := r.g.index[f.Component]; !r.g.isServer(n) && r.seen[n] != nil && !r.seen[n].confirmedDown() {
		out = append(out, r.again(n)...)
	}
	return out[:min(len(out), maxPerFinding)]
}

// bmcsOf asks the BMCs of machines that are down, as far as nobody has and
// until enough of them were asked.
func (r *reporter) bmcsOf(down []string) []ProbeRequest {
	var out []ProbeRequest
	asked := 0
	for _, id := range down {
		n := r.g.index[id]
		if len(r.seen[n].power) > 0 {
			if asked++; asked == enoughBMCs {
				return nil
			}
		}
		if len(out) < maxPerFinding && r.g.nodes[n].c.Probe.BMC.Given() && len(r.seen[n].power) == 0 {
			out = append(out, ProbeRequest{Component: id, Probe: ProbePower, Why: "is its power on, off or gone?"})
		}
	}
	return out
}

// telling picks servers not seen yet that some of the explanations take down
// and others leave alone: their answer divides the class.
func (r *reporter) telling(class []int32) []ProbeRequest {
	t := r.whole()
	var chosen []int32 // of the class; the rest of the hypothesis stands
	for _, n := range class {
		if t.failed[n] {
			t.flip(n)
			chosen = append(chosen, n)
		}
	}
	defer func() {
		for _, n := range chosen {
			t.flip(n)
		}
	}()
	t.trail = t.trail[:0]
	takenBy := map[int32][]int32{}
	for _, x := range class {
		if t.failed[x] {
			continue
		}
		t.flip(x)
		for _, c := range t.trail {
			if by := takenBy[c.node]; t.state[c.node] != works && (len(by) == 0 || by[len(by)-1] != x) {
				takenBy[c.node] = append(by, x)
			}
		}
		t.undo(0)
		t.failed[x] = false
	}
	t.trail = t.trail[:0]
	var out []ProbeRequest
	asked := map[int32]bool{}
	for _, x := range class {
		if r.g.isServer(x) {
			continue
		}
		sample := &sampler{g: r.g, root: x}
		for range 3 {
			n := sample.next(func(n int32) bool {
				by := takenBy[n]
				return r.seen[n] == nil && !asked[n] && len(by) > 0 && len(by) < len(class) &&
					slices.Contains(by, x) && canProbe(r.g.nodes[n].c)
			})
			if n < 0 {
				break
			}
			asked[n] = true
			if p, ok := firstProbe(r.g.nodes[n].c); ok {
				out = append(out, ProbeRequest{Component: r.g.id(n), Probe: p, Why: fmt.Sprintf("down if %s failed", r.g.id(takenBy[n][0]))})
			}
		}
	}
	return out
}

// whole is the best hypothesis on all of the graph.
func (r *reporter) whole() *trial {
	if r.all == nil {
		r.all = newTrial(r.g.nodes)
		for _, h := range r.chosen {
			if r.isFailure(h) {
				r.all.flip(r.global[h])
			}
		}
	}
	return r.all
}

// again asks once more for what did not answer.
func (r *reporter) again(n int32) []ProbeRequest {
	for _, v := range r.seen[n].reach {
		if v.result == isDown {
			return []ProbeRequest{{Component: r.g.id(n), Probe: probes[v.ask], Why: "is it still down?"}}
		}
	}
	return nil
}

// firstProbe is the cheapest probe that the component has an address for.
func firstProbe(c *inventory.Component) (Probe, bool) {
	switch {
	case len(c.Probe.TCP) > 0:
		return ProbeTCP, true
	case c.Probe.ICMP:
		return ProbeICMP, true
	case c.Probe.BMC.Given():
		return ProbePower, true
	}
	return "", false
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
