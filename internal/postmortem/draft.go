package postmortem

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// Draft writes the first version of an incident's postmortem: what the record
// knows, in sentences, and the actions that this kind of failure always asks
// for. People correct it and approve it.
func Draft(inc incident.Incident, entries []incident.Entry, names Names) incident.Postmortem {
	entries = ordered(entries)
	d := drafter{inc: inc, entries: entries, names: names, times: Measure(inc, entries)}
	at := inc.ResolvedAt
	if at.IsZero() && len(entries) > 0 {
		at = entries[len(entries)-1].At
	}
	return incident.Postmortem{
		Incident: inc.ID,
		Title:    inc.Title,
		Status:   "draft",
		Revision: 1,
		Sections: map[string]string{
			"summary":   d.summary(),
			"impact":    d.impact(),
			"cause":     d.cause(),
			"detection": d.detection(),
			"response":  d.response(),
			"lessons":   d.lessons(),
		},
		Actions:   d.actions(),
		CreatedAt: at,
		UpdatedAt: at,
	}
}

type drafter struct {
	inc     incident.Incident
	entries []incident.Entry
	names   Names
	times   Times
}

func (d drafter) summary() string {
	lines := []string{fmt.Sprintf("On %s at %s UTC: %s", day(d.times.Start), clock(d.times.Start), sentence(d.inc.Title))}
	lines = append(lines, fmt.Sprintf("%s of %s affected.",
		count(len(d.inc.Servers), "machine", "machines"), count(len(d.inc.Clients), "client was", "clients were")))
	switch {
	case d.times.Restore >= 0:
		lines = append(lines, fmt.Sprintf("Everything was back after %s.", Span(d.times.Restore)))
	case d.times.Resolve >= 0:
		lines = append(lines, fmt.Sprintf("The incident was resolved after %s.", Span(d.times.Resolve)))
	default:
		lines = append(lines, "The incident is not resolved yet.")
	}
	if d.inc.Drill {
		lines = append(lines, "This was a drill.")
	}
	return strings.Join(lines, " ")
}

func (d drafter) impact() string {
	var b strings.Builder
	fmt.Fprintf(&b, "- Severity: %s\n", d.inc.Severity)
	fmt.Fprintf(&b, "- Clients: %s\n", listed(d.inc.Clients, d.names.Client, 20))
	fmt.Fprintf(&b, "- Machines: %s\n", listed(d.inc.Servers, d.names.Component, 20))
	if missing := notIn(d.inc.Servers, d.inc.Restored); len(missing) > 0 && len(d.inc.Restored) > 0 {
		fmt.Fprintf(&b, "- Not seen up again: %s\n", listed(missing, d.names.Component, 20))
	}
	return strings.TrimRight(b.String(), "\n")
}

func (d drafter) cause() string {
	f := d.inc.Finding
	if f.Component == "" {
		return "No point of failure was found. Whoever knows it, writes it here."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The point of failure was %s (%s)", d.names.Component(f.Component), f.Kind)
	if f.Confidence > 0 {
		fmt.Fprintf(&b, ", found with a confidence of %d %%", topology.Percent(f.Itself()))
	}
	b.WriteString(".")
	if f.PowerOff {
		b.WriteString(" Its controller, or its hypervisor, said that it was switched off.")
	}
	if len(f.AmbiguousWith) > 0 {
		fmt.Fprintf(&b, " The observations could not tell it from: %s.", listed(f.AmbiguousWith, d.names.Component, 5))
	}
	if len(f.Evidence) > 0 {
		b.WriteString("\n\nEvidence:\n")
		for _, e := range f.Evidence {
			b.WriteString("\n- " + e.Text)
		}
	}
	for _, e := range d.entries {
		if e.Kind == "work" {
			b.WriteString("\n\n" + sentence(e.Text))
		}
	}
	b.WriteString("\n\nWhy it failed is for people to write.")
	return b.String()
}

func (d drafter) detection() string {
	var b strings.Builder
	if i := slices.IndexFunc(d.entries, func(e incident.Entry) bool { return LaneOf(e.Kind) == LaneDetection }); i >= 0 {
		e := d.entries[i]
		fmt.Fprintf(&b, "The first word came at %s UTC: %s", clock(e.At), sentence(e.Text))
	}
	if d.times.Identify >= 0 {
		fmt.Fprintf(&b, " The point of failure was named %s later.", Span(d.times.Identify))
	}
	if b.Len() == 0 {
		return "The record does not say how it was detected."
	}
	return strings.TrimSpace(b.String())
}

func (d drafter) response() string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, "- "+fmt.Sprintf(format, args...)) }
	if d.times.Page >= 0 {
		add("The first page left after %s.", Span(d.times.Page))
	}
	for _, e := range d.entries {
		if e.Kind == "acknowledged" {
			who := d.names.Person(e.Actor)
			if e.Via != "" {
				who += ", by " + e.Via
			}
			add("%s UTC: acknowledged (%s).", clock(e.At), who)
		}
	}
	if d.times.Page >= 0 && d.times.Acknowledge < 0 {
		add("No page was acknowledged.")
	}
	if n := d.counted("update"); n > 0 {
		add("Clients were told in %s, the first after %s.", count(n, "round", "rounds"), Span(d.times.Tell))
	}
	for _, e := range d.entries {
		if e.Kind == "restored" {
			add("%s UTC: %s", clock(e.At), sentence(e.Text))
		}
	}
	if d.times.Resolve >= 0 {
		add("Resolved after %s.", Span(d.times.Resolve))
	}
	if len(lines) == 0 {
		return "The record holds no response."
	}
	return strings.Join(lines, "\n")
}

