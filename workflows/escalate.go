package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/runbooks"
)

// EscalateInput starts Escalate.
type EscalateInput struct {
	Incident string          `json:"incident"`
	Team     string          `json:"team"`
	Ladder   []runbooks.Rung `json:"ladder,omitempty"` // default: telegram 1m, call 2m
	// Quiet is how long an acknowledged escalation may show no sign of life
	// before the team is paged again; 0 means for ever.
	Quiet runbooks.Duration `json:"quiet,omitempty"`
	// Climbed is how many rounds were climbed before the incident was reopened:
	// the ledger knows their pages, and sends no page twice.
	Climbed int `json:"climbed,omitempty"`
	// Carry and Since are the state over continue-as-new.
	Carry *EscalateStatus `json:"carry,omitempty"`
	Since time.Time       `json:"since,omitzero"`
}

// pauseBetween is the wait when every level of every round was climbed in
// vain, before it all begins again: somebody must pick up.
const pauseBetween = 5 * time.Minute

// Escalate pages a team, level by level and rung by rung, until somebody
// acknowledges; tells the others who has it; and pages again if he goes quiet.
// It ends when its incident stops it.
func Escalate(ctx workflow.Context, in EscalateInput) (EscalateStatus, error) {
	if err := in.validate(); err != nil {
		return EscalateStatus{}, err
	}
	e := &escalation{in: in, status: EscalateStatus{Incident: in.Incident, Team: in.Team, State: "paging", Round: in.Climbed, Paged: []string{}}}
	if in.Carry != nil {
		e.status = *in.Carry
	}
	if err := e.setup(ctx); err != nil {
		return e.status, err
	}
	status, err := e.run(ctx)
	if temporal.IsCanceledError(err) {
		// Its incident is gone: nobody shall be paged for it any more.
		detached, _ := workflow.NewDisconnectedContext(ctx)
		e.stopped = "cancelled"
		return status, firstOf(e.drop(detached), err)
	}
	return status, err
}

func (in *EscalateInput) validate() error {
	if err := required("incident", in.Incident, "team", in.Team); err != nil {
		return err
	}
	if len(in.Ladder) == 0 {
		in.Ladder = []runbooks.Rung{
			{Channel: string(inventory.Telegram), Wait: runbooks.Duration(time.Minute)},
			{Channel: string(inventory.Call), Wait: runbooks.Duration(2 * time.Minute)},
		}
	}
	return checkWaits(in.Ladder)
}

func checkWaits(ladder []runbooks.Rung) error {
	for i, r := range ladder {
		if r.Wait.Std() <= 0 {
			return invalid("ladder[%d].wait: must be longer than nothing", i)
		}
	}
	return nil
}

type escalation struct {
	in       EscalateInput
	team     inventory.Team
	status   EscalateStatus
	since    time.Time // acknowledgements before it belong to an earlier round of paging
	asking   bool      // pages went out since, which the ledger may know to be acknowledged
	alive    time.Time // last sign of life after the acknowledgement
	declined bool      // somebody can't: climb at once
	stopped  string
	sending  workflow.WaitGroup
	taking   bool // the acknowledgement is being made known
	handed   int  // how often it was handed over
}

func (e *escalation) setup(ctx workflow.Context) error {
	e.sending = workflow.NewWaitGroup(ctx)
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (EscalateStatus, error) { return e.status, nil },
		workflow.QueryHandlerOptions{Description: "Who is paged and who has it"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryStatus, err)
	}
	if err := e.updates(ctx); err != nil {
		return err
	}
	workflow.Go(ctx, e.listen)
	return upsert(ctx, AttrIncident.ValueSet(e.in.Incident), AttrStatus.ValueSet(e.status.State))
}

func (e *escalation) updates(ctx workflow.Context) error {
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateAcknowledge, func(_ workflow.Context, u AcknowledgeUpdate) (EscalateStatus, error) {
		e.acknowledge(ctx, u.By, u.Via, workflow.Now(ctx))
		return e.status, nil
	}, workflow.UpdateHandlerOptions{Validator: func(u AcknowledgeUpdate) error { return u.validate() }})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateAcknowledge, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateDecline, func(_ workflow.Context, _ DeclineUpdate) (EscalateStatus, error) {
		e.declined = true
		return e.status, nil
	}, workflow.UpdateHandlerOptions{Validator: func(u DeclineUpdate) error { return u.validate() }})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateDecline, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateHandOver, func(ctx workflow.Context, u HandOverUpdate) (EscalateStatus, error) {
		return e.status, e.handOver(ctx, u)
	}, workflow.UpdateHandlerOptions{Validator: e.validateHandOver})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateHandOver, err)
	}
	return nil
}

