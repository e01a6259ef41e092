package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/faultgen"
	"vakhta/internal/lab/figure"
	"vakhta/internal/topology"
)

// tally adds up nights.
type tally struct {
	nights, exact, contained int            // nights; with just what was broken named; the same, with classes counted
	named, right, broken     int            // components other than servers
	known                    faultgen.Known // of the present night
	knownRight, knownWrong   int            // named by one who knows the generator
	knownExact               int            // nights that that one names just right
	knownFound               int            // broken that that one names; and named here, or in a class
	knownOwn, knownOwnFound  int            // the same of servers
	judged                   []faultgen.Judged
	strictWrong              int // wrong, or broken only in that its class holds machines that are down by themselves
	wrong                    int // named, and neither it nor its class is broken
	missed                   int // broken, and not even in a class
	why                      [reasons]int
	servers, rightServers    int             // named; and truly down by themselves
	own, foundServers        int             // down by themselves where it could be seen; and named
	shared, lone             calibration     // of classes: is what failed in it
	itself, loneItself       calibration     // of the component named: is it that one
	took, used               []time.Duration // by the clock, and of processors
	unmoved                  bool
}

// know notes what can be found of a night.
func (t *tally) know(night *faultgen.Case, known faultgen.Known) {
	t.known = known
	right := 0
	for _, id := range night.Broken {
		if known.Broken[id] {
			right++
		}
	}
	wrong := len(known.Broken) - right
	t.knownRight, t.knownWrong = t.knownRight+right, t.knownWrong+wrong
	if right == len(night.Broken) && wrong == 0 {
		t.knownExact++
	}
	t.knownOwn += len(known.Own)
	t.judged = append(t.judged, known.Judged...)
}

// mostFound is the most of what was broken that one finds who knows the generator and names whatever
// is likely enough, where he chooses how likely that is so that of what he names the share least is right.
func (t *tally) mostFound(least float64) float64 {
	slices.SortFunc(t.judged, func(a, b faultgen.Judged) int { return cmp.Compare(b.Odds, a.Odds) })
	right, most := 0, 0
	for i, j := range t.judged {
		if j.Broken {
			right++
		}
		if last := i+1 == len(t.judged) || t.judged[i+1].Odds < j.Odds; last && float64(right) >= least*float64(i+1) {
			most = right
		}
	}
	return share(most, t.broken)
}

// count adds one night, and says whether anything was wrong about shared equipment.
func (t *tally) count(night *faultgen.Case, inf *topology.Inference) bool {
	inClass := map[string]bool{}
	var named []string
	wrongBefore, missedBefore := t.strictWrong, t.missed
	failed := func(id string) bool { return slices.Contains(night.Broken, id) || night.Ailing[id] }
	for _, f := range inf.Findings {
		for _, id := range f.AmbiguousWith {
			inClass[id] = true
		}
		held := failed(f.Component) || slices.ContainsFunc(f.AmbiguousWith, failed)
		if f.Kind == inventory.KindServer {
			t.countServer(&f, night, held)
			continue
		}
		named = append(named, f.Component)
		right := slices.Contains(night.Broken, f.Component)
		t.shared.add(f.Confidence, held)
		t.itself.add(f.Itself(), right)
		broken := func(id string) bool { return slices.Contains(night.Broken, id) }
		if right {
			t.right++
		} else if !held { // its class may be of the machines themselves
			t.wrong++
		}
		if !right && !slices.ContainsFunc(f.AmbiguousWith, broken) {
			t.strictWrong++
		}
	}
	slices.Sort(named)
	t.nights++
	t.named += len(named)
	t.broken += len(night.Broken)
	t.own += len(night.Own)
	for _, id := range night.Broken {
		found := slices.Contains(named, id) || inClass[id]
		if !found {
			t.missed++
		} else if t.known.Broken[id] {
			t.knownFound++
		}
	}
	if t.strictWrong == wrongBefore && t.missed == missedBefore {
		t.contained++
	}
	if slices.Equal(named, night.Broken) {
		t.exact++
		return false
	}
	return true
}

// countServer adds the finding on a machine by itself.
func (t *tally) countServer(f *topology.Finding, night *faultgen.Case, held bool) {
	t.servers++
	if night.Ailing[f.Component] {
		t.rightServers++
	}
	if night.Own[f.Component] {
		t.foundServers++
		if t.known.Own[f.Component] {
			t.knownOwnFound++
		}
	}
	t.lone.add(f.Confidence, held)
	t.loneItself.add(f.Itself(), night.Ailing[f.Component])
}

// calibration compares what was claimed with what was so, in ten bins.
type calibration struct {
	n, right [10]int
	claimed  [10]float64
}

