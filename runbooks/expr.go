package runbooks

import (
	"fmt"

	"github.com/google/cel-go/cel"
)

// Facts are what a condition may speak of: incident, finding, inputs and steps.
//
//	incident.severity == "sev1"      finding.kind in ["pdu", "switch"]
//	size(incident.clients) > 1       steps["page-network"] == "done"
type Facts struct {
	Incident map[string]any    `json:"incident"` // id, severity, status, site, component, servers, clients, drill
	Finding  map[string]any    `json:"finding"`  // component, kind, confidence, powerOff
	Inputs   map[string]any    `json:"inputs"`
	Steps    map[string]string `json:"steps"` // state by step id
}

// Condition is a compiled CEL expression that answers true or false.
type Condition struct {
	text string
	prg  cel.Program
}

func environment() (*cel.Env, error) {
	env, err := cel.NewEnv(
		cel.Variable("incident", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("finding", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("inputs", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("steps", cel.MapType(cel.StringType, cel.StringType)),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	return env, nil
}

// Compile checks a condition: its syntax, its names, and that it answers a boolean.
func Compile(text string) (*Condition, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, iss := env.Compile(text)
	if iss.Err() != nil {
		return nil, fmt.Errorf("condition %q: %w", text, iss.Err())
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("condition %q: answers %s, must answer true or false", text, t)
	}
	prg, err := env.Program(ast, cel.CostLimit(100_000))
	if err != nil {
		return nil, fmt.Errorf("condition %q: %w", text, err)
	}
	return &Condition{text: text, prg: prg}, nil
}

// Eval answers the condition for these facts.
func (c *Condition) Eval(f Facts) (bool, error) {
	out, _, err := c.prg.Eval(map[string]any{
		"incident": orEmpty(f.Incident), "finding": orEmpty(f.Finding), "inputs": orEmpty(f.Inputs), "steps": f.Steps,
	})
	if err != nil {
		return false, fmt.Errorf("condition %q: %w", c.text, err)
	}
	b, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("condition %q: answered %v, must answer true or false", c.text, out.Value())
	}
	return b, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
