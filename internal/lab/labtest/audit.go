package labtest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// settled says that nothing more is to be expected of the sender: the message
// is at its provider, or was not sent for a reason that the ledger names.
func settled(n ledger.Notification) bool {
	switch n.State {
	case ledger.Accepted, ledger.Sent, ledger.Delivered, ledger.Read, ledger.Dropped:
		return true
	case ledger.Refused:
		return n.Class != ledger.ClassNone
	default:
		return false
	}
}

// arrived says that the ledger holds the message for taken by its provider.
func arrived(n ledger.Notification) bool {
	return n.State != ledger.Dropped && n.State != ledger.Refused && settled(n)
}

// Rows are the notifications of the outage: its report's and its incident's.
func (o *Outage) Rows(ctx context.Context) ([]ledger.Notification, error) {
	a, err := o.lab.Store.Notifications(ctx, store.NotificationFilter{Subject: "report/" + o.Report})
	b, err2 := o.lab.Store.Notifications(ctx, store.NotificationFilter{Subject: "incident/" + o.Incident})
	return append(a, b...), errors.Join(err, err2)
}

// CheckTold waits until everything about the outage is settled, and checks
// that each affected contact got what an undisturbed run tells him (or, where
// nobody can know whether he did, that an engineer has the task to tell him),
// that nobody else did, and that an engineer was paged.
func (o *Outage) CheckTold(ctx context.Context) error {
	inv := o.lab.Estate.Inventory()
	var problems []string
	var rows []ledger.Notification
	err := Until(ctx, "everybody to be told of "+o.Incident, func() (bool, error) {
		var err error
		if rows, err = o.Rows(ctx); err != nil {
			return false, err
		}
		if o.CutShort, err = o.updateCutShort(ctx); err != nil {
			return false, err
		}
		problems = o.missing(inv, rows)
		return len(problems) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("incident %s of %s: %w:\n%s\nof these:\n%s", o.Incident, o.Component, err,
			strings.Join(problems, "\n"), strings.Join(fates(rows), "\n"))
	}
	return nil
}

// fates says what became of each row.
func fates(rows []ledger.Notification) []string {
	var out []string
	for _, n := range rows {
		out = append(out, fmt.Sprintf("%s %s to %s by %s (%s, revision %d): %s %s, %d attempts", n.CreatedAt.Format("15:04:05.000"),
			n.Event, n.Contact, n.Channel, n.ID, n.Revision, n.State, n.Class, n.Attempts))
	}
	slices.Sort(out)
	return out
}

// updateCutShort says that the machine was back before the first update was even
// written: its broadcast was cancelled, or did not begin.
func (o *Outage) updateCutShort(ctx context.Context) (bool, error) {
	d, err := o.lab.Client.DescribeWorkflowExecution(ctx, workflows.BroadcastID("incident/"+o.Incident, "update", 1), "")
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the first update of %s: %w", o.Incident, err)
	}
	return d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_CANCELED, nil
}

// missing says what the rows lack, or have too much.
func (o *Outage) missing(inv *inventory.Inventory, rows []ledger.Notification) []string {
	var problems []string
	events := map[string]map[string]bool{} // contact → events that reached him
	open := map[string]map[string]bool{}   // contact → events that nobody knows the fate of, and will not
	old := map[string]map[string]bool{}    // contact → events that were taken back as old news
	paged, task := false, false
	for _, n := range rows {
		if !settled(n) {
			problems = append(problems, fmt.Sprintf("%s to %s by %s (%s) is still %s", n.Event, n.Contact, n.Channel, n.ID, n.State))
		}
		if n.Client != "" && len(o.Blast.ByClient[n.Client]) == 0 {
			problems = append(problems, fmt.Sprintf("%s was told %s, but none of his machines is affected", n.Contact, n.Event))
		}
		// What is given up as unknown may have arrived all the same.
		if !arrived(n) && !o.lab.Read(n.Contact, strings.TrimSpace(n.Body), o.Cried) {
			if n.Class == ledger.ClassAmbiguous {
				put(open, n.Contact, n.Event)
			}
			if n.State == ledger.Dropped && n.Class != ledger.ClassExpired { // an update that came too late is lost
				put(old, n.Contact, n.Event)
			}
			continue
		}
		put(events, n.Contact, n.Event)
		paged, task = paged || n.Event == "page", task || n.Event == "task.engineer"
	}
	if !paged {
		problems = append(problems, "no engineer was paged")
	}
	for client := range o.Blast.ByClient {
		c, _ := inv.Client(client)
		for _, contact := range c.Contacts {
			for _, event := range o.expected(contact.ID, events[contact.ID]) {
				// Killed between the intent and the first byte: what is no answer is not
				// sent again, and an engineer is asked to tell him.
				handedOver := open[contact.ID][event] && task && (event == "report.received" || event == "incident.update")
				// Killed until the machine was back: that it is down has become old news.
				overtaken := (old[contact.ID][event] || o.CutShort) && event == "incident.update" && events[contact.ID]["incident.restored"]
				if !events[contact.ID][event] && !handedOver && !overtaken {
					problems = append(problems, fmt.Sprintf("%s was not told %s", contact.ID, event))
				}
			}
		}
	}
	slices.Sort(problems)
	return problems
}

