package inventory

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxProblems bounds the problems that an Error lists; the rest are counted.
const maxProblems = 50

// Problem is one thing wrong in a document: where, which field, what and how to mend it.
type Problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Field  string `json:"field"` // "components[srv-0001].needs.power[1]"
	Text   string `json:"text"`  // "what; remedy", free of personal data
}

// String renders the problem as compilers do, so that editors can jump to it.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Column, p.Field, p.Text)
}

// Error lists what is wrong with an inventory.
type Error struct {
	Problems []Problem `json:"problems"` // the first 50, in the order of the documents
	More     int       `json:"more"`     // how many were found beyond those
}

// Error lists the problems, one a line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "inventory has %d problem(s):", len(e.Problems)+e.More)
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n  … and %d more", e.More)
	}
	return b.String()
}

// entry is one item of a section, kept beside what was read from it so that a
// problem found later can still say where it stands.
type entry struct {
	file    string
	doc     int // place of its document, for ordering
	section string
	index   int
	id      string
	node    *yaml.Node // nil: of an item of the long list, until it is needed
	long    *long
}

// root is the entry's tree.
func (e *entry) root() *yaml.Node {
	if e.node == nil {
		e.node = e.long.item(e.index)
	}
	return e.node
}

// light is the decoder without a tree that can be had again: of 100,000 items
// few have something wrong with them.
func (d *decoder) light() decoder {
	out := *d
	if out.long != nil {
		out.node = nil
	}
	return out
}

// where names a place for a person: "file:line".
func (e *entry) where() string { return e.file + ":" + strconv.Itoa(e.root().Line) }

// field is the path of n, which is e's node or somewhere below it.
func (e *entry) field(n *yaml.Node) string {
	name := e.section
	if e.index >= 0 {
		key := e.id
		if key == "" {
			key = strconv.Itoa(e.index)
		}
		name += "[" + key + "]"
	}
	if path, ok := pathTo(e.root(), n); ok {
		name += path
	}
	return strings.TrimPrefix(name, ".")
}

// pathTo finds the path from root to n as ".key[index]…".
func pathTo(root, n *yaml.Node) (string, bool) {
	if root == n {
		return "", true
	}
	switch root.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(root.Content); i += 2 {
			key, value := root.Content[i], root.Content[i+1]
			if key == n {
				return "." + printable(key.Value), true
			}
			if path, ok := pathTo(value, n); ok {
				return "." + printable(key.Value) + path, true
			}
		}
	case yaml.SequenceNode:
		for i, item := range root.Content {
			if path, ok := pathTo(item, n); ok {
				return "[" + strconv.Itoa(i) + "]" + path, true
			}
		}
	}
	return "", false
}

// printable keeps a key short and free of what might be personal data: a key
// that does not look like a word of ours is not repeated.
func printable(key string) string {
	if isWord(key) {
		return key
	}
	return "?"
}

// isWord says that s looks like a field name or an id, not like an address or a phone number.
func isWord(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	letter := false
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			letter = true
		case r >= '0' && r <= '9', r == '-', r == '_', r == '.':
		default:
			return false
		}
	}
	return letter
}

// problems collects what is wrong, in any order; sorted puts it in the documents' order.
type problems struct {
	list []placed
	more int
}

type placed struct {
	doc int
	Problem
}

func (p *problems) add(e *entry, n *yaml.Node, format string, args ...any) {
	if len(p.list) >= 4*maxProblems { // a later, smaller place may still come; beyond this it is noise
		p.more++
		return
	}
	if n == nil {
		n = e.root()
	}
	p.list = append(p.list, placed{e.doc, Problem{
		File: e.file, Line: n.Line, Column: n.Column,
		Field: e.field(n), Text: fmt.Sprintf(format, args...),
	}})
}
