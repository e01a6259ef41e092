package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/figure"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/lab/stand"
	"vakhta/internal/topology"
	"vakhta/runbooks"
	"vakhta/workflows"
)

// postgresVariable names a PostgreSQL superuser's URL; .ci/with-postgres sets it.
const postgresVariable = "VAKHTA_TEST_POSTGRES"

func team(i int) string   { return fmt.Sprintf("t%05d", i) }
func server(i int) string { return fmt.Sprintf("srv-%05d", i) }
func phone(i int) string  { return fmt.Sprintf("+7900%07d", i+1) }
func room(i int) string   { return fmt.Sprintf("room-%05d", i) }
func alone(i int) string  { return fmt.Sprintf("alone-%05d", i) }
func rack(i int) string   { return fmt.Sprintf("rack-%05d", i/40) }
func hit(i int) string    { return fmt.Sprintf("hit-%05d", i) }

// dutyPhone is the number of who is on duty in a team: 0 is the emergency crew.
func dutyPhone(i int) string { return fmt.Sprintf("+7901%07d", i+1) }

// document is an inventory of so many machines, each with a team of one; of
// others for alerts, each in a room of its own; and of a rack for the storm. One
// person of the emergency crew is paged for all alerts.
func document(o options) inventory.Document {
	var components, teams bytes.Buffer
	for i := range o.escalations {
		fmt.Fprintf(&components, "  - {id: %s, kind: server, in: r1, client: c1}\n", server(i))
		fmt.Fprintf(&teams, "  - {id: %s, members: [{id: p-%s, language: ru, timezone: Europe/Moscow, addresses: {sms: %q}}], levels: [{members: [p-%s], ackWithin: 1h}]}\n", team(i), team(i), phone(i), team(i))
	}
	for i := range o.alerts {
		fmt.Fprintf(&components, "  - {id: %s, kind: room, in: msk}\n  - {id: %s, kind: server, in: %s, client: c1}\n", room(i), alone(i), room(i))
	}
	components.WriteString("  - {id: storm, kind: room, in: msk}\n")
	for i := range o.storm {
		if i%40 == 0 {
			fmt.Fprintf(&components, "  - {id: %s, kind: rack, in: storm}\n", rack(i))
		}
		fmt.Fprintf(&components, "  - {id: %s, kind: server, in: %s, client: c1}\n", hit(i), rack(i))
	}
	for i, id := range []string{"emergency", "admins", "network"} {
		fmt.Fprintf(&teams, "  - {id: %s, members: [{id: duty-%s, language: ru, timezone: Europe/Moscow, addresses: {sms: %q}}], levels: [{members: [duty-%s], ackWithin: 1h}]}\n", id, id, dutyPhone(i), id)
	}
	return inventory.Document{Name: "pages.yaml", Data: fmt.Appendf(nil, `version: 1
sites: [{id: msk, timezone: Europe/Moscow, vantages: [msk]}]
components:
  - {id: r1, kind: room, in: msk}
%sclients: [{id: c1, language: ru, timezone: Europe/Moscow, contacts: [{id: c1-duty, addresses: {email: duty@c1.example}}]}]
teams:
%s`, components.Bytes(), teams.Bytes())}
}

// measure measures on one kind of store, on a stand of its own for each part.
func measure(ctx context.Context, kind string, o options, print func(figure.Figure)) error {
	if kind == "postgres" && os.Getenv(postgresVariable) == "" {
		fmt.Fprintf(os.Stderr, "postgres: left out, %s names none\n", postgresVariable)
		return nil
	}
	for _, part := range []struct {
		n   int
		run func(*bench, context.Context, string, options, func(figure.Figure)) error
	}{{o.alerts + o.storm, (*bench).fromAlerts}, {o.escalations, (*bench).escalations}} {
		if part.n == 0 {
			continue
		}
		if err := withStand(ctx, kind, o, func(b *bench) error { return part.run(b, ctx, kind, o, print) }); err != nil {
			return err
		}
	}
	return nil
}

