package topology_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// minute is so many minutes after noon, when the first look is.
func minute(k int) time.Time { return noon.Add(time.Duration(k) * time.Minute) }

func uplinksOf(inf *topology.Inference, site string) []string {
	var out []string
	for _, f := range inf.Findings {
		if strings.HasPrefix(f.Component, site+"-up") {
			out = append(out, f.Component)
		}
	}
	return out
}

// Two sites that look at themselves and at each other: whichever loses its uplinks in the middle of the looks
// sees nothing of the other any more, which is its own fault.
func TestUplinksLostBetweenLooksAreNotThoseOfWhomTheirSiteSeesNoMore(t *testing.T) {
	inv := hall(t)
	var rows []topology.Observation
	for k := range 6 {
		lost := k > 3
		at := func(from, of string) func(string) bool {
			return func(id string) bool {
				return !lost || from == of && !strings.HasPrefix(id, "z-up") || from == of && of == "s"
			}
		}
		for _, from := range []string{"s", "z"} {
			for _, of := range []string{"s", "z"} {
				rows = append(rows, pings(inv, from+"-in", minute(k), in(of), at(from, of))...)
			}
		}
	}
	inf := topology.New(inv).Infer(rows)
	if got := uplinksOf(&inf, "s"); got != nil {
		t.Errorf("named %v, which answer within their site: %s", got, story(&inf))
	}
	if got := uplinksOf(&inf, "z"); len(got) != 2 {
		t.Errorf("named %v of z, want both: %s", got, story(&inf))
	}
}

