package topology_test

import (
	"slices"
	"strings"
	"testing"

	"vakhta/internal/topology"
)

// Two sites whose vantages see their own and nothing of each other: one has lost its uplinks, and nothing says which.
func TestTwoSitesThatLostEachOtherAreOneClassOfBothSitesUplinks(t *testing.T) {
	inv := hall(t)
	asked := func(seen, answers func(from, of, id string) bool) topology.Inference {
		var rows, past []topology.Observation
		for _, from := range []string{"s", "z"} {
			for _, of := range []string{"s", "z"} {
				rows = append(rows, pings(inv, from+"-in", noon, func(id string) bool { return in(of)(id) && seen(from, of, id) }, func(id string) bool { return answers(from, of, id) })...)
				past = append(past, pings(inv, from+"-in", minute(-60), in(of), all)...)
			}
		}
		return topology.New(inv).InferAfter(rows, past)
	}
	isUplink := func(id string) bool { return strings.Contains(id, "-up") }
	machines := func(_, _, id string) bool { return !isUplink(id) }
	every := func(_, _, _ string) bool { return true }
	own := func(from, of, _ string) bool { return from == of }

	inf := asked(machines, own)
	if len(inf.Findings) == 0 {
		t.Fatalf("nothing is found: %s", story(&inf))
	}
	for _, f := range inf.Findings {
		class := append(slices.Clone(f.AmbiguousWith), f.Component)
		site := f.Component[:1]
		other := map[string]string{"s": "z", "z": "s"}[site]
		if !isUplink(f.Component) || !slices.Contains(class, other+"-up1") || !slices.Contains(class, other+"-up2") || f.Confidence > .9 || f.Probability > .5 {
			t.Errorf("want the uplinks of one site, those of the other in the class: %s", story(&inf))
		}
	}
	// The uplinks of one are silent within it.
	inf = asked(every, func(from, of, id string) bool { return from == of && (of == "s" || !isUplink(id)) })
	if got := named(inf); !slices.Equal(got, []string{"z-up1", "z-up2"}) || len(inf.Findings[0].AmbiguousWith) > 0 || inf.Findings[0].Confidence < .95 {
		t.Errorf("z's are silent, those of s answer: %s", story(&inf))
	}
	// Those of one answer, and the others were not asked.
	inf = asked(func(_, of, id string) bool { return of == "s" || !isUplink(id) }, own)
	if got := named(inf); !slices.Equal(got, []string{"z-up1", "z-up2"}) || len(inf.Findings[0].AmbiguousWith) > 0 {
		t.Errorf("those of s answer: %s", story(&inf))
	}
	// All answer.
	if inf = asked(every, own); len(inf.Findings) > 0 {
		t.Errorf("all uplinks answer: %s", story(&inf))
	}
}

// Who asks both from outside says that it is the way between them, or that of their vantages.
func TestTwoSitesThatLostEachOtherAreNoFailureOfThoseWhomOthersSee(t *testing.T) {
	inv := hall(t)
	var rows []topology.Observation
	for _, of := range []string{"s", "z"} {
		for _, from := range []string{"s", "z"} {
			rows = append(rows, pings(inv, from+"-in", noon, in(of), func(string) bool { return from == of })...)
		}
		few := 0
		rows = append(rows, pings(inv, "out", noon, func(id string) bool {
			if !in(of)(id) || strings.Contains(id, "-up") {
				return false
			}
			few++
			return few < 5
		}, all)...)
	}
	if inf := topology.New(inv).Infer(rows); len(inf.Findings) > 0 {
		t.Errorf("some of both answer from outside: %s", story(&inf))
	}
}
