package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/figure"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/lab/stand"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// budget is the probes' own time-out: no answer about a silent machine can be
// given before it is over once.
const budget = 300 * time.Millisecond

func measure(ctx context.Context, runs int) ([]figure.Figure, error) {
	dir, err := os.MkdirTemp("", "vakhta-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	s, err := stand.Open(ctx, stand.Options{
		Dir: dir, Seed: 1, Say: func(line string) { fmt.Fprintln(os.Stderr, strings.TrimSpace(line)) },
		Inputs: map[string]string{"updateEvery": "1h", "lookEvery": "200ms", "messenger": "1h", "call": "1h", "reopenWithin": "1s"},
	})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	b := &bench{s: s}
	var out []figure.Figure
	for _, kind := range []struct {
		name string
		mode estate.Mode
	}{
		{"switched off: its port refuses", estate.Off},
		{"silent: its port swallows", estate.Silent},
	} {
		took, err := b.outages(ctx, kind.mode, runs)
		if err != nil {
			return out, err
		}
		out = append(out, answers(kind.name, took)...)
	}
	events, err := b.events(ctx)
	return append(out, figure.AtMost("history events of one localization of 500 servers", float64(events), "events", 60)), err
}

// most is what a client may wait for his answer.
const most = budget + 500*time.Millisecond

func answers(name string, took []time.Duration) []figure.Figure {
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Milliseconds()) }
	what := "client's message to the answer with the finding, 500 servers, one " + name
	return []figure.Figure{figure.Seen(what+", p50", at(.5), "ms"), figure.AtMost(what+", p95", at(.95), "ms", float64(most.Milliseconds()))}
}

type bench struct {
	s    *stand.Stand
	last string // the last report
}

// outages breaks one of the large client's servers after another and measures
// from his message to the answer in his messenger.
func (b *bench) outages(ctx context.Context, mode estate.Mode, runs int) ([]time.Duration, error) {
	inv := b.s.Estate.Inventory()
	who, ok := inv.Contact("romashka-duty")
	if !ok {
		return nil, errors.New("the estate has no contact romashka-duty")
	}
	servers := inv.ServersOf("romashka")
	took := make([]time.Duration, 0, runs)
	for i := range runs {
		server := servers[(i*37)%len(servers)]
		d, err := b.outage(ctx, server, mode, who.Addresses[inventory.Telegram])
		if err != nil {
			return took, fmt.Errorf("outage %d, of %s: %w", i+1, server, err)
		}
		took = append(took, d)
	}
	return took, nil
}

func (b *bench) outage(ctx context.Context, server string, mode estate.Mode, chat string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := b.s.Estate.SetFault(server, estate.Fault{Mode: mode}); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := b.s.Sandbox.WriteTelegram(chat, "у меня лежит сервер"); err != nil {
		return 0, err
	}
	var took time.Duration
	err := until(ctx, func() (bool, error) {
		for _, it := range b.s.Sandbox.Inbox(sandbox.Query{To: chat, Since: began}) {
			if !it.Inbound && strings.Contains(it.Text, server) {
				took = it.At.Sub(began)
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return 0, fmt.Errorf("wait for the answer: %w", err)
	}
	return took, b.mend(ctx, server)
}

// mend ends the outage, so that the next report is not explained by this one.
func (b *bench) mend(ctx context.Context, server string) error {
	if err := b.s.Estate.ClearFault(server); err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		reports, err := b.s.Store.Reports(ctx, store.ReportFilter{Limit: 1})
		if err != nil || len(reports) == 0 || reports[0].Incident == "" {
			return false, err
		}
		b.last = reports[0].ID
		in, err := b.s.Store.Incident(ctx, reports[0].Incident)
		return err == nil && in.Status == incident.Resolved, err
	})
}

// events is the length of the last localization's history.
func (b *bench) events(ctx context.Context) (int64, error) {
	d, err := b.s.Client.DescribeWorkflowExecution(ctx, workflows.LocalizeID("romashka", b.last), "")
	if err != nil {
		return 0, fmt.Errorf("describe the last localization: %w", err)
	}
	return d.WorkflowExecutionInfo.HistoryLength, nil
}

func until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
