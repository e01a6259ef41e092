package records

import (
	"context"
	"fmt"
	"slices"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
)

// NextRungParams asks for the next channel of everybody whose last one failed
// (or, with Unacknowledged, who has not confirmed).
type NextRungParams struct {
	Compose        ComposeParams `json:"compose"`
	Unacknowledged bool          `json:"unacknowledged,omitempty"`
}

// NextRung climbs the ladder for those who need it: it reads from the ledger
// where each contact stands, so it needs no list from the workflow. Whoever
// stands on a rung that was never settled is delivered to, not climbed for: a
// try whose answer was lost wrote it.
func (a *Activities) NextRung(ctx context.Context, p NextRungParams) (Composed, error) {
	c := p.Compose
	in, err := a.Incident(ctx, c.Incident)
	if err != nil {
		return Composed{}, err
	}
	last, err := a.standing(ctx, "incident/"+in.ID, c.Step, c.Revision)
	if err != nil {
		return Composed{}, err
	}
	var out Composed
	box, hits := a.newOutbox(), a.hits(in)
	sending := draft{subject: "incident/" + in.ID, step: c.Step, revision: c.Revision}
	for _, n := range last {
		contact, ok := a.inv.Contact(n.Contact)
		if !ok || slices.Contains(c.Except, contact.ID) || slices.Contains(c.Except, contact.Client) {
			continue
		}
		if unsettled(n) {
			out.Contacts++
			box.have(n)
			continue
		}
		if !mustClimb(n, p.Unacknowledged) {
			continue
		}
		client, ok := a.inv.Client(contact.Client)
		if !ok {
			continue
		}
		out.Contacts++
		ladder := informLadder(contact)
		if p.Unacknowledged {
			ladder = contact.Urgent()
		}
		next := n.Rung + 1
		if next >= len(ladder) {
			out.Unreachable = append(out.Unreachable, contact.ID)
			continue
		}
		d := draft{
			subject: n.Subject, event: n.Event, step: n.Step, revision: n.Revision, critical: c.Critical, deadline: c.Deadline,
			facts: factsOf(in, hits[client.ID], n.Event),
		}
		row, err := a.write(d, contact, ladder[next], next, a.updateData(in, hits[client.ID], client, contact, c))
		if err != nil {
			return Composed{}, err
		}
		if err := box.add(ctx, row); err != nil {
			return Composed{}, err
		}
	}
	err = box.closeInto(ctx, &out, sending)
	return out, err
}

// unsettled says that a delivery would still have something to do.
func unsettled(n ledger.Notification) bool {
	return n.State.Sendable() || n.State == ledger.Intent || n.State == ledger.Unknown
}

// standing is each contact's highest rung of one sending, by contact id.
func (a *Activities) standing(ctx context.Context, subject, step string, revision int) ([]ledger.Notification, error) {
	rows, err := a.store.Standings(ctx, store.NotificationFilter{Subject: subject, Step: step})
	if err != nil {
		return nil, fmt.Errorf("read notifications of %s: %w", subject, err)
	}
	top := map[string]ledger.Notification{}
	for _, n := range rows {
		if t, ok := top[n.Contact]; n.Revision == revision && (!ok || n.Rung > t.Rung) {
			top[n.Contact] = n
		}
	}
	out := make([]ledger.Notification, 0, len(top))
	for _, n := range top {
		out = append(out, n)
	}
	slices.SortFunc(out, func(x, y ledger.Notification) int { return compare(x.Contact, y.Contact) })
	return out, nil
}

func mustClimb(n ledger.Notification, unacknowledged bool) bool {
	if !n.AcknowledgedAt.IsZero() {
		return false
	}
	return n.State == ledger.Refused || (unacknowledged && n.State != ledger.Dropped)
}

// ReplyParams is a message to the contact who reported.
type ReplyParams struct {
	Report     string       `json:"report"`
	Event      string       `json:"event"`
	Step       string       `json:"step"`
	Total      int          `json:"total,omitempty"`
	Checked    int          `json:"checked,omitempty"`
	Down       int          `json:"down,omitempty"`
	Sites      []ReplySite  `json:"sites,omitempty"`
	Incidents  []string     `json:"incidents,omitempty"`
	Work       string       `json:"work,omitempty"`
	Rung       int          `json:"rung,omitempty"`
	NextUpdate DurationSecs `json:"nextUpdateSeconds,omitempty"`
}