func put(sets map[string]map[string]bool, key, member string) {
	if sets[key] == nil {
		sets[key] = map[string]bool{}
	}
	sets[key][member] = true
}

// expected is what an undisturbed run tells a contact. A neighbour's report may
// have found his dead machine before he cried: then the open incident is his answer.
func (o *Outage) expected(contact string, told map[string]bool) []string {
	if contact == o.Reporter.ID && told["report.incident"] {
		return []string{"report.incident", "incident.restored"}
	}
	if contact == o.Reporter.ID {
		return []string{"report.received", "report.finding", "incident.restored"}
	}
	return []string{"incident.update", "incident.restored"}
}

// CheckSettled waits until nothing about the outage is under way any more.
func (o *Outage) CheckSettled(ctx context.Context) error {
	return Until(ctx, "everything about "+o.Incident+" to be settled", func() (bool, error) {
		rows, err := o.Rows(ctx)
		return err == nil && !slices.ContainsFunc(rows, func(n ledger.Notification) bool { return !settled(n) }), err
	})
}

// CheckOneIncident checks that one incident, and no more, was ever opened for
// the component.
func (o *Outage) CheckOneIncident(ctx context.Context) error {
	all, err := o.lab.Store.Incidents(ctx, store.IncidentFilter{Component: o.Component})
	if err != nil {
		return err
	}
	if len(all) != 1 || all[0].ID != o.Incident {
		return fmt.Errorf("%d incidents were opened for %s, want %s alone", len(all), o.Component, o.Incident)
	}
	return nil
}

// CheckAcknowledgedByCall checks that somebody took the incident by pressing 1.
func (o *Outage) CheckAcknowledgedByCall(ctx context.Context) error {
	entries, err := o.lab.Store.Timeline(ctx, "incident/"+o.Incident, 0, 0)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Kind == "acknowledged" && e.Via == string(inventory.Call) {
			return nil
		}
	}
	return fmt.Errorf("the timeline of %s holds no acknowledgement by call", o.Incident)
}

// CheckUndisturbed is what holds after every outage, whatever struck us.
func (o *Outage) CheckUndisturbed(ctx context.Context) error {
	return errors.Join(o.CheckTold(ctx), o.CheckOneIncident(ctx), o.CheckAcknowledgedByCall(ctx))
}

// letter is a message as a recipient sees it, and what the ledger says of it.
type letter struct {
	ledgered int // rows with this text to this address
	accepted int // of them, taken by the provider for all that we know
	repeats  int // of them, sent once more as a marked repeat
	plain    int // at the sandbox, unmarked
	marked   int // at the sandbox, marked as a repeat
	what     string
}

func (l *Lab) nobodyIsOnThePhone() (bool, error) {
	for _, it := range l.Sandbox.Inbox(sandbox.Query{Channel: string(inventory.Call)}) {
		if it.Status == "queued" || it.Status == "initiated" || it.Status == "ringing" || it.Status == "in-progress" {
			return false, nil
		}
	}
	return true, nil
}

// Audit holds everything that the sandbox got against the ledger: nothing
// doubled, nothing that nobody ordered, nothing accepted that never came, no
// client told about a machine that is another's.
func (l *Lab) Audit(ctx context.Context) error {
	if err := Until(ctx, "the calls under way to end: what they say is not said before", l.nobodyIsOnThePhone); err != nil {
		return err
	}
	err := l.audit(ctx)
	for looks := 1; err != nil && l.HasRooms() && looks < 3; looks++ { // a room may be told something between a look at the ledger and one at the messenger
		err = l.audit(ctx)
	}
	return err
}

