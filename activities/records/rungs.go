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
	Compose        ComposeParams       `json:"compose"`
	Unacknowledged bool                `json:"unacknowledged,omitempty"`
	Confirm        bool                `json:"confirm,omitempty"` // the message must be confirmed: the ladder goes on to the call
	Open           []inventory.Channel `json:"open,omitempty"`    // the channels whose time has come; none: all
}

// NextRung climbs the ladder for those who need it: it reads from the ledger
// where each contact stands, so it needs no list from the workflow. Whoever
// stands on a rung that was never settled is delivered to, not climbed for: a
// try whose answer was lost wrote it.
func (a *Activities) NextRung(ctx context.Context, p NextRungParams) (Composed, error) {
	c := p.Compose
	about, err := a.occasion(ctx, c)
	if err != nil {
		return Composed{}, err
	}
	last, err := a.standing(ctx, about.subject, c.Step, c.Revision)
	if err != nil {
		return Composed{}, err
	}
	ways, err := a.newWays(ctx)
	if err != nil {
		return Composed{}, err
	}
	how := toneOf(about, c)
	how.confirm = p.Confirm || p.Unacknowledged
	confirmed, err := a.unread(ctx, c)
	if err != nil {
		return Composed{}, err
	}
	r := climb{a: a, p: c, open: p.Open, about: about, ways: ways, how: how, box: a.newOutbox()}
	defer r.box.leave()
	for _, contact := range a.contactsOf(about, c) {
		switch s, told := last[contact.ID]; {
		case (p.Unacknowledged || p.Confirm) && confirmed[contact.Client]: // by another message, or another of his contacts
		case told && unsettled(s.top):
			r.out.Contacts++
			r.box.have(s.top)
		case told && mustClimb(s.top, p.Unacknowledged):
			err = r.next(ctx, contact, s.tried, s.top.Rung+1)
		case !told && p.Unacknowledged && !c.OnlyChanged:
			err = r.next(ctx, contact, nil, 0) // his quiet hours held the first one back
		}
		if err != nil {
			return Composed{}, err
		}
	}
	return a.finish(ctx, r.box, draft{subject: about.subject, step: c.Step, revision: c.Revision}, r.out)
}

// climb is one climb of many contacts.
type climb struct {
	a     *Activities
	p     ComposeParams
	open  []inventory.Channel
	about occasion
	ways  ways
	how   tone
	box   *outbox
	out   Composed
}

// next writes to a contact by the first channel that was not tried yet.
func (r *climb) next(ctx context.Context, contact *inventory.Contact, tried []inventory.Channel, rung int) error {
	client, ok := r.a.inv.Client(contact.Client)
	if !ok {
		return nil
	}
	r.out.Contacts++
	how := r.how
	how.rungs = r.a.ladderFor(r.p.Event, contact.Client)
	ladder, _ := r.ways.of(contact, how)
	ch, ok := untried(ladder, tried)
	if len(r.open) > 0 && !slices.Contains(r.open, ch) && ok {
		r.out.Waiting++
		return nil
	}
	if !ok {
		how.loud = true
		ladder, _ = r.ways.of(contact, how)
		if _, later := untried(ladder, tried); later {
			r.out.Quiet++
		} else {
			r.out.Unreachable = append(r.out.Unreachable, contact.ID)
		}
		return nil
	}
	d := draft{
		subject: r.about.subject, event: r.p.Event, step: r.p.Step, revision: r.p.Revision, critical: r.p.Critical, deadline: r.p.Deadline,
		facts: r.about.facts(client.ID, r.p.Event), calendar: r.about.calendar,
	}
	row, err := r.a.write(d, contact, ch, rung, r.about.data(client, contact, r.p))
	if err != nil {
		return err
	}
	return r.box.add(ctx, row)
}

