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
	"flag"
	"fmt"
	"os"
	"os/signal"

	"vakhta/internal/lab/figure"
)

func main() {
	s := size{}
	flag.IntVar(&s.clients, "clients", 18_000, "clients, each with a machine, that lose service")
	flag.IntVar(&s.components, "components", 10_000, "components that are worked on")
	flag.IntVar(&s.works, "works", 200, "works in the calendar, all at the same hours")
	flag.IntVar(&s.runs, "runs", 7, "how often each command is run")
	only := flag.String("only", "", "sqlite or postgres: only on that store")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	fmt.Fprintln(os.Stderr, figure.Machine())
	var out figure.Printer
	var err error
	for _, name := range []string{"sqlite", "postgres"} {
		if *only == "" || *only == name {
			err = cmp.Or(err, measure(ctx, name, s, out.Print))
		}
	}
	stop()
	out.Exit("workbench", err)
}
