package topology

import (
	"cmp"
	"math"
	"slices"

	"vakhta/internal/inventory"
)

// commonCause is how often what took one member of a redundant group took the
// next one, too: the beta factor of common cause failures (NUREG/CR-4780, whose
// generic value is 0.1; IEC 61508-6, annex D, allows up to 0.1). Both PDUs of a
// rack fail together far more often than by two coincidences.
const commonCause = 0.1

// commonToMore is how often what took two of a group took one more as well: what two did not
// withstand was common to them, and mostly so to all (the multiple Greek letters of the same
// report: gamma and delta are several times beta). All of four are lost little more rarely than both of two.
const commonToMore = 0.45

var (
	logCommonCause  = math.Log(commonCause / (1 - commonCause))
	logCommonToMore = math.Log(commonToMore / (1 - commonToMore))
)

const mostKin = 4 // larger groups are pools, not spares of each other

// findKin notes the nodes that back each other up: like members of the same
// group. A node has one such family, that of the group that most rely on.
func (g *Graph) findKin() {
	type family struct {
		members []int32
		users   int
	}
	var all []family
	known := map[string]int{}
	var key []byte
	var last []int32
	at := 0
	for n := range g.nodes {
		for i := range g.nodes[n].groups {
			members := g.nodes[n].groups[i].members
			if len(members) < 2 || len(members) > mostKin {
				continue
			}
			if !slices.Equal(members, last) {
				sorted := slices.Sorted(slices.Values(members))
				key = key[:0]
				for _, m := range sorted {
					key = append(key, byte(m>>24), byte(m>>16), byte(m>>8), byte(m))
				}
				var had bool
				if at, had = known[string(key)]; !had {
					at = len(all)
					known[string(key)] = at
					all = append(all, family{members: sorted})
				}
				last = members
			}
			all[at].users++
		}
	}
	slices.SortFunc(all, func(a, b family) int {
		return cmp.Or(cmp.Compare(b.users, a.users), slices.Compare(a.members, b.members))
	})
	g.kin = make([][]int32, len(g.nodes))
	for i := 0; i < len(all); i++ {
		if !g.join(all[i].members) {
			continue
		}
		// What feeds each of a pair alone is a pair as well.
		if behind := g.soleNeeds(all[i].members); behind != nil {
			all = append(all, family{members: behind})
		}
	}
}

// join makes the nodes one family, unless they are unlike or one has another family.
func (g *Graph) join(members []int32) bool {
	for _, m := range members {
		c := g.nodes[m].c
		if g.kin[m] != nil || c.Kind != g.nodes[members[0]].c.Kind || c.Kind == inventory.KindServer || c.Kind == inventory.KindHypervisor {
			return false
		}
	}
	for _, m := range members {
		g.kin[m] = members
	}
	return true
}

// soleNeeds are the nodes that the members have their power from, one each; nil if
// that isn't so.
func (g *Graph) soleNeeds(members []int32) []int32 {
	var out []int32
	for _, m := range members {
		for i := range g.nodes[m].groups {
			if grp := &g.nodes[m].groups[i]; grp.power && len(grp.members) == 1 {
				out = append(out, grp.members[0])
			}
		}
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) != len(members) {
		return nil
	}
	return out
}

const (
	// leastSpares is how many failures of a kind of redundant equipment outside of racks
	// are expected when somebody looks because something is down: of two uplinks one is
	// not as rarely lost as the rate of a single one would have it.
	leastSpares = 0.2
	mostOften   = 20 // times as often as its kind
)

// countSpares finds how much more often than their kind redundant equipment fails
// of which there are few. It is so of one alone: that all that back each other up are
// lost stays as likely beside the loss of what contains them.
func (g *Graph) countSpares() {
	expected := map[inventory.Kind]float64{}
	for n := range g.nodes {
		if c := g.nodes[n].c; g.kin[n] != nil && c.Rack == "" {
			expected[c.Kind] += prior[c.Kind]
		}
	}
	g.often = make([]float64, len(g.nodes))
	for n := range g.nodes {
		if c := g.nodes[n].c; g.kin[n] != nil && c.Rack == "" {
			g.often[n] = math.Log(min(mostOften, max(1, leastSpares/expected[c.Kind])))
		}
	}
}

