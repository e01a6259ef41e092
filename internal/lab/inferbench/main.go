// Command inferbench measures inference on estates, faults and noise that
// package faultgen draws. It prints one JSON object a line: figure, value,
// unit, goal, met; and exits with 1 if a goal isn't met.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"vakhta/internal/lab/faultgen"
	"vakhta/internal/lab/figure"
)

// regime is a kind of night, with its goals.
type regime struct {
	name     string
	style    *faultgen.Style
	noise    faultgen.Noise
	servers  int
	cases    int
	accuracy bool // goals on who is named
	wrong    bool // goals on who is wrongly named
	latency  bool
	least    float64 // precision and recall
	exact    float64
	ece      float64
}

// bounded says that the one who knows the generator reads all its rows.
func (r *regime) bounded() bool { return !r.style.Beside }

// regimes are those that the figures are promised for, on the estate of the first style; with
// others, those of all styles on smaller ones, too, held to the same goals: there they show
// where inference has to grow, and where, by the bound, it can't.
func regimes(cases, small int, others bool) []regime {
	full := regime{name: "full evidence", noise: faultgen.NoiseA, accuracy: true, least: .99, exact: .97, ece: .02}
	harsh := regime{name: "harsh", noise: faultgen.Harsh, accuracy: true, least: .97, ece: .03}
	ping := regime{name: "ping only", noise: faultgen.PingOnly, wrong: true}
	var out []regime
	add := func(r regime, style *faultgen.Style, name string, servers, cases int) {
		r.name, r.style, r.servers, r.cases = name+", "+r.name, style, servers, cases
		r.latency = servers == 100_000
		out = append(out, r)
	}
	for _, r := range []regime{full, harsh, ping} {
		add(r, &faultgen.Styles[0], "30k", 30_000, cases)
	}
	add(full, &faultgen.Styles[0], "100k", 100_000, (cases+1)/2)
	if !others {
		return out
	}
	for i := range faultgen.Styles {
		for _, r := range []regime{full, harsh, ping} {
			if r.name == "ping only" && faultgen.Styles[i].ICMP < .5 {
				continue
			}
			add(r, &faultgen.Styles[i], faultgen.Styles[i].Name, small, cases)
		}
	}
	return out
}

func main() {
	cases := flag.Int("cases", 60, "nights per regime; half of that with 100,000 servers")
	seed := flag.Uint64("seed", 1, "the first seed")
	only := flag.String("only", "", "regimes whose name holds this, of all styles")
	styles := flag.Bool("styles", false, "measure the other styles of estate, too, for which nothing is promised")
	servers := flag.Int("servers", 0, "instead of the regime's number of servers")
	small := flag.Int("small", 6000, "servers of the styles that are measured on smaller estates")
	dump := flag.String("dump", "", "write the first night's estate.yaml, sweep.jsonl and before.jsonl, and what broke, into this folder")
	noBefore := flag.Bool("no-before", false, "without the sweep of the day before")
	verbose := flag.Bool("v", false, "tell every night that went wrong, on stderr")
	answers := flag.String("answers", "", "write the sum of each night's answer into this file: two builds that infer the same write the same")
	again := flag.Int("again", 0, "infer each night so many times more, for the profile")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the inferences")
	flag.Parse()
	fmt.Fprintln(os.Stderr, figure.Machine())
	b := &bench{seed: *seed, verbose: *verbose, profile: *profile, noBefore: *noBefore, dump: *dump, again: *again}
	if *answers != "" {
		f, err := os.Create(*answers)
		if err != nil {
			fmt.Fprintln(os.Stderr, "inferbench: create the file of answers: "+err.Error())
			os.Exit(2)
		}
		b.answers = f // to the end of the process
	}
	var out figure.Printer
	for _, r := range regimes(*cases, *small, *styles || *only != "") {
		if !strings.Contains(r.name, *only) {
			continue
		}
		if *servers > 0 {
			r.servers = *servers
		}
		figures, err := b.run(r)
		if err != nil {
			fmt.Fprintln(os.Stderr, "inferbench: "+err.Error())
			os.Exit(2)
		}
		for _, f := range figures {
			out.Print(f)
		}
	}
	out.Exit("inferbench", nil)
}
