package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// OpenIncidentParams opens an incident for a finding. RequestKey names the
// request, so that a repeat answers with the same incident.
type OpenIncidentParams struct {
	RequestKey string            `json:"requestKey"`
	Finding    topology.Finding  `json:"finding"`
	Title      string            `json:"title,omitempty"`
	Severity   incident.Severity `json:"severity,omitempty"` // default: by what it takes down
	Sweep      string            `json:"sweep,omitempty"`
	// Work is the planned work after which it came to light; the timeline, and
	// with it the postmortem, refers to it.
	Work string `json:"work,omitempty"`
	// Beside is planned work on machines of the client who reported it, which
	// does not explain it: it runs, or has just ended.
	Beside string `json:"beside,omitempty"`
	// Working: what is lost carries nobody alone. No machine and no client is hit.
	Working bool `json:"working,omitempty"`
	// Alerts are those that the finding was made from: where one of them that it
	// explains was raised at once, its provisional incident gets the finding.
	Alerts []string `json:"alerts,omitempty"`
}

// Opened is the incident, and whether this request opened it.
type Opened struct {
	Incident incident.Incident `json:"incident"`
	Created  bool              `json:"created"`
	// Adopted: it was provisional, and has the finding now.
	Adopted bool `json:"adopted,omitempty"`
	// Merged are provisional incidents of the same failure, by id: they end.
	Merged []string `json:"merged,omitempty"`
}

// OpenIncident opens one incident per failed component: whoever comes later
// with the same finding gets the one that is open. The answer is brief.
func (a *Activities) OpenIncident(ctx context.Context, p OpenIncidentParams) (Opened, error) {
	out, err := a.openIncident(ctx, p)
	out.Incident = out.Incident.Brief()
	return out, err
}

func (a *Activities) openIncident(ctx context.Context, p OpenIncidentParams) (Opened, error) {
	c, ok := a.inv.Component(p.Finding.Component)
	if !ok {
		return Opened{}, invalid("component: the inventory has no component %q", p.Finding.Component)
	}
	if p.Finding.Kind == "" {
		p.Finding.Kind = c.Kind
	}
	var err error
	if p.Finding, err = a.wholeFinding(ctx, p.Sweep, p.Finding); err != nil {
		return Opened{}, err
	}
	if over, stale, err := a.overSince(ctx, p); err != nil || stale {
		return Opened{Incident: over}, err
	}
	open, err := a.openOf(ctx, c.ID)
	if err != nil {
		return Opened{}, err
	}
	in := a.incidentOf(c, p)
	out, err := a.adopt(ctx, p, in, open)
	if err != nil || out.Adopted {
		return out, a.referTo(ctx, err, out.Incident.ID, p)
	}
	if open.ID != "" && open.Component != c.ID {
		out.Incident = open
		return out, a.referTo(ctx, nil, open.ID, p)
	}
	if out.Incident, out.Created, err = a.store.OpenIncident(ctx, p.RequestKey, in); err != nil {
		return Opened{}, fmt.Errorf("open incident for %s: %w", c.ID, err)
	}
	return out, a.referTo(ctx, a.append(ctx, a.opening(out.Incident)...), out.Incident.ID, p)
}

// incidentOf is the incident of a finding.
func (a *Activities) incidentOf(c *inventory.Component, p OpenIncidentParams) incident.Incident {
	servers := []string{}
	if !p.Working {
		servers = a.affected(p.Finding)
	}
	in := incident.Incident{
		Component: c.ID, Site: c.Site, Status: incident.Investigating, Severity: p.Severity, Finding: p.Finding, Sweep: p.Sweep,
		Servers: servers, Clients: a.clientsOf(servers), Restored: []string{}, Title: p.Title, OpenedAt: a.now(),
	}
	if len(p.Finding.Evidence) > 0 {
		in.Status = incident.Identified
	}
	if in.Severity == "" {
		in.Severity = severity(c.Kind, len(servers))
	}
	if in.Title == "" {
		in.Title = topology.Headline(a.inv, p.Finding, inventory.English)
	}
	return in
}

