package topology_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func only(ids ...string) func(*inventory.Component) bool {
	return func(c *inventory.Component) bool { return slices.Contains(ids, c.ID) }
}

func asked(inf topology.Inference) []string {
	var out []string
	for _, p := range inf.Next {
		out = append(out, p.Component)
	}
	return out
}

func TestInferAbstainsWhereNothingTellsCausesApart(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 10, single: 6, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	// Two servers of one client, both fed by PDU A and connected by the same switch; no BMC was asked.
	seen := newWorld(inv, "s0-r0-k00-pdu-a").look(only("srv-000000", "srv-000001"))
	seen = slices.DeleteFunc(seen, func(o topology.Observation) bool { return o.Probe == topology.ProbePower })
	inf := g.Infer(seen)
	if len(inf.Findings) != 1 {
		t.Fatalf("findings %+v, want one with its ambiguity", inf.Findings)
	}
	f := inf.Findings[0]
	class := append([]string{f.Component}, f.AmbiguousWith...)
	for _, id := range []string{"s0-r0-k00-pdu-a", "s0-r0-k00-sw"} {
		if !slices.Contains(class, id) {
			t.Errorf("%s is not in the class %v", id, class)
		}
	}
	if f.Probability > .6 || f.Confidence < .97 {
		t.Errorf("the class %v has %f, of that %s %f: nothing tells them apart", class, f.Confidence, f.Component, f.Probability)
	}
	sum := f.Probability
	for _, a := range f.Alternatives {
		sum += a.Probability
		for _, id := range a.Components {
			if !slices.Contains(f.AmbiguousWith, id) {
				t.Errorf("%s is an alternative, and not in the class %v", id, class)
			}
		}
	}
	if math.Abs(sum-f.Confidence) > 1e-9 {
		t.Errorf("the class has %f, its members %f together", f.Confidence, sum)
	}
	for _, id := range []string{"s0-r0-k00-pdu-a", "s0-r0-k00-sw"} {
		if !slices.Contains(asked(inf), id) {
			t.Errorf("next %+v does not ask %s itself", inf.Next, id)
		}
	}
	if !slices.ContainsFunc(inf.Next, func(p topology.ProbeRequest) bool {
		return p.Component == "srv-000000" && p.Probe == topology.ProbePower
	}) {
		t.Errorf("next %+v does not ask a BMC", inf.Next)
	}
	// Making the probes that it asks for decides.
	next := newWorld(inv, "s0-r0-k00-pdu-a").look(only(asked(inf)...))
	inf = g.Infer(append(seen, next...))
	if got := named(inf); !slices.Equal(got, []string{"s0-r0-k00-pdu-a"}) || len(inf.Findings[0].AmbiguousWith) > 0 {
		t.Errorf("after the probes that it asked for: %+v", inf.Findings)
	}
}

func TestInferWithOneServerSeenNamesItsRivals(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 10, single: 6, management: true, clients: 1}.load(t)
	inf := topology.New(inv).Infer(newWorld(inv, "s0-r0-k00-pdu-a").look(only("srv-000000")))
	if len(inf.Findings) != 1 {
		t.Fatalf("%+v", inf)
	}
	f := inf.Findings[0]
	if class := append([]string{f.Component}, f.AmbiguousWith...); !slices.Contains(class, "s0-r0-k00-pdu-a") || f.Probability > .7 {
		t.Errorf("finding %+v: the PDU is a rival", f)
	}
	if !slices.ContainsFunc(asked(inf), func(id string) bool { return id > "srv-000000" }) {
		t.Errorf("next %v asks no neighbour", asked(inf))
	}
}

func TestInferAsksNeighboursWhenOneClientsServersPointAtAPDU(t *testing.T) {
	// Three servers of a client in one rack, with BMCs: all dark, so power is lost.
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 12, single: 6, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	inf := g.Infer(newWorld(inv, "s0-r0-k00-pdu-a").look(only("srv-000000", "srv-000001", "srv-000002")))
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "s0-r0-k00-pdu-a" {
		t.Fatalf("findings %+v, want the PDU", inf.Findings)
	}
	f := inf.Findings[0]
	if !slices.Contains(f.AmbiguousWith, "s0-r0-k00") || len(f.Explains) != 3 {
		t.Errorf("finding %+v: the rack explains it too", f)
	}
	inf = g.Infer(append(newWorld(inv, "s0-r0-k00").look(only("srv-000000", "srv-000001", "srv-000002")),
		newWorld(inv, "s0-r0-k00").look(only(asked(inf)...))...))
	if got := named(inf); !slices.Equal(got, []string{"s0-r0-k00"}) {
		t.Errorf("with the probes that were asked for, the rack's failure is %v", got)
	}
}

