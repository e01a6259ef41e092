package runbooks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// Facts are what a condition may speak of: incident, finding, inputs and steps.
//
//	incident.severity == "sev1"      finding.kind in ["pdu", "switch"]
//	size(incident.clients) > 1       steps["page-network"] == "done"
type Facts struct {
	Incident map[string]any    `json:"incident"` // see IncidentFacts
	Finding  map[string]any    `json:"finding"`  // see FindingFacts
	Inputs   map[string]any    `json:"inputs"`
	Steps    map[string]string `json:"steps"` // state by step id: waiting, running, done, skipped, failed
}

// IncidentFacts are the fields of incident.
func IncidentFacts() []string {
	return []string{"clients", "component", "drill", "id", "servers", "severity", "site", "status"}
}

// FindingFacts are the fields of finding.
func FindingFacts() []string { return []string{"component", "confidence", "kind", "powerOff"} }

// Condition is a compiled CEL expression that answers true or false.
type Condition struct {
	text string
	prg  cel.Program
}

// ConditionError says what is wrong with a condition, and where in it.
type ConditionError struct {
	Condition string
	Line      int // from 1
	Column    int // from 0
	Text      string
}

func (e *ConditionError) Error() string { return fmt.Sprintf("condition %q: %s", e.Condition, e.Text) }

// names are what may stand behind inputs. and in steps[…]; nil inputs or steps
// mean that there are none.
type names struct {
	inputs map[string]any
	steps  map[string]int
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

// Compile checks a condition: its syntax, its names, and that it answers a
// boolean. What is wrong is a *ConditionError.
func Compile(text string) (*Condition, error) { return compile(text, nil) }

// compile checks inputs and steps too, if they are known.
func compile(text string, known *names) (*Condition, error) {
	env, err := environment()
	if err != nil {
		return nil, err
	}
	tree, iss := env.Compile(text)
	if iss.Err() != nil {
		return nil, explainIssue(text, iss.Errors()[0])
	}
	if t := tree.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, &ConditionError{Condition: text, Line: 1, Text: fmt.Sprintf("it gives %s, must give true or false", t)}
	}
	if err := checkNames(text, tree.NativeRep(), known); err != nil {
		return nil, err
	}
	prg, err := env.Program(tree, cel.CostLimit(100_000))
	if err != nil {
		return nil, fmt.Errorf("condition %q: %w", text, err)
	}
	return &Condition{text: text, prg: prg}, nil
}

// explainIssue keeps what helps a person: CEL lists every token that would do.
func explainIssue(text string, e *cel.Error) error {
	what, _, _ := strings.Cut(e.Message, " expecting ")
	what = strings.TrimSuffix(what, " (in container '')")
	if name, ok := strings.CutPrefix(what, "undeclared reference to "); ok {
		what = fmt.Sprintf("there is no %s; a condition speaks of incident, finding, inputs and steps", name)
	}
	return &ConditionError{Condition: text, Line: e.Location.Line(), Column: e.Location.Column(), Text: what}
}

// checkNames finds a field or key that will never be there: such a condition
// would fail at night.
func checkNames(text string, tree *celast.AST, known *names) error {
	var wrong *ConditionError
	celast.PreOrderVisit(tree.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		variable, name, ok := access(e)
		if !ok || wrong != nil {
			return
		}
		possible, checked := known.of(variable)
		if !checked || slices.Contains(possible, name) {
			return
		}
		// Its place is the dot or bracket; the name comes behind it.
		at := tree.SourceInfo().GetStartLocation(e.ID())
		wrong = &ConditionError{Condition: text, Line: at.Line(), Column: max(at.Column()+1, 0), Text: fmt.Sprintf("%s has no %q%s", variable, name, thereAre(possible))}
	}))
	if wrong != nil {
		return wrong
	}
	return nil
}

// of lists what a variable holds, if that is known.
func (k *names) of(variable string) ([]string, bool) {
	switch {
	case variable == "incident":
		return IncidentFacts(), true
	case variable == "finding":
		return FindingFacts(), true
	case k == nil:
		return nil, false
	case variable == "inputs":
		return sortedNames(k.inputs), true
	case variable == "steps":
		return sortedNames(k.steps), true
	}
	return nil, false
}

// access reads variable.name and variable["name"].
func access(e celast.Expr) (variable, name string, ok bool) {
	var of celast.Expr
	switch e.Kind() {
	case celast.SelectKind:
		of, name = e.AsSelect().Operand(), e.AsSelect().FieldName()
	case celast.CallKind:
		c := e.AsCall()
		if c.FunctionName() != operators.Index || len(c.Args()) != 2 || c.Args()[1].Kind() != celast.LiteralKind {
			return "", "", false
		}
		s, isText := c.Args()[1].AsLiteral().(types.String)
		if !isText {
			return "", "", false
		}
		of, name = c.Args()[0], string(s)
	default:
		return "", "", false
	}
	if of.Kind() != celast.IdentKind {
		return "", "", false
	}
	return of.AsIdent(), name, true
}

// stepsOf lists the steps whose state a valid condition reads.
func stepsOf(text string) []string {
	env, err := environment()
	if err != nil {
		return nil
	}
	tree, iss := env.Compile(text)
	if iss.Err() != nil {
		return nil
	}
	var ids []string
	celast.PreOrderVisit(tree.NativeRep().Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if variable, name, ok := access(e); ok && variable == "steps" && !slices.Contains(ids, name) {
			ids = append(ids, name)
		}
	}))
	return ids
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
