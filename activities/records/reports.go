package records

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
)

// TakeReportParams names a stored report, or makes one of Client and Text.
type TakeReportParams struct {
	Report string `json:"report"`
	Client string `json:"client,omitempty"`
	Text   string `json:"text,omitempty"`
}

// SiteCount counts a client's machines at one site.
type SiteCount struct {
	Site    string `json:"site"`
	Servers int    `json:"servers"`
}

// Reporter is who wrote, as far as we can tell.
type Reporter struct {
	Report  string      `json:"report"`
	Known   bool        `json:"known"`
	Client  string      `json:"client,omitempty"`
	Contact string      `json:"contact,omitempty"`
	Servers int         `json:"servers"`
	Sites   []SiteCount `json:"sites,omitempty"`
}

// TakeReport finds out who speaks: by the client that the intake authenticated,
// or by the address that the message came from.
func (a *Activities) TakeReport(ctx context.Context, p TakeReportParams) (Reporter, error) {
	if p.Client != "" {
		if _, ok := a.inv.Client(p.Client); !ok {
			return Reporter{}, invalid("client: the inventory has no client %q; see `vakhta inventory show`", p.Client)
		}
		_, err := a.store.PutReport(ctx, incident.Report{ID: p.Report, Channel: "api", Client: p.Client, Text: p.Text, ReceivedAt: a.now()})
		if err != nil {
			return Reporter{}, fmt.Errorf("keep report %s: %w", p.Report, err)
		}
	}
	r, err := a.store.Report(ctx, p.Report)
	if err != nil {
		return Reporter{}, permanent(fmt.Errorf("read report %s: %w", p.Report, err))
	}
	who := Reporter{Report: r.ID, Client: r.Client, Contact: r.Contact}
	if c := a.sender(r); c != nil {
		who.Contact = c.ID
		if who.Client == "" {
			who.Client = c.Client
		}
	}
	client, ok := a.inv.Client(who.Client)
	if !ok {
		return who, nil
	}
	who.Known = true
	if who.Contact == "" {
		who.Contact = client.Contacts[0].ID
	}
	who.Servers = len(a.inv.ServersOf(who.Client))
	who.Sites = a.countSites(a.inv.ServersOf(who.Client))
	return who, a.noteReport(ctx, r, who)
}

func (a *Activities) noteReport(ctx context.Context, r incident.Report, who Reporter) error {
	if err := a.store.SetReport(ctx, r.ID, who.Client, who.Contact, "", ""); err != nil {
		return fmt.Errorf("note who sent report %s: %w", r.ID, err)
	}
	return a.append(ctx, incident.Entry{
		Key: "report/" + r.ID + "/received", Subject: "report/" + r.ID, At: r.ReceivedAt, Kind: "report",
		Actor: who.Client, Via: r.Channel, Text: fmt.Sprintf("%s reports a failure by %s", who.Client, r.Channel),
	})
}

// sender finds the contact that a report came from; nil if nobody has that address.
func (a *Activities) sender(r incident.Report) *inventory.Contact {
	c, ok := a.inv.ContactByAddress(inventory.Channel(r.Channel), r.From)
	if r.Channel == "phone" { // who is written to at a number may call from it
		if c, ok = a.inv.ContactByAddress(inventory.Call, r.From); !ok {
			c, ok = a.inv.ContactByAddress(inventory.SMS, r.From)
		}
	}
	if !ok || c.Client == "" || (r.Client != "" && r.Client != c.Client) {
		return nil
	}
	return c
}

