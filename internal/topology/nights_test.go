package topology_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// What a rule of a night says of the components that it is about.
const (
	gone     = "gone"     // without power: nothing answers, its BMC neither
	cut      = "cut"      // it has power, and nobody reaches it: without network, or hung
	off      = "off"      // its BMC says that it is switched off
	beyond   = "beyond"   // reached within its site, not from outside
	unheard  = "unheard"  // not asked
	mute     = "mute"     // it answers no ping, by policy
	missed   = "missed"   // its ping went unanswered, nothing else
	waverers = "waverers" // every third probe goes unanswered
)

// rule is about the components whose ids match one of the patterns.
type rule struct {
	is string
	of []string
}

func that(is string, of ...string) rule { return rule{is, of} }

// byHand are nights as an engineer would tell them, on estates that he drew himself: what
// is seen, and what he would say of it. A want with bars names any of a class.
var byHand = []struct {
	name   string
	rules  []rule
	blind  []string // vantages that see nothing
	absent []string // vantages that ask nothing
	before []rule   // the day before
	looks  [][]rule // earlier looks, three minutes apart, beside the rules
	want   []string // findings, other than machines by themselves
	own    []string // machines by themselves
}{
	{name: "nothing is wrong"},
	{name: "a ping is lost", rules: []rule{that(missed, "fra-r2-s3")}},
	{name: "one machine is switched off", rules: []rule{that(off, "fra-r2-s3")}, own: []string{"fra-r2-s3"}},
	{name: "one machine hangs", rules: []rule{that(cut, "lon-k1-s4")}, own: []string{"lon-k1-s4"}},
	{name: "a guest hangs", rules: []rule{that(cut, "lon-g1-s2")}, own: []string{"lon-g1-s2"}},
	{name: "a machine without a BMC is dead", rules: []rule{that(gone, "ams-r2-s5")}, own: []string{"ams-r2-s5"}},
	{name: "a hypervisor dies", rules: []rule{that(gone, "lon-hv1", "lon-g1-*")}, want: []string{"lon-hv1"}},
	{name: "a PDU that its rack can spare", rules: []rule{that(gone, "fra-r2-pdu-a")}, want: []string{"fra-r2-pdu-a"}},
	{name: "a PDU with machines of one cord", rules: []rule{that(gone, "lon-k2-pdu-a", "lon-k2-s[0-9]*")}, want: []string{"lon-k2-pdu-a"}},
	{name: "both PDUs of a rack", rules: []rule{that(gone, "fra-r2-pdu-?", "fra-r2-s*")}, want: []string{"fra-r2|fra-r2-pdu-a|fra-r2-pdu-b"}},
	{name: "a PDU that two racks share", rules: []rule{
		that(gone, "ams-pdu-12", "ams-sw1", "ams-sw2", "ams-r1-s*", "ams-r2-s*"), that(cut, "ams-sw3", "ams-r3-s*"),
	}, want: []string{"ams-pdu-12"}},
	{name: "the second switch of a chain", rules: []rule{that(gone, "ams-sw2"), that(cut, "ams-r2-s*", "ams-sw3", "ams-r3-s*")}, want: []string{"ams-sw2"}},
	{name: "the last switch of a chain", rules: []rule{that(gone, "ams-sw3"), that(cut, "ams-r3-s*")}, want: []string{"ams-sw3"}},
	{name: "a phase of a PDU", rules: []rule{that(gone, "fra-l1-s*")}, want: []string{"fra-r1-l1"}},
	{name: "all phases of a PDU", rules: []rule{that(gone, "fra-r1-pdu-a", "fra-l1-s*", "fra-l2-s*")}, want: []string{"fra-r1-pdu-a"}},
	{name: "a line card", rules: []rule{that(cut, "fra-l?-s*")}, want: []string{"fra-card1"}},
	{name: "a chassis", rules: []rule{that(gone, "fra-chassis"), that(cut, "fra-*-s*")}, want: []string{"fra-chassis"}},
	{name: "one of two switches of a rack", rules: []rule{that(gone, "lon-k1-sw1")}, want: []string{"lon-k1-sw1"}},
	{name: "both switches of a rack", rules: []rule{that(gone, "lon-k1-sw?"), that(cut, "lon-hv1", "lon-g1-*", "lon-k1-s[0-9]*")}, want: []string{"lon-k1-sw1", "lon-k1-sw2"}},
	{name: "both aggregation switches", rules: []rule{that(gone, "lon-agg-?"), that(cut, "lon-k?-*", "lon-g?-*", "lon-hv?")}, want: []string{"lon-agg-a", "lon-agg-b"}},
	{name: "one feed of a room", rules: []rule{that(gone, "fra-r?-pdu-a", "fra-l?-s*")}, want: []string{"fra-feed-a"}},
	{name: "both feeds of a room", rules: []rule{that(gone, "fra-r*", "fra-chassis", "fra-*-s*")}, want: []string{"fra-room|fra-feed-a|fra-feed-b"}},
	{name: "one of two uplinks", rules: []rule{that(gone, "fra-up-a")}, want: []string{"fra-up-a"}},
	{name: "both uplinks, seen from within", rules: []rule{that(gone, "fra-up-?"), that(beyond, "fra-*")}, want: []string{"fra-up-a", "fra-up-b"}},
	{name: "a site with one uplink and no vantage", rules: []rule{that(gone, "ams-*")}, want: []string{"ams|ams-up|ams-room"}},
	{name: "a site is dark, its vantage with it", rules: []rule{that(gone, "fra-*")}, absent: []string{"fra-in"}, want: []string{"fra|fra-up-a|fra-up-b"}},
	{name: "a rack burns", rules: []rule{that(gone, "lon-k2-*", "lon-hv2", "lon-g2-*")}, want: []string{"lon-k2|lon-k2-pdu-a|lon-k2-pdu-b"}},
	{name: "an outside vantage is blind", blind: []string{"out1"}},
	{name: "a vantage within is blind", blind: []string{"lon-in"}},
	{name: "a blind vantage, and a PDU", blind: []string{"out2"}, rules: []rule{that(gone, "lon-k2-pdu-a", "lon-k2-s[0-9]*")}, want: []string{"lon-k2-pdu-a"}},
	{name: "the only vantage is blind", absent: []string{"out2", "fra-in", "lon-in"}, blind: []string{"out1"}},
	{name: "one vantage alone, and a switch", absent: []string{"out2", "fra-in", "lon-in"}, rules: []rule{that(gone, "ams-sw3"), that(cut, "ams-r3-s*")}, want: []string{"ams-sw3"}},
	{name: "a cable in the wrong PDU", rules: []rule{that(gone, "lon-k2-pdu-a", "lon-k2-s?")}, want: []string{"lon-k2-pdu-a"}},
	{name: "a PDU and a switch in two sites, and a machine off", rules: []rule{
		that(gone, "fra-r2-pdu-?", "fra-r2-s*"), that(gone, "ams-sw3"), that(cut, "ams-r3-s*"), that(off, "lon-k1-s1"),
	}, want: []string{"ams-sw3", "fra-r2|fra-r2-pdu-a|fra-r2-pdu-b"}, own: []string{"lon-k1-s1"}},
	{name: "nobody asked the equipment", rules: []rule{that(unheard, "*-pdu-*", "*-sw?", "*-up-?"), that(gone, "lon-k2-s[0-9]*")}, want: []string{"lon-k2-pdu-a"}},
	{name: "four of ten on a PDU, which has phases that nobody wrote down", rules: []rule{that(gone, "lon-k2-s[1-4]")}, want: []string{"lon-k2-pdu-a partial"}},
	{name: "a rack drops its machines one after another", looks: [][]rule{
		{that(gone, "lon-k2-s[12]")}, {that(gone, "lon-k2-s[1-3]")}, {that(gone, "lon-k2-s[1-4]")}, {that(gone, "lon-k2-s[1-5]")}, {that(gone, "lon-k2-s[1-6]")},
	}, rules: []rule{that(gone, "lon-k2-s[1-8]")}, want: []string{"lon-k2 heating"}},
	{name: "a room drops its machines one after another", looks: [][]rule{
		{that(gone, "lon-k1-s3")},
		{that(gone, "lon-k2-s1", "lon-k1-s3")},
		{that(gone, "lon-k2-s[1-3]", "lon-k1-s[34]")},
		{that(gone, "lon-k2-s[1-4]", "lon-k1-s[34]")},
		{that(gone, "lon-k2-s[1-5]", "lon-k1-s[3-6]")},
	}, rules: []rule{that(gone, "lon-k2-s[1-5]", "lon-k1-s[2-7]")}, want: []string{"lon-room heating"}},
	{name: "a machine comes and goes", looks: [][]rule{
		{that(cut, "fra-r2-s3")}, {}, {that(cut, "fra-r2-s3")}, {}, {that(cut, "fra-r2-s3")},
	}, rules: []rule{that("", "fra-r2-s3")}, own: []string{"fra-r2-s3"}},
	{
		name: "a rack that was dark yesterday, and a PDU", before: []rule{that(gone, "lon-k2-*", "lon-hv2", "lon-g2-*")},
		rules: []rule{that(gone, "lon-k2-*", "lon-hv2", "lon-g2-*", "fra-r1-pdu-a", "fra-l?-s*")}, want: []string{"fra-r1-pdu-a"},
	},
	{name: "what was dark yesterday is back", before: []rule{that(gone, "lon-k2-*", "lon-hv2", "lon-g2-*")}},
	{
		name: "half a rack was switched off yesterday, and now its switch is dead", before: []rule{that(off, "ams-r3-s[1-4]")},
		rules: []rule{that(off, "ams-r3-s[1-4]"), that(gone, "ams-sw3"), that(cut, "ams-r3-s*")}, want: []string{"ams-sw3"},
	},
	{
		name: "machines that never answer ping, behind a switch that dies", before: []rule{that(mute, "fra-r2-s[1-5]", "fra-chassis")},
		rules: []rule{that(mute, "fra-chassis"), that(cut, "fra-l?-s*")}, want: []string{"fra-card1"},
	},
	{name: "an uplink loses a third", rules: []rule{that(waverers, "ams-*")}, want: []string{"ams-up lossy"}},
}

