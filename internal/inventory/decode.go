package inventory

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder reads typed values from one entry's nodes and records what is wrong with them.
type decoder struct {
	entry
	problems *problems
}

func (d *decoder) wrong(n *yaml.Node, format string, args ...any) {
	d.problems.add(&d.entry, n, format, args...)
}

// fields calls read for each field of a mapping; known are the names that it
// takes, and every other name is a problem.
func (d *decoder) fields(n *yaml.Node, known []string, read func(key string, value *yaml.Node)) {
	if !d.plain(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "is %s; write a mapping with the fields %s", kindOf(n), strings.Join(known, ", "))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !slices.Contains(known, key.Value) {
			if key.Value == "<<" {
				d.wrong(key, "merge keys are not supported; write the fields out")
				continue
			}
			d.wrong(key, "unknown field; %s", didYouMean(key.Value, known, "use one of "+strings.Join(known, ", ")))
			continue
		}
		if first := firstKey(n, key.Value); first != key {
			d.wrong(key, "is given twice, first on line %d; remove one", first.Line)
			continue
		}
		if d.plain(value) {
			read(key.Value, value)
		}
	}
}

// pairs calls read for each pair of a mapping whose keys are free names.
func (d *decoder) pairs(n *yaml.Node, read func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "is %s; write a mapping", kindOf(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.wrong(key, "a key is %s; write a plain name", kindOf(key))
			continue
		}
		if first := firstKey(n, key.Value); first != key {
			d.wrong(key, "is given twice, first on line %d; remove one", first.Line)
			continue
		}
		if d.plain(value) {
			read(key, value)
		}
	}
}

// items calls read for each item of a list.
func (d *decoder) items(n *yaml.Node, read func(item *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, "is %s; write a list: [a, b]", kindOf(n))
		return
	}
	for _, item := range n.Content {
		if d.plain(item) {
			read(item)
		}
	}
}

// plain refuses aliases: a small document with them can stand for an endless one.
func (d *decoder) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		d.wrong(n, "aliases are not supported; write the value out")
		return false
	}
	return true
}

// text reads a scalar as it is written; numbers need no quotes.
func (d *decoder) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		d.wrong(n, "is %s; write text", kindOf(n))
		return ""
	}
	switch n.ShortTag() {
	case "!!null":
		d.wrong(n, "is empty; give a value or remove the field")
		return ""
	case "!!bool", "!!binary":
		d.wrong(n, "is not text; put it in quotes")
		return ""
	}
	return n.Value
}

// isEmpty says that the text is there and has nothing in it.
func isEmpty(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.ShortTag() == "!!str"
}

// id reads an identifier.
func (d *decoder) id(n *yaml.Node) string {
	s := d.text(n)
	if isEmpty(n) {
		d.wrong(n, "is empty; write an id of letters a–z, digits, '-', '_' and '.'")
	}
	if s != "" && !isID(s) {
		d.wrong(n, "is not an id; use up to 128 letters a–z, digits, '-', '_' and '.', starting with a letter or digit")
		return ""
	}
	return s
}

func isID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return true
}

// number reads a whole number between low and high.
func (d *decoder) number(n *yaml.Node, low, high int) int {
	value, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || value < low || value > high {
		d.wrong(n, "must be a whole number from %d to %d", low, high)
		return 0
	}
	return value
}

func (d *decoder) boolean(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		return strings.EqualFold(n.Value, "true")
	}
	d.wrong(n, "must be true or false")
	return false
}

// seconds reads a duration such as 2m or 90s.
func (d *decoder) seconds(n *yaml.Node, low, high time.Duration) int {
	value, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || value < low || value > high {
		d.wrong(n, "must be a duration from %s to %s, such as 2m or 90s", low, high)
		return 0
	}
	return int(value / time.Second)
}

// name reads a Text: a plain string or a mapping from language to string.
func (d *decoder) name(n *yaml.Node) Text {
	if n.Kind == yaml.ScalarNode {
		s := d.text(n)
		if s == "" {
			return nil
		}
		return Text{Russian: s, English: s}
	}
	out := Text{}
	d.fields(n, languageNames, func(key string, value *yaml.Node) { out[Language(key)] = d.text(value) })
	return out
}

func (d *decoder) ids(n *yaml.Node) []string {
	var out []string
	d.items(n, func(item *yaml.Node) {
		s := d.id(item)
		if s == "" {
			return
		}
		if slices.Contains(out, s) {
			d.wrong(item, "%s is listed twice; remove one", s)
			return
		}
		out = append(out, s)
	})
	return out
}

// child returns the node at the path of keys below n, or the deepest that exists.
func child(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		k := firstKey(n, key)
		if k == nil {
			return n
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i] == k {
				n = n.Content[i+1]
				break
			}
		}
	}
	return n
}

// item returns the item of the list n whose text is value, or n.
func item(n *yaml.Node, value string) *yaml.Node {
	for _, c := range n.Content {
		if n.Kind == yaml.SequenceNode && c.Value == value {
			return c
		}
	}
	return n
}

func firstKey(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i]
		}
	}
	return nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	if n.ShortTag() == "!!null" {
		return "empty"
	}
	return "a single value"
}
