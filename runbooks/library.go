package runbooks

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

//go:embed *.yaml schema.json
var builtin embed.FS

// Builtin are the runbooks that come with Vakhta.
func Builtin() fs.FS { return builtin }

// Source reads the text of a runbook.
func Source(fsys fs.FS, name string) ([]byte, error) {
	doc, err := fs.ReadFile(fsys, name+".yaml")
	if err != nil {
		return nil, fmt.Errorf("read runbook %s: %w", name, err)
	}
	return doc, nil
}

// Schema is the JSON Schema of a runbook, for editors.
func Schema() []byte {
	b, err := builtin.ReadFile("schema.json")
	if err != nil {
		panic(err) // embedded at build time
	}
	return b
}

// Library is a set of valid runbooks.
type Library struct {
	byName map[string]*Runbook
	on     map[string]*Condition
	names  []string
}

// Load reads every *.yaml of a folder. Override replaces default inputs by
// name, in every runbook that declares them.
func Load(fsys fs.FS, override map[string]any) (*Library, error) {
	files, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list runbooks: %w", err)
	}
	l := &Library{byName: map[string]*Runbook{}, on: map[string]*Condition{}}
	var problems []Problem
	declared := map[string]bool{}
	for _, f := range files {
		doc, err := fs.ReadFile(fsys, f)
		if err != nil {
			return nil, fmt.Errorf("read runbook %s: %w", f, err)
		}
		rb, v := parse(f, doc, override)
		if rb != nil {
			v.fileName(rb)
		}
		if len(v.problems) > 0 {
			problems = append(problems, v.problems...)
			continue
		}
		for name := range rb.Inputs {
			declared[name] = true
		}
		l.byName[rb.Name] = rb
		l.names = append(l.names, rb.Name)
		if rb.On != "" {
			if l.on[rb.Name], err = Compile(rb.On); err != nil {
				return nil, err
			}
		}
	}
	if len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	if len(l.names) == 0 {
		return nil, errors.New("there is no runbook: the folder holds no *.yaml")
	}
	for _, name := range sortedNames(override) {
		if !declared[name] {
			return nil, fmt.Errorf("runbooks.inputs.%s: no runbook declares this input; there are %s", name, strings.Join(sortedNames(declared), ", "))
		}
	}
	slices.Sort(l.names)
	return l, nil
}

// Names lists the runbooks, in order.
func (l *Library) Names() []string { return slices.Clone(l.names) }

// Get returns a copy of a runbook.
func (l *Library) Get(name string) (*Runbook, error) {
	rb, ok := l.byName[name]
	if !ok {
		return nil, fmt.Errorf("runbook %q does not exist: there are %s", name, strings.Join(l.names, ", "))
	}
	return rb.clone()
}

// For returns the first runbook, by name, whose `on` is true for the facts.
func (l *Library) For(f Facts) (*Runbook, error) {
	for _, n := range l.names {
		c := l.on[n]
		if c == nil {
			continue
		}
		f.Inputs = l.byName[n].Inputs
		ok, err := c.Eval(f)
		if err != nil {
			return nil, fmt.Errorf("runbook %s: on: %w", n, err)
		}
		if ok {
			return l.byName[n].clone()
		}
	}
	return nil, fmt.Errorf("no runbook's `on` fits a %v of severity %v: write one, or widen one of %s", f.Finding["kind"], f.Incident["severity"], strings.Join(l.names, ", "))
}
