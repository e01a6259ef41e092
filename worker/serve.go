package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"vakhta/activities/probe"
	"vakhta/workflows"
)

// sticky is how long a task waits for the worker that holds its workflow in
// memory before another may take it: what a killed worker costs.
const sticky = 2 * time.Second

// heartbeat is how often a probe worker says at most that an activity lives:
// a sweep that nobody waits for any more stops within twice that.
const heartbeat = 400 * time.Millisecond

// newWorkers makes one worker per task queue that the roles ask for. Call end
// when they have stopped.
func newWorkers(f flags, c client.Client, p *parts) (out []worker.Worker, end func()) {
	base := worker.Options{
		WorkerStopTimeout: f.drain, StickyScheduleToStartTimeout: sticky,
		MaxHeartbeatThrottleInterval: time.Second, DefaultHeartbeatThrottleInterval: time.Second,
	}
	var probers []*probe.Activities
	if f.has(roleWorkflows) || f.has(roleRecords) {
		o := base
		o.DisableWorkflowWorker = !f.has(roleWorkflows)
		o.Interceptors = []interceptor.WorkerInterceptor{workflows.Guarded(p.may)}
		o.LocalActivityWorkerOnly = !f.has(roleRecords)
		w := worker.New(c, workflows.QueueRunbooks, o)
		if f.has(roleWorkflows) {
			workflows.Register(w)
		}
		w.RegisterActivity(p.records) // without the role records: those that a workflow task runs itself
		out = append(out, w)
	}
	base.DisableWorkflowWorker = true
	if f.has(roleNotify) {
		w := worker.New(c, workflows.QueueNotify, base)
		w.RegisterActivity(p.notify)
		out = append(out, w)
	}
	if f.has(roleProbe) {
		// A shard hears by the answer to its heartbeat that it is cancelled.
		base.MaxHeartbeatThrottleInterval, base.DefaultHeartbeatThrottleInterval = heartbeat, heartbeat
		for _, v := range f.vantages {
			w := worker.New(c, workflows.ProbeQueue(v), base)
			probers = append(probers, p.probe(v))
			w.RegisterActivity(probers[len(probers)-1])
			out = append(out, w)
		}
	}
	return out, func() {
		for _, a := range probers {
			probe.Leave(a)
		}
	}
}

// serve runs the workers until ctx ends, then lets them finish what they do.
func serve(ctx context.Context, f flags, c client.Client, p *parts, m *metrics, log zerolog.Logger) error {
	var ready atomic.Bool
	if f.listen != "" {
		stop, err := serveHTTP(ctx, f.listen, m, c, p, &ready)
		if err != nil {
			return err
		}
		defer stop()
	}
	// It ends after the workers do, whose last news it passes on.
	heralding, hush := context.WithCancel(context.WithoutCancel(ctx))
	var heralds sync.WaitGroup
	heralds.Go(func() { p.herald.run(heralding, c, log) })
	defer heralds.Wait()
	defer hush()
	workers, end := newWorkers(f, c, p)
	defer end()
	for i, w := range workers {
		if err := w.Start(); err != nil {
			for _, started := range workers[:i] {
				started.Stop()
			}
			return fmt.Errorf("start worker: %w", err)
		}
	}
	ready.Store(true)
	log.Info().Strs("roles", f.roles).Strs("vantages", f.vantages).Msg("worker is ready")
	<-ctx.Done()
	ready.Store(false)
	log.Info().Dur("atMost", f.drain).Msg("worker is draining")
	for _, w := range workers {
		w.Stop()
	}
	return nil
}

// serveHTTP serves health, readiness and metrics; the answer stops it.
func serveHTTP(ctx context.Context, addr string, m *metrics, c client.Client, p *parts, ready *atomic.Bool) (func(), error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := readiness(ctx, c, p, ready); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	mux.HandleFunc("GET /providers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(m.providers())
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; choose another address with --listen, or none with --listen ''", addr, err)
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return func() {
		_ = srv.Close()
		<-done
	}, nil
}

func readiness(ctx context.Context, c client.Client, p *parts, ready *atomic.Bool) error {
	if !ready.Load() {
		return errors.New("starting or draining")
	}
	if err := p.store.Ping(ctx); err != nil {
		return errors.New("the store does not answer")
	}
	if _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return errors.New("no answer from Temporal")
	}
	return nil
}
