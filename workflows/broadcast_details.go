package workflows

import (
	"fmt"
	"strings"
)

// details are the progress as the Temporal UI shows it, in Markdown.
func (p *BroadcastProgress) details() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** %s, rung %d: %d contacts, %d accepted, %d refused, %d unreachable",
		p.Stage, p.Event, p.Rung+1, p.Contacts, p.Accepted, p.Refused, p.UnreachableTotal)
	if p.Dropped > 0 {
		fmt.Fprintf(&b, ", %d dropped as old news", p.Dropped)
	}
	if p.Quiet > 0 {
		fmt.Fprintf(&b, ", %d in their quiet hours", p.Quiet)
	}
	if len(p.Plan.Lines) < 2 && p.Contacts < 100 { // a handful is sent before anybody reads this
		return b.String()
	}
	if p.Stage == "sending" && p.Rung == 0 {
		fmt.Fprintf(&b, "\n\n`%s`", bar(p.Accepted+p.Refused+p.Dropped, p.Contacts))
	}
	b.WriteString("\n\n| rung | channel | contacts | the provider takes |\n|---|---|---|---|\n")
	for _, l := range p.Plan.Lines {
		fmt.Fprintf(&b, "| %d | %s | %d | %s |\n", l.Rung+1, l.Channel, l.Contacts, l.Takes)
	}
	return b.String()
}

// bar draws how much of a whole is done, 30 characters wide.
func bar(done, of int) string {
	const width = 30
	if of <= 0 {
		return ""
	}
	full := min(done, of) * width / of
	return fmt.Sprintf("%s%s %d %%", strings.Repeat("█", full), strings.Repeat("░", width-full), min(done, of)*100/of)
}
