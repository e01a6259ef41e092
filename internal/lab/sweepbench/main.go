// Command sweepbench measures ping sweeps in a lab of two network namespaces,
// in which one kernel answers for 100,000 addresses: a tenth of them is silent,
// and one request of a hundred gets lost. It runs fping on the same lists in
// turn. It prints one JSON object a line: figure, value, unit, goal, met; and
// exits with 1 if a goal isn't met. It needs root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"vakhta/internal/config"
	"vakhta/internal/lab/figure"
)

func main() {
	rounds := flag.Int("rounds", 9, "runs of each program and list, of which the median counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	missed, err := measure(ctx, *rounds)
	stop()
	if err != nil {
		fail(err)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "sweepbench: %d goals missed\n", missed)
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "sweepbench: "+err.Error())
	os.Exit(2)
}

// measure prints the figures and returns how many goals were missed.
func measure(ctx context.Context, rounds int) (missed int, err error) {
	if err := prepared(); err != nil {
		return 0, err
	}
	fmt.Fprintln(os.Stderr, figure.Machine())
	l, err := openLab(ctx, hosts, silentPercent, lossPerMille)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	sweeper := filepath.Join(l.dir, "sweeper")
	if err := run(ctx, "", "go", "build", "-o", sweeper, "vakhta/internal/lab/sweepbench/sweeper"); err != nil {
		return 0, err
	}
	var worker config.Probe
	if err := worker.ValidateAndSetDefaults(); err != nil {
		return 0, err
	}
	b := &bench{lab: l, sweeper: sweeper, worker: worker, rounds: rounds}
	figures, err := b.run(ctx)
	if err != nil {
		return 0, err
	}
	var out figure.Printer
	for _, f := range figures {
		out.Print(f)
	}
	return out.Missed, nil
}

// prepared says what this machine lacks.
func prepared() error {
	if os.Getuid() != 0 {
		return errors.New("needs root, for its network namespaces")
	}
	var missing []string
	for _, program := range []string{"ip", "nft", "fping"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("lacks %s: run `.ci/setup bench`", strings.Join(missing, ", "))
	}
	return nil
}
