package records

import (
	"context"
	"fmt"

	"vakhta/internal/incident"
	"vakhta/internal/store"
)

// TriageScope is what alerts point at.
type TriageScope struct {
	Components []string `json:"components"`        // known ones, by id
	Unknown    []string `json:"unknown,omitempty"` // alerts that name nothing in the inventory, by id
}

// ScopeAlerts resolves firing alerts to components.
func (a *Activities) ScopeAlerts(ctx context.Context, ids []string) (TriageScope, error) {
	alerts, err := a.alerts(ctx, ids)
	if err != nil {
		return TriageScope{}, err
	}
	known := map[string]bool{}
	var out TriageScope
	for _, al := range alerts {
		if !al.Firing || al.Incident != "" {
			continue
		}
		if _, ok := a.inv.Component(al.Component); !ok {
			out.Unknown = append(out.Unknown, al.ID)
			continue
		}
		known[al.Component] = true
	}
	out.Components = sorted(known)
	return out, nil
}

// LinkAlertsParams ties alerts to the incident that explains them.
type LinkAlertsParams struct {
	IDs      []string `json:"ids"`
	Incident string   `json:"incident"`
	// Servers are what the incident explains; an alert about another machine is left
	// alone. Where they are only some of it, Whole has the rest looked up.
	Servers []string `json:"servers"`
	Whole   bool     `json:"whole,omitempty"`
}

// LinkAlerts ties those alerts to an incident that are about its machines or its component.
func (a *Activities) LinkAlerts(ctx context.Context, p LinkAlertsParams) (int, error) {
	alerts, err := a.alerts(ctx, p.IDs)
	if err != nil {
		return 0, err
	}
	about := map[string]bool{}
	for _, s := range p.Servers {
		about[s] = true
	}
	if p.Whole {
		in, err := a.incident(ctx, p.Incident)
		if err != nil {
			return 0, err
		}
		for _, s := range in.Servers {
			about[s] = true
		}
	}
	var ids []string
	var entries []incident.Entry
	for _, al := range alerts {
		if !about[al.Component] || al.Incident != "" {
			continue
		}
		ids = append(ids, al.ID)
		entries = append(entries, incident.Entry{
			Key: "alert/" + al.ID + "/" + p.Incident, Subject: "incident/" + p.Incident, At: al.ReceivedAt, Kind: "alert",
			Actor: al.Source, Text: fmt.Sprintf("Alert on %s: %s", al.Component, al.Summary),
		})
	}
	if len(ids) == 0 {
		return 0, nil
	}
	if err := a.store.SetAlertsIncident(ctx, ids, p.Incident); err != nil {
		return 0, fmt.Errorf("tie alerts to incident %s: %w", p.Incident, err)
	}
	return len(ids), a.append(ctx, entries...)
}

func (a *Activities) alerts(ctx context.Context, ids []string) ([]incident.Alert, error) {
	alerts, err := a.store.Alerts(ctx, store.AlertFilter{IDs: ids})
	if err != nil {
		return nil, fmt.Errorf("read %d alerts: %w", len(ids), err)
	}
	return alerts, nil
}
