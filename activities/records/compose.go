package records

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/message"
	"vakhta/internal/store"
)

// ComposeParams says which message goes to whom about an incident or planned work.
type ComposeParams struct {
	Incident    string   `json:"incident,omitempty"`
	Work        string   `json:"work,omitempty"` // planned work, in place of an incident
	Event       string   `json:"event"`
	Step        string   `json:"step"`
	Revision    int      `json:"revision"`
	Clients     []string `json:"clients,omitempty"`     // empty: all that the incident hits
	Except      []string `json:"except,omitempty"`      // clients or contacts
	OnlyChanged bool     `json:"onlyChanged,omitempty"` // skip who was told exactly this already
	Unconfirmed bool     `json:"unconfirmed,omitempty"` // of planned work: skip clients who have confirmed this revision
	// Impacts choose clients of planned work by the worst that befalls them; none: all whom its policy tells.
	Impacts    []maintenance.Impact `json:"impacts,omitempty"`
	Critical   bool                 `json:"critical,omitempty"`
	Deadline   time.Duration        `json:"deadline,omitempty"` // old news is dropped; 0: never
	NextUpdate time.Duration        `json:"nextUpdate,omitempty"`
}

// Composed are the notifications in the ledger, in batches for delivery.
type Composed struct {
	Batches  [][]string    `json:"batches,omitempty"` // a few, by id, each of one channel
	Parts    []ledger.Part `json:"parts,omitempty"`   // many, each of one channel
	Contacts int           `json:"contacts"`
	Plan     Plan          `json:"plan,omitzero"` // of a first rung
	// Unreachable are contact ids without a channel left; of a sending to
	// clients the first few, and how many there are by now.
	Unreachable      []string `json:"unreachable,omitempty"`
	UnreachableTotal int      `json:"unreachableTotal,omitempty"`
	// Bundled were paged for the same incident by another team a moment ago;
	// Spared have had too many pages for one that is not critical. Pages only.
	Bundled []string `json:"bundled,omitempty"`
	Spared  []string `json:"spared,omitempty"`
	Waiting int      `json:"waiting,omitempty"` // contacts who have not confirmed, and whose next channel isn't open yet
	Quiet   int      `json:"quiet,omitempty"`   // contacts of whom every channel waits for the end of their quiet hours
}

// ComposeUpdate writes one notification for each contact of each affected
// client into the ledger: his machines only, in his language, by his fastest channel.
func (a *Activities) ComposeUpdate(ctx context.Context, p ComposeParams) (Composed, error) {
	about, err := a.occasion(ctx, p)
	if err != nil {
		return Composed{}, err
	}
	before, err := a.toldBefore(ctx, about.subject, p.Step, p.Revision)
	if err != nil {
		return Composed{}, err
	}
	d := draft{subject: about.subject, event: p.Event, step: p.Step, revision: p.Revision, critical: p.Critical, deadline: p.Deadline, calendar: about.calendar}
	var out Composed
	ways, err := a.newWays(ctx)
	if err != nil {
		return Composed{}, err
	}
	box, plan, except := a.newOutbox(), a.newPlanner(), set(p.Except)
	defer box.leave()
	confirmed, err := a.unread(ctx, p)
	if err != nil {
		return Composed{}, err
	}
	how := toneOf(about, p)
	for _, client := range a.audience(about, p) {
		how.rungs = a.ladderFor(p.Event, client.ID)
		if p.Unconfirmed && confirmed[client.ID] {
			continue
		}
		d.facts = about.facts(client.ID, p.Event)
		plan.plan.Clients++
		for i := range client.Contacts {
			contact := &client.Contacts[i]
			if except[contact.ID] || (p.OnlyChanged && before.facts[contact.ID] == d.facts) {
				continue
			}
			out.Contacts++
			if n, ok := before.written[contact.ID]; ok {
				box.have(n)
				continue
			}
			ladder, quiet := ways.of(contact, how)
			plan.contact(ladder, quiet)
			if quiet {
				out.Quiet++
				continue
			}
			if len(ladder) == 0 {
				out.Unreachable = append(out.Unreachable, contact.ID)
				continue
			}
			if confirmed[client.ID] && ladder[0] == inventory.Call && message.WantsAck(p.Event) {
				continue // nobody who knows is called
			}
			n, err := a.write(d, contact, ladder[0], 0, about.data(client, contact, p))
			if err != nil {
				return Composed{}, err
			}
			if err := box.add(ctx, n); err != nil {
				return Composed{}, err
			}
		}
	}
	out.Plan = plan.done(p.Event)
	return a.finish(ctx, box, d, out)
}

// finish writes the rest of a sending, and whom it can't reach.
func (a *Activities) finish(ctx context.Context, box *outbox, d draft, out Composed) (Composed, error) {
	if err := a.keepUnreached(ctx, d.subject, d.step, d.revision, &out); err != nil {
		return Composed{}, err
	}
	err := box.closeInto(ctx, &out, d)
	return out, err
}

// toneOf: what is critical, and all about a critical incident, is loud.
func toneOf(o occasion, p ComposeParams) tone { return tone{loud: p.Critical || o.loud} }

// serversOf are the client's own machines that the incident hits.
func (a *Activities) serversOf(in incident.Incident, client *inventory.Client) hit {
	return a.hits(in)[client.ID]
}

