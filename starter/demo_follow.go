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

// shownInFull is how many other clients' messages of one burst are shown word
// for word; the rest are counted, and all are on the sandbox's page.
const shownInFull = 2

// quietFor ends a burst of messages: then those not shown are counted.
const quietFor = 700 * time.Millisecond

// inboxView shows what people receive, a burst at a time.
type inboxView struct {
	t     *story
	seen  map[string]bool
	full  int             // messages of other clients shown in this burst
	more  map[string]bool // contacts whose messages were not
	since time.Time       // of the last message
}

// followInbox shows what people receive.
func (t *story) followInbox(ctx context.Context) {
	v := &inboxView{t: t, seen: map[string]bool{}, more: map[string]bool{}}
	var after int64
	for {
		events, changed := t.h.Sandbox.Events(after, 0)
		for _, e := range events {
			after = e.N
			v.show(e.Item)
		}
		if time.Since(v.since) > quietFor {
			v.flush()
		}
		select {
		case <-ctx.Done():
			v.flush()
			return
		case <-changed:
		case <-time.After(quietFor / 2):
		}
	}
}

func (v *inboxView) flush() {
	if n := len(v.more); n > 0 {
		v.t.s.line("", fmt.Sprintf("… and %d more contacts, each about his own machines", n), styleDim)
	}
	v.full, v.more = 0, map[string]bool{}
}

// show shows a message once, a call when it ends.
func (v *inboxView) show(it sandbox.Item) {
	call := it.Channel == sandbox.ChannelCall
	if it.Inbound || v.seen[it.ID] || (call && !slices.Contains([]string{"completed", "no-answer", "busy", "failed"}, it.Status)) {
		return
	}
	v.seen[it.ID] = true
	if room, ok := v.t.h.Estate.Inventory().RoomAt(inventory.Channel(it.Channel), it.To); ok {
		v.t.s.line("room", "▸ "+room.ID+", "+it.Channel+": "+clip(strings.ReplaceAll(it.Text, "\n", " | "), 300), styleTold)
		return
	}
	contact, ok := v.t.h.Estate.Inventory().ContactByAddress(inventory.Channel(it.Channel), it.To)
	if !ok {
		return
	}
	if call {
		v.t.s.line("call", fmt.Sprintf("☎ %s hears: «%s» — %s", contact.Name, clip(strings.Join(it.Spoken, " "), 300), pressed(it)), styleTold)
		return
	}
	v.since = time.Now()
	if contact.Client != "" && contact.Client != v.t.reporter.Client {
		if v.full >= shownInFull {
			v.more[contact.ID] = true
			return
		}
		v.full++
	}
	text := it.Text
	if it.Subject != "" {
		text = it.Subject + " — " + text
	}
	v.t.s.line(it.Channel, "→ "+v.t.whose(contact)+": "+clip(text, 420), styleTold)
}

// whose names a contact, with his client where that isn't the one who cried.
func (t *story) whose(c *inventory.Contact) string {
	client, ok := t.h.Estate.Inventory().Client(c.Client)
	if !ok || c.Client == t.reporter.Client || c.Name == client.Name {
		return c.Name
	}
	return c.Name + " (" + client.Name + ")"
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
	if t.work != "" {
		out = append(out, "maintenance/"+t.work)
	}
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
	s.plain("  from the client's message to the answer that explains it   %s", t.answered.Round(time.Millisecond))
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