func (l *Lab) audit(ctx context.Context) error {
	rows, err := l.Store.Notifications(ctx, store.NotificationFilter{})
	if err != nil {
		return err
	}
	letters := map[string]*letter{}
	at := func(channel, to, text string) *letter {
		key := channel + "\x00" + to + "\x00" + strings.Join(strings.Fields(text), " ")
		if letters[key] == nil {
			letters[key] = &letter{}
		}
		return letters[key]
	}
	for _, n := range rows {
		if n.Event == message.RoomTopicClosed || n.Event == message.RoomTopicReopened {
			continue // no message
		}
		to, err := l.addressOf(ctx, n)
		if err != nil {
			return err
		}
		x := at(string(n.Channel), to, n.Body)
		x.ledgered++
		x.what += fmt.Sprintf("; %s of %s to %s by %s: %s %s, %d attempts", n.Event, n.Subject, n.Contact, n.Channel, n.State, n.Class, n.Attempts)
		if arrived(n) {
			x.accepted++
		}
		if n.Repeat {
			x.repeats++
		}
	}
	var problems []error
	for _, it := range l.Sandbox.Inbox(sandbox.Query{}) {
		if it.Inbound || l.answersCommand(it) {
			continue
		}
		text, isRepeat := firstWords(it)
		x := at(it.Channel, it.To, text)
		if isRepeat {
			x.marked++
		} else {
			x.plain++
		}
		problems = append(problems, l.foreign(it))
	}
	for key, x := range letters {
		_, rest, _ := strings.Cut(key, "\x00")
		switch {
		case x.ledgered == 0:
			problems = append(problems, fmt.Errorf("a message that the ledger does not hold: %q", rest))
		case x.plain > x.ledgered || x.marked > x.repeats:
			problems = append(problems, fmt.Errorf("doubled, %d times and %d marked: %q%s", x.plain, x.marked, rest, x.what))
		case x.plain+x.marked < x.accepted:
			problems = append(problems, fmt.Errorf("lost, accepted %d and arrived %d: %q%s", x.accepted, x.plain+x.marked, rest, x.what))
		}
	}
	return errors.Join(problems...)
}

// answersCommand: the answer to a command is a courtesy, and not the ledger's.
func (l *Lab) answersCommand(it sandbox.Item) bool {
	_, room := l.Estate.Inventory().RoomAt(inventory.Channel(it.Channel), it.To)
	return room && (it.OnlyFor != "" || strings.HasPrefix(it.Text, "✓ "))
}

// addressOf is where a notification goes; a stranger is answered where he wrote from.
func (l *Lab) addressOf(ctx context.Context, n ledger.Notification) (string, error) {
	if report, ok := strings.CutPrefix(n.Contact, "report:"); ok {
		r, err := l.Store.Report(ctx, report)
		return r.From, err
	}
	return l.Contact(n.Contact).Addresses[n.Channel], nil
}

// firstWords is the message without the mark of a repeat, and whether it had
// one; of a call, what is said first.
func firstWords(it sandbox.Item) (text string, isRepeat bool) {
	text = it.Text
	if it.Channel == sandbox.ChannelCall && len(it.Spoken) > 0 {
		text = it.Spoken[0]
	}
	for _, lang := range []inventory.Language{inventory.Russian, inventory.English} {
		if rest, ok := strings.CutPrefix(text, message.RepeatMark(lang)); ok {
			return rest, true
		}
	}
	return text, false
}

var serverID = regexp.MustCompile(`\b[ms]\d-\d{4}\b`)

// foreign says whether a client was told about a machine of another's.
func (l *Lab) foreign(it sandbox.Item) error {
	inv := l.Estate.Inventory()
	contact, ok := inv.ContactByAddress(inventory.Channel(it.Channel), it.To)
	if !ok || contact.Client == "" {
		return nil
	}
	for _, id := range serverID.FindAllString(it.Subject+"\n"+it.Content()+"\n"+it.HTML, -1) {
		if c, ok := inv.Component(id); ok && c.Client != contact.Client {
			return fmt.Errorf("%s was told by %s about %s, which is %s's", contact.ID, it.Channel, id, c.Client)
		}
	}
	return nil
}
