// Command workbench measures how long it takes to plan work for 18,000 clients
// in a full calendar, and to look at it, on the whole of Vakhta put up on this
// machine. It prints one JSON object a line:
//
//	{"figure","value","unit","goal","met"}
//
// It exits 1 when a goal is not met. `make bench-maintenance` runs it.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
)

// figure is one measured number.
type figure struct {
	Figure string  `json:"figure"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Goal   string  `json:"goal,omitempty"`
	Met    bool    `json:"met"`
}

func most(name string, value float64, unit string, limit float64) figure {
	return figure{name, value, unit, fmt.Sprintf("<= %g", limit), value <= limit}
}

func main() {
	s := size{}
	flag.IntVar(&s.clients, "clients", 18_000, "clients, each with a machine, that lose service")
	flag.IntVar(&s.components, "components", 10_000, "components that are worked on")
	flag.IntVar(&s.works, "works", 200, "works in the calendar, all at the same hours")
	flag.IntVar(&s.runs, "runs", 7, "how often each command is run")
	only := flag.String("only", "", "sqlite or postgres: only on that store")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	fmt.Fprintf(os.Stderr, "machine: %d × %s/%s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	out, met := json.NewEncoder(os.Stdout), true
	print := func(f figure) {
		met = met && f.Met
		_ = out.Encode(f)
	}
	var err error
	for _, name := range []string{"sqlite", "postgres"} {
		if *only == "" || *only == name {
			err = cmp.Or(err, measure(ctx, name, s, print))
		}
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "workbench:", err)
	}
	if err != nil || !met {
		os.Exit(1)
	}
}
