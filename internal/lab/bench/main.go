// Command bench measures what users wait for, on the whole of Vakhta put up on
// this machine, and prints one JSON object a line:
//
//	{"figure","value","unit","goal","met"}
//
// It exits 1 when a goal is not met. `make bench-localize` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"vakhta/internal/lab/figure"
)

func main() {
	runs := flag.Int("runs", 20, "outages of each kind; localizations of the whole estate are a quarter as many")
	only := flag.String("only", "", "client, estate or services: only that part")
	inner := flag.Bool(insideFlag, false, "used by itself: it runs in a network namespace of its own")
	services := flag.Bool(servicesFlag, false, "used by itself: the machines serve something, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var figures []figure.Figure
	var err error
	switch {
	case *inner:
		figures, err = wholeEstate(ctx, max(*runs/4, 1), *services)
	default:
		fmt.Fprintln(os.Stderr, figure.Machine())
		if *only == "" || *only == "client" {
			figures, err = measure(ctx, *runs)
		}
		for i, part := range []string{"estate", "services"} {
			if (*only == "" || *only == part) && err == nil {
				var more []figure.Figure
				more, err = inNamespace(ctx, *runs/(1+i), i == 1)
				figures = append(figures, more...)
			}
		}
	}
	stop()
	var out figure.Printer
	for _, f := range figures {
		out.Print(f)
	}
	out.Exit("bench", err)
}