func TestNightsByHand(t *testing.T) {
	text, err := os.ReadFile("testdata/three-sites.yaml")
	if err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(inventory.Document{Name: "three-sites.yaml", Data: text})
	if err != nil {
		t.Fatal(err)
	}
	g := topology.New(inv)
	for _, tt := range byHand {
		t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) {
			hand := night{inv: inv, rules: tt.rules, blind: tt.blind, absent: tt.absent}
			rows := hand.look(noon)
			for i, rules := range tt.looks {
				earlier := night{inv: inv, rules: rules, blind: tt.blind, absent: tt.absent}
				rows = append(rows, earlier.look(noon.Add(-3*time.Minute*time.Duration(len(tt.looks)-i)))...)
			}
			before := night{inv: inv, rules: tt.before}.look(noon.Add(-24 * time.Hour))
			sifted := g.Sift(rows, before)
			inf := g.InferSifted(&sifted)
			messy := g.Sift(muddled(rows), muddled(before))
			if again := g.InferSifted(&messy); !slices.Equal(namesOf(&again), namesOf(&inf)) {
				t.Errorf("muddled rows name %v, clean ones %v", namesOf(&again), namesOf(&inf))
			}
			var shared, own []string
			for _, f := range inf.Findings {
				if f.Kind == inventory.KindServer {
					own = append(own, f.Component)
					continue
				}
				shared = append(shared, strings.TrimSpace(f.Component+" "+string(f.Mode)))
			}
			slices.Sort(own)
			slices.Sort(shared)
			same := len(shared) == len(tt.want) && slices.Equal(own, tt.own)
			for i := range shared {
				same = same && slices.Contains(strings.Split(tt.want[i], "|"), shared[i])
			}
			if !same {
				t.Errorf("named %v and machines %v, want %v and %v\n%s", shared, own, tt.want, tt.own, story(&inf))
			}
			if !slices.Equal(inf.Blind, tt.blind) {
				t.Errorf("blind: %v, want %v", inf.Blind, tt.blind)
			}
		})
	}
}