// contactsOf are the contacts of the audience.
func (a *Activities) contactsOf(o occasion, p ComposeParams) []*inventory.Contact {
	var out []*inventory.Contact
	except := set(p.Except)
	for _, client := range a.audience(o, p) {
		for i := range client.Contacts {
			if c := &client.Contacts[i]; !except[c.ID] {
				out = append(out, c)
			}
		}
	}
	return out
}

// unsettled says that a delivery would still have something to do.
func unsettled(n ledger.Notification) bool {
	return n.State.Sendable() || n.State == ledger.Intent || n.State == ledger.Unknown
}

// stand is how far a contact is within one sending.
type stand struct {
	top   ledger.Notification // of the highest rung
	tried []inventory.Channel
}

// standing is how far each contact is within one sending, by contact id.
func (a *Activities) standing(ctx context.Context, subject, step string, revision int) (map[string]stand, error) {
	rows, err := a.store.Standings(ctx, store.NotificationFilter{Subject: subject, Step: step})
	if err != nil {
		return nil, fmt.Errorf("read notifications of %s: %w", subject, err)
	}
	out := map[string]stand{}
	for _, n := range rows {
		if n.Revision != revision {
			continue
		}
		s, ok := out[n.Contact]
		if !ok || n.Rung > s.top.Rung {
			s.top = n
		}
		s.tried = append(s.tried, n.Channel)
		out[n.Contact] = s
	}
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
	ways, err := a.newWays(ctx)
	if err != nil {
		return Composed{}, err
	}
	contact, ladder := a.replyTo(ways, r.Contact, r.Channel, r.From, r.ID)
	before, err := a.standing(ctx, "report/"+r.ID, p.Step, 0)
	if err != nil {
		return Composed{}, err
	}
	if s, told := before[contact.ID]; told && s.top.Rung >= p.Rung { // by a try whose answer was lost
		return Composed{Batches: [][]string{{s.top.ID}}, Contacts: 1}, nil
	}
	ch, ok := untried(ladder, before[contact.ID].tried)
	if !ok {
		return Composed{Contacts: 1, Unreachable: []string{contact.ID}}, nil
	}
	data, err := a.replyData(ctx, contact, r.Client, r.Text, p)
	if err != nil {
		return Composed{}, err
	}
	d := draft{subject: "report/" + r.ID, event: p.Event, step: p.Step, critical: isAnswer(p.Event)}
	n, err := a.write(d, contact, ch, p.Rung, data)
	if err != nil {
		return Composed{}, err
	}
	batches, err := a.enqueue(ctx, []ledger.Notification{n})
	return Composed{Batches: batches, Contacts: 1}, err
}

// isAnswer: the client waits for it, and would rather get it twice, marked as a
// repeat, than not at all; that we are looking is worth no repeat.
func isAnswer(event string) bool { return event != "report.received" && event != "report.progress" }

// replyTo is the contact and his channels, the one he wrote by first, which is
// open whatever is remembered of it: he has just used it. A stranger is
// answered where he wrote from: his contact id names the report, which the
// sender resolves to the address at the last moment.
func (a *Activities) replyTo(w ways, contactID, channel, from, report string) (*inventory.Contact, []inventory.Channel) {
	by := channelOf(channel)
	c, ok := a.inv.Contact(contactID)
	if !ok {
		stranger := &inventory.Contact{ID: StrangerPrefix + report, Language: inventory.Russian, TimeZone: "Europe/Moscow"}
		if from == "" || by == "" {
			return stranger, nil
		}
		return stranger, []inventory.Channel{by}
	}
	ladder, _ := w.of(c, tone{loud: true})
	if slices.Contains(informLadder(c), by) {
		ladder = append([]inventory.Channel{by}, slices.DeleteFunc(ladder, func(ch inventory.Channel) bool { return ch == by })...)
	}
	return c, ladder
}

// channelOf is the channel by which the sender of a report is answered; empty
// where he left none (a web form, an API).
func channelOf(report string) inventory.Channel {
	switch ch := inventory.Channel(report); ch {
	case inventory.Telegram, inventory.WhatsApp, inventory.SMS, inventory.Email:
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