func (d drafter) lessons() string {
	var lines []string
	if d.clientFirst() {
		lines = append(lines, "- A client noticed before we did: monitoring did not see, or did not say, that this failed.")
	}
	if d.times.Acknowledge > 5*time.Minute {
		lines = append(lines, fmt.Sprintf("- It took %s until somebody acknowledged.", Span(d.times.Acknowledge)))
	}
	if len(d.inc.Finding.AmbiguousWith) > 0 {
		lines = append(lines, "- The probes could not tell the point of failure from its neighbours.")
	}
	lines = append(lines, "- What went well, what went badly, where were we lucky? People write it here.")
	return strings.Join(lines, "\n")
}

// actions proposes follow-ups; people keep, change or drop them.
func (d drafter) actions() []incident.Action {
	name := d.names.Component(d.inc.Component)
	var texts []string
	switch d.inc.Finding.Kind {
	case inventory.KindServer, inventory.KindHypervisor:
		if d.inc.Finding.PowerOff {
			texts = append(texts, "Find out from the log of its BMC, or of its hypervisor, who or what switched "+name+" off")
		} else {
			texts = append(texts, "Read the BMC's event log of "+name+" and replace what failed")
		}
	case inventory.KindPDU, inventory.KindPhase, inventory.KindFeed:
		texts = append(texts, "Inspect "+name+" and what overloaded or tripped it",
			"Find the machines that hang on "+name+" alone and give them a second feed")
	case inventory.KindSwitch, inventory.KindCard, inventory.KindUplink:
		texts = append(texts, "Find out why "+name+" failed, from its log and its neighbours'",
			"Give what is behind "+name+" a second path")
	case inventory.KindRack, inventory.KindRoom, inventory.KindSite:
		texts = append(texts, "Find out what "+name+" has in common that failed: power, cooling, network")
	default:
		texts = append(texts, "Find out what failed, and why")
	}
	if d.clientFirst() {
		texts = append(texts, "Make monitoring notice this before a client does")
	}
	if d.times.Acknowledge > 5*time.Minute {
		texts = append(texts, "Review the escalation policy: the acknowledgement took "+Span(d.times.Acknowledge))
	}
	actions := make([]incident.Action, len(texts))
	for i, text := range texts {
		actions[i] = incident.Action{ID: fmt.Sprintf("a%d", i+1), Text: text}
	}
	return actions
}

// clientFirst reports whether a client's report is the first that we heard.
func (d drafter) clientFirst() bool {
	for _, e := range d.entries {
		switch e.Kind {
		case "report", "reported":
			return true
		case "alert", "alerts":
			return false
		}
	}
	return false
}

func (d drafter) counted(kind string) (n int) {
	for _, e := range d.entries {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func notIn(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(id string) bool { return slices.Contains(some, id) })
}
