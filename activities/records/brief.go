package records

import (
	"context"
	"errors"
	"fmt"

	"vakhta/internal/incident"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// unexplainedHead is how many machines that nothing explains a history names.
const unexplainedHead = 200

// brief keeps what was found in the store where it is long, and leaves heads
// and counts for the history: a room of 20,000 machines would fill it.
func (a *Activities) brief(ctx context.Context, sweep string, out Inferred) (Inferred, error) {
	whole := topology.Found{Findings: out.Findings, Unexplained: out.Unexplained}
	cut := len(out.Unexplained) > unexplainedHead
	out.Findings = make([]topology.Finding, len(whole.Findings))
	for i, f := range whole.Findings {
		out.Findings[i] = f.Brief()
		cut = cut || out.Findings[i].Cut()
	}
	if !cut {
		return out, nil
	}
	if n := len(out.Unexplained); n > unexplainedHead {
		out.UnexplainedCount, out.Unexplained = n, out.Unexplained[:unexplainedHead]
	}
	return out, a.store.PutFound(ctx, sweep, a.now(), whole)
}

// wholeFinding is what a brief finding of a sweep was taken from.
func (a *Activities) wholeFinding(ctx context.Context, sweep string, f topology.Finding) (topology.Finding, error) {
	if !f.Cut() {
		return f, nil
	}
	found, err := a.store.Found(ctx, sweep)
	if err != nil {
		return f, fmt.Errorf("read the finding on %s whole: %w", f.Component, err)
	}
	whole, ok := found.Whole(f)
	if !ok {
		return f, fmt.Errorf("read the finding on %s whole: sweep %s holds another by now", f.Component, sweep)
	}
	return whole, nil
}

// whole completes an incident as a workflow holds it by what the store has of it.
func (a *Activities) whole(ctx context.Context, in incident.Incident) (incident.Incident, error) {
	if !in.Cut() {
		return in, nil
	}
	stored, err := a.incident(ctx, in.ID)
	if err != nil {
		return in, err
	}
	if in.Finding.Cut() {
		f, err := a.wholeFinding(ctx, in.Sweep, in.Finding)
		switch {
		case err == nil:
			in.Finding = f
		case stored.Finding.Component == in.Finding.Component && (errors.Is(err, store.ErrNotFound) || len(stored.Finding.Explains) == in.Finding.Impact()):
			in.Finding = stored.Finding
		default:
			return in, err
		}
	}
	in.ServerCount = 0
	servers := set(stored.Servers)
	for _, id := range in.Finding.Explains {
		servers[id] = true
	}
	in.Servers = sorted(servers)
	return in, nil
}

// UnaccountedParams asks which of the components no finding of the sweep is about.
type UnaccountedParams struct {
	Sweep      string             `json:"sweep"`
	Components []string           `json:"components"`
	Findings   []topology.Finding `json:"findings"`
}

// Unaccounted names those of the components that no finding names or explains.
func (a *Activities) Unaccounted(ctx context.Context, p UnaccountedParams) ([]string, error) {
	about := map[string]bool{}
	for _, f := range p.Findings {
		f, err := a.wholeFinding(ctx, p.Sweep, f)
		if err != nil {
			return nil, permanent(err)
		}
		about[f.Component] = true
		for _, id := range f.Explains {
			about[id] = true
		}
	}
	left := []string{}
	for _, id := range p.Components {
		if !about[id] {
			left = append(left, id)
		}
	}
	return left, nil
}