func (e *escalation) validateHandOver(u HandOverUpdate) error {
	if err := u.validate(); err != nil {
		return err
	}
	if e.status.State != "acknowledged" {
		return invalid("handOver: nobody has acknowledged yet; acknowledge first")
	}
	if !slices.ContainsFunc(e.team.Members, func(c inventory.Contact) bool { return c.ID == u.To }) {
		return invalid("to: %q is no member of team %s", u.To, e.in.Team)
	}
	return nil
}

// handOver pages the colleague, so that he knows that he has it now.
func (e *escalation) handOver(ctx workflow.Context, u HandOverUpdate) error {
	e.status.AcknowledgedBy, e.status.Via = u.To, u.Via
	e.alive = workflow.Now(ctx)
	e.handed++
	rung := len(e.in.Ladder) + e.handed - 1
	// What is not sent yet is being taken back; this page comes after that.
	if err := workflow.Await(ctx, func() bool { return !e.taking }); err != nil {
		return err
	}
	p := e.pageParams("page", []string{u.To}, inventory.Channel(e.in.Ladder[0].Channel), rung)
	c, err := record[records.Composed](ctx, rec.ComposePage, p)
	if err != nil {
		return err
	}
	e.sendPages(ctx, p, c)
	e.details(ctx)
	return firstOf(
		e.note(ctx, fmt.Sprintf("handed-over-%d.%d", e.status.Round, e.handed), "handed-over", u.By, u.Via, fmt.Sprintf("%s hands over to %s", u.By, u.To)),
		e.announce(ctx))
}

// listen takes the signals: answers to pages, signs of life, the stop.
func (e *escalation) listen(ctx workflow.Context) {
	sel := workflow.NewSelector(ctx)
	for _, name := range []string{SignalAcknowledged, SignalDeclined, SignalAlive, SignalStop} {
		sel.AddReceive(workflow.GetSignalChannel(ctx, name), func(c workflow.ReceiveChannel, _ bool) { e.hear(ctx, c) })
	}
	for {
		sel.Select(ctx)
	}
}

// hear takes what is in a signal channel; it answers whether there was anything.
func (e *escalation) hear(ctx workflow.Context, c workflow.ReceiveChannel) bool {
	switch c.Name() {
	case SignalAcknowledged:
		var a PageAnswer
		if !c.ReceiveAsync(&a) {
			return false
		}
		e.acknowledge(ctx, cmp.Or(a.By, a.Contact), a.Via, workflow.Now(ctx))
	case SignalDeclined:
		if !c.ReceiveAsync(nil) {
			return false
		}
		e.declined = true
	case SignalAlive:
		if !c.ReceiveAsync(nil) {
			return false
		}
		e.alive = workflow.Now(ctx)
	case SignalStop:
		var s StopSignal
		if !c.ReceiveAsync(&s) {
			return false
		}
		e.stopped = cmp.Or(s.Why, "stopped")
	}
	return true
}

func (e *escalation) acknowledge(ctx workflow.Context, by, via string, at time.Time) {
	e.alive = workflow.Now(ctx)
	if e.status.State == "acknowledged" {
		return // a late acknowledgement is welcome; the first one stands
	}
	e.status.State, e.status.AcknowledgedBy, e.status.AcknowledgedAt, e.status.Via = "acknowledged", by, at, via
}

// over: nobody needs to be paged now.
func (e *escalation) over() bool { return e.stopped != "" || e.status.State == "acknowledged" }

func (e *escalation) run(ctx workflow.Context) (EscalateStatus, error) {
	var err error
	if e.team, err = recordHere[inventory.Team](ctx, rec.Team, e.in.Team); err != nil {
		return e.status, err
	}
	e.since = workflow.Now(ctx)
	if e.in.Carry != nil {
		e.since, e.asking, e.alive = e.in.Since, true, workflow.Now(ctx)
	} else if e.over() {
		e.status.Round++ // acknowledged before the first page: a round of its own
	}
	for e.stopped == "" {
		if !e.over() {
			if err := e.climb(ctx); err != nil {
				return e.status, err
			}
		}
		if err := e.hold(ctx); err != nil {
			return e.status, err
		}
		if e.stopped == "" && workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			if err := e.continueAsNew(ctx); err != nil {
				return e.status, err
			}
		}
	}
	return e.status, e.end(ctx)
}

// continueAsNew carries everything that was heard; a stop is heeded instead.
func (e *escalation) continueAsNew(ctx workflow.Context) error {
	e.sending.Wait(ctx)
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	for _, name := range []string{SignalAcknowledged, SignalDeclined, SignalAlive, SignalStop} {
		for c := workflow.GetSignalChannel(ctx, name); e.hear(ctx, c); {
			continue
		}
	}
	if e.stopped != "" {
		return nil
	}
	next := e.in
	next.Carry, next.Since = &e.status, e.since
	return workflow.NewContinueAsNewError(ctx, Escalate, next)
}

