package topology_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/topology"
)

// classOf is what the first finding may be.
func classOf(inf *topology.Inference) []string {
	if len(inf.Findings) == 0 {
		return nil
	}
	return append([]string{inf.Findings[0].Component}, inf.Findings[0].AmbiguousWith...)
}

// A site's own vantage that has not looked since others lost the site from view was lost with it, however its clock goes
// and however few looks it missed: it saw how things were before.
func TestAVantageThatMissedTheLookAtWhichItsSiteWentSaysNothing(t *testing.T) {
	inv := hall(t)
	g := topology.New(inv)
	for _, tt := range []struct {
		name          string
		looks, before int           // of others, and how many of these before the loss
		from, to      int           // which looks it took part in
		ahead         time.Duration // the clock of others
		speaks        bool
	}{
		{"the next look", 2, 1, 0, 1, 0, false},
		{"the next look, clocks differ", 2, 1, 0, 1, 32 * time.Minute, false},
		{"seven looks", 8, 1, 0, 1, 0, false},
		{"six looks, its clock ahead", 8, 2, 0, 2, -time.Hour, false},
		{"six looks, its clock ahead a little", 8, 2, 0, 2, -7 * time.Minute, false},
		{"it looks on", 2, 1, 0, 2, 0, true},
		{"it looks on, clocks differ", 8, 2, 0, 8, time.Hour, true},
		{"it looks on for a while", 8, 4, 0, 7, 0, true},
		{"it began later", 8, 4, 6, 8, 0, true},
	} {
		var rows []topology.Observation
		for k := range tt.looks {
			up := func(id string) bool { return k < tt.before || in("z")(id) }
			rows = append(rows, pings(inv, "out", minute(2*k).Add(tt.ahead), all, up)...)
			rows = append(rows, pings(inv, "z-in", minute(2*k).Add(tt.ahead), in("z"), all)...)
			if k >= tt.from && k < tt.to {
				rows = append(rows, pings(inv, "s-in", minute(2*k), in("s"), all)...)
			}
		}
		sifted := g.Sift(rows, nil)
		inf := g.InferSifted(&sifted)
		class := classOf(&inf)
		if holds := slices.Contains(class, "s"); holds == tt.speaks || !tt.speaks && (len(inf.Findings) != 1 || !slices.Contains(class, "s-up1")) {
			t.Errorf("%s: %s", tt.name, story(&inf))
		}
	}
}

// It looked once, when others had lost the site already: that is how things are.
func TestAVantageThatLookedAfterItsSiteWentSpeaks(t *testing.T) {
	inv := hall(t)
	rows := pings(inv, "s-in", minute(7), in("s"), all)
	for k := range 6 {
		rows = append(rows, pings(inv, "out", minute(2*k), all, func(id string) bool { return k < 3 || in("z")(id) })...)
	}
	g := topology.New(inv)
	sifted := g.Sift(rows, nil)
	inf := g.InferSifted(&sifted)
	if got := uplinksOf(&inf, "s"); len(got) != 2 || slices.Contains(classOf(&inf), "s") {
		t.Errorf("want both uplinks of s, and not s: %s", story(&inf))
	}
}

// What outside vantages never saw of a site they have not lost: a vantage within that looked less often tells of it.
func TestASiteThatOthersNeverSawIsNotLost(t *testing.T) {
	inv := hall(t)
	rows := pings(inv, "s-in", noon, in("s"), all)
	for k := range 3 {
		rows = append(rows, pings(inv, "out", minute(2*k), all, in("z"))...)
	}
	g := topology.New(inv)
	sifted := g.Sift(rows, nil)
	inf := g.InferSifted(&sifted)
	if inf.Up < 90 || slices.Contains(classOf(&inf), "s") {
		t.Errorf("%d are up: %s", inf.Up, story(&inf))
	}
}

// A round that asks once more, from outside alone, what was silent at the one before is none that the site's own vantage missed.
func TestARoundThatFollowsUpIsNoLookThatWasMissed(t *testing.T) {
	inv := hall(t)
	dark := func(id string) bool { return strings.HasPrefix(id, "s-k0") || strings.HasPrefix(id, "s-k1") }
	rows := slices.Concat(pings(inv, "s-in", noon, in("s"), all), pings(inv, "out", noon, all, func(id string) bool { return !dark(id) }),
		pings(inv, "out", minute(-2), all, all), pings(inv, "s-in", minute(-2), in("s"), all), pings(inv, "out", minute(2), dark, none))
	g := topology.New(inv)
	if sifted := g.Sift(rows, nil); sifted.Stale > 0 {
		t.Errorf("%d rows are stale", sifted.Stale)
	}
}