// mostFailures is how many failures of like equipment are expected at once among what was
// looked at, be it ever so much: when somebody looks, a handful of things has failed.
const mostFailures = 0.3

// role is what like equipment has in common: switches of racks are many, those behind them few.
type role struct {
	kind   inventory.Kind
	inRack bool
}

func roleOf(c *inventory.Component) role { return role{c.Kind, c.Rack != ""} }

// countFailures finds by how much more often than its kind each node fails by
// itself, ln: more rarely where there are many.
func (s *search) countFailures(nodes []node) []float64 {
	expected := map[role]float64{}
	for i := range s.failures {
		if !nodes[i].server {
			expected[roleOf(nodes[i].c)] += prior[nodes[i].c.Kind]
		}
	}
	rarer := map[role]float64{}
	for of, many := range expected {
		if many > mostFailures {
			rarer[of] = math.Log(mostFailures / many)
		}
	}
	out := make([]float64, len(nodes))
	for i := range nodes {
		out[i] = s.g.often[s.global[i]]
		if !nodes[i].server {
			out[i] += rarer[roleOf(nodes[i].c)]
		}
	}
	return out
}

// belief is what the failure of a node adds to the log prior of the hypothesis,
// which is less of a surprise where some of its kin have failed. It is the same
// whether the node is in the hypothesis or about to be. Of kin the first in order is the one that failed by
// itself: what a hypothesis costs must not depend on the way to it, or the search goes round in circles.
func (s *search) belief(n int32) float64 { return s.beliefWith(n, nil) }

// beliefWith is the same where these have failed, too.
func (s *search) beliefWith(n int32, also []int32) float64 {
	sum, lost, met := 0.0, 0, false
	for _, k := range s.kin[n] { // in order, itself among them
		switch {
		case k == n:
			sum, met = sum+s.beside(n, lost), true
		case !s.t.failed[k] && !slices.Contains(also, k):
		case met:
			sum += s.beside(k, lost+1) - s.beside(k, lost)
			lost++
		default:
			lost++
		}
	}
	if !met {
		return s.beside(n, lost)
	}
	return sum
}

// alikeBehind is how often the management hangs on a component where it hangs on one of its kin.
const alikeBehind = 0.9

// beside is what the failure of a node adds where so many of its kin have failed.
func (s *search) beside(n int32, lost int) float64 {
	switch {
	case lost == 0:
		return s.prior[n] + s.late[n]
	case !s.isFailure(n):
		return math.Log(alikeBehind)
	case lost == 1:
		return logCommonCause - s.oftener[n] + s.late[n]
	}
	return logCommonToMore + s.late[n]
}

// surprise is by how much the log prior of the hypothesis changes by the flips;
// one that is made twice is none.
func (s *search) surprise(hypothesis, flips []int32) float64 {
	sum := 0.0
	of := func(set []int32, sign float64) {
		for _, n := range set {
			lost := 0
			for _, k := range s.kin[n] {
				if _, has := slices.BinarySearch(set, k); has && k < n {
					lost++
				}
			}
			sum += sign * s.beside(n, lost)
		}
	}
	in := map[int32]bool{}
	for _, n := range hypothesis {
		in[n] = true
	}
	for _, n := range flips {
		in[n] = !in[n]
	}
	after := make([]int32, 0, len(in))
	for n, has := range in {
		if has {
			after = append(after, n)
		}
	}
	slices.Sort(after)
	of(after, 1)
	of(hypothesis, -1)
	return sum
}

// linkKin takes the families over to the search's own numbers.
func (s *search) linkKin() {
	s.kin = make([][]int32, len(s.t.nodes))
	for i := range s.failures {
		kin := s.g.kin[s.global[i]]
		if kin == nil || s.kin[i] != nil {
			continue
		}
		var own []int32
		for _, k := range kin {
			if l := s.local[k]; l != noNode && s.global[l] == k {
				own = append(own, l)
			}
		}
		slices.Sort(own)
		var behind []int32
		for _, l := range own {
			s.kin[l] = own
			if b := s.t.nodes[l].behind; b > 0 && !s.t.nodes[l].uplink {
				behind = append(behind, b-1)
			}
		}
		slices.Sort(behind)
		for _, b := range behind {
			s.kin[b] = behind
		}
	}
}
