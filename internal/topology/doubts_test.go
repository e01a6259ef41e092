package topology_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"vakhta/internal/topology"
)

// nights plays failures one after another in an estate in which some machines
// hang on other switches than the inventory has it.
func nights(t *testing.T, g *topology.Graph, broken []string, wired map[string]string) []topology.Case {
	t.Helper()
	inv := modesEstate(t)
	var out []topology.Case
	for i, id := range broken {
		w := newWorld(inv, id)
		obs := w.look(nil)
		for j := range obs {
			if sw, moved := wired[obs[j].Component]; moved && obs[j].Probe != topology.ProbePower {
				obs[j].Result = topology.Up
				if sw == id {
					obs[j].Result = topology.Down
				}
			}
		}
		obs = append(obs, topology.Observation{Component: "10.9.9.9", Probe: topology.ProbeICMP, At: noon, Result: topology.Up})
		obs = append(slices.Clone(obs), obs...) // asked again, a minute later
		for j := range len(obs) / 2 {
			obs[j].At = noon.Add(60e9)
		}
		out = append(out, topology.Case{Name: fmt.Sprintf("night-%d", i), Observations: obs, Inference: g.Infer(obs)})
	}
	return out
}

func TestDoubtsNameWhatTheInventoryHasWrong(t *testing.T) {
	g := topology.New(modesEstate(t))
	const here, there, other = "s0-r0-k01-sw", "s0-r1-k02-sw", "s1-r0-k00-sw"
	const moved = "srv-000025" // in rack s0-r0-k01
	cases := nights(t, g, []string{here, there, other, here, there, here}, map[string]string{moved: there})
	got := g.Doubts(cases)
	var lives, stranger *topology.Doubt
	for i := range got {
		switch d := &got[i]; d.Reason {
		case topology.Lives:
			lives = d
		case topology.Stranger:
			stranger = d
		}
	}
	if len(got) != 2 || lives == nil || stranger == nil {
		t.Fatalf("doubts %+v; want one machine and one stranger", got)
	}
	if lives.Component != moved || lives.Of != here || lives.Likelier != there || !lives.Strong || len(lives.Cases) != 3 {
		t.Errorf("%+v; want %s, which hangs on %s and not on %s", *lives, moved, there, here)
	}
	if stranger.Component != "10.9.9.9" || !stranger.Strong {
		t.Errorf("%+v; want 10.9.9.9", *stranger)
	}
	slices.Reverse(cases)
	if again := g.Doubts(cases); !reflect.DeepEqual(again, got) {
		t.Errorf("the cases in another order gave %+v, want %+v", again, got)
	}
}

func TestOneOddNightIsAWeakDoubt(t *testing.T) {
	g := topology.New(modesEstate(t))
	const here = "s0-r0-k01-sw"
	got := g.Doubts(nights(t, g, []string{here}, map[string]string{"srv-000025": "elsewhere"}))
	if len(got) != 2 || got[1].Component != "srv-000025" || got[1].Strong || got[1].Likelier != "" {
		t.Errorf("%+v; want a weak doubt about srv-000025", got)
	}
	if quiet := g.Doubts(nights(t, g, []string{here, "s1-r0-k00-sw", here, here}, nil)); len(quiet) != 1 || quiet[0].Reason != topology.Stranger {
		t.Errorf("%+v; want nothing but the stranger where the inventory is right", quiet)
	}
}

// A dead rack looks like both of its PDUs, and a little like its switch: what
// hangs on all of these is in doubt whichever it is.
func TestOneThatLivesInADeadRackIsInDoubt(t *testing.T) {
	g := topology.New(modesEstate(t))
	const rack, moved = "s0-r0-k01", "srv-000025"
	cases := nights(t, g, []string{rack}, map[string]string{moved: "elsewhere"})
	if f := cases[0].Inference.Findings[0]; f.Component != rack || len(f.AmbiguousWith) == 0 {
		t.Fatalf("%+v; want %s, ambiguous with others", f, rack)
	}
	got := g.Doubts(cases)
	i := slices.IndexFunc(got, func(d topology.Doubt) bool { return d.Reason == topology.Lives })
	if i < 0 || got[i].Component != moved || got[i].Of != rack {
		t.Errorf("doubts %+v; want %s, which lives in %s", got, moved, rack)
	}
}
