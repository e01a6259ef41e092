package records

import (
	"context"

	"vakhta/internal/incident"
	"vakhta/runbooks"
)

// PinParams asks for the runbook of an incident: by name, or by its `on`.
type PinParams struct {
	Incident incident.Incident `json:"incident"`
	Name     string            `json:"name,omitempty"`
}

// PinRunbook reads the runbook that an incident will follow to its end.
func (a *Activities) PinRunbook(_ context.Context, p PinParams) (runbooks.Runbook, error) {
	var rb *runbooks.Runbook
	var err error
	if p.Name != "" {
		rb, err = a.library.Get(p.Name)
	} else {
		rb, err = a.library.For(RunbookFacts(p.Incident))
	}
	if err != nil {
		return runbooks.Runbook{}, invalid("runbook: %v", err)
	}
	return *rb, nil
}

// ConditionParams is a step's `if` and what it may speak of.
type ConditionParams struct {
	Expression string         `json:"expression"`
	Facts      runbooks.Facts `json:"facts"`
	// Incident has the servers looked up, where the facts lack some.
	Incident string `json:"incident,omitempty"`
}

// Condition evaluates a step's `if`. It is an activity so that a later version
// of the expression library can't change the answer of a running incident.
func (a *Activities) Condition(ctx context.Context, p ConditionParams) (bool, error) {
	if p.Incident != "" {
		in, err := a.incident(ctx, p.Incident)
		if err != nil {
			return false, err
		}
		p.Facts.Incident["servers"] = in.Servers
	}
	c, err := runbooks.Compile(p.Expression)
	if err != nil {
		return false, invalid("if: %v", err)
	}
	ok, err := c.Eval(p.Facts)
	if err != nil {
		return false, invalid("if: %v", err)
	}
	return ok, nil
}

// RunbookFacts is what conditions know of an incident.
func RunbookFacts(in incident.Incident) runbooks.Facts {
	return runbooks.Facts{
		Incident: map[string]any{
			"id": in.ID, "severity": string(in.Severity), "status": string(in.Status), "site": in.Site, "component": in.Component,
			"servers": in.Servers, "clients": in.Clients, "drill": in.Drill,
		},
		Finding: map[string]any{
			"component": in.Finding.Component, "kind": string(in.Finding.Kind), "confidence": in.Finding.Itself(), "powerOff": in.Finding.PowerOff,
		},
	}
}
