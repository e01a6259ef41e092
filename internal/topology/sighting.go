package topology

import (
	"cmp"
	"slices"
	"strings"
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
func (g *Graph) sightings(obs []Observation) []*sighting {
	const none = -1
	last := make([]int32, len(g.nodes)) // the last row of each node
	for n := range last {
		last[n] = none
	}
	before := make([]int32, len(obs)) // the row before it, of the same node
	for i := range obs {
		if n, ok := g.index[obs[i].Component]; ok && tells(&obs[i]) {
			before[i], last[n] = last[n], int32(i)
		}
	}
	out := make([]*sighting, len(g.nodes))
	var rows []*Observation
	for n := range last {
		rows = rows[:0]
		for i := last[n]; i != none; i = before[i] {
			rows = append(rows, &obs[i])
		}
		if len(rows) > 0 {
			out[n] = sightingOf(rows)
		}
	}
	return out
}

// sightingOf sorts out the observations of one component.
func sightingOf(rows []*Observation) *sighting {
	slices.SortFunc(rows, func(a, b *Observation) int {
		return cmp.Or(strings.Compare(string(a.Probe), string(b.Probe)),
			strings.Compare(a.Vantage, b.Vantage), b.At.Compare(a.At),
			// at one instant the better result counts: an answer is proof, silence is not
			cmp.Compare(rank(a.Result), rank(b.Result)), strings.Compare(a.Detail, b.Detail))
	})
	s := &sighting{}
	for i := 0; i < len(rows); {
		first := rows[i]
		v := verdict{probe: first.Probe, result: first.Result, detail: first.Detail, run: 1}
		same, at := true, first.At
		for i++; i < len(rows) && rows[i].Probe == first.Probe && rows[i].Vantage == first.Vantage; i++ {
			if rows[i].At.Equal(at) {
				continue
			}
			at = rows[i].At
			if same = same && rows[i].Result == first.Result; same {
				v.run++
			}
		}
		switch {
		case v.probe == ProbePower:
			s.power = append(s.power, v)
		case v.result != Unknown:
			s.reach = append(s.reach, v)
		}
	}
	return s
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

// sightingKey stands for all sightings that weigh the same: few kinds of
// sighting make up a large sweep.
type sightingKey struct {
	server, leaf bool
	seen         string
}

// likelihoodOf weighs a sighting of node n, or finds the weight among those known.
func (g *Graph) likelihoodOf(n int32, s *sighting, known map[sightingKey]*likelihood) *likelihood {
	key := sightingKey{server: g.isServer(n), leaf: len(g.nodes[n].users) == 0}
	text := make([]byte, 0, 16)
	for _, v := range s.reach {
		text = append(text, byte(rank(v.result)), byte(min(v.run, mostConfirmed)))
	}
	text = append(text, '/')
	for _, v := range s.power {
		text = append(text, byte(rank(v.result)), byte(min(v.run, mostConfirmed)))
	}
	key.seen = string(text)
	if l := known[key]; l != nil {
		return l
	}
	l := componentLikelihood(s)
	if key.server {
		l = serverLikelihood(s, key.leaf)
	}
	known[key] = &l
	return &l
}
