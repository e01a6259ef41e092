package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"vakhta/internal/config"
	"vakhta/internal/lab/figure"
)

// The lab, and the goals.
const (
	hosts         = 100_000
	silentPercent = 10
	lossPerMille  = 10

	fpingGoal  = 1.05
	memoryGoal = 30 // MiB
	falseGoal  = 1  // per 100,000
	lossRuns   = 5
)

var lists = []struct {
	hosts   int
	seconds float64
	fping   bool // which refuses more than 65,535
}{{500, .35, true}, {5000, .45, true}, {hosts, 2, false}}

type bench struct {
	lab     *lab
	sweeper string       // our program
	worker  config.Probe // the defaults of a probe worker
	rounds  int
}

// outcome is what the sweeper prints.
type outcome struct {
	Answered int     `json:"answered"`
	Silent   int     `json:"silent"`
	Untold   int     `json:"untold"`
	Ms       float64 `json:"ms"`  // of the sweep alone
	KiB      int     `json:"kib"` // peak resident memory

	wrong int // silent, but alive
}

func (b *bench) run(ctx context.Context) ([]figure.Figure, error) {
	var out []figure.Figure
	for _, list := range lists {
		file, err := b.lab.list(list.hosts)
		if err != nil {
			return nil, err
		}
		rounds := b.rounds
		if !list.fping {
			rounds = (rounds + 1) / 2
		}
		var ours, alone, theirs, memory []float64
		for range rounds {
			if list.fping {
				took, err := b.fping(ctx, file)
				if err != nil {
					return nil, err
				}
				theirs = append(theirs, took)
			}
			took, got, err := b.sweep(ctx, file, list.hosts)
			if err != nil {
				return nil, err
			}
			ours, alone, memory = append(ours, took), append(alone, got.Ms/1000), append(memory, float64(got.KiB)/1024)
		}
		name := fmt.Sprintf("sweep of %d hosts", list.hosts)
		out = append(
			out, figure.AtMost(name, median(ours), "s", list.seconds),
			figure.Seen(name+", without the start of the process", median(alone), "s"),
		)
		if list.fping {
			out = append(
				out, figure.Seen(fmt.Sprintf("fping of %d hosts", list.hosts), median(theirs), "s"),
				figure.AtMost(name+" against fping", median(ours)/median(theirs), "times", fpingGoal),
			)
		} else {
			out = append(out, figure.AtMost(name+", peak memory of the process", slices.Max(memory), "MiB", memoryGoal))
		}
	}
	wrong, err := b.falseDowns(ctx)
	return append(out, wrong), err
}

// falseDowns sweeps the hosts that are alive, again and again.
func (b *bench) falseDowns(ctx context.Context) (figure.Figure, error) {
	wrong, asked := 0, 0
	for range lossRuns {
		_, got, err := b.sweep(ctx, b.lab.alive, 0)
		if err != nil {
			return figure.Figure{}, err
		}
		wrong += got.wrong
		asked += got.Answered + got.Silent
	}
	name := fmt.Sprintf("false downs per 100,000 at %g %% loss, of %d", float64(lossPerMille)/10, asked)
	return figure.AtMost(name, float64(wrong)*100_000/float64(asked), "hosts", falseGoal), nil
}

// sweep runs our own program in the lab and returns its wall time, from its
// start to its end; of n hosts each must have been told, or of all if n is 0.
func (b *bench) sweep(ctx context.Context, list string, n int) (seconds float64, got outcome, err error) {
	w := &b.worker
	var silent bytes.Buffer
	took, said, err := b.lab.time(ctx, nil, &silent, b.sweeper, "-list", list,
		"-timeout", w.Timeout.String(), "-attempts", strconv.Itoa(w.Attempts), "-rate", strconv.Itoa(w.Rate),
		"-per-target", strconv.Itoa(w.PerTarget), "-per-network", strconv.Itoa(w.PerNetwork))
	if err != nil {
		return 0, got, fmt.Errorf("sweep %s: %w: %s", list, err, said)
	}
	if err := json.Unmarshal(said, &got); err != nil {
		return 0, got, fmt.Errorf("sweep %s: read its answer: %w", list, err)
	}
	for line := range strings.Lines(silent.String()) {
		if !b.lab.quiet[strings.TrimSpace(line)] {
			got.wrong++
		}
	}
	if got.Untold > 0 || n > 0 && got.Answered+got.Silent != n {
		return 0, got, fmt.Errorf("sweep %s: %+v doesn't tell of all hosts", list, got)
	}
	return took, got, nil
}

// fping runs it with two attempts in the same budget of 300 ms.
func (b *bench) fping(ctx context.Context, list string) (seconds float64, err error) {
	f, err := os.Open(list)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	took, _, err := b.lab.time(ctx, f, io.Discard, "fping", "-a", "-i", "0", "-r", "1", "-B", "1", "-t", "150")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 { // some hosts are silent
		err = nil
	}
	if err != nil {
		return 0, fmt.Errorf("fping %s: %w", list, err)
	}
	return took, nil
}

// time runs a program in the lab's near namespace, and returns how long it
// took and what it said on stderr.
func (l *lab) time(ctx context.Context, in io.Reader, out io.Writer, program string, args ...string) (seconds float64, said []byte, err error) {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.near, program}, args...)...)
	cmd.Stdin, cmd.Stdout = in, out
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	began := time.Now()
	err = cmd.Run()
	return time.Since(began).Seconds(), complaints.Bytes(), err
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
