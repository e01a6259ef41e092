package topology_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// wired is an estate of two sites in which there is little but what carries traffic: in each an uplink,
// an aggregation switch, and behind it three switches with two line cards each, which carry so many servers
// each; and a PDU for every switch.
func wired(t *testing.T, each int) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nvantages: [o1, o2, o3]\nsites: [{id: s, timezone: UTC, vantages: [s-in]}, {id: u, timezone: UTC, vantages: [u-in]}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	for _, s := range []string{"s", "u"} {
		fmt.Fprintf(&b, "  - {id: %[1]s-up, kind: uplink, in: %[1]s}\n  - {id: %[1]s-agg, kind: switch, in: %[1]s, needs: {network: [%[1]s-up]}}\n", s)
		for k := range 3 {
			sw := fmt.Sprintf("%s-sw%d", s, k)
			fmt.Fprintf(&b, "  - {id: %[1]s-rack, kind: rack, in: %[2]s}\n", sw, s)
			fmt.Fprintf(&b, "  - {id: %[1]s-pdu, kind: pdu, in: %[2]s}\n  - {id: %[1]s, kind: switch, in: %[2]s, needs: {power: [%[1]s-pdu], network: [%[2]s-agg]}}\n", sw, s)
			for _, card := range []string{sw + "-a", sw + "-b"} {
				fmt.Fprintf(&b, "  - {id: %s, kind: card, in: %s}\n", card, sw)
				for i := range each {
					fmt.Fprintf(&b, "  - {id: %s-%03d, kind: server, in: %s-rack, client: c0, needs: {network: [%s]}}\n", card, i, sw, card)
				}
			}
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "wired", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// watch is looks at servers, switches and PDUs of an estate, a minute apart. Of what lossy says so much is lost.
func watch(inv *inventory.Inventory, seed uint64, looks int, vantages []string, share float64, lossy func(c *inventory.Component, vantage string) bool) []topology.Observation {
	r := rand.New(rand.NewPCG(seed, 7))
	var out []topology.Observation
	for look := range looks {
		for i, c := range inv.Components() {
			var probes []topology.Probe
			switch c.Kind {
			case inventory.KindServer:
				probes = []topology.Probe{topology.ProbeTCP, topology.ProbeICMP}
			case inventory.KindSwitch, inventory.KindPDU:
				probes = []topology.Probe{topology.ProbeSNMP}
			}
			for _, v := range vantages {
				for _, p := range probes {
					o := topology.Observation{Component: c.ID, Probe: p, Vantage: v, Result: topology.Up}
					o.At = noon.Add(time.Duration(look)*time.Minute + time.Duration(i)*time.Millisecond)
					if lossy(c, v) && r.Float64() < share {
						o.Result = topology.Down
					}
					out = append(out, o)
				}
			}
		}
	}
	return out
}

// alone says that there is one finding, lossy, of which the component is in the class.
func alone(inf *topology.Inference, want string) bool {
	return len(inf.Findings) == 1 && inf.Findings[0].Mode == topology.Lossy &&
		slices.Contains(append([]string{inf.Findings[0].Component}, inf.Findings[0].AmbiguousWith...), want)
}

var outside = []string{"o1", "o2", "o3"}

func TestLossesAreFoundBehindLineCards(t *testing.T) {
	inv := wired(t, 12)
	g := topology.New(inv)
	for _, want := range []string{"s-up", "s-agg", "s-sw1", "s-sw1-a"} {
		prefix := want
		if want == "s-up" || want == "s-agg" {
			prefix = "s-"
		}
		inf := g.Infer(watch(inv, 1, 1, outside, .3, func(c *inventory.Component, _ string) bool {
			return c.Kind == inventory.KindServer && strings.HasPrefix(c.ID, prefix)
		}))
		if !alone(&inf, want) {
			t.Errorf("want %s, lossy: %s", want, story(&inf))
		}
	}
}

// Of many machines behind a loss some miss every probe of several looks by chance: they hide it no more
// than they are down by themselves.
func TestALossIsFoundThoughSomeMissAllProbesOfSeveralLooks(t *testing.T) {
	inv := wired(t, 40)
	g := topology.New(inv)
	for _, looks := range []int{3, 5, 8} {
		for seed := range uint64(3) {
			rows := watch(inv, seed, looks, outside[:1], .24, func(*inventory.Component, string) bool { return true })
			rows = slices.DeleteFunc(rows, func(o topology.Observation) bool { return o.Component[0] == 'u' })
			inf := g.Infer(rows)
			if len(inf.Findings) == 0 || !slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool {
				return f.Mode == topology.Lossy && (f.Component == "s-up" || slices.Contains(f.AmbiguousWith, "s-up"))
			}) {
				t.Errorf("%d looks, seed %d: want s-up, lossy: %s", looks, seed, story(&inf))
			}
		}
	}
}

// A vantage that sees nothing else may lose by itself what it misses. Three that miss as much would all have to.
func TestSeveralVantagesDoNotAllLoseByThemselvesWhatTheyMiss(t *testing.T) {
	inv := wired(t, 12)
	g := topology.New(inv)
	for vantages, sure := range map[string]bool{"o1": false, "o1 o2": true, "o1 o2 s-in": true} {
		rows := watch(inv, 1, 3, strings.Fields(vantages), .33, func(c *inventory.Component, _ string) bool { return c.Kind == inventory.KindServer })
		rows = slices.DeleteFunc(rows, func(o topology.Observation) bool { return o.Component[0] == 'u' })
		inf := g.Infer(rows)
		if len(inf.Findings) != 1 || inf.Findings[0].Mode != topology.Lossy || inf.Findings[0].Confidence > .9 != sure {
			t.Errorf("%s: want one loss, surely: %v; %s", vantages, sure, story(&inf))
		}
	}
}

// What a lossy uplink loses is the noise of all that is asked through it: of machines, switches and PDUs.
func TestWhatIsBehindALossIsNotNamedForIt(t *testing.T) {
	inv := wired(t, 12)
	g := topology.New(inv)
	for _, tt := range []struct {
		looks int
		share float64
	}{{24, .6}, {8, .45}, {2, .45}, {1, .35}} {
		for seed := range uint64(8) {
			inf := g.Infer(watch(inv, seed, tt.looks, outside, tt.share, func(c *inventory.Component, _ string) bool { return c.Site == "s" }))
			for _, f := range inf.Findings {
				if f.Mode != topology.Lossy && f.Confidence > .9 {
					t.Errorf("%d looks, seed %d: %s is named beside the uplink: %s", tt.looks, seed, f.Component, story(&inf))
				}
			}
			if !slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return f.Mode == topology.Lossy }) {
				t.Errorf("%d looks, seed %d: want s-up, lossy: %s", tt.looks, seed, story(&inf))
			}
		}
	}
}

