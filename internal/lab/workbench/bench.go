package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/lab/figure"
	"vakhta/internal/lab/stand"
	"vakhta/internal/maintenance"
)

// postgresVariable names a PostgreSQL superuser's URL; .ci/with-postgres sets it.
const postgresVariable = "VAKHTA_TEST_POSTGRES"

// size is how much there is.
type size struct{ clients, components, works, runs int }

// racks are those of a crowd, each with forty machines in it.
func (s size) racks() int { return (s.clients + 39) / 40 }

// touched are the components that are worked on: every rack, so that everybody
// is hit, and machines.
func (s size) touched() []string {
	var out []string
	for i := range s.racks() {
		out = append(out, fmt.Sprintf("k%04d", i))
	}
	for i := range s.components - len(out) {
		out = append(out, fmt.Sprintf("srv-%05d", i))
	}
	return out
}

func measure(ctx context.Context, kind string, s size, print func(figure.Figure)) error {
	opts := stand.Options{Defaults: true, Say: func(text string) { fmt.Fprintln(os.Stderr, text) }}
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
	doc := crowd.Document(crowd.Options{Clients: s.clients})
	opts.Dir, opts.Inventory = dir, &doc
	h, err := stand.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer h.Close()
	program, err := h.Program()
	if err != nil {
		return err
	}
	b := &bench{Stand: h, size: s, kind: kind, program: program, dir: dir, print: print, start: time.Now().Add(72 * time.Hour).Truncate(time.Hour).UTC()}
	if err := b.fill(ctx, doc); err != nil {
		return fmt.Errorf("%s: fill the calendar: %w", kind, err)
	}
	return b.run(ctx)
}

type bench struct {
	*stand.Stand
	size

	kind, dir string
	program   string
	start     time.Time
	print     func(figure.Figure)
}

// fill plans all works but one: each on a rack, at the same hours.
func (b *bench) fill(ctx context.Context, doc inventory.Document) error {
	inv, err := inventory.Load(doc)
	if err != nil {
		return err
	}
	acts := records.New(b.Store, inv, nil, nil, nil, records.Options{})
	for i := range b.works - 1 {
		_, err := acts.PlanWork(ctx, records.PlanWorkParams{Work: maintenance.Work{
			ID: fmt.Sprintf("other-%03d", i), Title: map[string]string{"ru": "Другая работа", "en": "Other work"}, Components: []string{fmt.Sprintf("k%04d", i%b.racks())},
			StartsAt: b.start, EndsAt: b.start.Add(3 * time.Hour), Status: maintenance.Planned, Revision: 1,
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// command runs the command line as a person would, and returns how long he waits.
func (b *bench) command(ctx context.Context, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, b.program, append(args, "--config", b.Config)...)
	cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+b.Address, "VAKHTA_USER=ivan")
	begin := time.Now()
	said, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("vakhta %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return time.Since(begin), nil
}

// each runs something often and returns the times in order.
func each(n int, do func(i int) (time.Duration, error)) ([]time.Duration, error) {
	var all []time.Duration
	for i := range n {
		took, err := do(i)
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	slices.Sort(all)
	return all, nil
}

func (b *bench) run(ctx context.Context) error {
	file := func(id string) (string, error) {
		path := filepath.Join(b.dir, id+".yaml")
		text := fmt.Sprintf("id: %s\ntitle: {ru: Большая работа, en: Large work}\ncomponents: [%s]\ntimezone: UTC\nstart: %s\nend: %s\n",
			id, strings.Join(b.touched(), ", "), b.start.Format("2006-01-02 15:04"), b.start.Add(3*time.Hour).Format("2006-01-02 15:04"))
		return path, os.WriteFile(path, []byte(text), 0o600)
	}
	plan := func(dry ...string) func(i int) (time.Duration, error) {
		return func(i int) (time.Duration, error) {
			path, err := file(fmt.Sprintf("large-%d", i))
			if err != nil {
				return 0, err
			}
			return b.command(ctx, append([]string{"maintenance", "plan", path}, dry...)...)
		}
	}
	dry, err := each(b.runs, plan("--dry-run"))
	if err != nil {
		return err
	}
	b.tell("vakhta maintenance plan --dry-run", dry, 5000)
	kept, err := each(1, plan()) // one: a second one at these hours is one work more
	if err != nil {
		return err
	}
	b.tell("vakhta maintenance plan", kept, 5000)
	shown, err := each(4*b.runs, func(int) (time.Duration, error) { return b.command(ctx, "maintenance", "show", "large-0") })
	if err != nil {
		return err
	}
	b.tell("vakhta maintenance show", shown, 200)
	page, err := each(4*b.runs, func(int) (time.Duration, error) { return b.page(ctx, "/works/large-0") })
	if err != nil {
		return err
	}
	b.tell("the work's page", page, 200)
	list, err := each(4*b.runs, func(int) (time.Duration, error) { return b.page(ctx, "/works") })
	if err != nil {
		return err
	}
	b.tell("the calendar's page", list, 200)
	return nil
}

// tell prints the median and, of enough runs, all but the slowest twentieth.
func (b *bench) tell(what string, sorted []time.Duration, limit float64) {
	ms := func(d time.Duration) float64 { return float64(d.Milliseconds()) }
	what = fmt.Sprintf("%s: %s, %d clients, %d components, %d works", b.kind, what, b.clients, b.components, b.works)
	if len(sorted) > 1 {
		b.print(figure.AtMost(what+", median", ms(sorted[len(sorted)/2]), "ms", limit))
	}
	if len(sorted) >= 20 {
		b.print(figure.AtMost(what+", p95", ms(sorted[len(sorted)*95/100]), "ms", limit))
		return
	}
	b.print(figure.AtMost(what+", slowest", ms(sorted[len(sorted)-1]), "ms", limit))
}

// page reads a page of the gateway's.
func (b *bench) page(ctx context.Context, path string) (time.Duration, error) {
	at, err := url.JoinPath(b.GatewayURL, path)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, errors.New(path + ": " + answer.Status)
	}
	return time.Since(begin), nil
}