// adopt gives the finding to a provisional incident that was raised for what it
// explains, if there is one; others of the same failure are merged. Where an
// incident of it is open already, all are merged into that.
func (a *Activities) adopt(ctx context.Context, p OpenIncidentParams, in, open incident.Incident) (Opened, error) {
	raised, err := a.store.Adopt(ctx, store.Adoption{
		Key: p.RequestKey, Alerts: p.Alerts, About: slices.Concat(in.Servers, p.Finding.Explains), Into: open.ID, Found: in,
	})
	if err != nil || len(raised) == 0 {
		return Opened{}, err
	}
	var out Opened
	if open.ID == "" || open.ID == raised[0].ID { // or an earlier try, whose answer was lost
		out, raised = Opened{Incident: raised[0], Adopted: true}, raised[1:]
	}
	for _, m := range raised {
		out.Merged = append(out.Merged, m.ID)
	}
	if !out.Adopted {
		return out, nil
	}
	return out, a.append(ctx, a.opening(out.Incident)[1:]...)
}

// referTo says on an incident's timeline what it has to do with planned work,
// unless something went wrong before.
func (a *Activities) referTo(ctx context.Context, before error, in string, p OpenIncidentParams) error {
	work, how := p.Work, "It came to light after planned work %s: %s"
	if work == "" {
		work, how = p.Beside, "Planned work %s, on machines of who reported it, does not explain it: %s"
	}
	if before != nil || work == "" {
		return before
	}
	w, err := a.store.MaintenanceBare(ctx, work)
	if err != nil {
		return permanent(err)
	}
	subject := "incident/" + in
	return a.append(ctx, incident.Entry{
		Key: subject + "/work/" + work, Subject: subject, At: a.now(), Kind: "work", Actor: "vakhta", Text: fmt.Sprintf(how, w.ID, w.TitleIn("en")),
	})
}

// overSince finds the incident of the same component that was resolved after
// the finding was seen: a sweep that took long (its worker died) must not open
// again what was repaired meanwhile.
func (a *Activities) overSince(ctx context.Context, p OpenIncidentParams) (incident.Incident, bool, error) {
	if p.Sweep == "" {
		return incident.Incident{}, false, nil
	}
	last, err := a.store.Incidents(ctx, store.IncidentFilter{Component: p.Finding.Component, Limit: 1})
	if err != nil {
		return incident.Incident{}, false, fmt.Errorf("look for earlier incidents of %s: %w", p.Finding.Component, err)
	}
	if len(last) == 0 || last[0].Status != incident.Resolved {
		return incident.Incident{}, false, nil
	}
	seen, err := a.store.Observations(ctx, p.Sweep)
	if err != nil {
		return incident.Incident{}, false, fmt.Errorf("read observations of sweep %s: %w", p.Sweep, err)
	}
	for _, o := range seen {
		about := o.Component == p.Finding.Component || slices.Contains(p.Finding.Explains, o.Component)
		if about && o.At.After(last[0].ResolvedAt) {
			return incident.Incident{}, false, nil
		}
	}
	return last[0], true, nil
}

