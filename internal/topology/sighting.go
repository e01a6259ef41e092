package topology

import (
	"cmp"
	"slices"
	"strings"

	"vakhta/internal/inventory"
)

// sighting is what was seen of one component, the latest from each vantage.
type sighting struct {
	reach []verdict // TCP and ICMP, without those that could not tell
	power []verdict
}

// verdict is the latest result of one probe from one vantage.
type verdict struct {
	probe  Probe
	result Result
	detail string
	run    int // how many times in a row, at different times, it was the same
}

// answered says that some probe got an answer; silent, that those made got none.
func (s *sighting) answered() bool {
	return slices.ContainsFunc(s.reach, func(v verdict) bool { return v.result == Up }) ||
		len(s.reach) == 0 && s.powerIs(Up)
}

func (s *sighting) silent() bool {
	return !s.answered() && (len(s.reach) > 0 || s.powerIs(Down))
}

func (s *sighting) powerIs(r Result) bool {
	return slices.ContainsFunc(s.power, func(v verdict) bool { return v.result == r })
}

// confirmedDown says that the silence was seen more than once.
func (s *sighting) confirmedDown() bool {
	probes := 0
	for _, v := range s.reach {
		if v.result == Down {
			probes += v.run
		}
	}
	return probes > 1
}

// sightings sorts the observations out: the last by time counts, per component,
// probe and vantage; copies and unknown components do not.
func (g *Graph) sightings(obs []Observation) map[int32]*sighting {
	type row struct {
		n int32
		o *Observation
	}
	rows := make([]row, 0, len(obs))
	for i := range obs {
		o := &obs[i]
		n, ok := g.index[o.Component]
		if !ok || !tells(o) {
			continue
		}
		rows = append(rows, row{n, o})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.n, b.n), strings.Compare(string(a.o.Probe), string(b.o.Probe)),
			strings.Compare(a.o.Vantage, b.o.Vantage), b.o.At.Compare(a.o.At),
			// at one instant the better result counts: an answer is proof, silence is not
			cmp.Compare(rank(a.o.Result), rank(b.o.Result)), strings.Compare(a.o.Detail, b.o.Detail))
	})
	out := make(map[int32]*sighting)
	for i := 0; i < len(rows); {
		first := rows[i]
		v := verdict{probe: first.o.Probe, result: first.o.Result, detail: first.o.Detail, run: 1}
		same, last := true, first.o.At
		for i++; i < len(rows) && rows[i].n == first.n && rows[i].o.Probe == first.o.Probe && rows[i].o.Vantage == first.o.Vantage; i++ {
			if rows[i].o.At.Equal(last) {
				continue
			}
			last = rows[i].o.At
			if same = same && rows[i].o.Result == first.o.Result; same {
				v.run++
			}
		}
		s := out[first.n]
		if s == nil {
			s = &sighting{}
			out[first.n] = s
		}
		switch {
		case v.probe == ProbePower:
			s.power = append(s.power, v)
		case v.result != Unknown:
			s.reach = append(s.reach, v)
		}
	}
	return out
}

func tells(o *Observation) bool {
	return (o.Probe == ProbeTCP || o.Probe == ProbeICMP || o.Probe == ProbePower) &&
		(o.Result == Up || o.Result == Down || o.Result == Unknown)
}

func rank(r Result) int {
	switch r {
	case Up:
		return 0
	case Down:
		return 1
	default:
		return 2
	}
}

// likelihoodOf weighs a sighting of node n.
func (g *Graph) likelihoodOf(n int32, s *sighting) likelihood {
	if g.nodes[n].c.Kind == inventory.KindServer {
		return serverLikelihood(s, len(g.nodes[n].users) == 0)
	}
	return componentLikelihood(s)
}
