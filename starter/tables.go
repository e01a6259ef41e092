package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/postmortem"
	"vakhta/internal/topology"
)

// table writes rows in aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer, headings ...string) table {
	t := table{tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)}
	t.row(headings...)
	return t
}

func (t table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = cmp.Or(strings.Join(strings.Fields(c), " "), "-")
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t table) flush() error { return t.w.Flush() }

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func local(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func printIncidents(out io.Writer, list []incident.Incident, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "all quiet: no incident")
		return err
	}
	t := newTable(out, "INCIDENT", "STATUS", "SEV", "SITE", "BACK", "CLIENTS", "SINCE", "LASTS", "TITLE")
	for _, inc := range list {
		end := now
		if !inc.ResolvedAt.IsZero() {
			end = inc.ResolvedAt
		}
		t.row(inc.ID, string(inc.Status), string(inc.Severity), inc.Site,
			fmt.Sprintf("%d/%d", len(inc.Restored), len(inc.Servers)), fmt.Sprint(len(inc.Clients)),
			local(inc.OpenedAt), postmortem.Span(end.Sub(inc.OpenedAt).Round(time.Second)), inc.Title)
	}
	return t.flush()
}

// printIncident shows all of an incident; with an inventory it says what was found in a sentence.
func printIncident(out io.Writer, s shownIncident, inv *inventory.Inventory, now time.Time) error {
	inc := s.Incident
	fmt.Fprintf(out, "%s  %s\n", inc.ID, inc.Title)
	fmt.Fprintln(out, strings.TrimPrefix(incidentLine(s.IncidentStatus), inc.ID+": "))
	end := now
	if !inc.ResolvedAt.IsZero() {
		end = inc.ResolvedAt
	}
	fmt.Fprintf(out, "opened %s, lasts %s; clients: %s\n", local(inc.OpenedAt),
		postmortem.Span(end.Sub(inc.OpenedAt).Round(time.Second)), strings.Join(inc.Clients, ", "))
	if f := inc.Finding; f.Component != "" && !inc.Provisional {
		fmt.Fprintf(out, "\npoint of failure: %s (%s), confidence %d%%\n", f.Component, f.Kind, topology.Percent(f.Itself()))
		if inv != nil {
			fmt.Fprintln(out, "  "+topology.Sentence(inv, f, inventory.English))
		}
		if len(f.AmbiguousWith) > 0 {
			fmt.Fprintf(out, "  it may also be %s\n", rivalsOf(&f))
		}
		for _, e := range f.Evidence {
			fmt.Fprintln(out, "  - "+e.Text)
		}
	}
	if len(s.Steps) > 0 {
		fmt.Fprintln(out)
		t := newTable(out, "STEP", "KIND", "STATE", "SINCE", "RESULT")
		for _, step := range s.Steps {
			state := step.State
			if step.Manual && state == "running" {
				state = "waits for you"
			}
			t.row(step.ID, step.Kind, state, local(step.Since), step.Result)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	if len(s.Teams) > 0 {
		fmt.Fprintln(out)
		t := newTable(out, "TEAM", "STATE", "ROUND", "LEVEL", "PAGED", "TAKEN BY", "VIA")
		for _, team := range sortedNames(s.Teams) {
			e := s.Teams[team]
			t.row(team, e.State, fmt.Sprint(e.Round), fmt.Sprint(e.Level), strings.Join(e.Paged, ", "), e.AcknowledgedBy, e.Via)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	if len(s.Questions) > 0 {
		fmt.Fprintln(out)
		t := newTable(out, "QUESTION ON SITE", "STATE", "ASKED", "ANSWER", "WHAT TO LOOK AT")
		for _, q := range s.Questions {
			answer := string(q.Question.Answer)
			if answer != "" {
				answer += " by " + q.Question.AnsweredBy
			}
			t.row(q.Question.ID, string(q.Question.State), strings.Join(q.Asked, ", "), answer, q.Text)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return printTimeline(out, s.Timeline)
}

func printTimeline(out io.Writer, entries []incident.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := newTable(out, "TIME", "WHAT", "WHO", "TEXT")
	for _, e := range entries {
		who := e.Actor
		if e.Via != "" && e.Via != e.Actor {
			who = strings.TrimPrefix(who+" ("+e.Via+")", " ")
		}
		t.row(local(e.At), e.Kind, who, e.Text)
	}
	return t.flush()
}

func printNotifications(out io.Writer, list []ledger.Notification) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "no notification matches")
		return err
	}
	t := newTable(out, "CREATED", "CONTACT", "OF", "CHANNEL", "EVENT", "STATE", "CLASS", "TRIES", "CODE", "ACKNOWLEDGED", "ID")
	for _, n := range list {
		acknowledged := local(n.AcknowledgedAt)
		if n.AcknowledgedVia != "" {
			acknowledged += " " + n.AcknowledgedVia
		}
		t.row(local(n.CreatedAt), n.Contact, cmp.Or(n.Client, n.Team), string(n.Channel), n.Event, string(n.State), string(n.Class),
			fmt.Sprint(n.Attempts), n.AckCode, acknowledged, n.ID)
	}
	return t.flush()
}
