package records

import (
	"context"
	"slices"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
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
}

func (a *Activities) occasion(ctx context.Context, p ComposeParams) (occasion, error) {
	if p.Work != "" {
		w, err := a.store.Maintenance(ctx, p.Work)
		if err != nil {
			return occasion{}, permanent(err)
		}
		return a.workOccasion(w), nil
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

// workOccasion is planned work: it is told to whoever loses service.
func (a *Activities) workOccasion(w maintenance.Work) occasion {
	clients := make([]string, 0, len(w.ByClient))
	for id := range w.ByClient {
		clients = append(clients, id)
	}
	slices.Sort(clients)
	return occasion{
		subject: "maintenance/" + w.ID, clients: clients,
		facts: func(string, string) string { return "" },
		data: func(client *inventory.Client, contact *inventory.Contact, _ ComposeParams) message.Data {
			d := a.baseData(contact)
			d.Client = client.Name
			d.Work = workIn(&w, contact.Language)
			d.Servers = a.servers(w.ByClient[client.ID], contact.Language)
			d.Total, d.Checked, d.Down = len(d.Servers), len(d.Servers), len(d.Servers)
			d.Text = w.TextIn(string(contact.Language))
			return d
		},
	}
}

// workIn is a work as a message in a language tells of it.
func workIn(w *maintenance.Work, lang inventory.Language) message.Work {
	return message.Work{
		ID: w.ID, Title: w.TitleIn(string(lang)), StartsAt: w.StartsAt, EndsAt: w.EndsAt, AnnouncedAt: w.Announced, MovedFrom: w.MovedFrom,
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
