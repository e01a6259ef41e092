package topology_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/topology"
)

// A machine that never answers ping is not down because the probe that it does answer was not made at the last looks.
func TestAPingThatNeverWasAnsweredIsNoNews(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 10, clients: 1}.load(t)
	const quiet = "srv-000007"
	for _, tt := range []struct {
		name          string
		looks, missed int
		down          bool
	}{{"of two looks the last", 2, 1, false}, {"of six the last", 6, 1, false}, {"of six the last two", 6, 2, false}, {"it goes", 6, 0, true}} {
		var rows []topology.Observation
		for k := range tt.looks {
			for i, id := range inv.Servers() {
				o := topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: "v", At: minute(k).Add(time.Duration(i%7) * time.Second), Result: topology.Up}
				if id == quiet && tt.down && k > 2 {
					o.Result = topology.Down
				}
				if id != quiet || k < tt.looks-tt.missed {
					rows = append(rows, o)
				}
				if o.Probe = topology.ProbeICMP; id == quiet {
					o.Result = topology.Down
				}
				rows = append(rows, o)
			}
		}
		inf := sifted(inv, rows, nil)
		if got := named(inf); len(inf.Unexplained) > 0 || slices.Contains(got, quiet) != tt.down || len(got) > 1 {
			t.Errorf("%s: %s", tt.name, story(&inf))
		}
	}
}

// Stale looks that got no answer since the last one confirm that the machine is down; those before it, and those of one that
// nobody ever heard, don't.
func TestStaleLooksConfirmASilence(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 10, clients: 1}.load(t)
	const id = "srv-000007"
	for _, tt := range []struct {
		name  string
		gone  int
		named bool
	}{{"after the first look", 1, true}, {"at the last", 7, false}, {"never heard", 0, false}} {
		inf := sifted(inv, shots(inv, 8, 11*time.Minute, map[string]int{id: tt.gone}), nil)
		if got := named(inf); slices.Contains(got, id) != tt.named || len(got) > 1 {
			t.Errorf("%s: %s", tt.name, story(&inf))
		}
	}
}

// What one vantage sees is a policy is one for another, too, that did not ask anything else: nobody gets an answer to that ping.
func TestAPingThatNeverWasAnsweredIsNoNewsToAnotherVantage(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 10, clients: 1}.load(t)
	const quiet = "srv-000007"
	var rows []topology.Observation
	for k := range 2 {
		for _, id := range inv.Servers() {
			for _, vantage := range []string{"v", "w"} {
				for _, probe := range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP} {
					o := topology.Observation{Component: id, Probe: probe, Vantage: vantage, At: minute(2 * k), Result: topology.Up}
					if id == quiet && probe == topology.ProbeICMP {
						o.Result = topology.Down
					}
					if id != quiet || probe == topology.ProbeICMP || k == 0 && vantage == "v" {
						rows = append(rows, o)
					}
				}
			}
		}
	}
	if inf := sifted(inv, rows, nil); len(inf.Findings) > 0 || len(inf.Unexplained) > 0 {
		t.Error(story(&inf))
	}
}
