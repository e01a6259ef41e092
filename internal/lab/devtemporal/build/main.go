// Command build brings .bin/vakhta-devserver up to date and prints its path. The Makefile runs it, so that the first
// build, which takes minutes, shows what is going on there as it does in the demo and in the tests.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"vakhta/internal/lab/devtemporal"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	path, err := devtemporal.Build(ctx, os.Stderr)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vakhta:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}
