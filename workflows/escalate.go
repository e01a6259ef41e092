package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	// Carry is the state over continue-as-new.
	Carry *EscalateStatus `json:"carry,omitempty"`
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
	e := &escalation{in: in, status: EscalateStatus{Incident: in.Incident, Team: in.Team, State: "paging", Paged: []string{}}}
	if in.Carry != nil {
		e.status = *in.Carry
	}
	if err := e.setup(ctx); err != nil {
		return e.status, err
	}
	return e.run(ctx)
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
	for i, r := range in.Ladder {
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
	alive    time.Time // last sign of life after the acknowledgement
	declined bool      // somebody can't: climb at once
	stopped  string
	sending  workflow.WaitGroup
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
	e.page(ctx, []string{u.To}, inventory.Channel(e.in.Ladder[0].Channel), len(e.in.Ladder))
	return e.note(ctx, "handed-over", u.By, u.Via, fmt.Sprintf("%s hands over to %s", u.By, u.To))
}

// listen takes the signals: answers to pages, signs of life, the stop.
func (e *escalation) listen(ctx workflow.Context) {
	sel := workflow.NewSelector(ctx)
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalAcknowledged), func(c workflow.ReceiveChannel, _ bool) {
		var a PageAnswer
		c.Receive(ctx, &a)
		e.acknowledge(ctx, a.Contact, a.Via, workflow.Now(ctx))
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalDeclined), func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		e.declined = true
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalAlive), func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		e.alive = workflow.Now(ctx)
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalStop), func(c workflow.ReceiveChannel, _ bool) {
		var s StopSignal
		c.Receive(ctx, &s)
		e.stopped = s.Why
		if e.stopped == "" {
			e.stopped = "stopped"
		}
	})
	for {
		sel.Select(ctx)
	}
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
	if e.team, err = record[inventory.Team](ctx, rec.Team, e.in.Team); err != nil {
		return e.status, err
	}
	e.since = workflow.Now(ctx)
	if e.in.Carry != nil {
		e.since = e.in.Carry.AcknowledgedAt
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
			return e.status, e.continueAsNew(ctx)
		}
	}
	return e.status, e.end(ctx)
}

func (e *escalation) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	e.sending.Wait(ctx)
	next := e.in
	next.Carry = &e.status
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
	if err := e.note(ctx, fmt.Sprintf("exhausted-%d", e.status.Round), "vakhta", "", fmt.Sprintf("Nobody of team %s picked up in %d rounds; beginning again", e.team.ID, rounds)); err != nil {
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
		e.page(ctx, level.Members, inventory.Channel(r.Channel), rung)
		e.details(ctx)
		if err := e.wait(ctx, r.Wait.Std()); err != nil || e.over() || e.declined {
			return err
		}
	}
	rest := time.Duration(level.AckWithinSeconds)*time.Second - workflow.Now(ctx).Sub(began)
	if rest > 0 {
		if err := e.wait(ctx, rest); err != nil || e.over() {
			return err
		}
	}
	return e.askLedger(ctx)
}

func (e *escalation) wait(ctx workflow.Context, d time.Duration) error {
	_, err := workflow.AwaitWithTimeout(ctx, d, func() bool { return e.over() || e.declined })
	return err
}

// askLedger reads whether somebody acknowledged while no worker could hear it:
// nobody is called who has pressed 1 already.
func (e *escalation) askLedger(ctx workflow.Context) error {
	s, err := record[records.PageState](ctx, rec.PageAcknowledged, records.PageStateParams{Incident: e.in.Incident, Team: e.in.Team, Since: e.since})
	if err == nil && s.AcknowledgedBy != "" {
		e.acknowledge(ctx, s.AcknowledgedBy, s.Via, s.At)
	}
	return err
}

// page sends in the background: a slow provider doesn't hold the climb.
func (e *escalation) page(ctx workflow.Context, contacts []string, ch inventory.Channel, rung int) {
	p := records.PageParams{
		Incident: e.in.Incident, Team: e.in.Team, Contacts: contacts, Channel: ch, Event: "page",
		Round: e.status.Round, Level: e.status.Level, Rung: rung, Deadline: 30 * time.Minute,
	}
	for _, c := range contacts {
		if !slices.Contains(e.status.Paged, c) {
			e.status.Paged = append(e.status.Paged, c)
		}
	}
	e.inBackground(ctx, p)
}

func (e *escalation) inBackground(ctx workflow.Context, p records.PageParams) {
	e.sending.Add(1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer e.sending.Done()
		c, err := record[records.Composed](ctx, rec.ComposePage, p)
		if err == nil {
			key := fmt.Sprintf("%s-%d.%d.%d", p.Event, p.Round, p.Level, p.Rung)
			if p.Event == "page" {
				err = e.note(ctx, key, "vakhta", string(p.Channel), fmt.Sprintf("Paging %s of team %s by %s", strings.Join(p.Contacts, ", "), p.Team, p.Channel))
			}
		}
		if err == nil {
			_, err = deliver(ctx, c, urgent)
		}
		if err != nil {
			workflow.GetLogger(ctx).Error("A page could not be sent", "team", p.Team, "error", err)
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
	subject := "incident/" + e.in.Incident
	if _, err := record[int](ctx, rec.Drop, records.DropParams{Subject: subject, StepPrefix: records.PageStep(e.in.Team) + "/"}); err != nil {
		return err
	}
	by := e.status.AcknowledgedBy
	if err := e.note(ctx, fmt.Sprintf("acknowledged-%d", e.status.Round), by, e.status.Via, fmt.Sprintf("%s of team %s has it", by, e.in.Team)); err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(e.status.Paged), func(id string) bool { return id == by })
	if len(others) > 0 {
		e.inBackground(ctx, records.PageParams{
			Incident: e.in.Incident, Team: e.in.Team, Contacts: others, Channel: inventory.Telegram, Event: "page.standdown",
			Round: e.status.Round, TakenBy: by, Deadline: 15 * time.Minute,
		})
	}
	return e.announce(ctx)
}

// quiet: acknowledged, then forgotten. The page returns.
func (e *escalation) quiet(ctx workflow.Context) error {
	by := e.status.AcknowledgedBy
	e.status.State, e.status.AcknowledgedBy, e.status.Via = "paging", "", ""
	e.since = workflow.Now(ctx)
	if err := e.note(ctx, fmt.Sprintf("quiet-%d", e.status.Round), "vakhta", "", fmt.Sprintf("No sign of life from %s for %s; paging again", by, e.in.Quiet.Std())); err != nil {
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

func (e *escalation) end(ctx workflow.Context) error {
	if e.status.State != "acknowledged" {
		e.status.State = "stopped"
	}
	if _, err := record[int](ctx, rec.Drop, records.DropParams{Subject: "incident/" + e.in.Incident, StepPrefix: records.PageStep(e.in.Team) + "/"}); err != nil {
		return err
	}
	e.sending.Wait(ctx)
	return e.announce(ctx)
}

func (e *escalation) note(ctx workflow.Context, key, actor, via, text string) error {
	kind, _, _ := strings.Cut(key, "-")
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
