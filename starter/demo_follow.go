package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/lab/stand"
	"vakhta/internal/store"
)

func reportsOf(client string) store.ReportFilter { return store.ReportFilter{Client: client, Limit: 1} }

// shownInFull is how many clients' messages are shown word for word at once;
// the others are counted, and all are on the sandbox's page.
const shownInFull = 3

// followInbox shows what people receive.
func (t *story) followInbox(ctx context.Context) {
	var after int64
	shown := map[string]bool{}
	burst, since := 0, time.Now()
	var more []string
	for {
		events, changed := t.h.Sandbox.Events(after, 0)
		for _, e := range events {
			after = e.N
			if time.Since(since) > 2*time.Second {
				burst, since = 0, time.Now()
			}
			if t.showItem(e, shown, burst, &more) {
				burst++
			}
		}
		if len(more) > 0 {
			t.s.line("", fmt.Sprintf("… and %d more contacts were told about their own machines", len(more)), styleDim)
			more = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// showItem shows a message once, a call when it ends; it answers whether it
// was shown word for word.
func (t *story) showItem(e sandbox.Event, shown map[string]bool, burst int, more *[]string) bool {
	it := e.Item
	if it.Inbound || shown[it.ID] || (it.Channel == sandbox.ChannelCall && !slices.Contains([]string{"completed", "no-answer", "busy", "failed"}, it.Status)) {
		return false
	}
	shown[it.ID] = true
	contact, ok := t.h.Estate.Inventory().ContactByAddress(inventory.Channel(it.Channel), it.To)
	if !ok {
		return false
	}
	if it.Channel == sandbox.ChannelCall {
		t.s.line("call", fmt.Sprintf("☎ %s hears: «%s» — %s", contact.Name, clip(strings.Join(it.Spoken, " "), 220), pressed(it)), styleTold)
		return true
	}
	if contact.Client != t.reporter.Client && burst >= shownInFull {
		*more = append(*more, contact.ID)
		return false
	}
	text := it.Text
	if it.Subject != "" {
		text = it.Subject + " — " + text
	}
	t.s.line(it.Channel, "→ "+contact.Name+": "+clip(text, 420), styleTold)
	return true
}

func pressed(it sandbox.Item) string {
	if it.Digits == "" {
		return it.Status + ", pressed nothing"
	}
	return "pressed " + it.Digits
}

// followTimelines shows the report's and the incident's timelines.
func (t *story) followTimelines(ctx context.Context) {
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	seen := map[string]bool{}
	for {
		for _, subject := range t.subjects(ctx) {
			entries, err := t.h.Store.Timeline(ctx, subject, 0, 0)
			if err != nil {
				continue // the store is shared with processes that may be dying: look again
			}
			for _, e := range entries {
				if !seen[e.Key] {
					seen[e.Key] = true
					t.showEntry(e)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (t *story) subjects(ctx context.Context) []string {
	var out []string
	if reports, err := t.h.Store.Reports(ctx, store.ReportFilter{Limit: 3}); err == nil {
		for _, r := range reports {
			out = append(out, "report/"+r.ID)
		}
	}
	if incidents, err := t.h.Store.Incidents(ctx, store.IncidentFilter{Limit: 3}); err == nil {
		for _, in := range incidents {
			out = append(out, "incident/"+in.ID)
		}
	}
	return out
}

func (t *story) showEntry(e incident.Entry) {
	switch e.Kind {
	case "finding", "report": // shown with their evidence, and by the client's own words
		if strings.HasPrefix(e.Subject, "incident/") {
			return
		}
	}
	st := stylePlain
	switch e.Kind {
	case "acknowledged", "restored", "resolved":
		st = styleGood
	case "failed", "lost", "exhausted":
		st = styleBad
	}
	t.s.line(e.Kind, clip(e.Text, 260), st)
}

// end prints the sum of it: figures, histories, where to look.
func (s *screen) end(h *stand.Stand, t *story) {
	s.heading("Figures")
	s.plain("  from the client's message to the answer with the finding   %s", t.answered.Round(time.Millisecond))
	s.plain("  from the repair to the resolution                          %s", t.healed.Round(time.Millisecond))
	s.histories(h)
	s.places(h)
	dir := filepath.Dir(h.Config)
	if md, err := os.ReadFile(t.saveMarkdown(dir)); err == nil {
		s.plain("  Postmortem         %s/postmortems/%s  (%d lines of Markdown in %s)", h.GatewayURL, t.incident, strings.Count(string(md), "\n"), filepath.Join(dir, "postmortem.md"))
	}
	if t.incident != "" {
		s.plain("  The incident       %s/incidents/%s", h.GatewayURL, t.incident)
	}
}

// histories counts the events that each workflow cost.
func (s *screen) histories(h *stand.Stand) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	list, err := h.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 200})
	if err != nil {
		return
	}
	type sum struct{ runs, events, most int64 }
	sums := map[string]*sum{}
	for _, e := range list.Executions {
		d, err := h.Client.DescribeWorkflowExecution(ctx, e.Execution.WorkflowId, e.Execution.RunId)
		if err != nil {
			continue
		}
		x := sums[e.Type.Name]
		if x == nil {
			x = &sum{}
			sums[e.Type.Name] = x
		}
		n := d.WorkflowExecutionInfo.HistoryLength
		x.runs, x.events, x.most = x.runs+1, x.events+n, max(x.most, n)
	}
	names := make([]string, 0, len(sums))
	for n := range sums {
		names = append(names, n)
	}
	slices.Sort(names)
	s.plain("  history events: workflow, runs, all, the longest")
	for _, n := range names {
		s.plain("    %-15s %4d %6d %6d", n, sums[n].runs, sums[n].events, sums[n].most)
	}
}
