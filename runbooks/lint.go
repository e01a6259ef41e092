package runbooks

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"vakhta/internal/inventory"
)

// Surroundings are what a runbook speaks of but doesn't hold. What is nil is not checked.
type Surroundings struct {
	Inventory *inventory.Inventory // the teams
	Events    []string             // that messages are written for
	Inputs    map[string]any       // of the configuration, instead of the defaults
}

// Lint lists everything that is wrong or doubtful in a runbook, in the order of
// the document. A runbook with nothing but warnings runs.
func Lint(file string, doc []byte, s Surroundings) []Problem {
	rb, v := parse(file, doc, s.Inputs)
	if rb != nil {
		v.fileName(rb)
		for i := range rb.Steps {
			v.surroundings(fmt.Sprintf("$.steps[%d]", i), rb.Steps[i], s)
		}
		if len(v.problems) == 0 {
			v.doubts(rb)
		}
	}
	slices.SortStableFunc(v.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return v.problems
}

// fileName: a runbook is called like its file, so that people find it.
func (v *validator) fileName(rb *Runbook) {
	line, column := position(v.node("$.runbook"))
	if want := strings.TrimSuffix(path.Base(v.file), ".yaml"); rb.Name != want && !v.said(line, column) {
		v.at("$.runbook", "runbook: %q must be called like its file, %q", rb.Name, want)
	}
}

func (v *validator) warn(path, format string, args ...any) {
	v.at(path, format, args...)
	v.problems[len(v.problems)-1].Warning = true
}

func (v *validator) surroundings(path string, s Step, around Surroundings) {
	team := func(field, id string) {
		if around.Inventory == nil || id == "" {
			return
		}
		if _, ok := around.Inventory.Team(id); !ok {
			v.at(path+"."+field, "team: the inventory has no team %q; there are %s", id, strings.Join(teamIDs(around.Inventory), ", "))
		}
	}
	if s.Escalate != nil {
		team("escalate.team", s.Escalate.Team)
		for i, id := range s.Escalate.Teams {
			team(fmt.Sprintf("escalate.teams[%d]", i), id)
		}
	}
	if s.Task != nil {
		team("task.team", s.Task.Team)
	}
	if s.Approve != nil {
		team("approve.team", s.Approve.Team)
	}
	if s.Notify != nil && around.Events != nil && strings.HasPrefix(s.Notify.Event, forClients) && !slices.Contains(around.Events, s.Notify.Event) {
		theirs := slices.DeleteFunc(slices.Clone(around.Events), func(e string) bool { return !strings.HasPrefix(e, forClients) })
		v.at(path+".notify.event", "event: no message is written for %q%s", s.Notify.Event, thereAre(theirs))
	}
}

func teamIDs(inv *inventory.Inventory) []string {
	var ids []string
	for _, t := range inv.Teams() {
		ids = append(ids, t.ID)
	}
	return ids
}

// doubts warns of what runs, but perhaps not as meant. A condition that reads
// the state of a step that it doesn't wait for depends on which of them is
// faster; an incident has one escalation per team and one beat of updates.
func (v *validator) doubts(rb *Runbook) {
	if rb.On == "" {
		v.warn("$.runbook", "on: not given; no incident chooses this runbook by itself")
	}
	if !slices.ContainsFunc(rb.Steps, func(s Step) bool { return s.Resolve != nil }) {
		v.warn("$.steps", "steps: none resolves the incident; a person must")
	}
	first := map[string]string{}
	for i, s := range rb.Steps {
		what := ""
		switch {
		case s.Escalate != nil:
			what = "pages team " + strings.Join(s.Escalate.All(), ", ")
		case s.Inform != nil:
			what = "starts the client updates"
		}
		if other, ok := first[what]; ok && what != "" {
			v.warn(fmt.Sprintf("$.steps[%d]", i), "step %q %s, as %q does; while the one is at work the other fails", s.ID, what, other)
		}
		first[what] = s.ID
		if s.If == "" {
			continue
		}
		awaited := rb.awaited(s.ID)
		for _, id := range stepsOf(s.If) {
			if !slices.Contains(awaited, id) {
				v.warn(fmt.Sprintf("$.steps[%d].if", i), "if: step %q may still be running; name it under needs", id)
			}
		}
	}
}

// awaited lists the steps that are over before a step begins.
func (r *Runbook) awaited(id string) []string {
	var all []string
	for _, s := range r.Steps {
		if s.ID != id {
			continue
		}
		for todo := slices.Clone(s.Needs); len(todo) > 0; {
			next := todo[0]
			todo = todo[1:]
			if slices.Contains(all, next) {
				continue
			}
			all = append(all, next)
			for _, o := range r.Steps {
				if o.ID == next {
					todo = append(todo, o.Needs...)
				}
			}
		}
	}
	return all
}