// countSites counts servers by site, sites by id.
func (a *Activities) countSites(servers []string) []SiteCount {
	counts := map[string]int{}
	for _, id := range servers {
		if c, ok := a.inv.Component(id); ok {
			counts[c.Site]++
		}
	}
	out := make([]SiteCount, 0, len(counts))
	for s, n := range counts {
		out = append(out, SiteCount{Site: s, Servers: n})
	}
	slices.SortFunc(out, func(x, y SiteCount) int {
		if x.Servers != y.Servers {
			return y.Servers - x.Servers
		}
		return compare(x.Site, y.Site)
	})
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Explanation is what we knew before the client wrote.
type Explanation struct {
	Incidents []string `json:"incidents,omitempty"` // open ones that hit his machines
	Work      string   `json:"work,omitempty"`      // planned work on his machines
	Phase     string   `json:"phase,omitempty"`     // of the work: PhaseRunning, PhaseFinished, PhaseImminent
	// Whole: the work takes down every machine of his; nothing else can be.
	Whole bool `json:"whole,omitempty"`
}

// The phases of planned work as a client who reports a failure meets it. Only
// one that runs explains that a machine is down.
const (
	PhaseRunning  = "running"
	PhaseFinished = "finished"
	PhaseImminent = "imminent"
)

const (
	// finishedFor is how long a work that is over may be why something is down.
	finishedFor = 3 * time.Hour
	// imminentFor is how long before its start a work is named to who reports.
	imminentFor = 2 * time.Hour
)

// phaseOf is how a work meets a report now; "" if it has nothing to do with it.
func phaseOf(w *maintenance.Work, now time.Time) string {
	switch {
	case w.Explains(now):
		return PhaseRunning
	case (w.Status == maintenance.Completed || w.Status == maintenance.RolledBack) && !w.EndsAt.Before(now.Add(-finishedFor)):
		return PhaseFinished
	case w.Status == maintenance.Approved && w.StartsAt.After(now):
		return PhaseImminent
	default:
		return ""
	}
}

// Explain looks for planned work and open incidents that touch the client's
// machines. Of several works the one counts that explains most.
func (a *Activities) Explain(ctx context.Context, client string) (Explanation, error) {
	var e Explanation
	now := a.now()
	works, err := a.store.MaintenancesFor(ctx, client, now.Add(-finishedFor), now.Add(imminentFor))
	if err != nil {
		return e, fmt.Errorf("look for planned work of %s: %w", client, err)
	}
	rank := []string{"", PhaseImminent, PhaseFinished, PhaseRunning}
	down := map[string]bool{}
	for i := range works {
		w := &works[i]
		phase := phaseOf(w, now)
		if impact, _ := w.Of(client); impact == maintenance.NoImpact || impact == maintenance.ReducedRedundancy {
			continue
		}
		if slices.Index(rank, phase) > slices.Index(rank, e.Phase) {
			e.Work, e.Phase = w.ID, phase
		}
		if phase == PhaseRunning {
			for _, server := range w.ByClient[client] {
				down[server] = true
			}
		}
	}
	e.Whole = len(down) > 0 && len(down) == len(a.inv.ServersOf(client))
	open, err := a.store.OpenIncidentsOf(ctx, client)
	if err != nil {
		return e, fmt.Errorf("look for open incidents of %s: %w", client, err)
	}
	for _, in := range open {
		e.Incidents = append(e.Incidents, in.ID)
	}
	return e, nil
}

// CloseReportParams says what a report came to.
type CloseReportParams struct {
	Report   string `json:"report"`
	Answer   string `json:"answer"`
	Incident string `json:"incident,omitempty"`
	Summary  string `json:"summary"`
}

// CloseReport records the answer, on the report's timeline and the incident's.
func (a *Activities) CloseReport(ctx context.Context, p CloseReportParams) error {
	r, err := a.store.Report(ctx, p.Report)
	if err != nil {
		return permanent(fmt.Errorf("read report %s: %w", p.Report, err))
	}
	if err := a.store.SetReport(ctx, r.ID, r.Client, r.Contact, p.Incident, p.Answer); err != nil {
		return fmt.Errorf("close report %s: %w", r.ID, err)
	}
	entries := []incident.Entry{{
		Key: "report/" + r.ID + "/answered", Subject: "report/" + r.ID, At: a.now(), Kind: "answered", Actor: "vakhta", Text: p.Summary,
	}}
	if p.Incident != "" {
		entries = append(entries, incident.Entry{
			Key: "report/" + r.ID + "/incident", Subject: "incident/" + p.Incident, At: r.ReceivedAt, Kind: "report",
			Actor: r.Client, Via: r.Channel, Text: fmt.Sprintf("%s reports a failure by %s", r.Client, r.Channel),
		})
	}
	return a.append(ctx, entries...)
}

func (a *Activities) append(ctx context.Context, entries ...incident.Entry) error {
	if err := a.store.Append(ctx, entries); err != nil {
		return fmt.Errorf("append to timeline of %s: %w", entries[0].Subject, err)
	}
	a.tellRooms(ctx, entries)
	return nil
}

// Append adds entries to timelines; an entry without an instant gets now.
func (a *Activities) Append(ctx context.Context, entries []incident.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for i := range entries {
		if entries[i].At.IsZero() {
			entries[i].At = a.now()
		}
	}
	return a.append(ctx, entries...)
}
