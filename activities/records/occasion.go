package records

import (
	"context"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/maintnote"
	"vakhta/internal/message"
)

// occasion is what a sending to clients is about: an incident, or planned work.
type occasion struct {
	subject string
	clients []string // whom it touches
	loud    bool     // all of it is critical
	// facts are a digest of everything a message tells a client; equal ones are
	// no news. data is what the message says to one of his contacts.
	facts func(client, event string) string
	data  func(client *inventory.Client, contact *inventory.Contact, p ComposeParams) message.Data
	// calendar is what a mail to one of a client's contacts carries; nil: none.
	calendar func(contact *inventory.Contact) string
}

func (a *Activities) occasion(ctx context.Context, p ComposeParams) (occasion, error) {
	if p.Work != "" {
		w, err := a.store.Maintenance(ctx, p.Work)
		if err != nil {
			return occasion{}, permanent(err)
		}
		return a.workOccasion(w, p.Impacts...), nil
	}
	in, err := a.incident(ctx, p.Incident)
	if err != nil {
		return occasion{}, err
	}
	hits := a.hits(in)
	return occasion{
		subject: "incident/" + in.ID, clients: in.Clients, loud: in.Severity == incident.Sev1,
		facts: func(client, event string) string { return factsOf(in, hits[client], event) },
		data: func(client *inventory.Client, contact *inventory.Contact, p ComposeParams) message.Data {
			return a.updateData(in, hits[client.ID], client, contact, p)
		},
	}, nil
}

// workOccasion is planned work: it is told to whom one of the impacts befalls;
// without impacts, to all whom the policy tells anything.
func (a *Activities) workOccasion(w maintenance.Work, impacts ...maintenance.Impact) occasion {
	return occasion{
		subject: "maintenance/" + w.ID, clients: w.Audience(impacts...),
		facts: func(string, string) string { return "" },
		data: func(client *inventory.Client, contact *inventory.Contact, _ ComposeParams) message.Data {
			d := a.baseData(contact)
			d.Client = client.Name
			a.workInto(&d, &w, client.ID, contact.Language)
			d.Text = w.TextIn(string(contact.Language))
			if a.links != nil {
				d.CalendarURL = a.links.Feed(client.ID)
			}
			return d
		},
		calendar: func(contact *inventory.Contact) string {
			n, ok := w.Notice(contact.Client, string(contact.Language), maintenance.NewIssuer(a.opts.PublicURL, a.opts.Organizer), a.now())
			if !ok {
				return ""
			}
			return maintnote.Calendar("", n)
		},
	}
}

// workInto is a work as a message to a client tells of it.
func (a *Activities) workInto(d *message.Data, w *maintenance.Work, client string, lang inventory.Language) {
	impact, servers := w.Of(client)
	d.Work = message.Work{
		ID: w.ID, Title: w.TitleIn(string(lang)), StartsAt: w.StartsAt, EndsAt: w.EndsAt, AnnouncedAt: w.Announced, MovedFrom: w.MovedFrom, Impact: string(impact),
	}
	if impact == maintenance.Outage {
		d.Work.Degraded = len(w.Degraded[client])
	}
	d.Servers = a.servers(servers, lang)
	d.Total, d.Checked = len(d.Servers), len(d.Servers)
	if impact == maintenance.Outage {
		d.Down = len(d.Servers)
	}
}

// audience are the clients that a sending goes to.
func (a *Activities) audience(o occasion, p ComposeParams) []*inventory.Client {
	ids, touched := p.Clients, o.clients
	if len(ids) == 0 {
		ids, touched = o.clients, nil
	}
	isTouched, except := set(touched), set(p.Except)
	out := make([]*inventory.Client, 0, len(ids))
	for _, id := range ids {
		c, ok := a.inv.Client(id)
		if !ok || except[id] || touched != nil && !isTouched[id] {
			continue
		}
		out = append(out, c)
	}
	return out
}
