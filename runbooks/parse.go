package runbooks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"vakhta/internal/inventory"
)

// Problem is one thing wrong with a runbook, with the place to look.
type Problem struct {
	File   string
	Line   int
	Column int
	Text   string
}

func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
}

// Error lists everything that is wrong with a runbook.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

var (
	identifier = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	reference  = regexp.MustCompile(`^\$\{\s*inputs\.([A-Za-z][A-Za-z0-9]*)\s*\}$`)
)

const defaultReopen = Duration(time.Hour)

// Parse reads and validates one runbook. A scalar that reads ${inputs.NAME} is
// replaced by that input; override replaces the document's own default inputs.
// The error is an *Error.
func Parse(file string, doc []byte, override map[string]any) (*Runbook, error) {
	tree, err := parser.ParseBytes(doc, 0)
	if err != nil {
		return nil, &Error{Problems: []Problem{syntaxProblem(file, err)}}
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return nil, &Error{Problems: []Problem{{File: file, Line: 1, Column: 1, Text: "must hold exactly one runbook"}}}
	}
	v := &validator{file: file, tree: tree}
	inputs, used := v.inputs(override)
	v.substitute(inputs)
	if len(v.problems) > 0 {
		return nil, &Error{Problems: v.problems}
	}
	var rb Runbook
	if err := yaml.NodeToValue(tree.Docs[0].Body, &rb, yaml.Strict()); err != nil {
		return nil, &Error{Problems: []Problem{syntaxProblem(file, err)}}
	}
	rb.Inputs = inputs
	if rb.Reopen == 0 {
		rb.Reopen = defaultReopen
	}
	v.check(&rb)
	if len(v.problems) > 0 {
		return nil, &Error{Problems: v.problems}
	}
	rb.Revision = revision(doc, used)
	return &rb, nil
}

func revision(doc []byte, override map[string]any) string {
	h := sha256.New()
	h.Write(doc)
	keys := make([]string, 0, len(override))
	for k := range override {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(h, "\n%s=%v", k, override[k])
	}
	return hex.EncodeToString(h.Sum(nil))
}

func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, Line: 1, Column: 1, Text: firstLine(err.Error())}
	var at *placedError
	if errors.As(err, &at) {
		p.Text, p.Line, p.Column = at.text, at.line, at.column
		return p
	}
	var ye yaml.Error
	if errors.As(err, &ye) {
		p.Text = ye.GetMessage()
		if t := ye.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	return p
}

// placedError is an error of a value, with where it stands.
type placedError struct {
	text         string
	line, column int
}

func (e *placedError) Error() string { return e.text }

func placed(n ast.Node, text string) error {
	e := &placedError{text: text, line: 1, column: 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		e.line, e.column = t.Position.Line, t.Position.Column
	}
	return e
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

type validator struct {
	file     string
	tree     *ast.File
	problems []Problem
}

// at adds a problem at a YAML path such as $.steps[2].if; a path that isn't
// there points at its nearest parent that is.
func (v *validator) at(path, format string, args ...any) {
	p := Problem{File: v.file, Line: 1, Column: 1, Text: fmt.Sprintf(format, args...)}
	for at := path; at != "" && at != "$"; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		yp, err := yaml.PathString(at)
		if err != nil {
			continue
		}
		n, err := yp.FilterFile(v.tree)
		if err != nil || n == nil {
			continue
		}
		if t := n.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
		break
	}
	v.problems = append(v.problems, p)
}

func (v *validator) inputs(override map[string]any) (inputs, used map[string]any) {
	var head struct {
		Inputs map[string]any `yaml:"inputs"`
	}
	if err := yaml.NodeToValue(v.tree.Docs[0].Body, &head); err != nil {
		v.problems = append(v.problems, syntaxProblem(v.file, err))
		return nil, nil
	}
	inputs, used = map[string]any{}, map[string]any{}
	for k, val := range head.Inputs {
		inputs[k] = val
		if o, ok := override[k]; ok {
			inputs[k], used[k] = o, o
		}
	}
	return inputs, used
}

// substitute replaces ${inputs.x} in the tree, so that strict decoding sees values.
func (v *validator) substitute(inputs map[string]any) {
	ast.Walk(visit(func(n ast.Node) {
		s, ok := n.(*ast.StringNode)
		if !ok {
			return
		}
		m := reference.FindStringSubmatch(s.Value)
		if m == nil {
			return
		}
		val, ok := inputs[m[1]]
		if !ok {
			pos := s.GetToken().Position
			v.problems = append(v.problems, Problem{File: v.file, Line: pos.Line, Column: pos.Column, Text: fmt.Sprintf("input %q is not declared under inputs", m[1])})
			return
		}
		s.Value = fmt.Sprint(val)
	}), v.tree.Docs[0].Body)
}

type visit func(ast.Node)

func (f visit) Visit(n ast.Node) ast.Visitor { f(n); return f }

func (v *validator) check(rb *Runbook) {
	if !identifier.MatchString(rb.Name) {
		v.at("$.runbook", "runbook: %q must be lower-case letters, digits and dashes", rb.Name)
	}
	if rb.On != "" {
		v.condition("$.on", rb.On)
	}
	if len(rb.Steps) == 0 {
		v.at("$.steps", "steps: a runbook needs at least one step")
	}
	ids := map[string]int{}
	for i := range rb.Steps {
		v.step(rb, i, ids)
	}
	for i, s := range rb.Steps {
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
	}
	ids[s.ID] = i
	if s.If != "" {
		v.condition(path+".if", s.If)
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

func (v *validator) kind(path string, s Step) {
	required := func(ok bool, field string) {
		if !ok {
			v.at(path+"."+field, "%s: must be given", field)
		}
	}
	if s.Escalate != nil {
		required(s.Escalate.Team != "", "escalate.team")
		for i, r := range s.Escalate.Ladder {
			if !slices.Contains([]inventory.Channel{inventory.Telegram, inventory.SMS, inventory.Call, inventory.Email}, inventory.Channel(r.Channel)) {
				v.at(fmt.Sprintf("%s.escalate.ladder[%d].channel", path, i), "channel: %q is none of telegram, sms, call, email", r.Channel)
			}
		}
	}
	if s.Inform != nil {
		required(s.Inform.Every >= Duration(time.Second), "inform.every")
	}
	if s.Verify != nil {
		required(s.Verify.Every > 0, "verify.every")
	}
	if s.Task != nil {
		required(s.Task.Text != "", "task.text")
	}
	if s.Approve != nil {
		required(s.Approve.Text != "", "approve.text")
	}
	if s.Notify != nil {
		required(s.Notify.Event != "", "notify.event")
	}
	if s.Wait != nil {
		required(s.Wait.For > 0, "wait.for")
	}
}

func (v *validator) condition(path, text string) {
	if _, err := Compile(text); err != nil {
		v.at(path, "%s", firstLine(err.Error()))
	}
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