// A switch that loses packets makes what is behind it seem to come and go, while nothing else of its site does.
func TestWhatIsBehindALossySwitchIsNotFlapping(t *testing.T) {
	inv := wired(t, 12)
	inf := topology.New(inv).Infer(watch(inv, 1, 12, outside, .45, func(c *inventory.Component, _ string) bool {
		return c.Kind == inventory.KindServer && strings.HasPrefix(c.ID, "s-sw1-")
	}))
	if !alone(&inf, "s-sw1") {
		t.Errorf("want s-sw1, lossy: %s", story(&inf))
	}
}

// Behind a loss what is dead still is found, given that it is asked often enough.
func TestWhatIsDeadBehindALossIsNamed(t *testing.T) {
	inv := wired(t, 12)
	rows := watch(inv, 1, 4, outside, .3, func(c *inventory.Component, _ string) bool { return c.Site == "s" })
	for i := range rows {
		if rows[i].Component == "s-sw1-a-003" && rows[i].At.After(noon.Add(time.Minute)) {
			rows[i].Result = topology.Down
		}
	}
	inf := topology.New(inv).Infer(rows)
	if !slices.Contains(named(inf), "s-sw1-a-003") {
		t.Errorf("want s-sw1-a-003 beside the uplink: %s", story(&inf))
	}
}

