package inventory

import (
	"bytes"
	"errors"

	"go.yaml.in/yaml/v3"
)

const (
	// longFrom is from how many items on a list is read piece by piece: the tree
	// of a text takes some twenty-five times the text's own memory, and an estate
	// of 100,000 machines has 17 MB of it.
	longFrom = 2000
	// atOnce is how many items of a long list are parsed together.
	atOnce = 256
)

// errCut: a list does not come apart into its lines as it should; the document
// has to be read as a whole.
var errCut = errors.New("the list of components has to be read as a whole")

// long is a block list of a document, cut into items by its lines. It keeps the
// text, and parses what is asked for.
type long struct {
	key   int   // line of the list's key, from 1
	lines []int // of each item: where in the document it begins, from 1
	at    []int // where each item's text begins; one more for the end of the last
	data  []byte
}

// cut takes the items of the document's long list of components out of it: the
// rest has as many empty lines instead. nil: there is none.
func cut(data []byte) (rest []byte, list *long) {
	l := &long{data: data}
	indent, line, end := -1, 0, len(data)
	for at := 0; at < len(data); {
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		text := bytes.TrimRight(data[at:next], " \r\n")
		line++
		depth := len(text) - len(bytes.TrimLeft(text, " "))
		item := bytes.HasPrefix(text[depth:], []byte("- ")) || string(text[depth:]) == "-"
		switch {
		case l.key == 0:
			if bytes.HasPrefix(text, []byte("components:")) && len(bytes.TrimLeft(stripComment(text[len("components:"):]), " ")) == 0 {
				l.key = line
			}
		case len(text) == depth || text[depth] == '#': // belongs to whatever is around it
		case indent < 0 && !item, indent >= 0 && (depth < indent || depth == indent && !item):
			end = at
		case indent < 0 || depth == indent:
			indent = depth
			l.lines, l.at = append(l.lines, line), append(l.at, at)
		}
		if end < len(data) {
			break
		}
		at = next
	}
	if len(l.at) < longFrom {
		return data, nil
	}
	first := l.at[0]
	l.at = append(l.at, end)
	rest = append(rest, data[:first]...)
	rest = append(rest, bytes.Repeat([]byte{'\n'}, bytes.Count(data[first:end], []byte{'\n'}))...)
	return append(rest, data[end:]...), l
}

// stripComment takes a comment off the end of what follows a key.
func stripComment(text []byte) []byte {
	if i := bytes.Index(text, []byte(" #")); i >= 0 {
		return text[:i]
	}
	return text
}

// belongs says that the rest of the document has the list's key, with nothing below it.
func (l *long) belongs(documents []*yaml.Node) bool {
	if len(documents) != 1 || documents[0].Kind != yaml.MappingNode {
		return false
	}
	key := firstKey(documents[0], "components")
	if key == nil || key.Line != l.key {
		return false
	}
	value := child(documents[0], "components")
	return value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null" && value.Value == "" && value.Anchor == "" && value.Style == 0
}

// each parses the items, some at a time, in order.
func (l *long) each(read func(index int, item *yaml.Node)) error {
	items := len(l.lines)
	for from := 0; from < items; from += atOnce {
		nodes, err := l.parse(from, min(from+atOnce, items))
		if err != nil {
			return err
		}
		for i, n := range nodes {
			read(from+i, n)
		}
	}
	return nil
}

// item parses one of them once more: it has been parsed before.
func (l *long) item(index int) *yaml.Node {
	nodes, err := l.parse(index, index+1)
	if err != nil {
		return &yaml.Node{Kind: yaml.ScalarNode, Line: l.lines[index], Column: 1}
	}
	return nodes[0]
}

// parse reads items from one to before another, at their lines of the document.
func (l *long) parse(from, to int) ([]*yaml.Node, error) {
	documents, err := parseOne(l.data[l.at[from]:l.at[to]])
	if err != nil || len(documents) != 1 || documents[0].Kind != yaml.SequenceNode || len(documents[0].Content) != to-from {
		return nil, errCut
	}
	items := documents[0].Content
	for i, n := range items {
		if moved(n, l.lines[from]-1); n.Line < l.lines[from+i] {
			return nil, errCut
		}
	}
	return items, nil
}

func moved(n *yaml.Node, lines int) {
	n.Line += lines
	for _, c := range n.Content {
		moved(c, lines)
	}
}
