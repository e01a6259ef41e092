package topology_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	lab "vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

// look is what a localization has observed so far of a broken component of the lab's estate.
type look struct {
	inv     *inventory.Inventory
	dead    map[string]bool // does not answer
	powered bool            // the BMCs of what is dead still answer
	at      time.Time
	rows    []topology.Observation
}

func (l *look) ask(probe topology.Probe, ids []string) {
	l.at = l.at.Add(time.Second)
	for _, id := range ids {
		c, _ := l.inv.Component(id)
		site, _ := l.inv.Site(c.Site)
		o := topology.Observation{Component: id, Probe: probe, Vantage: site.Vantages[0], At: l.at, Result: topology.Up}
		switch {
		case l.dead[id] && probe == topology.ProbePower && l.powered:
		case l.dead[id] && probe == topology.ProbePower:
			o.Result = topology.Unknown
		case l.dead[id]:
			o.Result, o.Detail = topology.Down, "connection refused"
		}
		l.rows = append(l.rows, o)
	}
}

// One client's machines are swept, then the power state of what is down and
// some neighbours are asked, then all that the finding takes down: from the
// second look on the point of failure has its name.
func TestTheLabsFaultsAreNamedFromOneClientsSweep(t *testing.T) {
	inv, err := inventory.Load(lab.Generate(lab.Options{Seed: 1}))
	require.NoError(t, err)
	g := topology.New(inv)
	for _, scenario := range []string{"pdu", "switch", "room", "uplink"} {
		t.Run(scenario, func(t *testing.T) {
			broken, err := lab.Scenario(scenario)
			require.NoError(t, err)
			l := &look{inv: inv, dead: map[string]bool{broken: true}, powered: scenario == "switch" || scenario == "uplink", at: time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)}
			all := g.Blast(broken).Servers
			for _, id := range all {
				l.dead[id] = true
			}
			if scenario == "room" { // what stands in it lost its power, too
				for _, c := range inv.Components() {
					l.dead[c.ID] = l.dead[c.ID] || c.Room == broken
				}
			}
			mine := inv.ServersOf(lab.Romashka)
			l.ask(topology.ProbeTCP, mine)
			down := slices.DeleteFunc(slices.Clone(mine), func(id string) bool { return !l.dead[id] })
			require.NotEmpty(t, down)
			l.ask(topology.ProbePower, down)
			l.ask(topology.ProbeTCP, g.Neighbours(down, 150))
			decided := g.Infer(l.rows)
			require.Len(t, decided.Findings, 1)
			require.Equal(t, broken, decided.Findings[0].Component)

			l.ask(topology.ProbeTCP, all)
			confirmed := g.Infer(l.rows)
			require.Len(t, confirmed.Findings, 1)
			require.Equal(t, broken, confirmed.Findings[0].Component)
			require.ElementsMatch(t, all, confirmed.Findings[0].Explains)
		})
	}
}
