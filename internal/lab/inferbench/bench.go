package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/faultgen"
	"vakhta/internal/topology"
)

// figure is one line of the output.
type figure struct {
	Figure string  `json:"figure"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Goal   string  `json:"goal,omitempty"`
	Met    bool    `json:"met"`
}

type bench struct {
	seed    uint64
	verbose bool
	profile string
	estate  *faultgen.Estate
	graph   *topology.Graph
	servers int // asked for of the estate

	noBefore bool
	dump     string
	least    time.Duration // in which the last night was inferred
	again    int           // how often more each night is inferred, so that a profile sees enough
	answers  io.Writer     // a line of each night's answer, to compare two builds; or nil
}

const maxFaults = 5

// open draws the regime's estate, unless it is the last one's.
func (b *bench) open(r regime) error {
	if b.estate != nil && b.estate.Style.Name == r.style.Name && b.servers == r.servers {
		return nil
	}
	estate, err := faultgen.Build(r.style, r.servers, 1)
	if err != nil {
		return err
	}
	b.estate, b.graph, b.servers = estate, topology.New(estate.Inventory), r.servers
	return nil
}

// profiled starts the profile, if one is wanted; the caller stops it.
func (b *bench) profiled() (stop func(), err error) {
	if b.profile == "" {
		return func() {}, nil
	}
	f, err := os.Create(b.profile)
	if err != nil {
		return nil, fmt.Errorf("create the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("start the profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}

// run measures one regime.
func (b *bench) run(r regime) ([]figure, error) {
	if err := b.open(r); err != nil {
		return nil, err
	}
	stop, err := b.profiled()
	if err != nil {
		return nil, err
	}
	defer stop()
	t := tally{}
	for i := range r.cases {
		seed := b.seed + uint64(i)
		drawn := b.estate.Night(seed, 1+int(seed-1)%maxFaults, r.noise)
		night := drawn.Case
		if b.dump != "" && i == 0 {
			if err := dump(b.dump, b.estate, &night); err != nil {
				return nil, err
			}
		}
		obs := observations(night.Rows)
		var earlier []topology.Observation
		if !b.noBefore {
			earlier = observations(night.Earlier)
		}
		all := b.graph.Sift(obs, earlier)
		sifted := all.Observations
		t.know(&night, drawn.Knowable())
		night.Rows, night.Earlier = nil, nil
		drawn.Rows, drawn.Earlier = nil, nil
		inf := b.infer(&all, &t)
		if b.verbose {
			fmt.Fprintf(os.Stderr, "%s, seed %d: %d ms, at best %d\n", r.name, seed, t.took[i].Milliseconds(), b.least.Milliseconds())
		}
		if err := b.noteAnswer(r.name, seed, &inf); err != nil {
			return nil, err
		}
		if wrong := t.count(&night, &inf); wrong {
			why := b.ask(&night, &inf, sifted)
			for _, m := range why {
				t.why[m.why]++
			}
			if b.verbose {
				tell(os.Stderr, r.name, seed, &night, &inf, why)
			}
		}
		if i == 0 {
			same, err := b.unmoved(&all, &inf, seed)
			if err != nil {
				return nil, err
			}
			t.unmoved = same
		}
	}
	if b.verbose {
		for name, c := range map[string]*calibration{"classes": &t.shared, "components": &t.itself, "classes of servers": &t.lone, "servers": &t.loneItself} {
			fmt.Fprintf(os.Stderr, "%s: %s, claimed %.1f, right %d, of %d\n", r.name, name, c.claimed, c.right, c.n)
		}
	}
	return t.figures(r), nil
}

// infer measures the inference of a night.
func (b *bench) infer(all *topology.Sifted, t *tally) topology.Inference {
	runtime.GC() // the generator's garbage is not inference's
	var inf topology.Inference
	for i := range 1 + b.again {
		began, used := time.Now(), processorTime()
		pprof.Do(context.Background(), pprof.Labels("part", "inference"), func(context.Context) {
			inf = b.graph.InferSifted(all)
		})
		took := time.Since(began)
		if i == 0 {
			t.took, t.used = append(t.took, took), append(t.used, processorTime()-used)
			b.least = took
		}
		b.least = min(b.least, took)
	}
	return inf
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func observations(rows []faultgen.Row) []topology.Observation {
	out := make([]topology.Observation, len(rows))
	for i, r := range rows {
		out[i] = topology.Observation{Component: r.Component, Probe: topology.Probe(r.Probe), Peer: r.Peer, Vantage: r.Vantage, At: r.At, Result: topology.Result(r.Result)}
	}
	return out
}

// noteAnswer writes down the sum of a night's answer, for whoever compares builds.
func (b *bench) noteAnswer(regime string, seed uint64, inf *topology.Inference) error {
	if b.answers == nil {
		return nil
	}
	text, err := json.Marshal(inf)
	if err != nil {
		return fmt.Errorf("write down an inference: %w", err)
	}
	_, err = fmt.Fprintf(b.answers, "%s\t%d\t%x\n", regime, seed, sha256.Sum256(text))
	return err
}

// unmoved says that the answer is the same byte for byte for the rows in another order.
func (b *bench) unmoved(all *topology.Sifted, inf *topology.Inference, seed uint64) (bool, error) {
	r, obs := rand.New(rand.NewPCG(seed, 9)), all.Observations
	r.Shuffle(len(obs), func(i, j int) { obs[i], obs[j] = obs[j], obs[i] })
	first, err := json.Marshal(inf)
	if err != nil {
		return false, fmt.Errorf("write down an inference: %w", err)
	}
	second, err := json.Marshal(b.graph.InferAfter(obs, all.Past))
	if err != nil {
		return false, fmt.Errorf("write down an inference: %w", err)
	}
	return bytes.Equal(first, second), nil
}

// tally adds up nights.
type tally struct {
	nights, exact, contained int             // nights; with just what was broken named; the same, with classes counted
	named, right, broken     int             // components other than servers
	knowable                 map[string]bool // of the present night
	known, knownFound        int             // broken that one would name who knows the generator; and named, or in a class
	knownOwn, knownOwnFound  int             // the same of servers
	wrong                    int             // named, and neither it nor its class is broken
	missed                   int             // broken, and not even in a class
	why                      [reasons]int
	servers, rightServers    int             // named; and truly down by themselves
	own, foundServers        int             // down by themselves where it could be seen; and named
	shared, lone             calibration     // of classes: is what failed in it
	itself, loneItself       calibration     // of the component named: is it that one
	took, used               []time.Duration // by the clock, and of processors
	unmoved                  bool
}

// know notes what can be found of a night.
func (t *tally) know(night *faultgen.Case, knowable map[string]bool) {
	t.knowable = knowable
	for _, id := range night.Broken {
		if knowable[id] {
			t.known++
		}
	}
	for id := range night.Own {
		if knowable[id] {
			t.knownOwn++
		}
	}
}

// count adds one night, and says whether anything was wrong about shared equipment.
func (t *tally) count(night *faultgen.Case, inf *topology.Inference) bool {
	inClass := map[string]bool{}
	var named []string
	wrongBefore, missedBefore := t.wrong, t.missed
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
		if right {
			t.right++
		} else if !held { // its class may be of the machines themselves
			t.wrong++
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
		} else if t.knowable[id] {
			t.knownFound++
		}
	}
	if t.wrong == wrongBefore && t.missed == missedBefore {
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
		if t.knowable[f.Component] {
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

func (t *tally) figures(r regime) []figure {
	share := func(a, b int) float64 {
		if b == 0 {
			return 1
		}
		return float64(a) / float64(b)
	}
	var out []figure
	add := func(name string, value float64, unit, sign string, goal float64, counts bool) {
		f := figure{Figure: r.name + ": " + name, Value: math.Round(value*1e4) / 1e4, Unit: unit, Met: true}
		if counts {
			f.Goal = fmt.Sprintf("%s %g", sign, goal)
			f.Met = sign == "≥" && value >= goal || sign == "≤" && value <= goal
		}
		out = append(out, f)
	}
	// What nothing tells apart is one class: a rack without power, and its two PDUs. The goals are on classes.
	add("precision, with classes", share(t.named-t.wrong, t.named), "share", "≥", r.least, r.accuracy)
	add("recall, with classes", share(t.broken-t.missed, t.broken), "share", "≥", r.least, r.accuracy)
	add("exact set, with classes", share(t.contained, t.nights), "share", "≥", r.exact, r.accuracy && r.exact > 0)
	add("precision", share(t.right, t.named), "share", "", 0, false)
	add("recall", share(t.right, t.broken), "share", "", 0, false)
	add("exact set", share(t.exact, t.nights), "share", "", 0, false)
	add("recall of one who knows the generator", share(t.known, t.broken), "share", "", 0, false)
	add("recall, with classes, of what that one finds", share(t.knownFound, t.known), "share", "≥", r.least, r.accuracy)
	add("calibration error", t.shared.err(), "share", "≤", r.ece, r.accuracy)
	add("calibration error of the component alone", t.itself.err(), "share", "", 0, false)
	add("wrongly named", share(t.wrong, max(1, t.named)), "share", "≤", .01, r.wrong)
	for why, name := range reasonNames {
		add("missed, "+name, share(t.why[why], t.broken), "share", "", 0, false)
	}
	add("servers: precision", share(t.rightServers, t.servers), "share", "", 0, false)
	add("servers: recall", share(t.foundServers, t.own), "share", "", 0, false)
	add("servers: recall of one who knows the generator", share(t.knownOwn, t.own), "share", "", 0, false)
	add("servers: recall of what that one finds", share(t.knownOwnFound, t.knownOwn), "share", "", 0, false)
	add("servers: calibration error", t.lone.err(), "share", "≤", r.ece, r.accuracy)
	add("servers: calibration error of the machine alone", t.loneItself.err(), "share", "", 0, false)
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

// tell shows a night that went wrong.
func tell(w io.Writer, regime string, seed uint64, night *faultgen.Case, inf *topology.Inference, why []miss) {
	fmt.Fprintf(w, "%s, seed %d: %s\n", regime, seed, night)
	for _, m := range why {
		fmt.Fprintf(w, "    missed %s: %s, prior %.1f, evidence %.1f\n", m.id, reasonNames[m.why], m.prior, m.evidence)
	}
	for _, f := range inf.Findings {
		if f.Kind != inventory.KindServer {
			fmt.Fprintf(w, "    %s %s %.3f, itself %.3f (%.1f) explains %d, against %d, or %.2v\n", f.Component, f.Mode, f.Confidence, f.Itself(), f.LogOdds, len(f.Explains), len(f.Contradicts), f.Alternatives)
		}
	}
}
