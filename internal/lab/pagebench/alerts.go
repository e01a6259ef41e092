package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vakhta/internal/lab/figure"
	"vakhta/internal/lab/sandbox"
)

// posted is an alert that the gateway has taken.
type posted struct {
	component     string
	sent, took    time.Time
	pages         int
	firstPageSent time.Time
}

// fromAlerts posts alerts of causes that have nothing in common, and then one
// storm, and waits for their pages at the provider.
func (b *bench) fromAlerts(ctx context.Context, kind string, o options, print func(figure.Figure)) error {
	began := time.Now()
	distinct, err := b.post(ctx, o.alerts, o.rate, alone)
	if err != nil {
		return err
	}
	if err := b.paged(ctx, began, distinct); err != nil {
		return err
	}
	var first, whole, took []float64
	twice := 0
	for _, p := range distinct {
		whole = append(whole, ms(p.firstPageSent.Sub(p.sent)))
		first = append(first, max(0, ms(p.firstPageSent.Sub(p.took))))
		took = append(took, ms(p.took.Sub(p.sent)))
		twice += p.pages - 1
	}
	if len(distinct) > 0 {
		name := fmt.Sprintf("%s: alert posted to its first page at the provider, %d distinct causes at %g/s", kind, o.alerts, o.rate)
		print(figure.AtMost(name+", p50", quantile(whole, .5), "ms", 40))
		print(figure.AtMost(name+", p99", quantile(whole, .99), "ms", 150))
		print(figure.Seen(kind+": alert accepted (answered) to its first page, p99; 0 is before", quantile(first, .99), "ms"))
		print(figure.Seen(fmt.Sprintf("%s: alert answered by the gateway at %g/s, p50", kind, o.rate), quantile(took, .5), "ms"))
		print(figure.Seen(fmt.Sprintf("%s: alert answered by the gateway at %g/s, p99", kind, o.rate), quantile(took, .99), "ms"))
		print(figure.AtMost(kind+": pages doubled", float64(twice), "pages", 0))
	}
	if o.storm > 0 {
		if err := b.storm(ctx, kind, o, print); err != nil {
			return err
		}
	}
	print(figure.Seen(kind+": gateway's memory at its most", peak(b.Gateway.PID()), "MiB"))
	print(figure.Seen(kind+": worker's memory at its most, incidents of all these alerts", peak(b.Worker.PID()), "MiB"))
	return nil
}

// storm is one mass failure: its first alert pages, and only that.
func (b *bench) storm(ctx context.Context, kind string, o options, print func(figure.Figure)) error {
	began := time.Now()
	all, err := b.post(ctx, o.storm, o.rate, hit)
	if err != nil {
		return err
	}
	if err := b.paged(ctx, began, all[:1]); err != nil {
		return err
	}
	settled := time.NewTimer(o.settle)
	defer settled.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-settled.C:
	}
	pages := 0
	for _, it := range b.Sandbox.Inbox(sandbox.Query{To: dutyPhone(0), Since: began}) {
		if strings.Contains(it.Text, "hit-") || strings.Contains(it.Text, "storm") || strings.Contains(it.Text, "rack-") {
			pages++
		}
	}
	name := fmt.Sprintf("%s: one storm of %d alerts at %g/s", kind, o.storm, o.rate)
	print(figure.AtMost(name+", to its first page", ms(all[0].firstPageSent.Sub(all[0].sent)), "ms", 150))
	print(figure.AtMost(name+", pages of the emergency crew", float64(pages), "pages", 1))
	return nil
}

// post posts alerts at their instants, each in a group of its own.
func (b *bench) post(ctx context.Context, n int, rate float64, component func(int) string) ([]posted, error) {
	out := make([]posted, n)
	every := time.Duration(float64(time.Second) / rate)
	start := time.Now()
	var g errgroup.Group
	for i := range n {
		at := start.Add(time.Duration(i) * every)
		if err := sleepUntil(ctx, at); err != nil {
			return nil, err
		}
		g.Go(func() error {
			out[i] = posted{component: component(i), sent: time.Now()}
			err := b.postOne(ctx, out[i].component)
			out[i].took = time.Now()
			return err
		})
	}
	return out, g.Wait()
}

func (b *bench) postOne(ctx context.Context, component string) error {
	body := fmt.Sprintf(`{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"HostDown","severity":"critical","component":%q},
		"annotations":{"summary":"host is down"},"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z","fingerprint":%q}]}`, component, time.Now().UTC().Format(time.RFC3339Nano), component)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.GatewayURL+"/v1/alerts/alertmanager", strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+b.IntakeToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("post an alert: %w", err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("post an alert: answered %d %s", resp.StatusCode, text)
	}
	return nil
}

// paged waits until each alert's page has come, and a little for those that
// should not: the second of one.
func (b *bench) paged(ctx context.Context, since time.Time, all []posted) error {
	deadline := time.Now().Add(90 * time.Second)
	for quiet := false; ; {
		by := map[string][]time.Time{}
		for _, it := range b.Sandbox.Inbox(sandbox.Query{To: dutyPhone(0), Since: since.Add(-time.Second)}) {
			for _, word := range strings.FieldsFunc(it.Text, func(r rune) bool { return r == ' ' || r == ':' || r == ',' }) {
				by[word] = append(by[word], it.At)
			}
		}
		missing := 0
		for i := range all {
			times := by[all[i].component]
			if all[i].pages = len(times); len(times) == 0 {
				missing++
				continue
			}
			all[i].firstPageSent = times[0]
		}
		if missing == 0 && quiet {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d alerts were never paged", missing, len(all))
		}
		pause := 500 * time.Millisecond
		if quiet = missing == 0; quiet {
			pause = 5 * time.Second
		}
		if err := sleepUntil(ctx, time.Now().Add(pause)); err != nil {
			return err
		}
	}
}

func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errors.Join(ctx.Err(), os.ErrDeadlineExceeded)
	case <-timer.C:
		return nil
	}
}