// An outside vantage that sees no site is blind where the uplinks of one answer, though those of another don't, and
// nobody is left to see a third.
func TestABlindVantageIsKnownThoughAnotherSitesUplinksAreLost(t *testing.T) {
	inv := estate{sites: 3, rooms: 1, racks: 3, servers: 12, management: true, clients: 1, within: true}.load(t)
	var rows []topology.Observation
	for _, c := range inv.Components() {
		if len(c.Probe.TCP) == 0 {
			continue
		}
		o := topology.Observation{Component: c.ID, Probe: topology.ProbeTCP, Vantage: "out", At: noon, Result: topology.Down}
		rows = append(rows, o)
		if o.Vantage, o.Result = c.Site+"-in", topology.Up; c.Site == "s1" && c.Kind == inventory.KindUplink {
			o.Result = topology.Down
		}
		if c.Site != "s2" {
			rows = append(rows, o)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if !slices.Equal(inf.Blind, []string{"out"}) || uplinksOf(&inf, "s0") != nil {
		t.Errorf("blind are %v, want out, and no uplink of s0: %s", inf.Blind, story(&inf))
	}
}

// What the last look did not ask of much that it asked again says nothing of what is so now: a site that is lost
// is not contradicted by the fifth of its machines whose probes were missing then.
func TestWhatTheLastLookDidNotAskIsOver(t *testing.T) {
	inv := hall(t)
	rows := slices.Concat(pings(inv, "out", noon, all, all), pings(inv, "out", minute(5), in("z"), all))
	for i, o := range pings(inv, "out", minute(5), in("s"), none) {
		if i%5 > 0 {
			rows = append(rows, o)
		}
	}
	for k := range 4 { // fresh from before the loss
		for _, side := range []string{"a", "b"} {
			rows = append(rows, topology.Observation{
				Component: fmt.Sprintf("s-k%d-pdu-%s", k, side), Probe: topology.ProbeFeed, Peer: "s-feed-" + side, Vantage: "out", At: noon.Add(15 * time.Second), Result: topology.Up,
			})
		}
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) == 0 {
		t.Fatalf("found nothing: %s", story(&inf))
	}
	f := inf.Findings[0]
	if class := append([]string{f.Component}, f.AmbiguousWith...); !slices.Contains(class, "s") || len(f.Contradicts) > 0 {
		t.Errorf("want a class that holds the site, and nothing against it: %s", story(&inf))
	}
}

// A vantage that looked together with the others, and then no more, was lost with its site: what it saw last is over.
func TestAVantageThatFellSilentSaysNothingOfWhatIsSoNow(t *testing.T) {
	inv := hall(t)
	var rows []topology.Observation
	skew := 40 * time.Second // of its clock
	for k := range 9 {
		lost := k > 4
		up := func(id string) bool { return !lost || strings.HasPrefix(id, "z-") }
		rows = append(rows, pings(inv, "out", minute(k), all, up)...)
		rows = append(rows, pings(inv, "z-in", minute(k), in("z"), all)...)
		if !lost {
			rows = append(rows, pings(inv, "s-in", minute(k).Add(skew), in("s"), all)...)
		}
	}
	g := topology.New(inv)
	sifted := g.Sift(rows, nil)
	inf := g.InferSifted(&sifted)
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "s" && !slices.Contains(inf.Findings[0].AmbiguousWith, "s") {
		t.Errorf("want one finding whose class holds the site: %s", story(&inf))
	}
}

// A sweep asks everything first, then what would decide between suspects, then what is down once more: that of two
// vantages one is not asked in the later rounds is not its silence.
func TestAVantageThatLaterRoundsLeaveOutHasNotFallenSilent(t *testing.T) {
	inv := hall(t)
	up := func(id string) bool { return !strings.HasPrefix(id, "s-k1") }
	few := func(id string) bool { return strings.HasPrefix(id, "s-k1") || strings.HasPrefix(id, "s-k2-m0") }
	var rows []topology.Observation
	for k := range 4 {
		ask := all
		if k > 0 {
			ask = few
		}
		rows = append(rows, pings(inv, "out", minute(k), ask, up)...)
		if k < 2 {
			rows = append(rows, pings(inv, "s-in", minute(k), func(id string) bool { return ask(id) && in("s")(id) }, up)...)
		}
	}
	if sifted := topology.New(inv).Sift(rows, nil); sifted.Stale > 0 {
		t.Errorf("%d of %d rows are stale, want none: the sweep asked whom it wanted to ask", sifted.Stale, len(rows))
	}
}

// What a PDU told after its last answer and before its first silence is over as well.
func TestWhatWasToldJustBeforeTheSilenceIsOver(t *testing.T) {
	inv := hall(t)
	up := func(id string) bool { return strings.HasPrefix(id, "s-up") }
	rows := slices.Concat(pings(inv, "s-in", noon, in("s"), all), pings(inv, "s-in", minute(2), in("s"), up), pings(inv, "out", minute(2), in("z"), all))
	for k := range 4 {
		for _, side := range []string{"a", "b"} {
			rows = append(rows, topology.Observation{
				Component: fmt.Sprintf("s-k%d-pdu-%s", k, side), Probe: topology.ProbeFeed, Peer: "s-feed-" + side, Vantage: "s-in", At: minute(1), Result: topology.Up,
			})
		}
	}
	rows = append(rows, pings(inv, "s-in", minute(3), func(id string) bool { return id == "s-up1" }, all)...) // the last look asks one thing
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) != 1 || !slices.Contains(append(inf.Findings[0].AmbiguousWith, inf.Findings[0].Component), "s-hall") {
		t.Errorf("want one finding whose class holds the hall: %s", story(&inf))
	}
}

// A spare uplink that answered a minute ago and misses one probe is asked again; one that misses it at the only look is named.
func TestASpareThatAnsweredAMinuteAgoIsAskedAgain(t *testing.T) {
	inv := hall(t)
	var rows []topology.Observation
	for k := range 8 {
		rows = append(rows, pings(inv, "s-in", minute(k), in("s"), func(id string) bool { return k < 7 || id != "s-up1" })...)
	}
	inf := topology.New(inv).Infer(rows)
	asked := slices.ContainsFunc(inf.Next, func(n topology.ProbeRequest) bool { return n.Component == "s-up1" })
	if len(inf.Findings) > 0 || !asked {
		t.Errorf("want nothing named, and s-up1 asked again: %s", story(&inf))
	}
	inf = topology.New(inv).Infer(rows[7*len(rows)/8:])
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "s-up1" {
		t.Errorf("want s-up1 named at the only look: %s", story(&inf))
	}
}

// The score table shows the odds that were used: what answered a quarter of an hour ago is half as likely to have failed.
func TestScoresShowWhatAnAnswerAShortWhileAgoTakesOff(t *testing.T) {
	inv := hall(t)
	but := func(id string) func(string) bool { return func(c string) bool { return c != id } }
	for _, id := range []string{"s-up1", "s-k1-m0"} {
		looks := slices.Concat(pings(inv, "s-in", noon, in("s"), all), pings(inv, "s-in", minute(14), in("s"), all))
		for _, k := range []int{29, 30} {
			looks = append(looks, pings(inv, "s-in", minute(k), in("s"), but(id))...)
		}
		inf := topology.New(inv).Infer(looks)
		if len(inf.Findings) != 1 || inf.Findings[0].Component != id {
			t.Fatalf("want %s: %s", id, story(&inf))
		}
		f, s := inf.Findings[0], inf.Scores[0]
		if want := -math.Log(30. / 16); math.Abs(s.Lately-want) > 1e-6 {
			t.Errorf("%s: %.3f for having answered lately, want %.3f", id, s.Lately, want)
		}
		if best := s.Rivals[0].Delta; math.Abs(best+f.LogOdds) > 1e-6 {
			t.Errorf("%s: the best explanation without it is %.3f worse, and its log odds are %.3f", id, -best, f.LogOdds)
		}
		if sum := s.Prior + s.Servers + s.Equipment + s.Lately; math.Abs(sum-f.LogOdds) > 1e-6 {
			t.Errorf("%s: the score is %.3f, and the log odds %.3f", id, sum, f.LogOdds)
		}
	}
}

// A hall whose management may hang on its aggregation switches is as dark without these as without power.
func TestBothAggregationSwitchesAreInTheClassOfADarkHall(t *testing.T) {
	inv := hall(t)
	rows := slices.Concat(pings(inv, "s-in", noon, in("s"), func(id string) bool { return strings.HasPrefix(id, "s-up") }), pings(inv, "z-in", noon, in("z"), all),
		pings(inv, "out", noon, in("z"), all))
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) != 1 {
		t.Fatalf("want one finding: %s", story(&inf))
	}
	class := append([]string{inf.Findings[0].Component}, inf.Findings[0].AmbiguousWith...)
	for _, want := range []string{"s-hall", "s-feed-a", "s-feed-b", "s-agg1", "s-agg2"} {
		if !slices.Contains(class, want) {
			t.Errorf("%v lacks %s: %s", class, want, story(&inf))
		}
	}
}

