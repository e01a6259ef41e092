package records

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vakhta/internal/maintenance"
	"vakhta/internal/store"
)

// PlannedWork is a work as it was computed; whose machines it touches is in the
// store only, for there may be thousands.
type PlannedWork struct {
	Work      maintenance.Work       `json:"work"` // without its machines
	Clients   int                    `json:"clients"`
	Servers   int                    `json:"servers"` // that lose service
	Reduced   int                    `json:"reduced"` // that lose redundancy only
	Conflicts []maintenance.Conflict `json:"conflicts,omitempty"`
}

// PlanWork computes whom a work touches and keeps it. A work that breaks a
// redundancy together with another one, or with an open incident, is refused
// unless it says why it may run all the same.
func (a *Activities) PlanWork(ctx context.Context, w maintenance.Work) (PlannedWork, error) {
	out, full, err := a.measure(ctx, w)
	if err != nil {
		return out, err
	}
	if len(out.Conflicts) > 0 && strings.TrimSpace(w.Override) == "" {
		return out, invalid("components: %s; move the work, or give a reason to override", conflictText(out.Conflicts))
	}
	if len(full.ByClient)+len(full.Reduced) == 0 {
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
	plan, err := a.planFor(ctx, a.workOccasion(full), ComposeParams{Work: w.ID, Event: "maintenance.announced"}, true)
	return MeasuredWork{planned, plan}, err
}

func (a *Activities) measure(ctx context.Context, w maintenance.Work) (out PlannedWork, full maintenance.Work, err error) {
	w.Measure(a.graph, func(server string) string {
		if c, ok := a.inv.Component(server); ok {
			return c.Client
		}
		return ""
	})
	others, err := a.others(ctx, w)
	if err != nil {
		return out, w, err
	}
	out.Conflicts = w.Conflicts(a.graph, others)
	for i := range out.Conflicts { // whose names fit into a history
		c := &out.Conflicts[i]
		c.Servers = c.Servers[:min(len(c.Servers), 10)]
	}
	touched := map[string]bool{}
	for client, servers := range w.ByClient {
		out.Servers += len(servers)
		touched[client] = true
	}
	for _, servers := range w.Reduced {
		out.Reduced += len(servers)
	}
	out.Clients = len(touched)
	out.Work = w
	out.Work.ByClient, out.Work.Reduced = nil, nil
	return out, w, nil
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
			out = append(out, maintenance.Other{Name: "maintenance/" + o.ID, Components: o.Components, From: o.StartsAt, To: o.EndsAt})
		}
	}
	open, err := a.store.Incidents(ctx, store.IncidentFilter{Open: true})
	if err != nil {
		return nil, fmt.Errorf("look for open incidents: %w", err)
	}
	for _, in := range open {
		if in.Component != "" && !in.Drill {
			out = append(out, maintenance.Other{Name: "incident/" + in.ID, Components: []string{in.Component}, From: in.OpenedAt})
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

// SaveWork keeps what has changed of a work; whose machines it touches stays.
func (a *Activities) SaveWork(ctx context.Context, w maintenance.Work) error {
	kept, err := a.store.Maintenance(ctx, w.ID)
	if err != nil {
		return permanent(err)
	}
	w.ByClient, w.Reduced = kept.ByClient, kept.Reduced
	return permanentConflict(a.store.PutMaintenance(ctx, w))
}

// Unread says who has not confirmed a work's present revision.
type Unread struct {
	Clients   int      `json:"clients"`
	Confirmed int      `json:"confirmed"`
	Unread    []string `json:"unread,omitempty"` // client ids, in order
}

// WorkUnread reads from the ledger which clients have confirmed: one of their
// contacts is enough.
func (a *Activities) WorkUnread(ctx context.Context, work string) (Unread, error) {
	w, err := a.store.Maintenance(ctx, work)
	if err != nil {
		return Unread{}, permanent(err)
	}
	confirmed, err := a.confirmed(ctx, "maintenance/"+w.ID, w.Revision)
	if err != nil {
		return Unread{}, err
	}
	out := Unread{Clients: len(w.ByClient)}
	for _, client := range slices.Sorted(maps.Keys(w.ByClient)) {
		if confirmed[client] {
			out.Confirmed++
		} else {
			out.Unread = append(out.Unread, client)
		}
	}
	return out, nil
}

// confirmed are the clients of whom somebody has confirmed any message about a
// subject's revision.
func (a *Activities) confirmed(ctx context.Context, subject string, revision int) (map[string]bool, error) {
	rows, err := a.store.Standings(ctx, store.NotificationFilter{Subject: subject, Revision: &revision})
	if err != nil {
		return nil, fmt.Errorf("read who has confirmed %s: %w", subject, err)
	}
	out := map[string]bool{}
	for _, n := range rows {
		if !n.AcknowledgedAt.IsZero() {
			out[n.Client] = true
		}
	}
	return out, nil
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
	w, err := a.store.Maintenance(ctx, p.Work)
	if err != nil {
		return permanent(err)
	}
	if len(w.ByClient[p.Client]) == 0 {
		return invalid("client: the work %s takes down nothing of %q", w.ID, p.Client)
	}
	rows, err := a.store.Standings(ctx, store.NotificationFilter{Subject: "maintenance/" + w.ID, Revision: &w.Revision, Client: p.Client})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return invalid("client: %s has no message about %s yet; announce it first", p.Client, w.ID)
	}
	_, _, err = a.store.Acknowledge(ctx, rows[0].ID, "told by "+p.By, a.now())
	return err
}

// unread leaves out who needs no reminder.
func (a *Activities) unread(ctx context.Context, o occasion, p ComposeParams) (map[string]bool, error) {
	if p.Work == "" {
		return nil, nil
	}
	return a.confirmed(ctx, o.subject, p.Revision)
}