func withStand(ctx context.Context, kind string, o options, run func(*bench) error) error {
	opts := stand.Options{Defaults: true, Rates: map[inventory.Channel]float64{inventory.SMS: 100_000}, Say: func(s string) { fmt.Fprintln(os.Stderr, s) }}
	if kind == "postgres" {
		var drop func()
		var err error
		if opts.Store, drop, err = freshDatabase(ctx, os.Getenv(postgresVariable)); err != nil {
			return err
		}
		defer drop()
	}
	dir, err := os.MkdirTemp("", "vakhta-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	doc := document(o)
	opts.Dir, opts.Inventory, opts.Profile = dir, &doc, o.profile
	h, err := stand.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer h.Close()
	inv, err := inventory.Load(doc)
	if err != nil {
		return err
	}
	return run(&bench{Stand: h, acts: records.New(h.Store, inv, nil, nil, nil, records.Options{}), wait: o.wait})
}

// freshDatabase makes an empty database on the server, and drops it in the end.
func freshDatabase(ctx context.Context, server string) (dsn string, drop func(), err error) {
	at, err := url.Parse(server)
	if err != nil {
		return "", nil, errors.New("read " + postgresVariable + ": not a URL")
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		return "", nil, fmt.Errorf("reach PostgreSQL: %w", err)
	}
	name := fmt.Sprintf("pagebench_%d", time.Now().UnixNano())
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a database: %w", err), db.Close())
	}
	at.Path = "/" + name
	return at.String(), func() {
		_, _ = db.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)")
		_ = db.Close()
	}, nil
}

// escalations begins a thousand, and waits for each one's first page and next rung.
func (b *bench) escalations(ctx context.Context, kind string, o options, print func(figure.Figure)) error {
	begun, err := b.begin(ctx, o.escalations, o.begin)
	if err != nil {
		return err
	}
	first, late, err := b.arrivals(ctx, begun)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s: escalation begun in Temporal to its first page at the provider, %g/s", kind, o.begin)
	print(figure.Seen(name+", p50", quantile(first, .5), "ms"))
	print(figure.Seen(name+", p99", quantile(first, .99), "ms"))
	print(figure.Seen(kind+": lateness of the next rung, p50", quantile(late, .5), "ms"))
	print(figure.AtMost(fmt.Sprintf("%s: lateness of the next rung, %d escalations at once, p99", kind, o.escalations), quantile(late, .99), "ms", 1000))
	print(figure.AtMost(fmt.Sprintf("%s: worker's memory at its most, %d escalations", kind, o.escalations), peak(b.Worker.PID()), "MiB", 500))
	return nil
}

type bench struct {
	*stand.Stand

	acts *records.Activities
	wait time.Duration
}

// begin starts the escalations on their instants, however slow the server is;
// it says when each should have begun.
func (b *bench) begin(ctx context.Context, n int, rate float64) ([]time.Time, error) {
	incidents := make([]string, n)
	for i := range n {
		o, err := b.acts.OpenIncident(ctx, records.OpenIncidentParams{
			RequestKey: "bench/" + server(i), Finding: topology.Finding{Component: server(i), Confidence: .99, Explains: []string{server(i)}},
		})
		if err != nil {
			return nil, err
		}
		incidents[i] = o.Incident.ID
	}
	ladder := []runbooks.Rung{{Channel: string(inventory.SMS), Wait: runbooks.Duration(b.wait)}, {Channel: string(inventory.SMS), Wait: runbooks.Duration(time.Hour)}}
	begun := make([]time.Time, n)
	every := time.Duration(float64(time.Second) / rate)
	start := time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var g errgroup.Group
	g.SetLimit(64)
	for i := range n {
		begun[i] = start.Add(time.Duration(i) * every)
		for time.Now().Before(begun[i]) {
			<-tick.C
		}
		g.Go(func() error {
			_, err := b.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
				ID: workflows.EscalateID(incidents[i], team(i)), TaskQueue: workflows.QueueRunbooks, Priority: temporal.Priority{PriorityKey: 1},
			}, workflows.Escalate, workflows.EscalateInput{Incident: incidents[i], Team: team(i), Ladder: ladder})
			return err
		})
	}
	return begun, g.Wait()
}

// arrivals waits for both pages of each escalation: how long after its
// beginning the first arrived, and how late after its wait the second.
func (b *bench) arrivals(ctx context.Context, begun []time.Time) (first, late []float64, err error) {
	deadline := time.Now().Add(b.wait + 2*time.Minute)
	for i := range begun {
		var got []sandbox.Item
		for len(got) < 2 {
			if got = b.Sandbox.Inbox(sandbox.Query{To: phone(i)}); len(got) >= 2 {
				break
			}
			if ctx.Err() != nil || time.Now().After(deadline) {
				return nil, nil, errors.New("page " + strconv.Itoa(i) + ": it never came")
			}
			time.Sleep(5 * time.Millisecond)
		}
		slices.SortFunc(got, func(a, b sandbox.Item) int { return a.At.Compare(b.At) })
		first = append(first, ms(got[0].At.Sub(begun[i])))
		late = append(late, ms(got[1].At.Sub(got[0].At)-b.wait))
	}
	return first, late, nil
}

func quantile(all []float64, q float64) float64 {
	slices.Sort(all)
	return all[min(int(float64(len(all))*q), len(all)-1)]
}

// peak is a process's largest resident set in MiB, as Linux counts it.
func peak(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
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