// Vantages within two sites see each other's through both uplinks: one of these loses packets, and no row tells which.
func TestALossBetweenTwoSitesIsOfOneOfTheirUplinks(t *testing.T) {
	inv := wired(t, 12)
	g := topology.New(inv)
	abroad := func(c *inventory.Component, vantage string) bool { return !strings.HasPrefix(vantage, c.Site+"-") }
	inf := g.Infer(watch(inv, 1, 1, []string{"s-in", "u-in"}, .4, abroad))
	if !alone(&inf, "s-up") || !alone(&inf, "u-up") || inf.Findings[0].Probability > .6 {
		t.Errorf("want one class of s-up and u-up: %s", story(&inf))
	}
	inf = g.Infer(watch(inv, 1, 1, []string{"s-in"}, .4, abroad))
	if !alone(&inf, "s-up") || !alone(&inf, "u-up") {
		t.Errorf("want one class of s-up and u-up, where one vantage looks: %s", story(&inf))
	}
	inf = g.Infer(watch(inv, 1, 1, []string{"s-in", "u-in", "o1"}, .4, func(c *inventory.Component, vantage string) bool {
		return abroad(c, vantage) && (vantage != "o1" || c.Site == "u")
	}))
	if !alone(&inf, "u-up") || alone(&inf, "s-up") {
		t.Errorf("want u-up alone, since one that stands outside sees s well: %s", story(&inf))
	}
}

// A loss that began between two looks is one, though it was not there before.
func TestALossThatBeganMeanwhileIsFound(t *testing.T) {
	inv := wired(t, 12)
	rows := watch(inv, 2, 8, outside[:1], .4, func(c *inventory.Component, _ string) bool {
		return c.Kind == inventory.KindServer && strings.HasPrefix(c.ID, "s-sw1-")
	})
	rows = slices.DeleteFunc(rows, func(o topology.Observation) bool { return o.Probe != topology.ProbeICMP })
	for i := range rows {
		if rows[i].At.Before(noon.Add(4 * time.Minute)) {
			rows[i].Result = topology.Up
		}
	}
	if inf := topology.New(inv).Infer(rows); !alone(&inf, "s-sw1") {
		t.Errorf("want s-sw1, lossy: %s", story(&inf))
	}
}

// Machines that never answer ping by policy make no loss of what they hang on, be they asked again and again.
func TestAPolicyOfAFewMachinesIsNoLoss(t *testing.T) {
	inv := wired(t, 12)
	g := topology.New(inv)
	for seed := range uint64(5) {
		rows := watch(inv, seed, 8, outside[:2], .04, func(*inventory.Component, string) bool { return true })
		for i := range rows {
			if o := &rows[i]; o.Probe == topology.ProbeICMP && slices.Contains([]string{"s-sw1-a-001", "s-sw1-a-004", "s-sw1-b-007", "s-sw1-b-009"}, o.Component) {
				o.Result = topology.Down
			}
		}
		if inf := g.Infer(rows); slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return f.Mode == topology.Lossy }) {
			t.Errorf("seed %d: want no loss: %s", seed, story(&inf))
		}
	}
}

// With one probe from outside a machine misses all that is asked through a lossy uplink: that it answers
// within tells that it is not down.
func TestALossIsFoundWhereMachinesAnswerWithin(t *testing.T) {
	inv := wired(t, 12)
	rows := watch(inv, 1, 1, []string{"o1", "s-in"}, .35, func(c *inventory.Component, vantage string) bool { return c.Site == "s" && vantage == "o1" })
	rows = slices.DeleteFunc(rows, func(o topology.Observation) bool { return o.Probe == topology.ProbeICMP || o.Component[0] == 'u' })
	if inf := topology.New(inv).Infer(rows); !alone(&inf, "s-up") {
		t.Errorf("want s-up, lossy: %s", story(&inf))
	}
}

// What began at the last looks is not diluted by all those before.
func TestALossThatBeganAtTheLastLooksIsFound(t *testing.T) {
	inv := wired(t, 12)
	rows := watch(inv, 1, 9, []string{"o1", "s-in"}, .25, func(c *inventory.Component, vantage string) bool { return c.Site == "s" && vantage == "o1" })
	rows = slices.DeleteFunc(rows, func(o topology.Observation) bool { return o.Probe == topology.ProbeICMP || o.Component[0] == 'u' })
	for i := range rows {
		if rows[i].At.Before(minute(7)) {
			rows[i].Result = topology.Up
		}
	}
	if inf := topology.New(inv).Infer(rows); !alone(&inf, "s-up") {
		t.Errorf("want s-up, lossy: %s", story(&inf))
	}
}

