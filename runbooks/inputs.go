package runbooks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

var (
	inputName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,62}$`)
	reference = regexp.MustCompile(`\$\{\s*inputs\.([A-Za-z][A-Za-z0-9]*)\s*\}`)
)

// inputs reads the declared inputs, each a string, number or boolean, and
// returns them with what replaces them; used holds only what was replaced.
func (v *validator) inputs(override map[string]any) (inputs, used map[string]any) {
	inputs, used = map[string]any{}, map[string]any{}
	for _, entry := range v.section("inputs") {
		name := entry.Key.GetToken().Value
		line, column := position(entry)
		if !inputName.MatchString(name) {
			v.add(line, column, "inputs: %q must be letters and digits", name)
			continue
		}
		inputs[name] = "" // declared, whatever is wrong with it
		value, ok := scalar(entry.Value)
		if !ok {
			line, column := position(entry.Value)
			v.add(line, column, "inputs.%s: must be a text, a number, true or false", name)
			continue
		}
		if s, ok := value.(string); ok && strings.Contains(s, "${") {
			line, column := position(entry.Value)
			v.add(line, column, "inputs.%s: an input can't be made of another", name)
			continue
		}
		inputs[name] = value
		given, ok := override[name]
		if !ok {
			continue
		}
		if given, ok = plain(given); !ok || sort(given) != sort(value) {
			v.add(line, column, "inputs.%s: the configuration's value must be a %s like the default, %s", name, sort(value), asText(value))
			continue
		}
		inputs[name], used[name] = given, given
	}
	return inputs, used
}

// section returns the entries of a mapping at the top of the document.
func (v *validator) section(name string) []*ast.MappingValueNode {
	root, ok := v.tree.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		return nil
	}
	for _, entry := range root.Values {
		if entry.Key.GetToken().Value != name {
			continue
		}
		switch m := entry.Value.(type) {
		case *ast.MappingNode:
			return m.Values
		case *ast.NullNode:
			return nil
		default:
			line, column := position(entry.Value)
			v.add(line, column, "%s: must be a list of name: value", name)
		}
	}
	return nil
}

// scalar is a node's value; numbers are float64, as they are once a history has kept them.
func scalar(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		return scalar(n.Value)
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.IntegerNode:
		return plain(n.Value)
	case *ast.FloatNode:
		return n.Value, true
	default:
		return nil, false
	}
}

// plain makes a configured value what a document's would be.
func plain(value any) (any, bool) {
	switch x := value.(type) {
	case string, bool, float64:
		return x, true
	case int:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	case time.Duration:
		return x.String(), true
	default:
		return nil, false
	}
}

// sort names what a value is; an override must be of the same sort.
func sort(value any) string {
	switch x := value.(type) {
	case bool:
		return "true or false"
	case float64:
		return "number"
	case string:
		if d, err := time.ParseDuration(x); err == nil && d >= 0 {
			return "duration"
		}
	}
	return "text"
}

func asText(value any) string {
	if f, ok := value.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// substitute replaces ${inputs.x} in the tree, so that strict decoding sees values.
func (v *validator) substitute(inputs map[string]any) {
	ast.Walk(visit(func(n ast.Node) {
		s, ok := n.(*ast.StringNode)
		if !ok || !strings.Contains(s.Value, "${") {
			return
		}
		line, column := position(s)
		s.Value = reference.ReplaceAllStringFunc(s.Value, func(m string) string {
			name := reference.FindStringSubmatch(m)[1]
			value, ok := inputs[name]
			if !ok && !v.said(line, column) {
				v.add(line, column, "input %q is not declared under inputs%s", name, thereAre(sortedNames(inputs)))
			}
			return asText(value)
		})
		if strings.Contains(s.Value, "${") && !v.said(line, column) {
			v.add(line, column, "%q: only ${inputs.NAME} can stand here", s.Value)
		}
	}), v.tree.Docs[0].Body)
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func thereAre(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; there are " + strings.Join(names, ", ")
}
