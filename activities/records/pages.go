package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/roster"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/internal/urgency"
)

// Team reads a team: its members without their addresses, and its plain levels,
// each with those whom it pages now.
func (a *Activities) Team(ctx context.Context, id string) (inventory.Team, error) {
	t, ok := a.inv.Team(id)
	if !ok {
		return inventory.Team{}, invalid("team: the inventory has no team %q; add it under teams", id)
	}
	out := inventory.Team{ID: t.ID, Name: t.Name, Repeat: t.Repeat, Room: t.Room}
	for i := range t.Levels {
		people, err := a.levelNow(ctx, t, &t.Levels[i])
		if err != nil {
			return inventory.Team{}, err
		}
		out.Levels = append(out.Levels, inventory.Level{Members: people, AckWithinSeconds: t.Levels[i].AckWithinSeconds})
	}
	for _, m := range t.Members {
		out.Members = append(out.Members, inventory.Contact{ID: m.ID, Name: m.Name, Language: m.Language, TimeZone: m.TimeZone})
	}
	return out, nil
}

// PageParams pages members of a team by one channel. Step names the climb
// (round, level, rung), so that each climb happens once.
type PageParams struct {
	Incident string            `json:"incident"`
	Team     string            `json:"team"`
	Contacts []string          `json:"contacts"`
	Channel  inventory.Channel `json:"channel"` // empty: the least noisy that each has
	Event    string            `json:"event"`   // page or page.standdown
	Round    int               `json:"round"`
	Level    int               `json:"level"`
	Rung     int               `json:"rung"`
	TakenBy  string            `json:"takenBy,omitempty"` // contact id, for page.standdown
	Deadline time.Duration     `json:"deadline,omitempty"`
}

// PageStep starts the step of every page of a team.
func PageStep(team string) string { return "page/" + team }

// ComposePage writes the pages into the ledger, one batch per contact, so that
// one person's dead provider doesn't hold the other's page.
func (a *Activities) ComposePage(ctx context.Context, p PageParams) (Composed, error) {
	in, err := a.incident(ctx, p.Incident)
	if err != nil {
		return Composed{}, err
	}
	return a.composePage(ctx, in, p)
}

func (a *Activities) composePage(ctx context.Context, in incident.Incident, p PageParams) (Composed, error) {
	defer a.opts.Way.Begin(urgency.NextStep)()
	out := Composed{Contacts: len(p.Contacts)}
	urgent := p.Event == "page"
	var rows []ledger.Notification
	for _, id := range p.Contacts {
		contact, ok := a.inv.Contact(id)
		ch := p.Channel
		if ok && ch == "" {
			ch = quietChannel(contact)
		}
		if !ok || contact.Addresses[ch] == "" {
			out.Unreachable = append(out.Unreachable, id)
			continue
		}
		if urgent {
			bundled, tooMany, err := a.spared(ctx, p, id, in.Severity != incident.Sev3)
			if err != nil {
				return Composed{}, err
			}
			if bundled || tooMany {
				out.spare(id, bundled)
				continue
			}
		}
		d := draft{subject: "incident/" + in.ID, event: p.Event, step: pageStep(p), revision: p.Round, team: p.Team, critical: urgent, deadline: p.Deadline}
		data := a.pageData(in, contact, ch, p)
		n, err := a.write(d, contact, ch, p.Rung, data)
		if err != nil {
			return Composed{}, err
		}
		rows = append(rows, n)
	}
	ids, err := a.enqueue(ctx, rows)
	for _, id := range slices.Concat(ids...) {
		out.Batches = append(out.Batches, []string{id})
	}
	return out, err
}

