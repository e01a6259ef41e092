package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/lab/figure"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/lab/stand"
	"vakhta/internal/ledger"
	"vakhta/internal/topology"
	"vakhta/runbooks"
	"vakhta/workflows"
)

// postgresVariable names a PostgreSQL superuser's URL; .ci/with-postgres sets it.
const postgresVariable = "VAKHTA_TEST_POSTGRES"

// smsPerSecond is the account's rate when the provider is the limit.
const smsPerSecond = 100

// measure puts a crowd up on one kind of store and tells them all by email,
// with pages in the middle, and some of them by SMS.
func measure(ctx context.Context, kind string, clients, pages int, texts bool, print func(figure.Figure)) error {
	opts := stand.Options{Defaults: true, Rates: map[inventory.Channel]float64{inventory.Email: 100_000, inventory.SMS: smsPerSecond}, Say: func(s string) { fmt.Fprintln(os.Stderr, s) }}
	if kind == "postgres" {
		if opts.Store = os.Getenv(postgresVariable); opts.Store == "" {
			fmt.Fprintf(os.Stderr, "postgres: left out, %s names none\n", postgresVariable)
			return nil
		}
	}
	dir, err := os.MkdirTemp("", "vakhta-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	texting := clients / 10
	doc := crowd.Document(crowd.Options{Clients: clients + texting, Ladder: func(i int) []inventory.Channel {
		if i < clients {
			return []inventory.Channel{inventory.Email}
		}
		return []inventory.Channel{inventory.SMS}
	}})
	opts.Dir, opts.Inventory = dir, &doc
	h, err := stand.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer h.Close()
	inv, err := inventory.Load(doc)
	if err != nil {
		return err
	}
	b := &bench{
		Stand: h, kind: kind, print: print,
		graph: topology.New(inv), acts: records.New(h.Store, inv, nil, nil, nil, records.Options{}),
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	if err := b.mails(ctx, clients, texting, pages); err != nil {
		return fmt.Errorf("%s: mails: %w", kind, err)
	}
	if texts {
		if err := b.texts(ctx, clients, texting); err != nil {
			return fmt.Errorf("%s: SMS: %w", kind, err)
		}
	}
	print(figure.AtMost(kind+": worker's memory at its most", b.peak(), "MiB", 300))
	return nil
}

type bench struct {
	*stand.Stand

	graph    *topology.Graph
	acts     *records.Activities
	kind     string
	print    func(figure.Figure)
	incident string
}

// open opens the incident that hits everybody.
func (b *bench) open(ctx context.Context) error {
	id, err := b.incidentOf(ctx, crowd.Component)
	b.incident = id
	return err
}

func (b *bench) incidentOf(ctx context.Context, component string) (string, error) {
	opened, err := b.acts.OpenIncident(ctx, records.OpenIncidentParams{
		RequestKey: "bench/" + component,
		Finding:    topology.Finding{Component: component, Confidence: .99, Explains: b.graph.Blast(component).Servers},
	})
	return opened.Incident.ID, err
}

// clients names the clients between two numbers.
func clients(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprintf("c%05d", i))
	}
	return ids
}

// broadcast tells some clients and waits until each of so many messages is at its provider.
func (b *bench) broadcast(ctx context.Context, in workflows.BroadcastInput, messages int, meanwhile func() error) (took time.Duration, events int64, err error) {
	in.Incident, in.Event, in.Revision = b.incident, "incident.update", 1
	begin := time.Now()
	run, err := b.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.BroadcastID("incident/"+b.incident, in.Step, 1), TaskQueue: workflows.QueueRunbooks,
	}, workflows.Broadcast, in)
	if err != nil {
		return 0, 0, err
	}
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return 0, 0, err
		}
	}
	var p workflows.BroadcastProgress
	if err := run.Get(ctx, &p); err != nil {
		return 0, 0, err
	}
	took = time.Since(begin)
	if p.Accepted != messages {
		return took, 0, fmt.Errorf("%d of %d accepted, %d refused, %d unreachable", p.Accepted, messages, p.Refused, p.UnreachableTotal)
	}
	d, err := b.Client.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
	if err != nil {
		return took, 0, err
	}
	return took, d.WorkflowExecutionInfo.HistoryLength, nil
}

