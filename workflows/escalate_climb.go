package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/notify"
	"vakhta/activities/records"
	"vakhta/internal/inventory"
)

// climb pages level after level until somebody acknowledges or all are
// climbed, and then the fallback.
func (e *escalation) climb(ctx workflow.Context) error {
	for again := 0; ; again++ {
		e.status.Round++
		if err := e.begin(ctx); err != nil || e.over() {
			return err
		}
		repeat, err := e.round(ctx)
		if err != nil || e.over() {
			return err
		}
		if e.first != "" {
			again = -1
			continue
		}
		if again >= repeat {
			return e.exhausted(ctx, again+1)
		}
	}
}

// begin pages who must answer before his team is asked.
func (e *escalation) begin(ctx workflow.Context) error {
	if e.first == "" {
		return nil
	}
	r, err := e.roster(ctx, records.RosterParams{People: []string{e.first}})
	if err != nil {
		return err
	}
	e.first, e.status.Level = "", 0
	return e.level(ctx, r)
}

// round climbs the levels once; it says how often they are climbed again.
func (e *escalation) round(ctx workflow.Context) (repeat int, err error) {
	for level := 0; ; level++ {
		r, err := e.roster(ctx, records.RosterParams{Level: level})
		if err != nil || level >= r.Levels {
			return r.Repeat, err
		}
		e.status.Level, e.status.Policy = level+1, r.Policy
		if r.Gap {
			text := fmt.Sprintf("Nobody is on call at level %d of team %s; paging the fallback", level+1, e.team.ID)
			if err := e.note(ctx, fmt.Sprintf("gap-%d.%d", e.status.Round, level+1), "gap", "vakhta", "", text); err != nil {
				return 0, err
			}
		}
		if err := e.level(ctx, r); err != nil || e.moved() {
			return r.Repeat, err
		}
	}
}

// exhausted: nobody picked up. The fallback is paged, and then it all begins again.
func (e *escalation) exhausted(ctx workflow.Context, rounds int) error {
	if err := e.askLedger(ctx); err != nil || e.over() {
		return err
	}
	text := fmt.Sprintf("Nobody of team %s picked up in %s; paging the fallback", e.team.ID, agreed(rounds, "round", "rounds"))
	if err := e.note(ctx, fmt.Sprintf("exhausted-%d", e.status.Round), "exhausted", "vakhta", "", text); err != nil {
		return err
	}
	r, err := e.roster(ctx, records.RosterParams{Fallback: true})
	if err != nil {
		return err
	}
	e.status.Level++
	e.cant = nil
	if err := e.level(ctx, r); err != nil || e.moved() {
		return err
	}
	if len(r.People) == 0 || e.declined {
		e.until = workflow.Now(ctx).Add(breath)
		_, err = workflow.AwaitWithTimeout(ctx, breath, e.moved)
	}
	return err
}

func (e *escalation) roster(ctx workflow.Context, p records.RosterParams) (records.Roster, error) {
	p.Incident, p.Team, p.Ladder = e.in.Incident, e.in.Team, make([]inventory.Rung, 0, len(e.in.Ladder))
	for _, r := range e.in.Ladder {
		p.Ladder = append(p.Ladder, inventory.Rung{Channel: inventory.Channel(r.Channel), WaitSeconds: int(r.Wait.Std() / time.Second)})
	}
	return recordHere[records.Roster](ctx, rec.Roster, p)
}

// level pages the people of a level: all at once, or one after another.
func (e *escalation) level(ctx workflow.Context, r records.Roster) error {
	people := slices.DeleteFunc(slices.Clone(r.People), func(p records.OnCall) bool { return slices.Contains(e.cant, p.Contact) })
	turns := [][]records.OnCall{people}
	if r.Mode != inventory.AllAtOnce {
		turns = nil
		for i := range people {
			turns = append(turns, people[i:i+1])
		}
	}
	base := 0 // rungs of those before, so that each page has a number of its own
	for _, turn := range turns {
		if len(turn) == 1 && slices.Contains(e.cant, turn[0].Contact) {
			continue // he has said so before his turn
		}
		if err := e.page(ctx, turn, time.Duration(r.AckWithinSeconds)*time.Second, base); err != nil || e.moved() {
			return err
		}
		base += 100
	}
	return nil
}

// callee is somebody who is being paged, and how far.
type callee struct {
	id      string
	ladder  []inventory.Rung
	next    int       // the rung to climb
	due     time.Time // when
	redials int
	hangups int
}