func TestInferStandsAServerThatContradicts(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 40, single: 24, management: true, clients: 1}.load(t)
	obs := newWorld(inv, "s0-r0-k01").look(nil)
	for i := range obs {
		if obs[i].Component == "srv-000050" { // stands elsewhere in truth
			obs[i].Result = topology.Up
		}
	}
	inf := topology.New(inv).Infer(obs)
	if got := named(inf); !slices.Equal(got, []string{"s0-r0-k01"}) {
		t.Fatalf("findings %v, want the rack", got)
	}
	if f := inf.Findings[0]; !slices.Equal(f.Contradicts, []string{"srv-000050"}) || len(f.Explains) != 39 {
		t.Errorf("contradicted by %v, explains %d; want srv-000050 and 39", f.Contradicts, len(f.Explains))
	}
}

func TestRedundancyLostIsNoOutage(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 10, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	w := newWorld(inv, "s0-r0-k01-pdu-a")
	if inf := g.Infer(w.look(servers)); len(inf.Findings) > 0 || inf.Down > 0 || inf.Up != 30 {
		t.Errorf("with servers alone: %+v, want nothing", inf)
	}
	obs := w.look(nil)
	inf := g.Infer(obs) // a management address alone is not enough to name anything
	if len(inf.Findings) > 0 {
		t.Errorf("findings %+v on a single missed probe", inf.Findings)
	}
	again := w.look(nil)
	for i := range again {
		again[i].At = noon.Add(time.Minute)
	}
	inf = g.Infer(append(obs, again...))
	if got := named(inf); !slices.Equal(got, []string{"s0-r0-k01-pdu-a"}) || len(inf.Findings[0].Explains) != 0 {
		t.Errorf("confirmed: %+v, want the PDU, explaining no server", inf.Findings)
	}
}

func TestAManagementAddressThatAnswersSpeaksAgainst(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 10, single: 6, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	seen := newWorld(inv, "s0-r0-k00-sw").look(only("srv-000000", "srv-000001", "s0-r0-k00-pdu-a"))
	seen = slices.DeleteFunc(seen, func(o topology.Observation) bool { return o.Probe == topology.ProbePower })
	if got := named(g.Infer(seen)); !slices.Equal(got, []string{"s0-r0-k00-sw"}) {
		t.Errorf("findings %v, want the switch since the PDU answers", got)
	}
}

// A probe that one spare uplink missed may be why somebody looks: it is named with doubt, and asked
// again; nothing else shared is named.
func TestScatteredFalseDownsNameNothingForSure(t *testing.T) {
	inv := estate{sites: 2, rooms: 2, racks: 10, servers: 40, single: 10, feeds: true, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 3))
		obs := newWorld(inv, "s1-r0-k03-sw").look(nil)
		var again []topology.Observation
		for i := range obs {
			o := obs[i]
			o.At = noon.Add(time.Minute)
			again = append(again, o)
			if o.Result == topology.Up && o.Probe == topology.ProbeTCP && r.Float64() < .01 {
				obs[i].Result = topology.Down
			}
		}
		inf := g.Infer(obs)
		for _, f := range inf.Findings {
			switch {
			case f.Kind == inventory.KindServer, f.Component == "s1-r0-k03-sw":
			case f.Kind != inventory.KindUplink || f.Confidence > .9 || len(f.Explains) > 0:
				t.Errorf("seed %d: %s is named with confidence %f", seed, f.Component, f.Confidence)
			case !slices.Contains(asked(inf), f.Component):
				t.Errorf("seed %d: %s is named after one missed probe, and not asked again", seed, f.Component)
			}
			if f.Kind == inventory.KindServer && f.Confidence > .8 {
				t.Errorf("seed %d: %s is named with confidence %f after one missed probe", seed, f.Component, f.Confidence)
			}
		}
		// Looking again clears them up.
		if got := named(g.Infer(append(obs, again...))); !slices.Equal(got, []string{"s1-r0-k03-sw"}) {
			t.Errorf("seed %d: after a second look %v, want the switch alone", seed, got)
		}
	}
}

func TestConfirmationMakesSurer(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 10, clients: 1}.load(t)
	g := topology.New(inv)
	w := newWorld(inv)
	w.hung["srv-000003"] = true
	once := w.look(nil)
	first := g.Infer(once)
	if !slices.Contains(asked(first), "srv-000003") {
		t.Errorf("next %+v does not ask again", first.Next)
	}
	if len(first.Findings) > 0 || !slices.Equal(first.Unexplained, []string{"srv-000003"}) {
		t.Errorf("after one missed probe of a machine whose power is on: findings %+v, unexplained %v; want it unexplained", first.Findings, first.Unexplained)
	}
	if doubled := g.Infer(append(slices.Clone(once), once...)); !reflect.DeepEqual(doubled, first) {
		t.Error("the same rows twice changed the answer")
	}
	later := w.look(nil)
	for i := range later {
		later[i].At = noon.Add(time.Minute)
	}
	if second := g.Infer(append(later, once...)); len(second.Findings) != 1 || second.Findings[0].Confidence < .85 {
		t.Errorf("findings %+v after two looks, want the server with a confidence of .85 or more", second.Findings)
	}
}