func (c *calibration) add(confidence float64, right bool) {
	i := min(9, int(confidence*10))
	c.n[i]++
	c.claimed[i] += confidence
	if right {
		c.right[i]++
	}
}

// err is the expected calibration error.
func (c *calibration) err() float64 {
	sum, all := 0.0, 0
	for i := range c.n {
		sum += math.Abs(c.claimed[i] - float64(c.right[i]))
		all += c.n[i]
	}
	return sum / max(1, float64(all))
}

func share(a, b int) float64 {
	if b == 0 {
		return 1
	}
	return float64(a) / float64(b)
}

func (t *tally) figures(r regime) []figure.Figure {
	var out []figure.Figure
	add := func(name string, value float64, unit, sign string, goal float64, counts bool) {
		f := figure.Seen(r.name+": "+name, math.Round(value*1e4)/1e4, unit)
		if counts {
			f.Goal = fmt.Sprintf("%s %g", sign, goal)
			f.Met = sign == "≥" && value >= goal || sign == "≤" && value <= goal
		}
		out = append(out, f)
	}
	bounded := func(bound float64) {
		if r.bounded() {
			bound = math.Round(bound*1e4) / 1e4
			out[len(out)-1].Bound = &bound
		}
	}
	// What nothing tells apart is one class: a rack without power, and its two PDUs. The goals are on classes.
	add("precision, with classes", share(t.named-t.strictWrong, t.named), "share", "≥", r.least, r.accuracy)
	bounded(share(t.knownRight, t.knownRight+t.knownWrong))
	add("recall, with classes", share(t.broken-t.missed, t.broken), "share", "≥", r.least, r.accuracy)
	bounded(share(t.knownRight, t.broken))
	if r.bounded() && r.accuracy {
		add("recall, of one who knows the generator and names as much as the goal of precision lets him", t.mostFound(r.least), "share", "", 0, false)
	}
	add("exact set, with classes", share(t.contained, t.nights), "share", "≥", r.exact, r.accuracy && r.exact > 0)
	bounded(share(t.knownExact, t.nights))
	add("missed or wrongly named, of what is broken", share(t.missed+t.strictWrong, t.broken), "share", "", 0, false)
	bounded(share(t.broken-t.knownRight+t.knownWrong, t.broken))
	add("wrongly named", share(t.strictWrong, max(1, t.named)), "share", "≤", .01, r.wrong)
	add("recall, with classes, of what one finds who knows the generator", share(t.knownFound, t.knownRight), "share", "", 0, false)
	add("precision, where machines in the class that are down by themselves make it right", share(t.named-t.wrong, t.named), "share", "", 0, false)
	add("precision, without classes", share(t.right, t.named), "share", "", 0, false)
	add("recall, without classes", share(t.right, t.broken), "share", "", 0, false)
	add("exact set, without classes", share(t.exact, t.nights), "share", "", 0, false)
	add("calibration error", t.shared.err(), "share", "≤", r.ece, r.accuracy)
	add("calibration error of the component alone", t.itself.err(), "share", "", 0, false)
	for why, name := range reasonNames {
		add("missed, "+name, share(t.why[why], t.broken), "share", "", 0, false)
	}
	t.serverFigures(r, add, bounded)
	at := func(list []time.Duration, q float64) float64 {
		slices.Sort(list)
		return float64(list[min(len(list)-1, int(q*float64(len(list))))].Microseconds()) / 1000
	}
	add("latency p50", at(t.took, .5), "ms", "", 0, false)
	add("latency p99", at(t.took, .99), "ms", "≤", 300, r.latency)
	// What others run on the machine slows the clock's time, not this.
	add("processor time p99", at(t.used, .99), "ms", "", 0, false)
	same := 0.0
	if t.unmoved {
		same = 1
	}
	add("same for another order of rows", same, "share", "≥", 1, true)
	return out
}

// serverFigures are those on machines by themselves.
func (t *tally) serverFigures(r regime, add func(name string, value float64, unit, sign string, goal float64, counts bool), bounded func(float64)) {
	add("servers: precision", share(t.rightServers, t.servers), "share", "", 0, false)
	add("servers: recall", share(t.foundServers, t.own), "share", "", 0, false)
	bounded(share(t.knownOwn, t.own))
	add("servers: recall of what that one finds", share(t.knownOwnFound, t.knownOwn), "share", "", 0, false)
	add("servers: calibration error", t.lone.err(), "share", "≤", r.ece, r.accuracy)
	add("servers: calibration error of the machine alone", t.loneItself.err(), "share", "", 0, false)
}
