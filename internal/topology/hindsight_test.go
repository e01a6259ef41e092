package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// Of every 20 machines one stands in the other room, one of which is dark.
func TestInferBlamesNoMachineThatMayStandInWhatFailed(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 20, servers: 40, single: 8, management: true, clients: 1}.load(t)
	obs := newWorld(inv, "s0-r0").look(nil)
	k := map[string]int{}
	for i := range obs {
		o := &obs[i]
		c, _ := inv.Component(o.Component)
		if c.Kind != inventory.KindServer {
			continue
		}
		if k[c.Room]++; (k[c.Room]-1)/2%20 != 0 { // each has two rows, one after the other
			continue
		}
		switch {
		case c.Room == "s0-r0":
			o.Result = topology.Up
		case o.Probe == topology.ProbePower:
			o.Result = topology.Unknown
		default:
			o.Result = topology.Down
		}
	}
	for _, f := range topology.New(inv).Infer(obs).Findings {
		if f.Kind == inventory.KindServer {
			t.Errorf("%s is named with %f: it may stand in the room that is dark", f.Component, f.Confidence)
		}
	}
}

// Where no earlier sweep tells whether they ever answered, a few that are silent are rather of those that
// never do; one alone is what somebody looks for.
func TestAFewThatNobodyEverHeardAreNamedOnceAnEarlierSweepHeardThem(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 20, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	w := newWorld(inv)
	silent := []string{"srv-000007", "srv-000047"}
	for _, id := range silent {
		w.hung[id] = true
	}
	rows, before := w.look(nil), newWorld(inv).look(nil)
	for i := range slices.Clone(rows) {
		again := rows[i]
		again.At = again.At.Add(time.Minute)
		rows = append(rows, again)
		before[i].At = noon.Add(-24 * time.Hour)
	}
	if first := g.InferAfter(rows, nil); len(first.Findings) > 0 || !slices.Equal(first.Unexplained, silent) {
		t.Errorf("at a first sweep %s, want both unexplained", story(&first))
	}
	if known := g.Infer(rows); !slices.Equal(named(known), silent) {
		t.Errorf("who never answers is left out: %s, want both named", story(&known))
	}
	if later := g.InferAfter(rows, before); !slices.Equal(named(later), silent) {
		t.Errorf("heard yesterday: %s, want both named", story(&later))
	}
}

// The same where it was looked again and again, for longer than rows are fresh, and where their BMCs don't answer either.
func TestAFewThatWereNeverHeardInManyLooksStayUnexplained(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 20, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	w := newWorld(inv)
	silent := []string{"srv-000007", "srv-000047"}
	for _, id := range silent {
		w.hung[id] = true
	}
	for _, power := range []topology.Result{topology.Up, topology.Unknown} {
		var rows []topology.Observation
		for k := range 6 {
			for _, o := range w.look(nil) {
				if o.At = minute(4 * k); o.Probe == topology.ProbePower && slices.Contains(silent, o.Component) {
					o.Result = power
				}
				rows = append(rows, o)
			}
		}
		sifted := g.Sift(rows, nil)
		if inf := g.InferSifted(&sifted); len(inf.Findings) > 0 || !slices.Equal(inf.Unexplained, silent) {
			t.Errorf("BMCs %s: %s, want both unexplained", power, story(&inf))
		}
	}
}
