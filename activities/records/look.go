package records

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// LookAgainParams asks what an incident's observations come to now.
type LookAgainParams struct {
	Incident string `json:"incident"`
}

// Look is what an incident's observations come to, with the answers of people
// on site among them.
type Look struct {
	Finding topology.Finding `json:"finding"`
	Changed bool             `json:"changed,omitempty"` // another component, or surer or less so, than the incident says
	// Twin is another open incident of the component that the finding names now.
	Twin    string   `json:"twin,omitempty"`
	Title   string   `json:"title,omitempty"` // of the finding; where it names another component
	Site    string   `json:"site,omitempty"`
	Text    string   `json:"text,omitempty"` // the finding in one English line
	Told    bool     `json:"told,omitempty"` // by people on site, in part
	Servers []string `json:"servers,omitempty"`
	// ServerCount is how many these are, where Servers lacks some; Finding is brief, too.
	ServerCount int      `json:"serverCount,omitempty"`
	Clients     []string `json:"clients,omitempty"`
	Sweep       string   `json:"sweep"`
	// Ask are the questions that would decide it, most telling first, of which
	// none was asked before. They have no id, except those that another incident
	// is asking now: its answer will do.
	Ask []incident.Question `json:"ask,omitempty"`
	// Moot are the numbers of the open questions that would no longer tell
	// anything; those that an engineer asked are not among them.
	Moot []int `json:"moot,omitempty"`
}

// LookAgain infers once more over the stored observations of an incident.
func (a *Activities) LookAgain(ctx context.Context, p LookAgainParams) (Look, error) {
	in, err := a.incident(ctx, p.Incident)
	if err != nil {
		return Look{}, err
	}
	out := Look{Finding: in.Finding.Brief(), Sweep: sweepOf(in)}
	if err := a.takeForeign(ctx, in); err != nil {
		return out, err
	}
	obs, err := a.store.Observations(ctx, out.Sweep)
	if err != nil {
		return out, fmt.Errorf("read observations of incident %s: %w", in.ID, err)
	}
	if obs, _, err = a.news(ctx, obs); err != nil {
		return out, err
	}
	out.Told = slices.ContainsFunc(obs, func(o topology.Observation) bool { return o.Vantage == topology.Hands })
	inf, err := InferAgain(ctx, a.store, a.graph(), out.Sweep, obs)
	if err != nil {
		return out, err
	}
	if inf.Findings, err = a.lastWorked(ctx, inf.Findings); err != nil {
		return out, err
	}
	asked, err := a.store.Questions(ctx, store.QuestionFilter{Incident: in.ID})
	if err != nil {
		return out, err
	}
	f, ok := sameFailure(in, inf.Findings)
	if !ok {
		return out, nil // the rows name nothing any more: what was found stands until something else is
	}
	if f.Component != in.Finding.Component || !slices.Equal(f.AmbiguousWith, in.Finding.AmbiguousWith) || topology.Percent(f.Itself()) != topology.Percent(in.Finding.Itself()) {
		if err := a.change(ctx, &out, in, f); err != nil {
			return out, err
		}
	}
	elsewhere, err := a.store.Questions(ctx, store.QuestionFilter{Open: true})
	if err != nil {
		return out, err
	}
	a.questions(&out, inf.Next, asked, elsewhere)
	return a.briefLook(ctx, out, inf)
}

// briefLook leaves the heads of long lists, and keeps the rest in the store.
func (a *Activities) briefLook(ctx context.Context, out Look, inf topology.Inference) (Look, error) {
	b := incident.Incident{Finding: out.Finding, Servers: out.Servers}.Brief()
	out.Finding, out.Servers, out.ServerCount = b.Finding, b.Servers, b.ServerCount
	if !b.Finding.Cut() {
		return out, nil
	}
	return out, a.store.PutFound(ctx, out.Sweep, a.now(), topology.Found{Findings: inf.Findings, Unexplained: inf.Unexplained})
}

// answeredBefore is how long before an incident an answer may have been given
// to tell something about it.
const answeredBefore = 10 * time.Minute

// takeForeign takes what people at the site saw for other incidents into the
// sweep of this one: nobody goes to look at the same thing twice.
func (a *Activities) takeForeign(ctx context.Context, in incident.Incident) error {
	answered, err := a.store.Questions(ctx, store.QuestionFilter{Site: in.Site, AnsweredSince: in.OpenedAt.Add(-answeredBefore)})
	if err != nil {
		return err
	}
	var obs []topology.Observation
	for _, q := range answered {
		if q.Incident != in.ID {
			obs = append(obs, observed(q))
		}
	}
	return a.store.PutObservations(ctx, sweepOf(in), foreignRound, obs)
}