// DurationSecs is a number of seconds.
type DurationSecs int

// ReplySite is how far the sweep is at a site.
type ReplySite struct {
	Site    string `json:"site"`
	Total   int    `json:"total"`
	Checked int    `json:"checked"`
	Down    int    `json:"down"`
}

// ComposeReply writes an answer to a report into the ledger: by the channel
// that the report came by, else by the contact's ladder. No ids mean that
// nobody can be answered.
func (a *Activities) ComposeReply(ctx context.Context, p ReplyParams) (Composed, error) {
	r, err := a.store.Report(ctx, p.Report)
	if err != nil {
		return Composed{}, permanent(fmt.Errorf("read report %s: %w", p.Report, err))
	}
	contact, ladder := a.replyTo(r.Contact, r.Channel, r.From, r.ID)
	if p.Rung >= len(ladder) {
		return Composed{Contacts: 1, Unreachable: []string{contact.ID}}, nil
	}
	data, err := a.replyData(ctx, contact, r.Client, r.Text, p)
	if err != nil {
		return Composed{}, err
	}
	d := draft{subject: "report/" + r.ID, event: p.Event, step: p.Step, critical: isAnswer(p.Event)}
	n, err := a.write(d, contact, ladder[p.Rung], p.Rung, data)
	if err != nil {
		return Composed{}, err
	}
	batches, err := a.enqueue(ctx, []ledger.Notification{n})
	return Composed{Batches: batches, Contacts: 1}, err
}

// isAnswer: the client waits for it, and would rather get it twice, marked as a
// repeat, than not at all; that we are looking is worth no repeat.
func isAnswer(event string) bool { return event != "report.received" && event != "report.progress" }

// replyTo is the contact and his channels, the one he wrote by first. A
// stranger is answered where he wrote from: his contact id names the report,
// which the sender resolves to the address at the last moment.
func (a *Activities) replyTo(contactID, channel, from, report string) (*inventory.Contact, []inventory.Channel) {
	by := channelOf(channel)
	c, ok := a.inv.Contact(contactID)
	if !ok {
		stranger := &inventory.Contact{ID: StrangerPrefix + report, Language: inventory.Russian, TimeZone: "Europe/Moscow"}
		if from == "" || by == "" {
			return stranger, nil
		}
		return stranger, []inventory.Channel{by}
	}
	ladder := informLadder(c)
	if i := slices.Index(ladder, by); i > 0 {
		ladder = append([]inventory.Channel{by}, slices.Delete(slices.Clone(ladder), i, i+1)...)
	}
	return c, ladder
}

// channelOf is the channel by which the sender of a report is answered; empty
// where he left none (a web form, an API).
func channelOf(report string) inventory.Channel {
	switch ch := inventory.Channel(report); ch {
	case inventory.Telegram, inventory.SMS, inventory.Email:
		return ch
	case "phone", inventory.Call:
		return inventory.SMS
	default:
		return ""
	}
}

// StrangerPrefix starts the contact id of somebody whom the inventory doesn't
// know; the rest is the id of his report.
const StrangerPrefix = "report:"

func (a *Activities) replyData(ctx context.Context, contact *inventory.Contact, clientID, text string, p ReplyParams) (message.Data, error) {
	d := a.baseData(contact)
	d.Report, d.Total, d.Checked, d.Down, d.Text = p.Report, p.Total, p.Checked, p.Down, text
	d.NextUpdateMinutes = (int(p.NextUpdate) + 59) / 60
	client, known := a.inv.Client(clientID)
	if known {
		d.Client = client.Name
	}
	for _, s := range p.Sites {
		d.Sites = append(d.Sites, message.SiteCount{Name: a.inv.SiteName(s.Site, contact.Language), Total: s.Total, Checked: s.Checked, Down: s.Down})
	}
	if known && len(p.Incidents) > 0 {
		if err := a.incidentsData(ctx, &d, contact, client, p.Incidents); err != nil {
			return d, err
		}
	}
	if p.Work != "" {
		if err := a.workData(ctx, &d, contact, clientID, p.Work); err != nil {
			return d, err
		}
	}
	return d, nil
}
