package runbooks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"vakhta/internal/inventory"
)

// validator collects what is wrong with a document, each with its place.
type validator struct {
	file     string
	tree     *ast.File
	problems []Problem
}

func (v *validator) add(line, column int, format string, args ...any) {
	v.problems = append(v.problems, Problem{File: v.file, Line: line, Column: column, Text: fmt.Sprintf(format, args...)})
}

// said: there is a problem at this place already.
func (v *validator) said(line, column int) bool {
	return slices.ContainsFunc(v.problems, func(p Problem) bool {
		return p.File == v.file && p.Line == line && p.Column == column
	})
}

// node finds what stands at a YAML path such as $.steps[2].if, or its nearest
// parent that is there.
func (v *validator) node(path string) ast.Node {
	for at := path; at != "" && at != "$"; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		yp, err := yaml.PathString(at)
		if err != nil {
			continue
		}
		if n, err := yp.FilterFile(v.tree); err == nil && n != nil {
			return n
		}
	}
	return v.tree.Docs[0].Body
}

func (v *validator) at(path, format string, args ...any) {
	line, column := position(v.node(path))
	v.add(line, column, format, args...)
}

func (v *validator) check(rb *Runbook) {
	if !identifier.MatchString(rb.Name) {
		v.at("$.runbook", "runbook: %q must be lower-case letters, digits and dashes", rb.Name)
	}
	if rb.Title == "" {
		v.at("$.title", "title: must be given; say what has happened in one line")
	}
	if len(rb.Steps) == 0 {
		v.at("$.steps", "steps: a runbook needs at least one step")
	}
	ids := map[string]int{}
	for i := range rb.Steps {
		v.step(rb, i, ids)
	}
	if rb.On != "" {
		v.condition("$.on", rb.On, names{inputs: rb.Inputs})
	}
	for i, s := range rb.Steps {
		if s.If != "" {
			v.condition(fmt.Sprintf("$.steps[%d].if", i), s.If, names{inputs: rb.Inputs, steps: ids})
		}
		for j, need := range s.Needs {
			if _, ok := ids[need]; !ok {
				v.at(fmt.Sprintf("$.steps[%d].needs[%d]", i, j), "needs: there is no step %q", need)
			}
		}
	}
	if c := cycle(rb.Steps); c != nil {
		v.at(fmt.Sprintf("$.steps[%d].needs", ids[c[0]]), "needs: the steps wait for each other: %s", strings.Join(c, " → "))
	}
}

func (v *validator) step(rb *Runbook, i int, ids map[string]int) {
	s := rb.Steps[i]
	path := fmt.Sprintf("$.steps[%d]", i)
	if !identifier.MatchString(s.ID) {
		v.at(path+".id", "id: %q must be lower-case letters, digits and dashes", s.ID)
	}
	if j, ok := ids[s.ID]; ok {
		v.at(path+".id", "id: %q is the id of step %d already", s.ID, j+1)
	} else {
		ids[s.ID] = i
	}
	switch s.OnFailure {
	case "", FailStop, FailContinue:
	default:
		v.at(path+".on-failure", "on-failure: %q must be %s or %s", s.OnFailure, FailStop, FailContinue)
	}
	if s.Retry.Attempts < 0 || s.Retry.Attempts > 100 {
		v.at(path+".retry.attempts", "retry.attempts: %d must be between 0 and 100", s.Retry.Attempts)
	}
	kind := s.Kind()
	if kind == "" {
		v.at(path, "step %q does nothing: give it one of escalate, inform, verify, task, approve, notify, wait, resolve, postmortem", s.ID)
	}
	if strings.Contains(kind, "+") {
		v.at(path, "step %q has several kinds (%s): make a step of each", s.ID, kind)
	}
	v.kind(path, s)
}

// forClients begins the events that a runbook may send: a page, or an answer to
// a report, would tell clients what isn't so.
const forClients = "incident."

func (v *validator) kind(path string, s Step) {
	required := func(ok bool, field string) {
		if !ok {
			v.at(path+"."+field, "%s: must be given", field)
		}
	}
	if s.Escalate != nil {
		required(len(s.Escalate.All()) > 0, "escalate.team")
		if s.Escalate.Team != "" && len(s.Escalate.Teams) > 0 {
			v.at(path+".escalate.teams", "teams: leave out one of team and teams")
		}
		if !slices.Contains([]string{"", "any", "each"}, s.Escalate.Until) {
			v.at(path+".escalate.until", "until: %q is none of any, each", s.Escalate.Until)
		}
		for i, r := range s.Escalate.Ladder {
			if !slices.Contains(inventory.Channels, inventory.Channel(r.Channel)) {
				v.at(fmt.Sprintf("%s.escalate.ladder[%d].channel", path, i), "channel: %q is none of telegram, whatsapp, slack, mattermost, sms, call, email, sink", r.Channel)
			}
		}
	}
	if s.Inform != nil && s.Inform.Every < Duration(time.Second) {
		v.at(path+".inform.every", "inform.every: must be 1s or more")
	}
	if s.Verify != nil {
		required(s.Verify.Every > 0, "verify.every")
		if s.Verify.Stable < 0 {
			v.at(path+".verify.stable", "verify.stable: %d must not be negative", s.Verify.Stable)
		}
		if s.Verify.Calm < 0 || s.Verify.Calm > Duration(mostCalm) {
			v.at(path+".verify.calm", "verify.calm: must be between 0 and %s", mostCalm)
		}
	}
	if s.Task != nil {
		required(s.Task.Text != "", "task.text")
	}
	if s.Approve != nil {
		required(s.Approve.Text != "", "approve.text")
	}
	if s.Notify != nil {
		required(s.Notify.Event != "", "notify.event")
		if s.Notify.Event != "" && !strings.HasPrefix(s.Notify.Event, forClients) {
			v.at(path+".notify.event", "event: %q is not written for an incident's clients; theirs begin with %s", s.Notify.Event, forClients)
		}
	}
	if s.Wait != nil {
		required(s.Wait.For > 0, "wait.for")
	}
}

// condition points at the very place inside the expression, as far as it stands on one line.
func (v *validator) condition(path, text string, known names) {
	_, err := compile(text, &known)
	if err == nil {
		return
	}
	line, column := position(v.node(path))
	var at *ConditionError
	if !errors.As(err, &at) {
		v.add(line, column, "%s", firstLine(err.Error()))
		return
	}
	field := path[strings.LastIndex(path, ".")+1:]
	if s, ok := v.node(path).(*ast.StringNode); ok && !strings.Contains(strings.TrimSpace(s.Token.Origin), "\n") {
		column += at.Column
		if s.Token.Type == token.SingleQuoteType || s.Token.Type == token.DoubleQuoteType {
			column++
		}
	}
	v.add(line, column, "%s: %s", field, at.Text)
}

// cycle returns the ids of steps that wait for each other, nil if there are none.
func cycle(steps []Step) []string {
	needs := map[string][]string{}
	for _, s := range steps {
		needs[s.ID] = s.Needs
	}
	state := map[string]int{} // 1 on the path, 2 done
	var path []string
	var walk func(id string) []string
	walk = func(id string) []string {
		switch state[id] {
		case 1:
			return append(slices.Clone(path[slices.Index(path, id):]), id)
		case 2:
			return nil
		}
		state[id] = 1
		path = append(path, id)
		for _, n := range needs[id] {
			if c := walk(n); c != nil {
				return c
			}
		}
		path = path[:len(path)-1]
		state[id] = 2
		return nil
	}
	for _, s := range steps {
		if c := walk(s.ID); c != nil {
			return c
		}
	}
	return nil
}
