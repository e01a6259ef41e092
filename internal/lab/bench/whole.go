package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/internal/lab/devtemporal"
	"vakhta/internal/lab/figure"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// wholeEstate localizes over 100,000 servers so many times, on the embedded
// server with one worker that has all roles and all vantages. Where they serve
// something, samples are compared with asking everything of each.
func wholeEstate(ctx context.Context, runs int, services bool) ([]figure.Figure, error) {
	dir, err := os.MkdirTemp("", "vakhta-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	e := newLarge(services)
	if err := configure(ctx, e.silent); err != nil {
		return nil, err
	}
	// One listener accepts for all of them: every address of 127.0.0.0/8 is here.
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "0.0.0.0:22")
	if err != nil {
		return nil, fmt.Errorf("accept connections for the servers: %w", err)
	}
	defer listener.Close()
	go accept(listener)
	srv, err := devtemporal.Start(ctx, devtemporal.Options{DB: filepath.Join(dir, "temporal.db"), UIPort: -1, Progress: os.Stderr})
	if err != nil {
		return nil, err
	}
	defer func() { _ = srv.Stop(context.WithoutCancel(ctx)) }()
	options := srv.ClientOptions()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("reach Temporal: %w", err)
	}
	defer c.Close()
	pid, stop, err := startWorker(ctx, dir, e.yaml, options.HostPort, options.Namespace)
	if err != nil {
		return nil, err
	}
	defer stop()
	w := &whole{c: c, e: e, pid: pid}
	for n := range runs {
		if err := w.localize(ctx, n, false); err != nil {
			return nil, err
		}
	}
	if !services {
		return w.figures(), nil
	}
	full := &whole{c: c, e: e, pid: pid}
	if err := full.localize(ctx, runs, true); err != nil {
		return nil, err
	}
	return full.beside(w), nil
}

// accept hangs up on whoever connects.
func accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

// startWorker starts the worker as an operator would, with a store of its own,
// and returns when it is ready.
func startWorker(ctx context.Context, dir, inventory, address, namespace string) (pid int, stop func(), err error) {
	dsn := "sqlite:" + filepath.Join(dir, "vakhta.db")
	st, err := store.Open(ctx, dsn)
	if err != nil {
		return 0, nil, err
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		return 0, nil, err
	}
	config := fmt.Sprintf("store: %s\ninventory: [estate.yaml]\npublicUrl: http://127.0.0.1:1\nprobe: {rate: 200000}\ntemporal: {address: %q, namespace: %q}\n", dsn, address, namespace)
	for name, text := range map[string]string{"estate.yaml": inventory, "vakhta.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return 0, nil, fmt.Errorf("write the configuration: %w", err)
		}
	}
	log, err := os.Create(filepath.Join(dir, "worker.log"))
	if err != nil {
		return 0, nil, fmt.Errorf("open the worker's log: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(".bin", "vakhta-worker"), "--config", filepath.Join(dir, "vakhta.yaml"),
		"--vantage", "msk-inside,spb-inside,outside", "--listen", "127.0.0.1:9464", "--drain", "2s")
	cmd.Stderr = log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return 0, nil, fmt.Errorf("start the worker: %w; build it with `make build`", err)
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := until(ctx, func() (bool, error) {
		text, err := os.ReadFile(log.Name())
		return strings.Contains(string(text), "worker is ready"), err
	}); err != nil {
		text, _ := os.ReadFile(log.Name())
		stop()
		return 0, nil, fmt.Errorf("wait for the worker: %w\n%s", err, text)
	}
	return cmd.Process.Pid, stop, nil
}

// whole is what the runs have measured.
type whole struct {
	c      client.Client
	e      *large
	pid    int
	took   []time.Duration
	events int64 // of the longest history
	peak   int64 // of the worker's memory since it started, bytes
	wrong  []string
	named  []map[string]bool // by each run
}