// climb pages level after level until somebody acknowledges or all are climbed.
func (e *escalation) climb(ctx workflow.Context) error {
	rounds := e.team.Repeat + 1
	for range rounds {
		e.status.Round++
		for i, level := range e.team.Levels {
			e.status.Level = i + 1
			if err := e.level(ctx, level); err != nil || e.over() {
				return err
			}
		}
	}
	if err := e.askLedger(ctx); err != nil || e.over() {
		return err
	}
	if err := e.note(ctx, fmt.Sprintf("exhausted-%d", e.status.Round), "exhausted", "vakhta", "", fmt.Sprintf("Nobody of team %s picked up in %d rounds; beginning again", e.team.ID, rounds)); err != nil {
		return err
	}
	_, err := workflow.AwaitWithTimeout(ctx, pauseBetween, e.over)
	return err
}

// level pages all members of a level at once, by one channel after another.
func (e *escalation) level(ctx workflow.Context, level inventory.Level) error {
	e.declined = false
	began := workflow.Now(ctx)
	for rung, r := range e.in.Ladder {
		if err := e.askLedger(ctx); err != nil || e.over() {
			return err
		}
		e.asking = true
		reached, err := e.page(ctx, level.Members, inventory.Channel(r.Channel), rung)
		if err != nil {
			return err
		}
		if !reached {
			continue // nobody has such an address: nothing to wait for
		}
		if err := e.wait(ctx, r.Wait.Std()); err != nil || e.over() || e.declined {
			return err
		}
	}
	rest := time.Duration(level.AckWithinSeconds)*time.Second - workflow.Now(ctx).Sub(began)
	if rest > 0 {
		return e.wait(ctx, rest)
	}
	return nil
}

func (e *escalation) wait(ctx workflow.Context, d time.Duration) error {
	_, err := workflow.AwaitWithTimeout(ctx, d, func() bool { return e.over() || e.declined })
	return err
}

// askLedger reads whether somebody acknowledged while no worker could hear it:
// nobody is called who has pressed 1 already.
func (e *escalation) askLedger(ctx workflow.Context) error {
	if !e.asking {
		return nil // nobody was paged since: there is nothing to acknowledge
	}
	s, err := record[records.PageState](ctx, rec.PageAcknowledged, records.PageStateParams{Incident: e.in.Incident, Team: e.in.Team, Since: e.since})
	if err == nil && s.AcknowledgedBy != "" {
		e.acknowledge(ctx, s.AcknowledgedBy, s.Via, s.At)
	}
	return err
}

// page writes the pages and sends them in the background: a slow provider
// doesn't hold the climb. It answers whether anybody could be paged so.
func (e *escalation) page(ctx workflow.Context, contacts []string, ch inventory.Channel, rung int) (reached bool, err error) {
	p := e.pageParams("page", contacts, ch, rung)
	c, err := recordHere[records.Composed](ctx, rec.ComposePage, p)
	if err != nil {
		return false, err
	}
	if e.over() {
		return true, nil // somebody has it since: what was written is taken back, not sent
	}
	for _, id := range contacts {
		if !slices.Contains(e.status.Paged, id) && !slices.Contains(c.Unreachable, id) {
			e.status.Paged = append(e.status.Paged, id)
		}
	}
	e.details(ctx)
	e.sendPages(ctx, p, c)
	text := fmt.Sprintf("Paging %s of team %s by %s", strings.Join(minus(contacts, c.Unreachable), ", "), p.Team, p.Channel)
	switch {
	case len(c.Unreachable) == len(contacts):
		text = fmt.Sprintf("Nobody of level %d of team %s can be paged by %s: no address", p.Level, p.Team, p.Channel)
	case len(c.Unreachable) > 0:
		text += "; no such address: " + strings.Join(c.Unreachable, ", ")
	}
	return len(c.Batches) > 0, e.note(ctx, fmt.Sprintf("page-%d.%d.%d", p.Round, p.Level, p.Rung), "page", "vakhta", string(ch), text)
}

func (e *escalation) pageParams(event string, contacts []string, ch inventory.Channel, rung int) records.PageParams {
	return records.PageParams{
		Incident: e.in.Incident, Team: e.in.Team, Contacts: contacts, Channel: ch, Event: event,
		Round: e.status.Round, Level: e.status.Level, Rung: rung, Deadline: 30 * time.Minute,
	}
}