// pageData is what a page says.
func (a *Activities) pageData(in incident.Incident, contact *inventory.Contact, ch inventory.Channel, p PageParams) message.Data {
	data := a.baseData(contact)
	data.Incident, data.Severity, data.Status, data.Team = in.ID, string(in.Severity), string(in.Status), a.teamName(p.Team)
	switch {
	case in.Provisional:
		data.Early, data.Finding = true, earlyFinding(in, contact.Language)
	case ch == inventory.Call: // nobody wants an id spelled to him at night
		data.Finding = message.Cause(a.inv, in.Finding, contact.Language)
	default:
		data.Finding = strings.TrimSuffix(topology.Describe(a.inv, in.Finding, contact.Language), ".")
	}
	data.Servers, data.Total, data.Down, data.Clients = a.servers(in.Servers, contact.Language), len(in.Servers), len(in.Servers)-len(in.Restored), len(in.Clients)
	data.TakenBy = a.inv.Names().Person(p.TakenBy)
	data.URL = a.opts.PublicURL + "/incidents/" + in.ID
	return data
}

// spare notes somebody who is not paged though he could be.
func (c *Composed) spare(id string, bundled bool) {
	if bundled {
		c.Bundled = append(c.Bundled, id)
	} else {
		c.Spared = append(c.Spared, id)
	}
}

// levelNow are whom a level pages now; where nobody is on call, the fallback.
func (a *Activities) levelNow(ctx context.Context, t *inventory.Team, l *inventory.Level) ([]string, error) {
	people, err := a.onCall(ctx, t, l)
	if err == nil && len(people) == 0 {
		people = roster.Fallback(t)
	}
	return people, err
}

func (a *Activities) teamName(id string) string {
	if t, ok := a.inv.Team(id); ok {
		return t.Name
	}
	return id
}

// TaskParams is something that a person must do because Vakhta can't.
type TaskParams struct {
	Subject string `json:"subject"`
	Key     string `json:"key"`            // what makes the task unique within the subject
	Team    string `json:"team,omitempty"` // whose first level is told; empty: the inventory's first team
	Text    string `json:"text"`           // no personal data: it is kept
}

// ComposeTask writes task.engineer to the first level of a team.
func (a *Activities) ComposeTask(ctx context.Context, p TaskParams) (Composed, error) {
	if teams := a.inv.Teams(); p.Team == "" && len(teams) > 0 {
		p.Team = teams[0].ID
	}
	t, ok := a.inv.Team(p.Team)
	if !ok || len(t.Levels) == 0 {
		return Composed{}, invalid("team: the inventory has no team %q with a level; add it under teams", p.Team)
	}
	ways, err := a.newWays(ctx)
	if err != nil {
		return Composed{}, err
	}
	var out Composed
	var rows []ledger.Notification
	people, err := a.levelNow(ctx, t, &t.Levels[0])
	if err != nil {
		return Composed{}, err
	}
	for _, id := range people {
		contact, ok := a.inv.Contact(id)
		if !ok {
			continue
		}
		out.Contacts++
		ladder, _ := ways.of(contact, tone{loud: true})
		if len(ladder) == 0 {
			ladder = informLadder(contact) // a colleague is told by what there is
		}
		if len(ladder) == 0 {
			out.Unreachable = append(out.Unreachable, id)
			continue
		}
		data := a.baseData(contact)
		data.Team, data.Text = t.Name, p.Text
		if kind, id, _ := strings.Cut(p.Subject, "/"); kind == "report" {
			data.Report = id
		} else if kind == "incident" {
			data.Incident = id
		}
		n, err := a.write(draft{subject: p.Subject, event: "task.engineer", step: "task/" + p.Key, team: t.ID}, contact, ladder[0], 0, data)
		if err != nil {
			return Composed{}, err
		}
		rows = append(rows, n)
	}
	out.Batches, err = a.enqueue(ctx, rows)
	return out, err
}

// PageStateParams asks whether a team's pages were acknowledged since.
type PageStateParams struct {
	Incident string    `json:"incident"`
	Team     string    `json:"team"`
	Since    time.Time `json:"since,omitzero"`
	// Bundled are members whose page of another team stands for this one's, too.
	Bundled []string `json:"bundled,omitempty"`
}

// PageState is the ledger's word on who acknowledged: Escalate reads it before
// each climb, because a callback may have come while no worker lived.
type PageState struct {
	AcknowledgedBy string    `json:"acknowledgedBy,omitempty"` // contact id
	At             time.Time `json:"at,omitzero"`
	Via            string    `json:"via,omitempty"`
}