// change fills in what the new finding means. Machines that the incident
// already counts stay with it: it ends when they are all back.
func (a *Activities) change(ctx context.Context, out *Look, in incident.Incident, f topology.Finding) error {
	out.Finding, out.Changed = f, true
	out.Text = strings.TrimSuffix(topology.Describe(a.inv, f, inventory.English), ".")
	servers := map[string]bool{}
	for _, id := range slices.Concat(in.Servers, f.Explains) {
		servers[id] = true
	}
	out.Servers = sorted(servers)
	out.Clients = a.clientsOf(out.Servers)
	if f.Component == in.Finding.Component {
		return nil
	}
	out.Title = topology.Headline(a.inv, f, inventory.English)
	if c, ok := a.inv.Component(f.Component); ok {
		out.Site = siteOf(c)
	}
	all, err := a.store.Incidents(ctx, store.IncidentFilter{Open: true})
	if err != nil {
		return fmt.Errorf("look for open incidents of %s: %w", f.Component, err)
	}
	for _, other := range all {
		if other.ID != in.ID && other.Drill == in.Drill && (other.Component == f.Component || other.Finding.Component == f.Component) {
			out.Twin = other.ID
		}
	}
	return nil
}

// sameFailure is the finding that explains what the incident is about: the one
// that shares most of its machines, of equals the one that it could have been.
func sameFailure(in incident.Incident, findings []topology.Finding) (topology.Finding, bool) {
	best, score := -1, 0
	for i, f := range findings {
		shared := 0
		for _, id := range f.Explains {
			if _, ok := slices.BinarySearch(in.Finding.Explains, id); ok {
				shared++
			}
		}
		mine := 2 * shared
		if f.Component == in.Finding.Component || slices.Contains(in.Finding.AmbiguousWith, f.Component) {
			mine++
		}
		if mine > score {
			best, score = i, mine
		}
	}
	if best < 0 {
		return topology.Finding{}, false
	}
	return findings[best], true
}

// questions fills in what only people can tell about the finding, and which of
// the open questions are moot. Elsewhere are the open questions of all incidents.
func (a *Activities) questions(out *Look, next []topology.ProbeRequest, asked, elsewhere []incident.Question) {
	class := append([]string{out.Finding.Component}, out.Finding.AmbiguousWith...)
	wanted := map[question]bool{}
	if len(out.Finding.AmbiguousWith) > 0 {
		for _, r := range next {
			about := slices.Contains(class, r.Component) || slices.Contains(class, r.Peer)
			if r.Vantage != topology.Hands || !about || message.CanBeSeen(a.inv, r.Component, r.Probe, r.Peer) != nil {
				continue
			}
			key := question{component: r.Component, peer: r.Peer, probe: r.Probe}
			wanted[key] = true
			same := func(q incident.Question) bool {
				return q.Component == r.Component && q.Probe == r.Probe && q.Peer == r.Peer
			}
			c, ok := a.inv.Component(r.Component)
			if !ok || slices.ContainsFunc(asked, same) {
				continue
			}
			q := incident.Question{Component: r.Component, Probe: r.Probe, Peer: r.Peer, Site: siteOf(c)}
			if i := slices.IndexFunc(elsewhere, same); i >= 0 {
				q = elsewhere[i]
			}
			out.Ask = append(out.Ask, q)
		}
	}
	for _, q := range asked {
		if q.Open() && q.AskedBy == AskedByVakhta && !wanted[question{component: q.Component, peer: q.Peer, probe: q.Probe}] {
			out.Moot = append(out.Moot, q.Number)
		}
	}
	slices.Sort(out.Moot)
}

// openOf finds the open incident of a component, or the one whose finding has
// come to name it since it was opened for another. A provisional one has none yet.
func (a *Activities) openOf(ctx context.Context, component string) (incident.Incident, error) {
	all, err := a.store.Incidents(ctx, store.IncidentFilter{Open: true, Found: component})
	if err != nil {
		return incident.Incident{}, fmt.Errorf("look for open incidents of %s: %w", component, err)
	}
	for _, in := range all {
		if !in.Drill && !in.Provisional {
			return in, nil
		}
	}
	return incident.Incident{}, nil
}
