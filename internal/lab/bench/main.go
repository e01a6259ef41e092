// Command bench measures what users wait for, on the whole of Vakhta put up on
// this machine, and prints one JSON object a line:
//
//	{"figure","value","unit","goal","met"}
//
// It exits 1 when a goal is not met. `make bench-localize` runs it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
)

// figure is one measured number. A figure without a goal is met.
type figure struct {
	Figure string  `json:"figure"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Goal   string  `json:"goal,omitempty"`
	Met    bool    `json:"met"`
}

func main() {
	runs := flag.Int("runs", 20, "outages of each kind; localizations of the whole estate are a quarter as many")
	only := flag.String("only", "", "client or estate: only that part")
	inner := flag.Bool(insideFlag, false, "used by itself: it runs in a network namespace of its own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var figures []figure
	var err error
	switch {
	case *inner:
		figures, err = wholeEstate(ctx, max(*runs/4, 1))
	default:
		fmt.Fprintf(os.Stderr, "machine: %d × %s/%s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
		if *only != "estate" {
			figures, err = measure(ctx, *runs)
		}
		if *only != "client" && err == nil {
			var more []figure
			more, err = inNamespace(ctx, *runs)
			figures = append(figures, more...)
		}
	}
	stop()
	out := json.NewEncoder(os.Stdout)
	met := true
	for _, f := range figures {
		met = met && f.Met
		_ = out.Encode(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if !met {
		os.Exit(1)
	}
}