// muddled are the rows as they come from the world: clocks of vantages disagree, rows come
// twice, in any order, from long ago, and of components that nobody knows.
func muddled(rows []topology.Observation) []topology.Observation {
	skew := map[string]time.Duration{"out1": -4 * time.Minute, "out2": 7 * time.Minute, "fra-in": 90 * time.Second}
	r := rand.New(rand.NewPCG(1, 2))
	var out []topology.Observation
	for i, o := range rows {
		o.At = o.At.Add(skew[o.Vantage])
		o.Detail = []string{"", "timeout", "{\"code\":7}", "истекло время"}[i%4]
		out = append(out, o)
		switch {
		case i%10 == 0:
			out = append(out, o)
		case i%97 == 1 && o.Probe != topology.ProbePower:
			if o.At = o.At.Add(-15 * time.Hour); o.Result == topology.Up {
				o.Result = topology.Down
			} else {
				o.Result = topology.Up
			}
			out = append(out, o)
		case i%20 == 2:
			o.Component += "-gone"
			out = append(out, o)
		case i%20 == 3:
			o.Probe = "smell"
			out = append(out, o)
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func namesOf(inf *topology.Inference) []string {
	var out []string
	for _, f := range inf.Findings {
		out = append(out, f.Component+" "+string(f.Mode))
	}
	slices.Sort(out)
	return out
}

func story(inf *topology.Inference) string {
	var b strings.Builder
	for _, f := range inf.Findings {
		fmt.Fprintf(&b, "%s %s %.3f (itself %.3f), explains %v, against %v, or %v\n", f.Component, f.Mode, f.Confidence, f.Probability, f.Explains, f.Contradicts, f.Alternatives)
	}
	fmt.Fprintf(&b, "unexplained %v, blind %v, next %v", inf.Unexplained, inf.Blind, inf.Next)
	return b.String()
}

// night makes the rows.
type night struct {
	inv           *inventory.Inventory
	rules         []rule
	blind, absent []string
	n             int
}

func (h night) is(id string) string {
	for _, r := range h.rules {
		if slices.ContainsFunc(r.of, func(pattern string) bool { ok, _ := path.Match(pattern, id); return ok }) {
			return r.is
		}
	}
	return ""
}

func (h night) look(at time.Time) []topology.Observation {
	inside := map[string]string{"fra": "fra-in", "lon": "lon-in"}
	var out []topology.Observation
	for _, c := range h.inv.Components() {
		is := h.is(c.ID)
		if is == unheard {
			continue
		}
		for _, vantage := range []string{"out1", "out2", inside[c.Site]} {
			if vantage == "" || slices.Contains(h.absent, vantage) {
				continue
			}
			within := vantage == inside[c.Site]
			add := func(probe topology.Probe, result topology.Result) {
				h.n++
				out = append(out, topology.Observation{Component: c.ID, Probe: probe, Vantage: vantage, At: at.Add(time.Duration(h.n) * time.Millisecond), Result: result})
			}
			reach := func(probe topology.Probe) {
				silent := is == gone || is == cut || is == off || is == beyond && !within || is == missed && probe == topology.ProbeICMP && !within ||
					is == mute && probe == topology.ProbeICMP || is == waverers && h.n%3 == 0 || slices.Contains(h.blind, vantage)
				if silent {
					add(probe, topology.Down)
				} else {
					add(probe, topology.Up)
				}
			}
			if len(c.Probe.TCP) > 0 {
				reach(topology.ProbeTCP)
			}
			if c.Probe.ICMP {
				reach(topology.ProbeICMP)
			}
			if c.Probe.BMC.Given() && (within || inside[c.Site] == "" && vantage == "out1") {
				switch {
				case is == gone || slices.Contains(h.blind, vantage):
					add(topology.ProbePower, topology.Unknown)
				case is == off:
					add(topology.ProbePower, topology.Down)
				default:
					add(topology.ProbePower, topology.Up)
				}
			}
		}
	}
	return out
}