// hits are what the incident means for each client.
func (a *Activities) hits(in incident.Incident) map[string]hit {
	restored := set(in.Restored)
	hits := make(map[string]hit, len(in.Clients))
	for _, id := range in.Servers {
		c, ok := a.inv.Component(id)
		if !ok || c.Client == "" {
			continue
		}
		h := hits[c.Client]
		h.all = append(h.all, id)
		if restored[id] {
			h.restored = append(h.restored, id)
		} else {
			h.down = append(h.down, id)
		}
		hits[c.Client] = h
	}
	return hits
}

func set(ids []string) map[string]bool {
	in := make(map[string]bool, len(ids))
	for _, id := range ids {
		in[id] = true
	}
	return in
}

// hit is what an incident means for one client.
type hit struct{ all, restored, down []string }

// factsOf is a digest of everything an update tells; equal digests mean that
// there is no news for this client.
func factsOf(in incident.Incident, h hit, event string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		event, string(in.Status), strings.Join(h.restored, ","), strings.Join(h.down, ","), in.ETA.UTC().Format(time.RFC3339), in.Finding.Component,
	}, "|")))
	return hex.EncodeToString(sum[:6])
}

// told is what one sending's contacts have in the ledger already.
type told struct {
	facts map[string]string // digest of what each was told last, by an earlier revision
	// written are the ids of this revision's first rung: a try whose answer was
	// lost wrote them, maybe of facts that have changed since. They are
	// delivered as they are: nobody is told one revision twice.
	written map[string]ledger.Notification
}

// toldBefore reads the ledger's rows, and the digests from their keys.
func (a *Activities) toldBefore(ctx context.Context, subject, step string, revision int) (told, error) {
	out := told{facts: map[string]string{}, written: map[string]ledger.Notification{}}
	rows, err := a.store.Standings(ctx, store.NotificationFilter{Subject: subject, Step: step})
	if err != nil {
		return out, fmt.Errorf("read what the clients of %s were told: %w", subject, err)
	}
	latest := map[string]int{}
	for _, n := range rows {
		switch _, facts, ok := strings.Cut(n.Key, "#"); {
		case n.Revision == revision && n.Rung == 0:
			out.written[n.Contact] = n
		case ok && n.Revision < revision && n.Revision >= latest[n.Contact] && n.State != ledger.Dropped:
			out.facts[n.Contact], latest[n.Contact] = facts, n.Revision
		}
	}
	return out, nil
}

func (a *Activities) updateData(in incident.Incident, h hit, client *inventory.Client, contact *inventory.Contact, p ComposeParams) message.Data {
	d := a.baseData(contact)
	d.Client, d.Incident, d.Severity, d.Status = client.Name, in.ID, string(in.Severity), string(in.Status)
	d.Finding = message.Cause(a.inv, in.Finding, contact.Language)
	d.Total, d.Checked, d.Down, d.Restored = len(h.all), len(h.all), len(h.down), len(h.restored)
	named := h.down
	if len(named) == 0 {
		named = h.all
	}
	d.Servers = a.servers(named, contact.Language)
	d.ETA = in.ETA
	d.NextUpdateMinutes = minutes(p.NextUpdate)
	d.URL = a.opts.PublicURL + "/postmortems/" + in.ID
	return d
}

func (a *Activities) baseData(contact *inventory.Contact) message.Data {
	return message.Data{Contact: contact.Name, Zone: contact.TimeZone, Now: a.now()}
}

func (a *Activities) servers(ids []string, lang inventory.Language) []message.Server {
	out := make([]message.Server, 0, len(ids))
	for _, id := range ids {
		s := message.Server{ID: id, Place: a.inv.Place(id, lang)}
		if c, ok := a.inv.Component(id); ok {
			s.Label = c.Label
		}
		out = append(out, s)
	}
	return out
}

// draft is what all notifications of one composition share.
type draft struct {
	subject, event, step string
	revision             int
	team                 string
	facts                string
	critical             bool
	deadline             time.Duration
	calendar             func(contact *inventory.Contact) string
}

// write renders one notification.
func (a *Activities) write(d draft, contact *inventory.Contact, ch inventory.Channel, rung int, data message.Data) (ledger.Notification, error) {
	key := ledger.Key(d.subject, contact.ID, ch, d.step, d.revision)
	if d.facts != "" {
		key += "#" + d.facts
	}
	n := ledger.Notification{
		ID: ledger.ID(key), Key: key, Subject: d.subject, Event: d.event, Step: d.step, Revision: d.revision, Client: contact.Client, Team: d.team,
		Contact: contact.ID, Channel: ch, Language: contact.Language, Rung: rung, Critical: d.critical, AckCode: ledger.AckCode(key, 0),
	}
	if d.deadline > 0 {
		n.Deadline = a.now().Add(d.deadline)
	}
	data.AckCode = n.AckCode
	if a.links != nil {
		data.AckURL = a.links.Ack(n.ID, n.Contact)
	}
	text, err := a.render.Words(d.event, contact.Language, ch, data)
	if err != nil {
		return n, fmt.Errorf("render %s for contact %s by %s: %w", d.event, contact.ID, ch, err)
	}
	n.Title, n.Body = text.Title, text.Text
	if d.calendar != nil && ch == inventory.Email {
		n.Calendar = d.calendar(contact)
	}
	return n, nil
}
