package records

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

// Raise keeps alerts. Those that are critical, and that neither planned work
// nor an incident explains, are raised at once: a provisional incident is
// opened for each, or joined where one was raised a moment ago from what could
// be the same cause.
func (a *Activities) Raise(ctx context.Context, alerts []incident.Alert) ([]store.Raised, error) {
	var planned map[string]string
	all := make([]store.Raising, 0, len(alerts))
	for _, al := range alerts {
		r := store.Raising{Alert: al}
		c, known := a.inv.Component(al.Component)
		if known && al.Firing && al.Critical() {
			if planned == nil {
				var err error
				if planned, err = a.works.now(ctx, a); err != nil {
					return nil, err
				}
			}
			if planned[al.Component] == "" {
				r.Places, r.Incident = a.placesOf(al.Component), a.provisional(c, al)
			}
		}
		all = append(all, r)
	}
	return a.store.Raise(ctx, all, a.opts.Together, a.now())
}

// placesOf are from where an alert may have come.
func (a *Activities) placesOf(component string) []string {
	if a.opts.Together <= 0 {
		return []string{component}
	}
	return a.inv.Above(component)
}

// provisional is the incident of an alert of which nothing else is known. It
// counts no machine and no client: nobody outside is told before it is found
// what is down.
func (a *Activities) provisional(c *inventory.Component, al incident.Alert) incident.Incident {
	return incident.Incident{
		Component: c.ID, Site: siteOf(c), Severity: severity(c.Kind, 1), Status: incident.Investigating,
		Finding: topology.Finding{Component: c.ID, Kind: c.Kind}, Title: cutText(c.ID+": "+al.Summary, 160),
		Servers: []string{}, Clients: []string{}, Restored: []string{}, OpenedAt: a.now(),
	}
}

