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
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"

	"vakhta/internal/lab/figure"
)

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
	fmt.Fprintln(os.Stderr, figure.Machine())
	var out figure.Printer
	var err error
	for _, name := range []string{"sqlite", "postgres"} {
		if *only == "" || *only == name {
			err = cmp.Or(err, measure(ctx, name, *clients, *pages, *texts, out.Print))
		}
	}
	stop()
	out.Exit("notifybench", err)
}
