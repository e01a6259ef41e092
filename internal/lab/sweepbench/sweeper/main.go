// Command sweeper pings a list of hosts as a probe worker does: with its
// sockets and its limits, but without the rest of it, so that time and memory
// are those of the sweep. The bench starts it, and passes the worker's defaults.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"vakhta/activities/probe/pace"
	"vakhta/activities/probe/ping"
)

// batch is how many requests leave by one system call, as in a worker.
const batch = 32

// outcome is what it prints on stderr; the silent hosts go to stdout.
type outcome struct {
	Answered int     `json:"answered"`
	Silent   int     `json:"silent"`
	Untold   int     `json:"untold"`
	Ms       float64 `json:"ms"`  // from the list in memory to the verdicts
	KiB      int     `json:"kib"` // the process's peak resident memory
	Raw      bool    `json:"raw"`
	Buffer   int     `json:"buffer"`
}

func main() {
	list := flag.String("list", "", "file with the addresses to ping, one a line")
	timeout := flag.Duration("timeout", 0, "budget of a host")
	attempts := flag.Int("attempts", 0, "attempts within it")
	var limits pace.Limits
	flag.Float64Var(&limits.PerSecond, "rate", 0, "probes per second")
	flag.IntVar(&limits.PerTarget, "per-target", 0, "probes per second to one address")
	flag.IntVar(&limits.PerNetwork, "per-network", 0, "probes per second into one network")
	flag.Parse()
	if err := sweep(*list, *timeout, *attempts, pace.New(limits)); err != nil {
		fmt.Fprintln(os.Stderr, "sweeper: "+err.Error())
		os.Exit(2)
	}
}

func sweep(list string, timeout time.Duration, attempts int, pacer *pace.Pacer) error {
	hosts, err := readHosts(list)
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := ping.Open(ping.IPv4)
	if err != nil {
		return err
	}
	defer s.Close()
	gap := timeout / time.Duration(attempts)
	replies := s.Ping(context.Background(), hosts, ping.Options{
		Attempts: attempts, Gap: gap, Linger: gap, Pace: pacer.WaitN, Batch: pacer.Batch(batch),
		Admit: func(a netip.Addr) time.Duration { return pacer.Admit(a, attempts) },
	})
	got := outcome{Ms: float64(time.Since(began).Microseconds()) / 1000, KiB: peakMemory(), Raw: s.Raw(), Buffer: s.ReceiveBuffer()}
	out := bufio.NewWriter(os.Stdout)
	for i, r := range replies {
		switch r.State {
		case ping.Answered:
			got.Answered++
		case ping.Silent:
			got.Silent++
			fmt.Fprintln(out, hosts[i])
		default:
			got.Untold++
		}
	}
	return errors.Join(out.Flush(), json.NewEncoder(os.Stderr).Encode(got))
}

func readHosts(file string) ([]netip.Addr, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the list of hosts: %w", err)
	}
	defer f.Close()
	var out []netip.Addr
	if info, err := f.Stat(); err == nil {
		out = make([]netip.Addr, 0, info.Size()/8)
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		a, err := netip.ParseAddr(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("read the list of hosts: %w", err)
		}
		out = append(out, a)
	}
	return out, lines.Err()
}

// peakMemory is VmHWM: unlike the rusage that a parent gets, it knows nothing
// of what ran in this process's place before.
func peakMemory() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib
		}
	}
	return 0
}