// hungUp: he took the call and put it down at once. He is called once more;
// after the second time his next rung is due.
func (e *escalation) hungUp(ctx workflow.Context, who string) {
	for _, c := range e.turn {
		if c.id != who || c.next == 0 || c.ladder[c.next-1].Channel != inventory.Call {
			continue
		}
		c.hangups++
		c.due = workflow.Now(ctx)
		if c.hangups == 1 {
			c.next--
			c.redials++
		}
	}
}

// decline: somebody can't. The next are paged at once, unless he is no longer
// one of those who are being paged: others are, and have their time.
func (e *escalation) decline(who string) {
	if e.over() {
		return
	}
	if who != "" && !slices.Contains(e.cant, who) {
		e.cant = append(e.cant, who)
	}
	_, member := e.team.Member(who)
	paged := slices.ContainsFunc(e.turn, func(c *callee) bool { return c.id == who })
	e.declined = e.declined || paged || !member
}

// page pages people, each by his ladder, until one acknowledges, one can't, or
// their time is over.
func (e *escalation) page(ctx workflow.Context, people []records.OnCall, within time.Duration, base int) error {
	began := workflow.Now(ctx)
	e.declined, e.turn = false, nil
	for _, p := range people {
		e.turn = append(e.turn, &callee{id: p.Contact, ladder: p.Ladder, due: began})
	}
	defer func() { e.turn = nil }()
	for !e.moved() && !e.declined {
		if err := e.askLedger(ctx); err != nil || e.over() {
			return err
		}
		for batch := e.due(ctx); len(batch) > 0 && !e.over() && !e.declined; batch = e.due(ctx) {
			if err := e.send(ctx, batch, base); err != nil {
				return err
			}
		}
		if len(e.turn) == 0 {
			return nil
		}
		wake, end := began.Add(within), began.Add(within)
		for _, c := range e.turn {
			if c.due.After(end) {
				end = c.due
			}
		}
		e.until = end
		for _, c := range e.turn {
			if c.next < len(c.ladder) && c.due.Before(wake) {
				wake = c.due
			}
		}
		if wake = later(wake, workflow.Now(ctx), end); !wake.After(workflow.Now(ctx)) {
			return nil
		}
		if err := e.wait(ctx, wake); err != nil {
			return err
		}
	}
	return nil
}

// later is the wake if it is still to come, else the end.
func later(wake, now, end time.Time) time.Time {
	if wake.After(now) {
		return wake
	}
	return end
}

// due are those whose next rung is due, of one channel and rung.
func (e *escalation) due(ctx workflow.Context) []*callee {
	var out []*callee
	for _, c := range e.turn {
		if c.next >= len(c.ladder) || c.due.After(workflow.Now(ctx)) {
			continue
		}
		if len(out) == 0 || out[0].ladder[out[0].next].Channel == c.ladder[c.next].Channel && out[0].next == c.next && out[0].redials == c.redials {
			out = append(out, c)
		}
	}
	return out
}

// wait sleeps until then, or until something happens to those who are paged.
func (e *escalation) wait(ctx workflow.Context, until time.Time) error {
	due := make([]time.Time, len(e.turn))
	for i, c := range e.turn {
		due[i] = c.due
	}
	_, err := workflow.AwaitWithTimeout(ctx, until.Sub(workflow.Now(ctx)), func() bool {
		return e.moved() || e.declined || slices.ContainsFunc(e.turn, func(c *callee) bool {
			return !c.due.Equal(due[slices.Index(e.turn, c)])
		})
	})
	return err
}