// Machines that stand elsewhere live on in a room without power, and their supplies with them: these
// speak no more for its PDUs than the machines do for it.
func TestSuppliesOfMachinesThatStandElsewhereDoNotSpeakForADarkRoom(t *testing.T) {
	inv := estate{sites: 2, rooms: 2, racks: 5, servers: 20, feeds: true, management: true, clients: 1, within: true}.load(t)
	rows := newWorld(inv).look(nil)
	silence(rows, func(o *topology.Observation) bool {
		c, _ := inv.Component(o.Component)
		return c.Room == "s0-r0" && !(isServer(c) && inOrder(t, c.ID)%20 == 7)
	})
	for _, c := range inv.Components() {
		if isServer(c) && c.Room == "s0-r0" && inOrder(t, c.ID)%20 == 7 {
			for _, side := range []string{"a", "b"} {
				for _, v := range []string{"v", "w"} {
					rows = append(rows, topology.Observation{Component: c.ID, Probe: topology.ProbePSU, Peer: c.Rack + "-pdu-" + side, Vantage: v, At: noon, Result: topology.Up})
				}
			}
		}
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) == 0 || !slices.Contains(append(inf.Findings[0].AmbiguousWith, inf.Findings[0].Component), "s0-r0") {
		t.Errorf("want the room in the first class: %s", story(&inf))
	}
	for _, f := range inf.Findings {
		if f.Kind == inventory.KindSwitch || f.Kind == inventory.KindPDU {
			t.Errorf("named %s: %s", f.Component, story(&inf))
		}
	}
}

// through says whether a probe from outside comes through two uplinks of which the second loses almost half: each
// component's way is one of them.
func through(r *rand.Rand, id string) bool {
	way := uint32(2166136261)
	for _, b := range []byte(id) {
		way = (way ^ uint32(b)) * 16777619
	}
	return way>>16&1 == 0 || r.Float64() > .45
}

// Behind an uplink that loses packets equipment seems to come and go, and spares to be gone: it is the uplink.
func TestNothingBehindALossyUplinkIsSaidToFlap(t *testing.T) {
	inv := estate{sites: 2, rooms: 2, racks: 6, servers: 12, single: 4, management: true, clients: 1}.load(t)
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 9))
		var rows []topology.Observation
		for k := range 10 {
			for i, c := range inv.Components() {
				if len(c.Probe.TCP) == 0 {
					continue
				}
				for _, v := range []string{"fra", "nyc"} {
					o := topology.Observation{Component: c.ID, Probe: topology.ProbeTCP, Vantage: v, At: minute(k).Add(time.Duration(i%40) * 100 * time.Millisecond), Result: topology.Up}
					if c.Site == "s1" && !through(r, v+c.ID) || r.Float64() < .005 {
						o.Result = topology.Down
					}
					rows = append(rows, o)
				}
			}
		}
		inf := topology.New(inv).Infer(rows)
		lossy := false
		for _, f := range inf.Findings {
			lossy = lossy || f.Mode == topology.Lossy && (f.Component == "s1-up1" || slices.Contains(f.AmbiguousWith, "s1-up1"))
			if f.Mode == topology.Flapping || f.Mode == "" && f.Kind != inventory.KindServer && f.Component != "s1-up1" {
				t.Errorf("seed %d: named %s %s: %s", seed, f.Component, f.Mode, story(&inf))
			}
		}
		if !lossy {
			t.Errorf("seed %d: want s1-up1 lossy: %s", seed, story(&inf))
		}
	}
}

