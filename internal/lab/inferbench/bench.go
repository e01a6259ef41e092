package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/faultgen"
	"vakhta/internal/lab/figure"
	"vakhta/internal/topology"
)

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
func (b *bench) run(r regime) ([]figure.Figure, error) {
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
		t.know(&night, drawn.Knower())
		night.Rows, night.Earlier = nil, nil
		drawn.Rows, drawn.Earlier = nil, nil
		inf := b.infer(&all, &t)
		if err := b.noteAnswer(r.name, seed, &inf); err != nil {
			return nil, err
		}
		servers, right := t.servers, t.rightServers
		wrong := t.count(&night, &inf)
		if b.verbose {
			fmt.Fprintf(os.Stderr, "%s, seed %d: %d ms, at best %d; %d servers by themselves, %d right\n",
				r.name, seed, t.took[i].Milliseconds(), b.least.Milliseconds(), t.servers-servers, t.rightServers-right)
		}
		if wrong {
			why := b.ask(&night, &inf, sifted)
			for _, m := range why {
				t.why[m.why]++
			}
			if b.verbose {
				tell(os.Stderr, r.name, seed, &night, &inf, why, &t.known)
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

// tell shows a night that went wrong.
func tell(w io.Writer, regime string, seed uint64, night *faultgen.Case, inf *topology.Inference, why []miss, known *faultgen.Known) {
	fmt.Fprintf(w, "%s, seed %d: %s\n", regime, seed, night)
	for _, m := range why {
		findable := "hidden"
		if known.Broken[m.id] {
			findable = "findable"
		}
		fmt.Fprintf(w, "    missed %s: %s, prior %.1f, evidence %.1f, %s\n", m.id, reasonNames[m.why], m.prior, m.evidence, findable)
	}
	for _, f := range inf.Findings {
		if f.Kind != inventory.KindServer {
			fmt.Fprintf(w, "    %s %s %.3f, itself %.3f (%.1f) explains %d, against %d, or %v\n", f.Component, f.Mode, f.Confidence, f.Itself(), f.LogOdds, len(f.Explains), len(f.Contradicts), f.AmbiguousWith)
		}
	}
}
