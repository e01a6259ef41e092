package records_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/faultgen"
	"vakhta/internal/lab/figure"
	"vakhta/internal/store/storetest"
	"vakhta/internal/topology"
)

// drawn is an estate that nobody laid out for these tests, and the activities over it.
type drawn struct {
	*rig
	estate *faultgen.Estate
	graph  *topology.Graph
}

func drawEstate(t *testing.T, style *faultgen.Style, servers int, seed uint64) *drawn {
	t.Helper()
	e, err := faultgen.Build(style, servers, seed)
	if err != nil {
		t.Fatal(err)
	}
	outside := fmt.Sprintf("version: 1\nvantages: [%s]\n", strings.Join(style.Outside, ", "))
	inv, err := inventory.Load(inventory.Document{Name: "drawn", Data: []byte(strings.Replace(e.YAML(), "version: 1\n", outside, 1))})
	if err != nil {
		t.Fatal(err)
	}
	return &drawn{rig: &rig{t: t, inv: inv}, estate: e, graph: topology.New(inv)}
}

// nightfall gives the night a store of its own that knows who was silent the day before.
func (d *drawn) nightfall(n *faultgen.Night) {
	d.t.Helper()
	d.store = storetest.Open(d.t)
	d.now = n.Rows[0].At
	d.Activities = records.New(d.store, d.inv, nil, nil, links{}, records.Options{Now: func() time.Time { return d.now }})
	before := seenBy(n.Earlier)
	silent := map[string]bool{}
	for _, o := range before {
		silent[o.Component] = silent[o.Component] || o.Result != topology.Up
	}
	before = slices.DeleteFunc(before, func(o topology.Observation) bool { return !silent[o.Component] })
	for i := range 3 {
		at := d.now.Add(-24*time.Hour + time.Duration(i)*time.Hour)
		for k := range before {
			before[k].At = at
		}
		if err := d.store.LearnHabits(d.t.Context(), fmt.Sprint("before-", i), at, before); err != nil {
			d.t.Fatal(err)
		}
	}
}

func seenBy(rows []faultgen.Row) []topology.Observation {
	out := make([]topology.Observation, len(rows))
	for i, r := range rows {
		out[i] = topology.Observation{Component: r.Component, Probe: topology.Probe(r.Probe), Peer: r.Peer, Vantage: r.Vantage, At: r.At, Result: topology.Result(r.Result)}
	}
	return out
}

// localize does what the workflow does, and returns how many probes other than
// pings it took.
func (d *drawn) localize(n *faultgen.Night, sweep string, full bool) (last records.Inferred, cost int) {
	d.t.Helper()
	all := records.Scope{All: true, Full: full}
	refs := must[records.SweepPlan](d.t)(d.PlanSweep(d.t.Context(), records.PlanSweepParams{Sweep: sweep, Scope: all})).Shards
	for round := 1; ; round++ {
		if len(refs) > 0 {
			cost += d.answer(n, sweep, round, refs)
		}
		last = must[records.Inferred](d.t)(d.Infer(d.t.Context(), records.InferParams{
			Sweep: sweep, Scope: all, Round: round, Decide: round < 3, Last: round > 3,
		}))
		if refs = last.Next; len(refs) == 0 || round > 3 {
			return last, cost
		}
	}
}

// answer makes the probes of a round as the night answers them.
func (d *drawn) answer(n *faultgen.Night, sweep string, round int, refs []records.ShardRef) (cost int) {
	d.t.Helper()
	at := d.now.Add(time.Duration(round) * time.Second)
	type asked struct {
		component, vantage string
		probe              topology.Probe
	}
	wanted := map[asked]bool{}
	for _, s := range d.shards(sweep, round, refs) {
		for _, ask := range s.Asks {
			probes := ask.Probes
			if len(probes) == 0 {
				probes = []topology.Probe{topology.ProbeTCP, topology.ProbeICMP}
			}
			for _, id := range ask.Components {
				for _, p := range probes {
					wanted[asked{id, s.Vantage, p}] = true
				}
			}
		}
	}
	var seen []topology.Observation
	for _, o := range seenBy(n.Look(at)) {
		if wanted[asked{o.Component, o.Vantage, o.Probe}] {
			o.At = at
			seen = append(seen, o)
			if o.Probe != topology.ProbeICMP {
				cost++
			}
		}
	}
	if err := d.store.PutObservations(d.t.Context(), sweep, round, seen); err != nil {
		d.t.Fatal(err)
	}
	return cost
}