// Machines that a heating room switches off miss every probe from then on, which is no loss of their switch.
func TestSwitchesOfARoomThatHeatsLoseNothing(t *testing.T) {
	inv := estate{sites: 2, rooms: 1, racks: 12, servers: 16, single: 6, clients: 1}.load(t)
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 3))
		gone := map[string]time.Time{}
		for _, id := range serversIn(inv, "s0-r0") {
			if r.IntN(10) < 6 {
				gone[id] = minute(1).Add(time.Duration(r.IntN(8*60)) * time.Second)
			}
		}
		var rows []topology.Observation
		for _, v := range []string{"fra", "nyc"} {
			for _, o := range rounds(inv, 10, time.Minute, gone) {
				if o.Vantage = v; r.Float64() < .04 {
					o.Result = topology.Down
				}
				rows = append(rows, o)
			}
		}
		inf := topology.New(inv).Infer(rows)
		for _, f := range inf.Findings {
			if f.Mode == topology.Lossy {
				t.Errorf("seed %d: named %s lossy: %s", seed, f.Component, story(&inf))
			}
		}
		if !slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return f.Component == "s0-r0" && f.Mode == topology.Heating }) {
			t.Errorf("seed %d: want s0-r0 heating: %s", seed, story(&inf))
		}
	}
}

// Where every ninth probe of a site is lost, one that its spare uplink misses says less than where hardly any is. It is
// named where it is rather broken than not.
func TestAMissedProbeSaysLessWhereManyAreLost(t *testing.T) {
	inv := estate{sites: 2, rooms: 4, racks: 5, servers: 12, management: true, clients: 1}.load(t)
	for _, tt := range []struct {
		lost  float64
		named []string
	}{{.11, nil}, {.09, []string{"s1-up0"}}, {.004, []string{"s1-up0"}}} {
		r := rand.New(rand.NewPCG(1, 1))
		var rows []topology.Observation
		for _, o := range newWorld(inv, "s1-up0").look(func(c *inventory.Component) bool {
			return c.Site == "s0" || c.Room == "s1-r0" || c.Kind == inventory.KindUplink
		}) {
			rows = append(rows, o)
			c, _ := inv.Component(o.Component)
			if o.Probe != topology.ProbeTCP || !isServer(c) {
				continue
			}
			if o.Probe, o.Result = topology.ProbeICMP, topology.Up; c.Site == "s1" && r.Float64() < 2*tt.lost {
				o.Result = topology.Down // each second probe is such a one
			}
			rows = append(rows, o)
		}
		inf := topology.New(inv).Infer(rows)
		if got := uplinksOf(&inf, "s1"); !slices.Equal(got, tt.named) {
			t.Errorf("%.3f are lost: named %v, want %v: %s", tt.lost, got, tt.named, story(&inf))
		}
	}
}

// At the first sweep of all, one machine in two hundred that nobody ever heard, here and there, does not answer by
// policy; those that answered yesterday are down.
func TestAFewMachinesThatNobodyEverHeardAreAPolicy(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 30, servers: 20, clients: 1}.load(t)
	mute := func(id string) bool { return inOrder(t, id)%170 != 33 }
	look := func(at time.Time, up func(string) bool) []topology.Observation {
		var out []topology.Observation
		for _, id := range inv.Servers() {
			o := topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: "v", At: at, Result: topology.Down}
			if up(id) {
				o.Result = topology.Up
			}
			out = append(out, o)
		}
		return out
	}
	rows := slices.Concat(look(noon, mute), look(minute(1), mute), look(minute(2), mute))
	g := topology.New(inv)
	if inf := g.Infer(rows); len(inf.Findings) > 0 || len(inf.Unexplained) != 7 {
		t.Errorf("want nothing named: %s", story(&inf))
	}
	sifted := g.Sift(rows, look(noon.Add(-24*time.Hour), all))
	if inf := g.InferSifted(&sifted); len(inf.Findings) != 7 {
		t.Errorf("they answered yesterday: %s", story(&inf))
	}
}

// A machine that answered a minute ago and misses the one probe that it was asked since is mostly well.
func TestAMachineThatAnsweredAMinuteAgoIsNotNamedForOneProbe(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 20, servers: 20, clients: 1}.load(t)
	r := rand.New(rand.NewPCG(4, 4))
	const hung = "srv-000123"
	var rows []topology.Observation
	for k := range 9 {
		for i, id := range inv.Servers() {
			for _, p := range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP} {
				if r.Float64() < .2 {
					continue // not asked
				}
				o := topology.Observation{Component: id, Probe: p, Vantage: "v", At: minute(k).Add(time.Duration(i%4000) * time.Millisecond), Result: topology.Up}
				if r.Float64() < .04 || id == hung && k > 5 {
					o.Result = topology.Down
				}
				rows = append(rows, o)
			}
		}
	}
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Equal(got, []string{hung}) {
		t.Errorf("named %v, want %s: %s", got, hung, story(&inf))
	}
}