func cutText(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// worksFor is for how long the planned work of the moment is not read again
// while alerts rain.
const worksFor = time.Second

// plannedNow remembers what planned work takes down now.
type plannedNow struct {
	mu    sync.Mutex
	at    time.Time
	known map[string]string
}

func (p *plannedNow) now(ctx context.Context, a *Activities) (map[string]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil && a.now().Sub(p.at) < worksFor {
		return p.known, nil
	}
	known, err := a.underWork(ctx)
	if err == nil {
		p.known, p.at = known, a.now()
	}
	return known, err
}

// FirstPagesOf writes the first pages of an incident into the ledger: those that
// its escalations will want first, under the same keys, so that whoever comes
// second finds them there. It is how a page leaves before a workflow has begun.
func (a *Activities) FirstPagesOf(ctx context.Context, in incident.Incident) (Composed, error) {
	out := Composed{}
	facts := RunbookFacts(in)
	book, err := a.library.For(facts)
	if err != nil {
		return out, fmt.Errorf("choose the runbook of incident %s: %w", in.ID, err)
	}
	facts.Inputs, facts.Steps = book.Inputs, map[string]string{}
	for i := range book.Steps {
		s := &book.Steps[i]
		if s.Escalate == nil || len(s.Needs) > 0 {
			continue
		}
		if now, err := a.conditionHolds(s.If, facts); err != nil || !now {
			continue // the incident decides again, and says what is wrong
		}
		for _, team := range s.Escalate.All() {
			c, err := a.firstPagesOf(ctx, in, team, s.Escalate.Ladder)
			if err != nil {
				return out, err
			}
			out.Contacts += c.Contacts
			out.Batches = append(out.Batches, c.Batches...)
		}
	}
	return out, nil
}

func (a *Activities) conditionHolds(expression string, facts runbooks.Facts) (bool, error) {
	if expression == "" {
		return true, nil
	}
	c, err := runbooks.Compile(expression)
	if err != nil {
		return false, err
	}
	return c.Eval(facts)
}

// firstPagesOf are the pages of the first rung of a team's first level.
func (a *Activities) firstPagesOf(ctx context.Context, in incident.Incident, team string, ladder []runbooks.Rung) (Composed, error) {
	p := RosterParams{Incident: in.ID, Team: team, Ladder: RungsOf(ladder)}
	r, err := a.roster(ctx, p, in)
	if err != nil {
		return Composed{}, err
	}
	people := r.People
	if r.Mode != inventory.AllAtOnce && len(people) > 1 {
		people = people[:1]
	}
	var channels []inventory.Channel
	by := map[inventory.Channel][]string{}
	for _, who := range people {
		ch := who.Ladder[0].Channel
		if by[ch] == nil {
			channels = append(channels, ch)
		}
		by[ch] = append(by[ch], who.Contact)
	}
	var out Composed
	for _, ch := range channels {
		c, err := a.composePage(ctx, in, PageParams{
			Incident: in.ID, Team: team, Contacts: by[ch], Channel: ch, Event: "page", Round: 1, Level: 1, Rung: 0, Deadline: PageWithin,
		})
		if err != nil {
			return out, err
		}
		out.Contacts += c.Contacts
		out.Batches = append(out.Batches, c.Batches...)
	}
	return out, nil
}

// PageWithin is how long a page is worth sending.
const PageWithin = 30 * time.Minute

// RungsOf is a runbook's ladder as the inventory writes one; the default where it has none.
func RungsOf(ladder []runbooks.Rung) []inventory.Rung {
	if len(ladder) == 0 {
		ladder = runbooks.UsualLadder()
	}
	out := make([]inventory.Rung, 0, len(ladder))
	for _, r := range ladder {
		out = append(out, inventory.Rung{Channel: inventory.Channel(r.Channel), WaitSeconds: int(r.Wait.Std() / time.Second)})
	}
	return out
}

// SettleRaisedParams names alerts whose cause was looked for.
type SettleRaisedParams struct {
	RequestKey string   `json:"requestKey"`
	IDs        []string `json:"ids"`
	// Unexplained are the components of these that no finding explains.
	Unexplained []string `json:"unexplained,omitempty"`
	// All: it could not be looked for, and nothing explains any of them.
	All bool `json:"all,omitempty"`
}

// SettledRaised are the incidents of critical alerts that nothing explains.
type SettledRaised struct {
	// Incidents go on without a finding, by id.
	Incidents []string `json:"incidents,omitempty"`
	// Opened are new ones: the incident that spoke for the alert is of another failure.
	Opened []incident.Incident `json:"opened,omitempty"`
	// Left are the components of alerts that are not critical.
	Left []string `json:"left,omitempty"`
}

// SettleRaised says what becomes of critical alerts that no probe explains, and
// of those that ended before they were looked at: their provisional incident
// goes on without a finding, until a person closes it or all of its alerts end.
func (a *Activities) SettleRaised(ctx context.Context, p SettleRaisedParams) (SettledRaised, error) {
	alerts, err := a.alerts(ctx, p.IDs)
	if err != nil {
		return SettledRaised{}, err
	}
	unexplained, left, keep := set(p.Unexplained), set(p.Unexplained), map[string]bool{}
	var out SettledRaised
	for _, al := range alerts {
		if al.Incident != "" || al.Firing && !p.All && !unexplained[al.Component] || !al.Critical() {
			continue
		}
		if al.Firing {
			delete(left, al.Component)
		}
		mine, err := a.stillProvisional(ctx, al.Raised)
		switch {
		case err != nil:
			return out, err
		case mine:
			if err := a.keepRaised(ctx, al, al.Raised, keep); err != nil {
				return out, err
			}
		case al.Firing:
			in, err := a.openUnexplained(ctx, p.RequestKey, al)
			if err != nil {
				return out, err
			}
			if err := a.tie(ctx, al, in.ID); err != nil {
				return out, err
			}
			if !slices.ContainsFunc(out.Opened, func(o incident.Incident) bool { return o.ID == in.ID }) {
				out.Opened = append(out.Opened, in.Brief())
			}
		}
	}
	out.Incidents, out.Left = sorted(keep), sorted(left)
	return out, nil
}

// keepRaised ties an alert that fires to its provisional incident; one that has
// ended keeps it only where no other of its alerts is still being looked at.
func (a *Activities) keepRaised(ctx context.Context, al incident.Alert, id string, keep map[string]bool) error {
	if al.Firing {
		keep[id] = true
		return a.tie(ctx, al, id)
	}
	others, err := a.store.Alerts(ctx, store.AlertFilter{Raised: id, Firing: true, Loose: true, Limit: 1})
	if err == nil && len(others) == 0 {
		keep[id] = true
	}
	return err
}

func (a *Activities) stillProvisional(ctx context.Context, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	in, err := a.incident(ctx, id)
	return in.Provisional && in.Status != incident.Resolved, err
}

func (a *Activities) openUnexplained(ctx context.Context, key string, al incident.Alert) (incident.Incident, error) {
	c, ok := a.inv.Component(al.Component)
	if !ok {
		return incident.Incident{}, invalid("component: the inventory has no component %q", al.Component)
	}
	in := a.provisional(c, al)
	in.Provisional = true
	got, _, err := a.store.OpenIncident(ctx, key+"/"+al.Component, in)
	return got, err
}

func (a *Activities) tie(ctx context.Context, al incident.Alert, id string) error {
	if err := a.store.SetAlertsIncident(ctx, []string{al.ID}, id); err != nil {
		return fmt.Errorf("tie alert %s to incident %s: %w", al.ID, id, err)
	}
	return a.append(ctx, alertEntry(al, id))
}

func alertEntry(al incident.Alert, id string) incident.Entry {
	return incident.Entry{
		Key: "alert/" + al.ID + "/" + id, Subject: "incident/" + id, At: al.ReceivedAt, Kind: "alert",
		Actor: al.Source, Text: fmt.Sprintf("Alert on %s: %s", al.Component, al.Summary),
	}
}

// AlertsOver says whether an incident has alerts, and none of them fires any more.
func (a *Activities) AlertsOver(ctx context.Context, id string) (bool, error) {
	over := false
	for _, f := range []store.AlertFilter{{Incident: id}, {Raised: id}} {
		alerts, err := a.store.Alerts(ctx, f)
		if err != nil {
			return false, fmt.Errorf("read the alerts of incident %s: %w", id, err)
		}
		for _, al := range alerts {
			if al.Firing && (al.Incident == "" || al.Incident == id) {
				return false, nil
			}
			over = true
		}
	}
	return over, nil
}

// earlyFinding is what a page says of an incident of which only the alert is
// known. It begins with a word of ours: a capital would change an id.
func earlyFinding(in incident.Incident, lang inventory.Language) string {
	text := strings.TrimSuffix(in.Title, ".")
	if lang == inventory.Russian {
		return "тревога: " + text
	}
	return "alert on " + text
}
