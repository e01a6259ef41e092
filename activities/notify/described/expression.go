package described

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"go.yaml.in/yaml/v3"
)

// expression is an expression in CEL over an answer or a callback. One that
// can't be evaluated (a field that isn't there) holds for nothing and is empty.
type expression struct {
	word

	program cel.Program
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (e *expression) UnmarshalYAML(node *yaml.Node) error { return e.word.UnmarshalYAML(node) }

// answer is what expressions read: of a response, or of a callback.
type answer struct {
	status  int
	headers map[string]string // by lower-case name
	body    string
	json    any // null unless the body is JSON
	form    map[string]string
	item    any // of a callback with several events: the one
}

func newAnswer(status int, header http.Header, body []byte) answer {
	a := answer{status: status, headers: map[string]string{}, body: string(body), json: decoded(body), form: map[string]string{}}
	for name := range header {
		a.headers[strings.ToLower(name)] = header.Get(name)
	}
	return a
}

// decoded reads JSON, whole numbers as such: an id must not lose its last digits.
func decoded(body []byte) any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // JSON's grammar has been checked; too large is infinite
		return f
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	}
	return v
}

func flat(v url.Values) map[string]string {
	out := make(map[string]string, len(v))
	for k := range v {
		out[k] = v.Get(k)
	}
	return out
}

// environment is the same for all expressions.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	texts := cel.MapType(cel.StringType, cel.StringType)
	return cel.NewEnv(
		cel.Variable("status", cel.IntType), cel.Variable("headers", texts), cel.Variable("body", cel.StringType),
		cel.Variable("json", cel.DynType), cel.Variable("form", texts), cel.Variable("item", cel.DynType),
		cel.Function("find", cel.Overload("find_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType, cel.BinaryBinding(find))),
	)
})

// find is the first group of a regular expression in a text, or all that it
// matches; empty if it doesn't.
func find(text, pattern ref.Val) ref.Val {
	re, err := regexp.Compile(string(pattern.(types.String)))
	if err != nil {
		return types.NewErr("%v", err)
	}
	m := re.FindStringSubmatch(string(text.(types.String)))
	switch {
	case m == nil:
		return types.String("")
	case len(m) > 1:
		return types.String(m[1])
	default:
		return types.String(m[0])
	}
}

// maxCost bounds what an expression may compute over an answer of maxAnswer.
const maxCost = 1 << 20

// compile checks the expression; a condition must be true or false.
func (e *expression) compile(condition bool) error {
	env, err := environment()
	if err != nil {
		return fmt.Errorf("prepare CEL: %w", err)
	}
	tree, issues := env.Compile(e.word.text)
	if issues.Err() != nil {
		return errors.New(issues.Errors()[0].Message)
	}
	if t := tree.OutputType(); condition && !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return fmt.Errorf("is a %s, and neither true nor false", t)
	}
	e.program, err = env.Program(tree, cel.CostLimit(maxCost))
	return err
}

func (e *expression) value(a answer) any {
	if e.program == nil {
		return nil
	}
	out, _, err := e.program.Eval(map[string]any{
		"status": a.status, "headers": a.headers, "body": a.body, "json": a.json, "form": a.form, "item": a.item,
	})
	if err != nil || types.IsError(out) {
		return nil
	}
	return out.Value()
}

func (e *expression) holds(a answer) bool {
	v, ok := e.value(a).(bool)
	return ok && v
}

func (e *expression) text(a answer) string {
	switch v := e.value(a).(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return ""
	}
}

func (c *checker) expression(field string, e *expression, condition bool) {
	if e.line == 0 {
		return
	}
	if err := e.compile(condition); err != nil {
		c.wrong(e.line, field, strings.ReplaceAll(err.Error(), "\n", " "))
	}
}

func (c *checker) required(field string, e *expression) {
	if e.line == 0 {
		c.wrong(1, field, "missing")
		return
	}
	c.expression(field, e, true)
}
