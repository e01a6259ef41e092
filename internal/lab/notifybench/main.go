// Command notifybench measures a message to a crowd on the whole of Vakhta put
// up on this machine against the provider sandbox, and prints one JSON object a
// line:
//
//	{"figure","value","unit","goal","met"}
//
// It exits 1 when a goal is not met. `make bench-notify` runs it.
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
	"runtime/debug"
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

func least(name string, value float64, unit string, limit float64) figure {
	return figure{name, value, unit, fmt.Sprintf(">= %g", limit), value >= limit}
}

func main() {
	clients := flag.Int("clients", 18_000, "clients that are told by email; a tenth as many by SMS")
	pages := flag.Int("pages", 20, "pages issued in the middle of the broadcast")
	texts := flag.Bool("texts", true, "measure the SMS, too")
	only := flag.String("only", "", "sqlite or postgres: only on that store")
	flag.Parse()
	if os.Getenv("GOGC") == "" { // it is the providers, which are elsewhere in life
		debug.SetGCPercent(400)
	}
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
			err = cmp.Or(err, measure(ctx, name, *clients, *pages, *texts, print))
		}
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "notifybench:", err)
	}
	if err != nil || !met {
		os.Exit(1)
	}
}