// PageAcknowledged reads the first acknowledgement of a team's pages after Since.
func (a *Activities) PageAcknowledged(ctx context.Context, p PageStateParams) (PageState, error) {
	f := store.NotificationFilter{Subject: "incident/" + p.Incident, Team: p.Team, Event: "page"}
	if len(p.Bundled) > 0 {
		f.Team = ""
	}
	rows, err := a.store.Notifications(ctx, f)
	if err != nil {
		return PageState{}, fmt.Errorf("read pages of %s to %s: %w", p.Incident, p.Team, err)
	}
	var out PageState
	for _, n := range rows {
		at := n.AcknowledgedAt
		if n.Team != p.Team && !slices.Contains(p.Bundled, n.Contact) {
			continue
		}
		if at.IsZero() || !at.After(p.Since) || (!out.At.IsZero() && !at.Before(out.At)) {
			continue
		}
		out = PageState{AcknowledgedBy: cmp.Or(n.AcknowledgedBy, n.Contact), At: at, Via: n.AcknowledgedVia}
	}
	return out, nil
}

// DropParams drops what is not sent yet of a subject's step.
type DropParams struct {
	Subject    string `json:"subject"`
	StepPrefix string `json:"stepPrefix"`
}

// Drop takes unsent notifications out of the ledger's queue; it says how many.
func (a *Activities) Drop(ctx context.Context, p DropParams) (int, error) {
	n, err := a.store.Drop(ctx, p.Subject, p.StepPrefix, a.now())
	if err != nil {
		return 0, fmt.Errorf("drop unsent notifications of %s: %w", p.Subject, err)
	}
	return n, nil
}

// incidentsData fills in what the incidents mean for one client.
func (a *Activities) incidentsData(ctx context.Context, d *message.Data, contact *inventory.Contact, client *inventory.Client, ids []string) error {
	var findings, down, all []string
	for _, id := range ids {
		in, err := a.incident(ctx, id)
		if err != nil {
			return err
		}
		h := a.serversOf(in, client)
		if len(h.all) == 0 {
			continue
		}
		all, down = append(all, h.all...), append(down, h.down...)
		d.Incident, d.Severity, d.Status, d.ETA = in.ID, string(in.Severity), string(in.Status), in.ETA
		d.Restored += len(h.restored)
		findings = append(findings, message.Cause(a.inv, in.Finding, contact.Language))
	}
	d.Finding = strings.Join(findings, "; ")
	d.Total, d.Down = max(d.Total, len(all)), len(down)
	d.Servers = a.servers(down, contact.Language)
	return nil
}

func (a *Activities) workData(ctx context.Context, d *message.Data, contact *inventory.Contact, client, work string) error {
	w, err := a.store.MaintenanceFor(ctx, work, client)
	if err != nil {
		return permanent(fmt.Errorf("read planned work %s: %w", work, err))
	}
	counts := [3]int{d.Total, d.Checked, d.Down}
	a.workInto(d, &w, client, contact.Language)
	d.Total, d.Checked, d.Down = counts[0], counts[1], counts[2] // of the check, not of the work
	d.Work.Phase, d.Work.Why = phaseOf(&w, a.now()), w.TextIn(string(contact.Language))
	rows, err := a.store.Standings(ctx, store.NotificationFilter{Subject: "maintenance/" + w.ID, Client: client})
	if err != nil {
		return fmt.Errorf("read what %s was told of planned work %s: %w", client, work, err)
	}
	said := map[string]bool{}
	for _, n := range rows {
		if n.State != ledger.Dropped && n.State != ledger.Refused {
			said[fmt.Sprint(n.Step, n.Revision)] = true
		}
	}
	d.Work.Times = len(said)
	known, err := a.store.Confirmations(ctx, w.ID, w.Revision, client)
	if err != nil {
		return err
	}
	if c, ok := known[client]; ok {
		d.Work.ConfirmedAt = c.At
		if who, ok := a.inv.Contact(c.Contact); ok {
			d.Work.ConfirmedBy = who.Name
		}
	}
	return nil
}
