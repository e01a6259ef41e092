package records

import (
	"context"
	"errors"
	"fmt"

	"vakhta/internal/incident"
	"vakhta/internal/postmortem"
	"vakhta/internal/store"
)

// DraftPostmortem draws the draft from the incident and its timeline. A draft
// that exists already is returned as it stands.
func (a *Activities) DraftPostmortem(ctx context.Context, id string) (incident.Postmortem, error) {
	pm, err := a.store.Postmortem(ctx, id)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return pm, err
	}
	in, err := a.incident(ctx, id)
	if err != nil {
		return pm, err
	}
	entries, err := a.store.Timeline(ctx, "incident/"+id, 0, 0)
	if err != nil {
		return pm, fmt.Errorf("read timeline of incident %s: %w", id, err)
	}
	pm = postmortem.Draft(in, entries, a.inv.Names())
	pm.CreatedAt, pm.UpdatedAt = a.now(), a.now()
	if err := a.store.SavePostmortem(ctx, pm, 0); err != nil {
		return pm, fmt.Errorf("save draft of postmortem %s: %w", id, err)
	}
	return a.postmortem(ctx, id)
}

func (a *Activities) postmortem(ctx context.Context, id string) (incident.Postmortem, error) {
	pm, err := a.store.Postmortem(ctx, id)
	if err != nil {
		return pm, permanent(fmt.Errorf("read postmortem %s: %w", id, err))
	}
	return pm, nil
}

// SavePostmortemParams writes a postmortem and what was done to it.
type SavePostmortemParams struct {
	Postmortem incident.Postmortem `json:"postmortem"` // Revision is the one it was read at
	Entry      incident.Entry      `json:"entry"`
}

// SavePostmortem writes the next revision. The workflow is the only writer, so
// a revision that is there already is the trace of a try whose answer was lost.
func (a *Activities) SavePostmortem(ctx context.Context, p SavePostmortemParams) (incident.Postmortem, error) {
	pm := p.Postmortem
	pm.UpdatedAt = a.now()
	err := a.store.SavePostmortem(ctx, pm, pm.Revision)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return pm, fmt.Errorf("save postmortem %s: %w", pm.Incident, err)
	}
	if err := a.Append(ctx, []incident.Entry{p.Entry}); err != nil {
		return pm, err
	}
	return a.postmortem(ctx, pm.Incident)
}
