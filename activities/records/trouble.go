package records

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vakhta/internal/topology"
)

// mostTroubles is how many reasons are told why probes could not be made, the commonest first.
const mostTroubles = 3

// troubles say why probes that go over the network could not tell, and stayed so: trouble of the
// vantage's own, which somebody has to mend there.
func troubles(obs []topology.Observation) []string {
	type asked struct {
		question
		vantage string
	}
	latest := map[asked]*topology.Observation{}
	note := func(these func(*topology.Observation, bool) bool) {
		for i := range obs {
			o := &obs[i]
			key := asked{question{component: o.Component, probe: o.Probe}, o.Vantage}
			if was := latest[key]; reaches(o.Probe) && these(o, was != nil) && (was == nil || o.At.After(was.At)) {
				latest[key] = o
			}
		}
	}
	// Of a hundred thousand rows few are of this kind.
	note(func(o *topology.Observation, _ bool) bool { return o.Result == topology.Unknown })
	if len(latest) == 0 {
		return nil
	}
	note(func(_ *topology.Observation, known bool) bool { return known })
	counts := map[[2]string]int{}
	for _, o := range latest {
		if o.Result == topology.Unknown && o.Detail != "" {
			counts[[2]string{o.Vantage, o.Detail}]++
		}
	}
	keys := make([][2]string, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	var out []string
	for _, key := range keys[:min(len(keys), mostTroubles)] {
		out = append(out, fmt.Sprintf("from vantage %s %d probes could not tell: %s", key[0], counts[key], key[1]))
	}
	return out
}