func (w *whole) localize(ctx context.Context, n int, full bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	began := time.Now()
	id := workflows.LocalizeID("all", strconv.Itoa(n))
	run, err := w.c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueRunbooks}, workflows.TypeLocalize, workflows.LocalizeInput{All: true, Full: full})
	if err != nil {
		return fmt.Errorf("start Localize: %w", err)
	}
	var result workflows.LocalizeResult
	if err := run.Get(ctx, &result); err != nil {
		return fmt.Errorf("localize the whole estate: %w", err)
	}
	w.took = append(w.took, time.Since(began))
	d, err := w.c.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return fmt.Errorf("describe %s: %w", id, err)
	}
	w.events = max(w.events, d.WorkflowExecutionInfo.HistoryLength)
	fmt.Fprintf(os.Stderr, "run %d: %v, %d events, history of %d bytes, %d checked, %d findings, %d unexplained, absent %v\n", n+1, time.Since(began).Round(time.Millisecond),
		d.WorkflowExecutionInfo.HistoryLength, d.WorkflowExecutionInfo.HistorySizeBytes, result.Progress.Checked, len(result.Findings), len(result.Unexplained), result.Progress.Absent)
	w.judge(result)
	w.peak, err = mostResident(w.pid)
	return err
}

// mostResident is the most memory that a process has had in use since it started, in bytes.
func mostResident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the worker's memory: %w", err)
	}
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	if !found {
		return 0, errors.New("the kernel does not say how much memory the worker has had")
	}
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the worker's memory: %w", err)
	}
	return kib << 10, nil
}

// judge notes what the findings have wrong.
func (w *whole) judge(r workflows.LocalizeResult) {
	named := map[string]bool{}
	w.named = append(w.named, named)
	for _, f := range r.Findings {
		named[f.Component] = true
		if !w.e.failed[f.Component] {
			w.wrong = append(w.wrong, "names "+f.Component)
		}
	}
	for id := range w.e.failed {
		if !named[id] && !(w.e.hidden[id] && slices.Contains(r.Unexplained, id)) {
			w.wrong = append(w.wrong, "misses "+id)
		}
	}
	if r.Progress.Checked != racks*perRack {
		w.wrong = append(w.wrong, fmt.Sprintf("checked %d", r.Progress.Checked))
	}
}

func (w *whole) figures() []figure.Figure {
	slices.Sort(w.took)
	slowest := w.took[len(w.took)-1]
	for _, text := range w.wrong[:min(len(w.wrong), 10)] {
		fmt.Fprintln(os.Stderr, "wrong:", text)
	}
	const of = "whole estate, 100,000 servers, "
	return []figure.Figure{
		figure.AtMost(of+"start to the confirmed findings, slowest run", slowest.Seconds(), "s", 10),
		figure.AtMost(of+"history events", float64(w.events), "events", 300),
		figure.AtMost(of+"the worker's memory at most, its start included (VmHWM)", float64(w.peak)/(1<<20), "MiB", 500),
		figure.AtMost(of+"components named wrongly or missed", float64(len(w.wrong)), "components", 0),
	}
}

// beside is what asking everything of every machine costs, and what it names that the
// sampled runs did not, or the other way about.
func (w *whole) beside(sampled *whole) []figure.Figure {
	different := map[string]bool{}
	for _, named := range sampled.named {
		for _, pair := range [][2]map[string]bool{{named, w.named[0]}, {w.named[0], named}} {
			for id := range pair[0] {
				if !pair[1][id] && !w.e.hidden[id] { // one by itself may be abstained from in either
					different[id] = true
				}
			}
		}
	}
	const of = "whole estate, 100,000 servers that serve something, "
	return []figure.Figure{
		figure.Seen(of+"by samples: start to the confirmed findings, slowest run", slices.Max(sampled.took).Seconds(), "s"),
		figure.Seen(of+"by samples: the worker's memory at most", float64(sampled.peak)/(1<<20), "MiB"),
		figure.AtMost(of+"by samples: components named wrongly or missed", float64(len(sampled.wrong)), "components", 0),
		figure.Seen(of+"everything asked of each: start to the confirmed findings", w.took[0].Seconds(), "s"),
		figure.AtMost(of+"everything asked of each: components named wrongly or missed", float64(len(w.wrong)), "components", 0),
		figure.AtMost(of+"components that samples and the full sweep name differently", float64(len(different)), "components", 0),
	}
}