// nights are those that are played of each style: seeds of faultgen, which stand
// for how many faults there are, too.
var nights = map[string][]uint64{
	"provider":      {5, 7},
	"by the book":   {3, 7},
	"servers alone": {2, 8},
	"in-band":       {1, 4},
}

// The whole estate is judged as rightly when samples of its failure domains alone
// are asked everything, with a fraction of the connections.
func TestTheSampledEstateIsJudgedAsRightlyAsTheWhole(t *testing.T) {
	noise := faultgen.NoiseA
	noise.Messy = 0 // rows that nobody asked for don't come here
	for i := range faultgen.Styles {
		style := &faultgen.Styles[i]
		if len(nights[style.Name]) == 0 {
			continue
		}
		t.Run(style.Name, func(t *testing.T) {
			d := drawEstate(t, style, 3200, 1)
			asked, inFull := 0, 0
			for _, seed := range nights[style.Name] {
				n := d.estate.Night(seed, 1+int(seed-1)%5, noise)
				d.nightfall(n)
				whole, full := d.localize(n, "whole", true)
				got, cost := d.localize(n, "sampled", false)
				asked, inFull = asked+cost, inFull+full
				t.Logf("seed %d, broken %v, %d alone: %d probes beside pings by samples, %d in full", seed, n.Broken, len(n.Own), cost, full)
				compareAnswers(t, n, &got, &whole)
			}
			if asked*10 > inFull*7 {
				t.Errorf("%d probes were made, and %d when each machine is asked everything: that is no sample", asked, inFull)
			}
		})
	}
}

// A vantage within a site doesn't notice that the uplinks are gone: some of the
// machines are looked at from outside, of a sample as of the whole.
func TestLostUplinksAreSeenFromOutside(t *testing.T) {
	style := &faultgen.Styles[slices.IndexFunc(faultgen.Styles, func(s faultgen.Style) bool { return s.Name == "servers alone" })]
	d := drawEstate(t, style, 3200, 1)
	n := d.estate.Night(1, 2, faultgen.Noise{})
	for seed := uint64(2); !slices.Contains(n.Broken, "site1-up-a") || !slices.Contains(n.Broken, "site1-up-b"); seed++ {
		if seed > 100 {
			t.Fatal("no night of a hundred loses both uplinks of a site")
		}
		n = d.estate.Night(seed, 2, faultgen.Noise{})
	}
	d.nightfall(n)
	for _, full := range []bool{true, false} {
		got, _ := d.localize(n, fmt.Sprint("full ", full), full)
		if lacking := missed(n, &got); len(lacking) > 0 {
			t.Errorf("broken %v, full %v: missed %v", n.Broken, full, lacking)
		}
	}
}

// compareAnswers wants all that is broken and that the full answer names, machines
// that are down by themselves among them, and nothing that is well but what the
// full answer blames, too.
func compareAnswers(t *testing.T, n *faultgen.Night, got, full *records.Inferred) {
	t.Helper()
	lacking := missed(n, full)
	for _, id := range missed(n, got) {
		if !slices.Contains(lacking, id) {
			t.Errorf("%s is broken, the full sweep names it, the samples don't", id)
		}
	}
	blamed := added(n, full)
	for _, id := range added(n, got) {
		if !slices.Contains(blamed, id) {
			t.Errorf("%s is well, and only the samples blame it", id)
		}
	}
}

// missed is what is broken and neither named nor in a class; of servers, not
// even known to be down.
func missed(n *faultgen.Night, inf *records.Inferred) (out []string) {
	named := func(id string) bool {
		return slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return f.Component == id || slices.Contains(f.AmbiguousWith, id) })
	}
	for _, id := range n.Broken {
		if !named(id) {
			out = append(out, id)
		}
	}
	for id := range n.Own {
		explained := slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return slices.Contains(f.Explains, id) })
		if !named(id) && !explained && !slices.Contains(inf.Unexplained, id) {
			out = append(out, id)
		}
	}
	return out
}

