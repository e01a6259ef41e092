// Command pagebench measures how soon a page leaves, and how late the next rung
// is, with a thousand escalations at once on the whole of Vakhta put up on this
// machine against the provider sandbox. It prints one JSON object a line:
//
//	{"figure","value","unit","goal","met"}
//
// It exits 1 when a goal is not met. `make bench-page` runs it. The way from an
// alert to its escalation, which gathers alerts and looks for the failure
// first, is no part of these figures.
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
	"time"
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
	n := flag.Int("n", 1000, "escalations, all running at once at the end")
	rate := flag.Float64("rate", 20, "escalations begun each second")
	wait := flag.Duration("wait", time.Minute, "from the first page to the next rung")
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
			err = cmp.Or(err, measure(ctx, name, *n, *rate, *wait, print))
		}
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pagebench:", err)
	}
	if err != nil || !met {
		os.Exit(1)
	}
}
