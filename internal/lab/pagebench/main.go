// Command pagebench measures how soon a page leaves after a critical alert was
// posted to the gateway, how many pages a mass failure makes, and how late the
// next rungs of a thousand escalations at once are, on the whole of Vakhta put
// up on this machine against the provider sandbox. It prints one JSON object a line:
//
//	{"figure","value","unit","goal","met"}
//
// Figures without a goal are there to be seen. It exits 1 when a goal is not
// met. `make bench-page` runs it.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"vakhta/internal/lab/figure"
)

// options say how much is measured.
type options struct {
	alerts, storm, escalations int
	rate, begin                float64
	wait, settle               time.Duration
	profile                    string
}

func main() {
	var o options
	flag.IntVar(&o.alerts, "alerts", 400, "critical alerts of causes that have nothing in common")
	flag.IntVar(&o.storm, "storm", 200, "critical alerts of one mass failure")
	flag.IntVar(&o.escalations, "n", 1000, "escalations, all running at once at the end")
	flag.Float64Var(&o.rate, "rate", 20, "alerts each second")
	flag.Float64Var(&o.begin, "begin", 30, "escalations begun each second, and so many rungs are due each second after -wait")
	flag.DurationVar(&o.wait, "wait", 35*time.Second, "from the first page to the next rung; longer than it takes to begin all escalations, so that all run at once")
	flag.DurationVar(&o.settle, "settle", 15*time.Second, "how long after the storm its pages are counted")
	flag.StringVar(&o.profile, "profile", "", "a folder for processor profiles of gateway and worker")
	part := flag.String("part", "", "alerts or escalations: only that")
	only := flag.String("only", "", "sqlite or postgres: only on that store")
	flag.Parse()
	switch *part {
	case "alerts":
		o.escalations = 0
	case "escalations":
		o.alerts, o.storm = 0, 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	fmt.Fprintln(os.Stderr, figure.Machine())
	var out figure.Printer
	var err error
	for _, name := range []string{"sqlite", "postgres"} {
		if *only == "" || *only == name {
			err = cmp.Or(err, measure(ctx, name, o, out.Print))
		}
	}
	stop()
	out.Exit("pagebench", err)
}
