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
	inside bool // asked from within the component's own site
	run    int  // how many times in a row, at different times, it was the same
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

// silentIn says that what was seen is silence such as that state makes: one
// that is isolated may well answer within its site.
func (s *sighting) silentIn(st state) bool {
	if st != isolated {
		return s.silent()
	}
	outside := false
	for _, v := range s.reach {
		if !v.inside {
			if v.result == Up {
				return false
			}
			outside = true
		}
	}
	return outside || s.silent() && !slices.ContainsFunc(s.reach, func(v verdict) bool { return v.inside })
}

// answeredIn says that an answer came that the state does not allow.
func (s *sighting) answeredIn(st state) bool {
	if st != isolated {
		return s.answered()
	}
	return slices.ContainsFunc(s.reach, func(v verdict) bool { return v.result == Up && !v.inside })
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
	out, _, _ := g.look(obs)
	return out
}

// look is the same, with the rows' nodes and what the vantages see.
func (g *Graph) look(obs []Observation) (out []*sighting, nodes []int32, sees *sight) {
	nodes = g.rowNodes(obs)
	sees = g.sightOf(obs, nodes)
	last := make([]int32, len(g.nodes)) // the last row of each node
	for n := range last {
		last[n] = noNode
	}
	before := make([]int32, len(obs)) // the row before it, of the same node
	for i, n := range nodes {
		if n != noNode && (!sees.dim || sees.believed(g, &obs[i], n)) {
			before[i], last[n] = last[n], int32(i)
		}
	}
	out = make([]*sighting, len(g.nodes))
	inChunks(len(last), func(from, to int) {
		var rows []*Observation
		for n := from; n < to; n++ {
			rows = rows[:0]
			for i := last[n]; i != noNode; i = before[i] {
				rows = append(rows, &obs[i])
			}
			if len(rows) > 0 {
				out[n] = g.sightingOf(int32(n), rows)
			}
		}
	})
	return out, nodes, sees
}

// sightingOf sorts out the observations of one component.
func (g *Graph) sightingOf(n int32, rows []*Observation) *sighting {
	slices.SortFunc(rows, func(a, b *Observation) int {
		return cmp.Or(strings.Compare(string(a.Probe), string(b.Probe)),
			strings.Compare(a.Vantage, b.Vantage), b.At.Compare(a.At),
			// at one instant the better result counts: an answer is proof, silence is not
			cmp.Compare(rank(a.Result), rank(b.Result)), strings.Compare(a.Detail, b.Detail))
	})
	s := &sighting{reach: make([]verdict, 0, len(rows))}
	for i := 0; i < len(rows); {
		first := rows[i]
		v := verdict{probe: first.Probe, result: first.Result, detail: first.Detail, inside: g.inside(first.Vantage, n), run: 1}
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
	server, leaf, host bool
	seen               string
}

// likelihoodOf weighs a sighting of node n, or finds the weight among those known.
func (g *Graph) likelihoodOf(n int32, s *sighting, elsewhere share, known map[sightingKey]*likelihood) *likelihood {
	key := sightingKey{
		server: g.isServer(n), leaf: len(g.nodes[n].users) == 0,
		host: g.nodes[n].c.Kind == inventory.KindHypervisor,
	}
	text := make([]byte, 0, 16)
	for _, v := range s.reach {
		where := byte(0)
		if v.inside {
			where = 8
		}
		text = append(text, where|byte(rank(v.result)), byte(min(v.run, mostConfirmed)))
	}
	text = append(text, '/')
	for _, v := range s.power {
		text = append(text, byte(rank(v.result)), byte(min(v.run, mostConfirmed)))
	}
	key.seen = string(text)
	if l := known[key]; l != nil {
		return l
	}
	answers := managedCutOff
	if key.host {
		answers = hostCutOff
	}
	l := componentLikelihood(s, answers, elsewhere.noise)
	if key.server {
		l = serverLikelihood(s, key.leaf, elsewhere)
	}
	known[key] = &l
	return &l
}