// added are those, apart from servers, that are blamed without having to do with anything broken.
func added(n *faultgen.Night, inf *records.Inferred) (out []string) {
	for _, f := range inf.Findings {
		if f.Kind != inventory.KindServer && !slices.Contains(n.Broken, f.Component) && !slices.ContainsFunc(f.AmbiguousWith, func(id string) bool { return slices.Contains(n.Broken, id) }) {
			out = append(out, f.Component)
		}
	}
	return out
}

// How often the samples and the full sweep disagree on nights that nobody chose, for whoever wants the figure:
// VAKHTA_NIGHTS says how many of each style (make bench-sampled).
func TestSampledNightsAgreeWithFullOnes(t *testing.T) {
	each, err := strconv.Atoi(os.Getenv("VAKHTA_NIGHTS"))
	if err != nil {
		t.Skip("a measurement: set VAKHTA_NIGHTS to a number of nights")
	}
	noise := faultgen.NoiseA
	noise.Messy = 0
	var all disagreement
	for i := range faultgen.Styles {
		style := &faultgen.Styles[i]
		if len(nights[style.Name]) == 0 {
			continue
		}
		var of disagreement
		d := drawEstate(t, style, 3200, 1)
		for seed := uint64(300); seed < uint64(300+each); seed++ {
			n := d.estate.Night(seed, 1+int(seed-1)%5, noise)
			d.nightfall(n)
			whole, full := d.localize(n, "whole", true)
			got, cost := d.localize(n, "sampled", false)
			one := disagreementOf(n, &got, &whole)
			one.probes, one.full = cost, full
			if one.missed+one.found+one.blamed+one.cleared > 0 {
				t.Logf("%s, seed %d, broken %v: by samples missed %v and wrong %v, in full missed %v and wrong %v", style.Name, seed, n.Broken, missed(n, &got), added(n, &got), missed(n, &whole), added(n, &whole))
			}
			of.add(one)
		}
		t.Logf("%s: %s", style.Name, of)
		all.add(of)
	}
	fmt.Println(figure.Machine())
	of := fmt.Sprintf("samples of 3,200 machines against the full sweep, %d nights, %d broken: ", all.nights, all.broken)
	var out figure.Printer
	share := func(more, less int) float64 { return float64(more-less) / float64(all.broken) }
	out.Print(figure.AtMost(of+"missed by samples alone, less those missed in full alone", share(all.missed, all.found), "share", .01))
	out.Print(figure.AtMost(of+"wrongly blamed by samples alone, less those blamed in full alone", share(all.blamed, all.cleared), "share", .01))
	out.Print(figure.Seen(of+"missed by samples alone", float64(all.missed), "components"))
	out.Print(figure.Seen(of+"missed in full alone", float64(all.found), "components"))
	out.Print(figure.AtMost(of+"probes beside pings, of those of the full sweep", float64(all.probes)/float64(all.full), "share", .7))
	if out.Missed > 0 {
		t.Errorf("samples are not as right as the whole: %s", all)
	}
}

// disagreement counts what is missed by samples alone, found by samples alone, and blamed, though
// well, by the one alone or by the other.
type disagreement struct{ nights, broken, missed, found, blamed, cleared, probes, full int }

func (d *disagreement) add(o disagreement) {
	d.nights, d.broken, d.missed, d.found = d.nights+o.nights, d.broken+o.broken, d.missed+o.missed, d.found+o.found
	d.blamed, d.cleared, d.probes, d.full = d.blamed+o.blamed, d.cleared+o.cleared, d.probes+o.probes, d.full+o.full
}

func (d disagreement) String() string {
	return fmt.Sprintf("%d nights, %d broken: %d missed by samples alone, %d in full alone; %d blamed by samples alone, %d in full alone; %d probes beside pings by samples, %d in full",
		d.nights, d.broken, d.missed, d.found, d.blamed, d.cleared, d.probes, d.full)
}

func disagreementOf(n *faultgen.Night, got, full *records.Inferred) disagreement {
	d := disagreement{nights: 1, broken: len(n.Broken) + len(n.Own)}
	d.missed, d.found = alone(missed(n, got), missed(n, full))
	d.blamed, d.cleared = alone(added(n, got), added(n, full))
	return d
}

// alone counts what is in the one list only, and in the other.
func alone(a, b []string) (inA, inB int) {
	for _, id := range a {
		if !slices.Contains(b, id) {
			inA++
		}
	}
	for _, id := range b {
		if !slices.Contains(a, id) {
			inB++
		}
	}
	return inA, inB
}