func (e *escalation) sendPages(ctx workflow.Context, p records.PageParams, c records.Composed) {
	if len(c.Batches) == 0 {
		return
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx) // of the update that began it
	e.sending.Add(1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer e.sending.Done()
		if _, err := deliver(ctx, c, urgent, nil); err != nil {
			workflow.GetLogger(ctx).Error("A page could not be sent", "team", p.Team, "event", p.Event, "error", err)
		}
	})
}

// hold keeps an acknowledged escalation until it is stopped or goes quiet.
func (e *escalation) hold(ctx workflow.Context) error {
	if e.status.State != "acknowledged" || e.stopped != "" {
		return nil
	}
	if err := e.taken(ctx); err != nil {
		return err
	}
	for e.stopped == "" {
		if e.in.Quiet.Std() <= 0 {
			return workflow.Await(ctx, func() bool { return e.stopped != "" })
		}
		left := e.alive.Add(e.in.Quiet.Std()).Sub(workflow.Now(ctx))
		if left <= 0 {
			return e.quiet(ctx)
		}
		if _, err := workflow.AwaitWithTimeout(ctx, left, func() bool { return e.stopped != "" }); err != nil {
			return err
		}
	}
	return nil
}

// taken: what has not left is taken back, the others are told to stand down,
// the incident hears who has it.
func (e *escalation) taken(ctx workflow.Context) error {
	e.taking = true
	defer func() { e.taking = false }()
	by := e.status.AcknowledgedBy
	// The incident hears it first: people look there.
	if err := firstOf(e.announce(ctx), e.drop(ctx)); err != nil {
		return err
	}
	if err := e.note(ctx, fmt.Sprintf("acknowledged-%d", e.status.Round), "acknowledged", by, e.status.Via, fmt.Sprintf("%s of team %s has it", by, e.in.Team)); err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(e.status.Paged), func(id string) bool { return id == by })
	if len(others) == 0 {
		return nil
	}
	p := e.pageParams("page.standdown", others, inventory.Telegram, 0)
	p.TakenBy, p.Deadline = by, 15*time.Minute
	c, err := record[records.Composed](ctx, rec.ComposePage, p)
	if err == nil {
		e.sendPages(ctx, p, c)
	}
	return err
}

// drop takes back the pages that have not left.
func (e *escalation) drop(ctx workflow.Context) error {
	_, err := record[int](ctx, rec.Drop, records.DropParams{Subject: "incident/" + e.in.Incident, StepPrefix: records.PageStep(e.in.Team) + "/"})
	return err
}

// quiet: acknowledged, then forgotten. The page returns.
func (e *escalation) quiet(ctx workflow.Context) error {
	by := e.status.AcknowledgedBy
	e.status.State, e.status.AcknowledgedBy, e.status.Via = "paging", "", ""
	e.since, e.asking = workflow.Now(ctx), false
	if err := e.note(ctx, fmt.Sprintf("quiet-%d", e.status.Round), "quiet", "vakhta", "", fmt.Sprintf("No sign of life from %s for %s; paging again", by, e.in.Quiet.Std())); err != nil {
		return err
	}
	return e.announce(ctx)
}

// announce tells the incident, and everybody who looks, where it stands.
func (e *escalation) announce(ctx workflow.Context) error {
	e.details(ctx)
	if err := upsert(ctx, AttrStatus.ValueSet(e.status.State)); err != nil {
		return err
	}
	if p := workflow.GetInfo(ctx).ParentWorkflowExecution; p != nil {
		workflow.SignalExternalWorkflow(ctx, p.ID, "", SignalPageState, e.status)
	}
	return nil
}

// end: the incident that stopped it learns its state from the result.
func (e *escalation) end(ctx workflow.Context) error {
	if e.status.State != "acknowledged" {
		e.status.State = "stopped"
	}
	if err := e.drop(ctx); err != nil {
		return err
	}
	e.sending.Wait(ctx)
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	e.details(ctx)
	return upsert(ctx, AttrStatus.ValueSet(e.status.State))
}

func (e *escalation) note(ctx workflow.Context, key, kind, actor, via, text string) error {
	return noteIncident(ctx, e.in.Incident, "escalate/"+e.in.Team+"/"+key, kind, actor, via, text)
}

func (e *escalation) details(ctx workflow.Context) {
	s := e.status
	line := fmt.Sprintf("**%s**, round %d, level %d; paged: %s", s.State, s.Round, s.Level, strings.Join(s.Paged, ", "))
	if s.AcknowledgedBy != "" {
		line = fmt.Sprintf("**%s has it** (%s)", s.AcknowledgedBy, s.Via)
	}
	workflow.SetCurrentDetails(ctx, line)
}
