package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/store"
)

// TriageScope is what alerts point at.
type TriageScope struct {
	Components []string `json:"components"`        // known ones, by id
	Unknown    []string `json:"unknown,omitempty"` // alerts that name nothing in the inventory, by id
	// Silenced counts alerts about what planned work takes down now: they are
	// recorded on the work's timeline, and looked at again when it ends.
	Silenced int `json:"silenced,omitempty"`
	// Quieter are incidents of which an alert has ended, by id.
	Quieter []string `json:"quieter,omitempty"`
}

// ScopeAlerts resolves firing alerts to components, without those that planned
// work explains.
func (a *Activities) ScopeAlerts(ctx context.Context, ids []string) (TriageScope, error) {
	alerts, err := a.alerts(ctx, ids)
	if err != nil {
		return TriageScope{}, err
	}
	planned, err := a.underWork(ctx)
	if err != nil {
		return TriageScope{}, err
	}
	known, quieter := map[string]bool{}, map[string]bool{}
	var out TriageScope
	var silenced []incident.Entry
	for _, al := range alerts {
		if of := cmp.Or(al.Incident, al.Raised); !al.Firing && of != "" {
			quieter[of] = true
		}
		if !al.Firing || al.Incident != "" {
			continue
		}
		if _, ok := a.inv.Component(al.Component); !ok {
			out.Unknown = append(out.Unknown, al.ID)
			continue
		}
		if work := planned[al.Component]; work != "" {
			out.Silenced++
			silenced = append(silenced, incident.Entry{
				Key: "alert/" + al.ID + "/" + al.StartsAt.UTC().Format(time.RFC3339) + "/" + work, Subject: "maintenance/" + work, At: al.ReceivedAt, Kind: "alert",
				Actor: al.Source, Text: fmt.Sprintf("Alert on %s: %s; the work explains it", al.Component, al.Summary),
			})
			continue
		}
		known[al.Component] = true
	}
	out.Components, out.Quieter = sorted(known), sorted(quieter)
	if len(silenced) > 0 {
		err = a.append(ctx, silenced...)
	}
	return out, err
}

// Silenced are alerts, by the region whose triage they are for.
type Silenced struct {
	ByRegion map[string][]string `json:"byRegion,omitempty"`
}

// SilencedAlerts are the alerts that still fire, belong to no incident, and are
// about what a work touches: its end ends their silence.
func (a *Activities) SilencedAlerts(ctx context.Context, work string) (Silenced, error) {
	touched, err := a.resolveIn(ctx, Scope{Work: work})
	if err != nil {
		return Silenced{}, err
	}
	alerts, err := a.store.Alerts(ctx, store.AlertFilter{Firing: true, Loose: true, Limit: mostSilenced})
	if err != nil {
		return Silenced{}, fmt.Errorf("read the alerts that still fire: %w", err)
	}
	out := Silenced{ByRegion: map[string][]string{}}
	for _, al := range alerts {
		c, known := a.inv.Component(al.Component)
		if _, about := slices.BinarySearch(touched, al.Component); about && known {
			out.ByRegion[siteOf(c)] = append(out.ByRegion[siteOf(c)], al.ID)
		}
	}
	return out, nil
}

// mostSilenced bounds the alerts that are handed back to triage by name.
const mostSilenced = 5000

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
		entries = append(entries, alertEntry(al, p.Incident))
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
