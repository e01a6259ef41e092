// Package postmortem draws the document that ends every incident: a draft from
// the incident and its timeline, and the finished document as Markdown, as
// HTML and as a picture. It is pure: it reads no clock and no store, and the
// same input gives the same document, byte for byte.
package postmortem

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"vakhta/internal/incident"
)

// Names turns ids into what people call things.
type Names interface {
	Component(id string) string
	Client(id string) string
	Person(id string) string // a contact or a team's member; never an address
}

// Sections are the sections of a postmortem, in their order.
var Sections = []string{"summary", "impact", "cause", "detection", "response", "lessons"}

var sectionTitles = map[string]string{
	"summary": "Summary", "impact": "Impact", "cause": "Cause",
	"detection": "Detection", "response": "Response", "lessons": "Lessons",
}

// SectionTitle is the heading of a section; empty if there is no such section.
func SectionTitle(section string) string { return sectionTitles[section] }

// Times are the durations by which a response is judged, each since the first
// thing that anybody knew. Negative: it did not happen, or nobody recorded it.
type Times struct {
	Start       time.Time
	Identify    time.Duration // the point of failure was named
	Page        time.Duration // the first page left
	Acknowledge time.Duration // the first person took it
	Tell        time.Duration // the first client update went out
	Restore     time.Duration // the last machine was seen up again
	Resolve     time.Duration // the incident was over
}

const never = time.Duration(-1)

// Measure reads the times off an incident and its timeline.
func Measure(inc incident.Incident, entries []incident.Entry) Times {
	entries = ordered(entries)
	t := Times{Start: inc.OpenedAt, Identify: never, Page: never, Acknowledge: never, Tell: never, Restore: never, Resolve: never}
	if len(entries) > 0 && (t.Start.IsZero() || entries[0].At.Before(t.Start)) {
		t.Start = entries[0].At
	}
	first := func(into *time.Duration, at time.Time) {
		if *into == never {
			*into = max(at.Sub(t.Start), 0)
		}
	}
	for _, e := range entries {
		switch {
		case e.Kind == "finding":
			first(&t.Identify, e.At)
		case e.Kind == "page":
			first(&t.Page, e.At)
		case e.Kind == "acknowledged":
			first(&t.Acknowledge, e.At)
		case e.Kind == "update":
			first(&t.Tell, e.At)
		case e.Kind == "restored":
			t.Restore = e.At.Sub(t.Start)
		case e.Kind == "resolved":
			t.Resolve = e.At.Sub(t.Start)
		}
	}
	if !inc.ResolvedAt.IsZero() {
		t.Resolve = inc.ResolvedAt.Sub(t.Start)
	}
	// An incident is opened by its finding, unless one was written down.
	if t.Identify == never && !inc.OpenedAt.IsZero() && inc.Finding.Component != "" {
		t.Identify = max(inc.OpenedAt.Sub(t.Start), 0)
	}
	return t
}

// Measured is one of the times, for showing.
type Measured struct {
	Label string
	After time.Duration
}

// List are the times that are known, in the order of events.
func (t Times) List() []Measured {
	var known []Measured
	for _, m := range []Measured{
		{"Identified", t.Identify},
		{"Paged", t.Page},
		{"Acknowledged", t.Acknowledge},
		{"Clients told", t.Tell},
		{"Restored", t.Restore},
		{"Resolved", t.Resolve},
	} {
		if m.After != never {
			known = append(known, m)
		}
	}
	return known
}

// ordered sorts a copy of a timeline by time, then by sequence.
func ordered(entries []incident.Entry) []incident.Entry {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b incident.Entry) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return int(a.Seq - b.Seq)
	})
	return entries
}

// Span writes a duration as people say it: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "—"
	case d < 10*time.Second:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	case d < time.Minute:
		return whole(d, time.Second, "s")
	case d < time.Hour:
		return pair(d, time.Minute, "min", time.Second, "s")
	case d < 48*time.Hour:
		return pair(d, time.Hour, "h", time.Minute, "min")
	default:
		return pair(d, 24*time.Hour, "d", time.Hour, "h")
	}
}
