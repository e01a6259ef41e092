package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/topology"
)

// What the earlier sweep missed, and was never heard, is rather one of those that never answer, of which that sweep
// found as many as there are; what it heard is not one of them.
func TestWhatTheEarlierSweepMissedMayNeverAnswer(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 25, servers: 40, clients: 1}.load(t)
	const missed, dead = "srv-000007", "srv-000611"
	var rows, before []topology.Observation
	for i, id := range inv.Servers() {
		never := i%43 == 5 || id == missed
		note := func(to *[]topology.Observation, at time.Time, up bool) {
			o := topology.Observation{Component: id, Probe: topology.ProbeICMP, Vantage: "v", At: at, Result: topology.Down}
			if up {
				o.Result = topology.Up
			}
			*to = append(*to, o)
		}
		if id != missed {
			note(&before, noon.Add(-2*time.Hour), !never)
		}
		for k := range 10 { // one ping in a hundred is lost, at the last look, too
			note(&rows, minute(2*k), !never && id != dead && (i*31+k*17)%100 != 0)
		}
	}
	inf := sifted(inv, rows, before)
	if got := named(inf); !slices.Equal(got, []string{dead}) {
		t.Errorf("want %s alone: %s", dead, story(&inf))
	}
}

// Whoever earlier rows did not ask is as unknown as at a first sweep, where they tell of few: three that are silent may never answer.
func TestWhatEarlierRowsTellOfOthersSaysNothingOfWhomTheyDidNotAsk(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 6, servers: 10, clients: 1}.load(t)
	silent := []string{"srv-000002", "srv-000014", "srv-000030"}
	w := newWorld(inv)
	for _, id := range silent {
		w.hung[id] = true
	}
	var rows []topology.Observation
	for k := range 2 {
		for _, o := range w.look(nil) {
			o.At = minute(k)
			rows = append(rows, o)
		}
	}
	earlier := func(of func(i int) bool, r topology.Result) []topology.Observation {
		var out []topology.Observation
		for i, id := range inv.Servers() {
			if of(i) {
				out = append(out, at(id, topology.ProbeTCP, "v", r, noon.Add(-2*time.Hour)))
			}
		}
		return out
	}
	one := func(i int) bool { return i == 21 }
	for _, tt := range []struct {
		name         string
		stale, then  []topology.Observation
		want, unsure []string
	}{
		{"a first sweep", nil, nil, nil, silent},
		{"one stale answer", earlier(one, topology.Up), nil, nil, silent},
		{"one stale silence", earlier(one, topology.Down), nil, nil, silent},
		{"an earlier sweep of one", nil, earlier(one, topology.Up), nil, silent},
		{"an earlier sweep of the other half", nil, earlier(func(i int) bool { return i >= 31 }, topology.Up), nil, silent},
		{"an earlier sweep of one of them", nil, earlier(func(i int) bool { return i == 14 }, topology.Up), silent[1:2], []string{silent[0], silent[2]}},
		{"an earlier sweep of all", nil, earlier(func(int) bool { return true }, topology.Up), silent, nil},
	} {
		inf := sifted(inv, slices.Concat(rows, tt.stale), tt.then)
		if !slices.Equal(named(inf), tt.want) || !slices.Equal(inf.Unexplained, tt.unsure) {
			t.Errorf("%s: want %v named, %v unexplained: %s", tt.name, tt.want, tt.unsure, story(&inf))
		}
	}
}

// One machine that an earlier row found silent, and that is no news, does not make a policy of a single silent one beside it.
func TestOneThatIsNoNewsMakesNoPolicy(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 6, servers: 10, clients: 1}.load(t)
	const down, old = "srv-000014", "srv-000040"
	w := newWorld(inv)
	w.hung[down], w.hung[old] = true, true
	var rows []topology.Observation
	for k := range 2 {
		for _, o := range w.look(nil) {
			o.At = minute(k)
			rows = append(rows, o)
		}
	}
	before := []topology.Observation{at(old, topology.ProbeTCP, "v", topology.Down, noon.Add(-24*time.Hour))}
	if inf := sifted(inv, rows, before); !slices.Equal(named(inf), []string{down}) {
		t.Errorf("want %s: %s", down, story(&inf))
	}
}

// Three that nobody ever heard in each rack of forty are no more together than one in a rack of a dozen.
func TestAFewOfEachLargeRackThatNobodyEverHeardAreAPolicy(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 40, clients: 1}.load(t)
	w := newWorld(inv)
	for i, id := range inv.Servers() {
		w.hung[id] = i%13 == 7
	}
	var rows []topology.Observation
	for k := range 2 {
		for _, o := range w.look(nil) {
			o.At = minute(k)
			rows = append(rows, o)
		}
	}
	if inf := sifted(inv, rows, nil); len(inf.Findings) > 0 || len(inf.Unexplained) != 9 {
		t.Errorf("want none of the nine named: %s", story(&inf))
	}
}