// send writes the pages of those who are due and sends them in the background:
// a slow provider doesn't hold the climb. Who can't be paged so, or has a page
// that its provider refuses, is due again at once with his next rung.
func (e *escalation) send(ctx workflow.Context, batch []*callee, base int) error {
	rung := batch[0].ladder[batch[0].next]
	p := e.pageParams("page", nil, rung.Channel, base+batch[0].next+50*batch[0].redials)
	for _, c := range batch {
		p.Contacts = append(p.Contacts, c.id)
		c.due = workflow.Now(ctx).Add(time.Duration(c.ladder[c.next].WaitSeconds) * time.Second)
		c.next++
	}
	e.asking = true
	composed, err := recordHere[records.Composed](ctx, rec.ComposePage, p)
	if err != nil {
		return err
	}
	if e.over() {
		return nil // somebody has it since: what was written is taken back, not sent
	}
	paged := minus(minus(p.Contacts, composed.Unreachable), composed.Spared)
	for _, id := range paged {
		e.status.Paged = with(e.status.Paged, id)
	}
	for _, id := range composed.Bundled {
		e.status.Bundled = with(e.status.Bundled, id)
	}
	for _, c := range batch {
		if !slices.Contains(paged, c.id) {
			c.due = workflow.Now(ctx) // nothing to wait for
		}
	}
	e.sendPages(ctx, p, composed, func(ctx workflow.Context, contact string) {
		for _, c := range batch {
			if c.id == contact && slices.Contains(e.turn, c) {
				c.due = workflow.Now(ctx)
			}
		}
	})
	e.details(ctx)
	return e.note(ctx, fmt.Sprintf("page-%d.%d.%d", p.Round, p.Level, p.Rung), "page", "vakhta", string(p.Channel), pageLine(p, composed))
}

func with(list []string, id string) []string {
	if slices.Contains(list, id) {
		return list
	}
	return append(list, id)
}

// pageLine is what the timeline says of pages.
func pageLine(p records.PageParams, c records.Composed) string {
	paged := minus(minus(minus(p.Contacts, c.Unreachable), c.Spared), c.Bundled)
	var parts []string
	switch {
	case len(paged) > 0:
		parts = append(parts, fmt.Sprintf("Paging %s of team %s by %s", strings.Join(paged, ", "), p.Team, p.Channel))
	case len(c.Unreachable) == len(p.Contacts):
		parts = append(parts, fmt.Sprintf("Nobody of level %d of team %s can be paged by %s: no address", p.Level, p.Team, p.Channel))
	default:
		parts = append(parts, fmt.Sprintf("Level %d of team %s, by %s", p.Level, p.Team, p.Channel))
	}
	if len(c.Unreachable) > 0 && len(c.Unreachable) < len(p.Contacts) {
		parts = append(parts, "no such address: "+strings.Join(c.Unreachable, ", "))
	}
	if len(c.Bundled) > 0 {
		parts = append(parts, "paged for another team a moment ago: "+strings.Join(c.Bundled, ", "))
	}
	if len(c.Spared) > 0 {
		parts = append(parts, "too many pages lately, left alone: "+strings.Join(c.Spared, ", "))
	}
	return strings.Join(parts, "; ")
}

// askLedger reads whether somebody acknowledged while no worker could hear it:
// nobody is called who has pressed 1 already.
func (e *escalation) askLedger(ctx workflow.Context) error {
	if !e.asking {
		return nil // nobody was paged since: there is nothing to acknowledge
	}
	s, err := recordHere[records.PageState](ctx, rec.PageAcknowledged, records.PageStateParams{
		Incident: e.in.Incident, Team: e.in.Team, Since: e.since, Bundled: e.status.Bundled,
	})
	if err == nil && s.AcknowledgedBy != "" && !e.over() {
		e.acknowledge(ctx, s.AcknowledgedBy, s.Via, s.At)
	}
	return err
}

func (e *escalation) pageParams(event string, contacts []string, ch inventory.Channel, rung int) records.PageParams {
	return records.PageParams{
		Incident: e.in.Incident, Team: e.in.Team, Contacts: contacts, Channel: ch, Event: event,
		Round: e.status.Round, Level: e.status.Level, Rung: rung, Deadline: 30 * time.Minute,
	}
}

// sendPages sends what was composed, each person's by itself; refused hears of
// those whose provider says that it can't.
func (e *escalation) sendPages(ctx workflow.Context, p records.PageParams, c records.Composed, refused func(workflow.Context, string)) {
	ctx, _ = workflow.NewDisconnectedContext(ctx) // of the update that began it
	to := minus(minus(minus(p.Contacts, c.Unreachable), c.Spared), c.Bundled)
	for i, ids := range c.Batches {
		e.sending.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer e.sending.Done()
			var r notify.DeliverResult
			err := workflow.ExecuteActivity(withDelivery(ctx, urgent), send.Deliver, notify.SendBatchParams{IDs: ids, Urgent: true}).Get(ctx, &r)
			if err != nil {
				workflow.GetLogger(ctx).Error("A page could not be sent", "team", p.Team, "event", p.Event, "error", err)
			}
			if refused != nil && r.Refused > 0 && i < len(to) {
				refused(ctx, to[i])
			}
		})
	}
}
