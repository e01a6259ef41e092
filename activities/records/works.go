package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
)

// PlannedWork is a work as it was computed; whose machines it touches is in the
// store only, for there may be thousands.
type PlannedWork struct {
	Work      maintenance.Work       `json:"work"`               // without its machines
	Clients   int                    `json:"clients"`            // who lose service
	Servers   int                    `json:"servers"`            // that lose service
	Slowed    int                    `json:"slowed,omitempty"`   // clients of whom machines work worse, and none goes off
	Degraded  int                    `json:"degraded,omitempty"` // machines that work worse
	Reduced   int                    `json:"reduced"`            // that lose redundancy only
	Conflicts []maintenance.Conflict `json:"conflicts,omitempty"`
}

// PlanWorkParams is a work to be planned.
type PlanWorkParams struct {
	maintenance.Work

	// AskedBy is who begins its life, whose role is asked; empty: it is planned anew
	// by an act whose sender was asked already, or an upstream's notice began it.
	AskedBy string `json:"askedBy,omitempty"`
}

// PlanWork computes whom a work touches and keeps it. A work that breaks a
// redundancy together with another one, or with an open incident, is refused
// unless it says why it may run all the same.
func (a *Activities) PlanWork(ctx context.Context, p PlanWorkParams) (PlannedWork, error) {
	w := p.Work
	if p.AskedBy != "" {
		if err := a.may(p.AskedBy, inventory.Responder); err != nil {
			return PlannedWork{}, err
		}
	}
	out, full, err := a.measure(ctx, w)
	if err != nil {
		return out, err
	}
	if len(out.Conflicts) > 0 && strings.TrimSpace(w.Override) == "" {
		return out, invalid("components: %s; move the work, or give a reason to override", conflictText(out.Conflicts))
	}
	if len(full.Audience(maintenance.Impacts...)) == 0 {
		return out, invalid("components: no client's machine leans on %s; check the inventory", strings.Join(w.Components, ", "))
	}
	if err := a.store.PutMaintenance(ctx, full); err != nil {
		return out, permanentConflict(err)
	}
	return out, nil
}

func permanentConflict(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return invalid("%s", err.Error())
	}
	return err
}

// MeasuredWork is what a work would be, and how its announcement would go.
type MeasuredWork struct {
	PlannedWork
	Announcement Plan `json:"announcement"`
}

// MeasureWork computes what PlanWork would, and keeps nothing.
func (a *Activities) MeasureWork(ctx context.Context, w maintenance.Work) (MeasuredWork, error) {
	planned, full, err := a.measure(ctx, w)
	if err != nil {
		return MeasuredWork{}, err
	}
	plan, err := a.planFor(ctx, a.workOccasion(full, maintenance.Outage), ComposeParams{Work: w.ID, Event: "maintenance.announced"}, true)
	return MeasuredWork{planned, plan}, err
}

func (a *Activities) measure(ctx context.Context, w maintenance.Work) (out PlannedWork, full maintenance.Work, err error) {
	w.Measure(a.graph(), func(server string) string {
		if c, ok := a.inv.Component(server); ok {
			return c.Client
		}
		return ""
	})
	others, err := a.others(ctx, w)
	if err != nil {
		return out, w, err
	}
	out.Conflicts = w.Conflicts(a.graph(), others)
	for i := range out.Conflicts { // whose names fit into a history
		c := &out.Conflicts[i]
		c.Servers = c.Servers[:min(len(c.Servers), 10)]
	}
	out.Clients, out.Slowed = len(w.ByClient), len(w.Audience(maintenance.Degraded))
	out.Servers, out.Degraded, out.Reduced = count(w.ByClient), count(w.Degraded), count(w.Reduced)
	out.Work = w
	out.Work.ByClient, out.Work.Degraded, out.Work.Reduced = nil, nil, nil
	return out, w, nil
}

func count(by map[string][]string) (n int) {
	for _, servers := range by {
		n += len(servers)
	}
	return n
}

// others are the works and open incidents that may stand in the way of a work.
func (a *Activities) others(ctx context.Context, w maintenance.Work) ([]maintenance.Other, error) {
	works, err := a.store.Maintenances(ctx, w.StartsAt, w.EndsAt)
	if err != nil {
		return nil, fmt.Errorf("look for other work: %w", err)
	}
	var out []maintenance.Other
	for _, o := range works {
		if o.ID != w.ID && !o.Status.Over() {
			out = append(out, maintenance.Other{Name: "maintenance/" + o.ID, Components: o.Off(), From: o.StartsAt, To: o.EndsAt})
		}
	}
	open, err := a.store.Incidents(ctx, store.IncidentFilter{Open: true})
	if err != nil {
		return nil, fmt.Errorf("look for open incidents: %w", err)
	}
	for _, in := range open {
		if in.Component != "" && !in.Drill {
			out = append(out, maintenance.Other{Name: "incident/" + in.ID, Components: []string{cmp.Or(in.Finding.Component, in.Component)}, From: in.OpenedAt})
		}
	}
	return out, nil
}

func conflictText(all []maintenance.Conflict) string {
	parts := make([]string, len(all))
	for i, c := range all {
		parts[i] = fmt.Sprintf("together with %s it takes down %s, which would survive either", c.With, strings.Join(c.Servers, ", "))
	}
	return strings.Join(parts, "; ")
}

// SaveWorkParams are what has changed of a work, and the lines of its timeline
// that say so.
type SaveWorkParams struct {
	Work    maintenance.Work `json:"work"`
	Entries []incident.Entry `json:"entries,omitempty"`
}

// SaveWork keeps what has changed of a work; whose machines it touches stays.
func (a *Activities) SaveWork(ctx context.Context, p SaveWorkParams) error {
	if err := a.store.SetMaintenance(ctx, p.Work); err != nil {
		return permanent(permanentConflict(err))
	}
	return a.Append(ctx, p.Entries)
}

// ToldParams says that a person told a client by himself.
type ToldParams struct {
	Work   string `json:"work"`
	Client string `json:"client"`
	By     string `json:"by"`
}

// TellWork records that a person has told a client of a work: it counts as his
// confirmation, and the ladder climbs for him no more.
func (a *Activities) TellWork(ctx context.Context, p ToldParams) error {
	w, err := a.store.MaintenanceFor(ctx, p.Work, p.Client)
	if err != nil {
		return permanent(err)
	}
	if impact, _ := w.Of(p.Client); impact == maintenance.NoImpact {
		return invalid("client: the work %s touches nothing of %q", w.ID, p.Client)
	}
	if w.Status.Over() {
		return invalid("work: %s is %s", w.ID, w.Status)
	}
	return a.store.TellMaintenance(ctx, w.ID, w.Revision, p.Client, p.By, a.now())
}

// unread leaves out who needs no reminder.
func (a *Activities) unread(ctx context.Context, p ComposeParams) (map[string]bool, error) {
	if p.Work == "" {
		return nil, nil
	}
	known, err := a.store.Confirmations(ctx, p.Work, p.Revision, "")
	if err != nil {
		return nil, err
	}
	out := make(map[string]bool, len(known))
	for client := range known {
		out[client] = true
	}
	return out, nil
}
