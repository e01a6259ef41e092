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
	"github.com/goccy/go-yaml/token"
)

// Problem is one thing wrong with a runbook, with the place to look.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Text    string `json:"text"`
	Warning bool   `json:"warning,omitempty"` // the runbook runs, but perhaps not as meant
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

// maxSize bounds a runbook: it is read by people, and pinned into a history.
const maxSize = 64 << 10

// maxDepth bounds how deep flow collections nest; a runbook needs three.
const maxDepth = 32

const (
	defaultReopen = Duration(time.Hour)
	defaultStable = 2
)

// mostCalm is the longest time for which a machine must answer at every look: one activity looks twice as long.
const mostCalm = 30 * time.Minute

var identifier = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Parse reads and validates one runbook. ${inputs.NAME} in a scalar is replaced
// by that input; override replaces the document's own default inputs. The error
// is an *Error.
func Parse(file string, doc []byte, override map[string]any) (*Runbook, error) {
	rb, v := parse(file, doc, override)
	if len(v.problems) > 0 {
		return nil, &Error{Problems: v.problems}
	}
	return rb, nil
}

// parse returns the runbook with its validator, which still knows every place.
// The runbook is nil if it can't be read at all.
func parse(file string, doc []byte, override map[string]any) (rb *Runbook, v *validator) {
	v = &validator{file: file}
	// The YAML library is fed by editors' half-written files; whatever it makes
	// of one, the linter and a worker's start go on.
	defer func() {
		if r := recover(); r != nil {
			rb = nil
			v.add(1, 1, "not readable as YAML: %v", r)
		}
	}()
	if !v.read(doc) {
		return nil, v
	}
	inputs, used := v.inputs(override)
	v.substitute(inputs)
	if len(v.problems) > 0 {
		return nil, v
	}
	rb = &Runbook{}
	if err := yaml.NodeToValue(v.tree.Docs[0].Body, rb, yaml.Strict()); err != nil {
		v.problems = append(v.problems, syntaxProblem(file, err))
		return nil, v
	}
	rb.Inputs = inputs
	rb.setDefaults()
	v.check(rb)
	rb.Revision = revision(doc, used)
	return rb, v
}

func (r *Runbook) setDefaults() {
	if r.Reopen == 0 {
		r.Reopen = defaultReopen
	}
	for _, s := range r.Steps {
		if s.Verify != nil && s.Verify.Stable == 0 {
			s.Verify.Stable = defaultStable
		}
	}
}

// read parses the YAML and refuses what can't be a runbook.
func (v *validator) read(doc []byte) bool {
	if len(doc) > maxSize {
		v.add(1, 1, "the runbook has %d bytes, more than %d: split it", len(doc), maxSize)
		return false
	}
	if depth(doc) > maxDepth {
		v.add(1, 1, "brackets nest deeper than %d: write it plainer", maxDepth)
		return false
	}
	tree, err := parser.ParseBytes(doc, 0)
	if err != nil {
		v.problems = append(v.problems, syntaxProblem(v.file, err))
		return false
	}
	bodies := slices.DeleteFunc(slices.Clone(tree.Docs), func(d *ast.DocumentNode) bool {
		return d.Body == nil || d.Body.Type() == ast.NullType || d.Body.Type() == ast.CommentType
	})
	switch {
	case len(bodies) == 0:
		v.add(1, 1, "the file is empty; begin with runbook: NAME")
		return false
	case len(bodies) > 1:
		line, column := position(bodies[1].Body)
		v.add(line, column, "a second document begins here; put each runbook into a file of its own")
		return false
	}
	tree.Docs = bodies
	v.tree = tree
	if _, ok := bodies[0].Body.(*ast.MappingNode); !ok {
		line, column := position(bodies[0].Body)
		v.add(line, column, "not a runbook; begin with runbook: NAME")
		return false
	}
	return v.withoutLoops()
}

// depth is how deep flow brackets nest at most; brackets inside texts count too.
func depth(doc []byte) int {
	now, most := 0, 0
	for _, c := range doc {
		switch c {
		case '[', '{':
			now++
			most = max(most, now)
		case ']', '}':
			now = max(now-1, 0)
		}
	}
	return most
}

// withoutLoops refuses an alias inside of what it stands for: it would never end.
func (v *validator) withoutLoops() bool {
	fine := true
	ast.Walk(visit(func(n ast.Node) {
		anchor, ok := n.(*ast.AnchorNode)
		if !ok || anchor.Value == nil {
			return
		}
		ast.Walk(visit(func(n ast.Node) {
			if alias, ok := n.(*ast.AliasNode); ok && alias.Value.String() == anchor.Name.String() {
				line, column := position(alias)
				v.add(line, column, "*%s stands inside of &%s itself", alias.Value, anchor.Name)
				fine = false
			}
		}), anchor.Value)
	}), v.tree.Docs[0].Body)
	return fine
}

type visit func(ast.Node)

func (f visit) Visit(n ast.Node) ast.Visitor { f(n); return f }

// revision identifies what runs: the text and the inputs that replace its own.
func revision(doc []byte, override map[string]any) string {
	h := sha256.New()
	h.Write(doc)
	for _, k := range sortedNames(override) {
		fmt.Fprintf(h, "\n%s=%q", k, asText(override[k]))
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
		p.Text = firstLine(ye.GetMessage())
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
	line, column := position(n)
	return &placedError{text: text, line: line, column: column}
}

// position is where a node begins: for a mapping its first key.
func position(n ast.Node) (line, column int) {
	var t *token.Token
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return position(n.Values[0])
		}
		t = n.GetToken()
	case *ast.MappingValueNode:
		t = n.Key.GetToken()
	default:
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return t.Position.Line, t.Position.Column
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