// mails tells everybody by email and pages in the middle.
func (b *bench) mails(ctx context.Context, mails, texts, pages int) error {
	var late []time.Duration
	before := b.spent(ctx)
	took, events, err := b.broadcast(ctx, workflows.BroadcastInput{Step: "mails", Except: clients(mails, mails+texts)}, mails, func() (err error) {
		late, err = b.pages(ctx, pages)
		return err
	})
	if err != nil {
		return err
	}
	spent := b.spent(ctx).since(before)
	if n := b.got(sandbox.ChannelEmail); n != mails {
		return fmt.Errorf("the sandbox got %d mails of %d", n, mails)
	}
	goal := map[string]float64{"sqlite": 1000, "postgres": 2000}[b.kind]
	b.print(figure.AtMost(fmt.Sprintf("%s: %d clients by email, start to the last accepted", b.kind, mails), took.Seconds(), "s", 20))
	b.print(figure.AtLeast(b.kind+": notifications through the ledger, composed to accepted", float64(mails)/took.Seconds(), "1/s", goal))
	b.print(figure.AtMost(b.kind+": history events of the broadcast", float64(events), "events", 2000))
	slices.Sort(late)
	if len(late) > 0 {
		b.print(figure.AtMost(b.kind+": page in the middle of the broadcast, start to the provider, p99", ms(late[len(late)*99/100]), "ms", 200))
		b.print(figure.Seen(b.kind+": the same, p50", ms(late[len(late)/2]), "ms"))
	}
	for _, part := range slices.Sorted(maps.Keys(spent)) {
		b.print(figure.Seen(b.kind+": processor time of the mails, "+part, spent[part], "s"))
	}
	return nil
}

// pages waits for the first mails and pages the engineer on call, again and again.
func (b *bench) pages(ctx context.Context, n int) ([]time.Duration, error) {
	first := sandbox.Query{Channel: sandbox.ChannelEmail, Limit: 1}
	if err := b.until(ctx, func() bool { return len(b.Sandbox.Inbox(first)) > 0 }); err != nil {
		return nil, err
	}
	var late []time.Duration
	for i := range n {
		incident, err := b.incidentOf(ctx, fmt.Sprintf("k%04d", i))
		if err != nil {
			return nil, err
		}
		begin := time.Now()
		run, err := b.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
			ID: workflows.EscalateID(incident, crowd.Team), TaskQueue: workflows.QueueRunbooks,
		}, workflows.Escalate, workflows.EscalateInput{Incident: incident, Team: crowd.Team, Ladder: []runbooks.Rung{{Channel: string(inventory.SMS), Wait: runbooks.Duration(time.Hour)}}})
		if err != nil {
			return nil, err
		}
		var arrived time.Time
		if err := b.until(ctx, func() bool {
			got := b.Sandbox.Inbox(sandbox.Query{To: crowd.OnCallNumber})
			if len(got) > i {
				arrived = got[len(got)-1].At
			}
			return len(got) > i
		}); err != nil {
			return nil, fmt.Errorf("page %d: %w", i, err)
		}
		late = append(late, arrived.Sub(begin))
		if err := b.Client.TerminateWorkflow(ctx, run.GetID(), run.GetRunID(), "measured"); err != nil {
			return nil, err
		}
	}
	return late, nil
}

// texts tells some by SMS, where the account's rate is the limit. The burst of
// the first second is free, and counted as such.
func (b *bench) texts(ctx context.Context, from, n int) error {
	took, _, err := b.broadcast(ctx, workflows.BroadcastInput{Step: "texts", Clients: clients(from, from+n)}, n, nil)
	if err != nil {
		return err
	}
	burst := ledger.Rate{PerSecond: smsPerSecond}.AtOnce()
	b.print(figure.AtLeast(fmt.Sprintf("%s: share of the rate that is used, SMS at %d/s", b.kind, smsPerSecond), float64(n-burst)/took.Seconds()/smsPerSecond*100, "%", 95))
	return nil
}

func (b *bench) got(channel string) int {
	return len(b.Sandbox.Inbox(sandbox.Query{Channel: channel}))
}

// until looks every two milliseconds, for two minutes at most: what is timed
// says itself when it came.
func (b *bench) until(ctx context.Context, ok func() bool) error {
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return errors.New("it never came")
		}
	}
	return nil
}

// peak is the worker's largest resident set in MiB, as Linux counts it.
func (b *bench) peak() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.Worker.PID()))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