func TestTheLatestObservationCounts(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 1, servers: 4, clients: 1}.load(t)
	g := topology.New(inv)
	stale := newWorld(inv, "s0-r0-k00").look(nil)
	for i := range stale {
		stale[i].At = noon.Add(-time.Hour)
	}
	fresh := newWorld(inv).look(nil)
	strange := []topology.Observation{
		{Component: "nobody", Probe: topology.ProbeTCP, At: noon, Result: topology.Down},
		{Component: "srv-000000", Probe: "smell", At: noon, Result: topology.Down},
		{Component: "srv-000000", Probe: topology.ProbeTCP, At: noon.Add(time.Hour), Result: "perhaps"},
	}
	inf := g.Infer(slices.Concat(fresh, stale, strange))
	if len(inf.Findings) > 0 || inf.Up != 4 || inf.Down != 0 {
		t.Errorf("%+v, want four servers up and no finding", inf)
	}
}

func TestInferIsTheSameForEveryOrderOfItsInput(t *testing.T) {
	inv := estate{sites: 2, rooms: 2, racks: 4, servers: 20, single: 8, feeds: true, management: true, clients: 3}.load(t)
	g := topology.New(inv)
	w := newWorld(inv, "s0-r0-k01-pdu-a", "s1-r1-k02-sw", "s0-up0")
	w.off["srv-000200"] = true
	obs := w.look(nil)
	for i, o := range newWorld(inv, "s0-r1").look(nil) { // contradicting rows of another vantage, and of the same instant
		o.Vantage = []string{"v", "w"}[i%2]
		if i%3 == 0 {
			obs = append(obs, o)
		}
	}
	var want string
	for seed := range uint64(20) {
		got, err := json.Marshal(g.Infer(shuffled(obs, seed)))
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(got)
		}
		if string(got) != want {
			t.Fatalf("seed %d gives another answer:\n%s\n%s", seed, got, want)
		}
	}
}

func TestEveryInferenceIsFiniteAndCoversTheSilent(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 3, servers: 6, single: 3, feeds: true, management: true, clients: 2}.load(t)
	g := topology.New(inv)
	results := []topology.Result{topology.Up, topology.Down, topology.Unknown}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		obs := newWorld(inv).look(func(*inventory.Component) bool { return r.IntN(3) > 0 })
		for i := range obs {
			obs[i].Result = results[r.IntN(3)]
		}
		inf := g.Infer(obs)
		if _, err := json.Marshal(inf); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		told := len(inf.Unexplained)
		explained := map[string]bool{}
		for _, f := range inf.Findings {
			if f.Confidence < 0 || f.Confidence > 1 {
				t.Errorf("seed %d: %s has confidence %f", seed, f.Component, f.Confidence)
			}
			for _, id := range f.Explains {
				explained[id] = true
			}
		}
		if told += len(explained); told != inf.Down {
			t.Errorf("seed %d: %d servers are down, %d are explained or said not to be", seed, inf.Down, told)
		}
	}
}

// With one site and one vantage outside, nobody else outside says whether that
// one is blind: the uplinks do, which answer from within.
func TestAVantageIsBlindWhereTheUplinksAnswerFromWithin(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 12, management: true, within: true}.load(t)
	g := topology.New(inv)
	for _, uplinksLost := range []bool{false, true} {
		var obs []topology.Observation
		for _, o := range newWorld(inv).look(nil) {
			c, _ := inv.Component(o.Component)
			o.Vantage, o.Result = "s0-in", topology.Up
			if c.Kind == inventory.KindUplink && uplinksLost {
				o.Result = topology.Down
			}
			obs = append(obs, o)
			if o.Probe != topology.ProbePower {
				o.Vantage, o.Result = "outside", topology.Down
				obs = append(obs, o)
			}
		}
		inf := g.Infer(obs)
		if uplinksLost && (!slices.Equal(named(inf), []string{"s0-up0", "s0-up1"}) || len(inf.Blind) > 0) {
			t.Errorf("uplinks lost: %v, blind %v; want both uplinks", named(inf), inf.Blind)
		}
		if !uplinksLost && (len(inf.Findings) > 0 || !slices.Equal(inf.Blind, []string{"outside"})) {
			t.Errorf("uplinks answer: %v, blind %v; want the vantage blind and nothing else", named(inf), inf.Blind)
		}
	}
}