// The vantage of a site that sees another well may have a way out of its own: its site's uplink loses what the others ask, all the same.
func TestALossIsFoundThoughTheSitesOwnVantageGoesAnotherWayOut(t *testing.T) {
	inv := wired(t, 12)
	inf := topology.New(inv).Infer(watch(inv, 1, 1, []string{"o1", "s-in", "u-in"}, .3, func(c *inventory.Component, vantage string) bool {
		return c.Site == "s" && vantage != "s-in"
	}))
	if !alone(&inf, "s-up") {
		t.Errorf("want s-up, lossy: %s", story(&inf))
	}
}

// carries says that a server of these, by the beginning of its id, loses some.
func carries(prefix string) func(c *inventory.Component, vantage string) bool {
	return func(c *inventory.Component, _ string) bool {
		return c.Kind == inventory.KindServer && strings.HasPrefix(c.ID, prefix)
	}
}

// lossyOnes are the classes of what is lossy, of each the likeliest.
func lossyOnes(inf *topology.Inference) []string {
	var out []string
	for _, f := range inf.Findings {
		if f.Mode == topology.Lossy {
			out = append(out, f.Component)
		}
	}
	slices.Sort(out)
	return out
}

// That at one look, be it the last, few are missed by chance does not make a loss an outage that is over.
func TestALossMayMissFewAtOneLook(t *testing.T) {
	inv := wired(t, 12)
	rows := watch(inv, 1, 12, outside[:1], .25, carries("s-sw1-a"))
	left := 1
	for i := range rows {
		if o := &rows[i]; !o.At.Before(minute(11)) && o.Result == topology.Down {
			if left--; left < 0 {
				o.Result = topology.Up
			}
		}
	}
	if inf := topology.New(inv).Infer(rows); !alone(&inf, "s-sw1-a") {
		t.Errorf("want s-sw1-a, lossy: %s", story(&inf))
	}
}

// What a lossy uplink loses is not the noise by which a lossy switch of another site is weighed.
func TestALossElsewhereIsNoNoise(t *testing.T) {
	inv := wired(t, 12)
	inf := topology.New(inv).Infer(watch(inv, 1, 1, outside, .3, func(c *inventory.Component, v string) bool {
		return c.Site == "s" || carries("u-sw1")(c, v)
	}))
	if got := lossyOnes(&inf); !slices.Equal(got, []string{"s-up", "u-sw1"}) {
		t.Errorf("lossy are %v, want s-up and u-sw1: %s", got, story(&inf))
	}
}

// Machines that a loss of the uplink explains tell as well of their switch, when asked from within.
func TestALossBehindALossIsFoundFromWithin(t *testing.T) {
	inv := wired(t, 12)
	inf := topology.New(inv).Infer(watch(inv, 1, 1, []string{"o1", "o2", "s-in"}, .35, func(c *inventory.Component, v string) bool {
		return c.Site == "s" && v != "s-in" || v == "s-in" && carries("s-sw1")(c, v)
	}))
	if got := lossyOnes(&inf); len(got) != 2 || !slices.Contains(got, "s-sw1") {
		t.Errorf("lossy are %v, want s-sw1 and s-up: %s", got, story(&inf))
	}
}

// Three looks tell a policy from a loss: a machine's ping is missed each time, and its other probe never.
func TestAPolicySeenThreeTimesIsNoLoss(t *testing.T) {
	inv := wired(t, 8)
	g := topology.New(inv)
	quiet := []string{"s-sw1-a-001", "s-sw1-a-004", "s-sw1-b-003"}
	for _, looks := range []int{3, 4, 6} {
		rows := watch(inv, 1, looks, outside[:1], 0, func(*inventory.Component, string) bool { return false })
		for i := range rows {
			o := &rows[i]
			chance := o.Component == "s-sw1-a-006" && o.Probe == topology.ProbeTCP && o.At.Before(noon.Add(time.Minute))
			if chance || o.Probe == topology.ProbeICMP && slices.Contains(quiet, o.Component) {
				o.Result = topology.Down
			}
		}
		if inf := g.Infer(rows); slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return f.Mode == topology.Lossy }) {
			t.Errorf("%d looks: want no loss: %s", looks, story(&inf))
		}
	}
}
