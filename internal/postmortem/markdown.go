package postmortem

import (
	"fmt"
	"strings"

	"vakhta/internal/incident"
)

// Markdown writes the whole document, timeline included.
func Markdown(pm incident.Postmortem, entries []incident.Entry, names Names) string {
	entries = ordered(entries)
	var b strings.Builder
	fmt.Fprintf(&b, "# Postmortem: %s\n\n", escapeLine(pm.Title))
	fmt.Fprintf(&b, "Incident `%s` · %s · revision %d", pm.Incident, pm.Status, pm.Revision)
	if pm.ApprovedBy != "" {
		fmt.Fprintf(&b, " · approved by %s", escapeLine(names.Person(pm.ApprovedBy)))
	}
	b.WriteString("\n")
	for _, section := range Sections {
		fmt.Fprintf(&b, "\n## %s\n\n", SectionTitle(section))
		text := strings.TrimSpace(pm.Sections[section])
		if text == "" {
			text = "_Nothing yet._"
		}
		b.WriteString(text + "\n")
	}
	markdownTimes(&b, entries)
	markdownActions(&b, pm.Actions, names)
	markdownTimeline(&b, entries, names)
	return b.String()
}

func markdownTimes(b *strings.Builder, entries []incident.Entry) {
	times := Measure(incident.Incident{}, entries).List()
	if len(times) == 0 {
		return
	}
	b.WriteString("\n## Times\n\n| what | after |\n|---|---|\n")
	for _, t := range times {
		fmt.Fprintf(b, "| %s | %s |\n", t.Label, Span(t.After))
	}
}

func markdownActions(b *strings.Builder, actions []incident.Action, names Names) {
	b.WriteString("\n## So that it never happens again\n\n")
	if len(actions) == 0 {
		b.WriteString("_No actions yet._\n")
		return
	}
	b.WriteString("| | action | owner | due | state |\n|---|---|---|---|---|\n")
	for _, a := range actions {
		due := "—"
		if !a.Due.IsZero() {
			due = day(a.Due)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", a.ID, escapeCell(a.Text), escapeCell(owner(a, names)), due, ActionState(a))
	}
}

func markdownTimeline(b *strings.Builder, entries []incident.Entry, names Names) {
	if len(entries) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Timeline\n\nAll times UTC, beginning on %s.\n\n| time | what | who | |\n|---|---|---|---|\n", day(entries[0].At))
	for _, e := range entries {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", moment(entries[0].At, e.At), escapeCell(e.Kind), escapeCell(actor(e, names)), escapeCell(e.Text))
	}
}

// ActionState is where an action stands: open, done, verified.
func ActionState(a incident.Action) string {
	switch {
	case !a.VerifiedAt.IsZero():
		return "verified"
	case !a.DoneAt.IsZero():
		return "done"
	default:
		return "open"
	}
}

func owner(a incident.Action, names Names) string {
	if a.Owner == "" {
		return "—"
	}
	return names.Person(a.Owner)
}

// actor says who did it and by which door.
func actor(e incident.Entry, names Names) string {
	who := ""
	if e.Actor != "" {
		who = names.Person(e.Actor)
	}
	switch {
	case who == "":
		return e.Via
	case e.Via == "":
		return who
	default:
		return who + ", " + e.Via
	}
}

func escapeLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func escapeCell(text string) string { return strings.ReplaceAll(escapeLine(text), "|", `\|`) }