func (a *Activities) opening(in incident.Incident) []incident.Entry {
	subject := "incident/" + in.ID
	entries := []incident.Entry{{
		Key: subject + "/opened", Subject: subject, At: in.OpenedAt, Kind: "opened", Actor: "vakhta",
		Text: fmt.Sprintf("Incident opened, %s: %s of %s", in.Severity, plural(len(in.Servers), "server"), plural(len(in.Clients), "client")),
	}}
	if len(in.Finding.Evidence) == 0 {
		return entries
	}
	why := make([]string, 0, len(in.Finding.Evidence))
	for _, e := range in.Finding.Evidence {
		why = append(why, e.Text)
	}
	return append(entries, incident.Entry{
		Key: subject + "/finding", Subject: subject, At: in.OpenedAt, Kind: "finding", Actor: "vakhta",
		Text: strings.TrimSuffix(topology.Describe(a.inv, in.Finding, inventory.English), ".") + ": " + strings.Join(why, "; "),
	})
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// affected are the servers that the finding was seen to take down; where none
// was named (an incident opened by hand), its blast radius.
func (a *Activities) affected(f topology.Finding) []string {
	if len(f.Explains) > 0 {
		return slices.Clone(f.Explains)
	}
	return slices.Clone(a.graph().Blast(f.Component).Servers)
}

func (a *Activities) clientsOf(servers []string) []string {
	set := map[string]bool{}
	for _, id := range servers {
		if c, ok := a.inv.Component(id); ok && c.Client != "" {
			set[c.Client] = true
		}
	}
	return sorted(set)
}

func severity(kind inventory.Kind, servers int) incident.Severity {
	switch {
	case kind == inventory.KindSite, kind == inventory.KindRoom, kind == inventory.KindUplink, servers > 100:
		return incident.Sev1
	case kind == inventory.KindServer:
		return incident.Sev3
	default:
		return incident.Sev2
	}
}

// Incident reads an incident, brief.
func (a *Activities) Incident(ctx context.Context, id string) (incident.Incident, error) {
	in, err := a.incident(ctx, id)
	return in.Brief(), err
}

func (a *Activities) incident(ctx context.Context, id string) (incident.Incident, error) {
	in, err := a.store.Incident(ctx, id)
	if err != nil {
		return in, permanent(fmt.Errorf("read incident %s: %w", id, err))
	}
	return in, nil
}

// SaveIncidentParams writes an incident and what happened to it, together.
type SaveIncidentParams struct {
	Incident incident.Incident `json:"incident"`
	Entries  []incident.Entry  `json:"entries,omitempty"`
}

// SaveIncident writes the incident's state and appends to its timeline. Where
// another incident of its component is open it fails with TypeConflict.
func (a *Activities) SaveIncident(ctx context.Context, p SaveIncidentParams) error {
	whole, err := a.whole(ctx, p.Incident)
	if err != nil {
		return err
	}
	err = a.store.SaveIncident(ctx, whole)
	if errors.Is(err, store.ErrConflict) {
		return temporal.NewNonRetryableApplicationError(err.Error(), TypeConflict, err)
	}
	if err != nil {
		return permanent(fmt.Errorf("save incident %s: %w", p.Incident.ID, err))
	}
	return a.Append(ctx, p.Entries)
}

// Watched is what a recovery watch looks at.
type Watched struct {
	Vantage    string   `json:"vantage"`
	Components []string `json:"components"`
}

// watchSize is how many machines one watch has: each change tells of all of them.
const watchSize = 500

// WatchPlan splits the servers of an incident by the vantage that watches them,
// and those of a large one into several watches.
func (a *Activities) WatchPlan(ctx context.Context, in incident.Incident) ([]Watched, error) {
	in, err := a.whole(ctx, in)
	if err != nil {
		return nil, err
	}
	return a.watchPlan(in.Servers), nil
}

func (a *Activities) watchPlan(servers []string) []Watched {
	by := map[string][]string{}
	q := a.newQuestions(nil)
	for _, id := range servers {
		if c, ok := a.inv.Component(id); ok && askable(c) {
			v := q.vantages(c.Site)[0]
			by[v] = append(by[v], id)
		}
	}
	out := make([]Watched, 0, len(by))
	for v, ids := range by {
		for some := range slices.Chunk(ids, watchSize) {
			out = append(out, Watched{Vantage: v, Components: some})
		}
	}
	slices.SortStableFunc(out, func(x, y Watched) int { return compare(x.Vantage, y.Vantage) })
	return out
}

// minutes rounds a beat up to what a message can promise.
func minutes(d time.Duration) int {
	return int((d + time.Minute - 1) / time.Minute)
}
