package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/internal/inventory"
	"vakhta/runbooks"
)

// EscalateInput starts Escalate.
type EscalateInput struct {
	Incident string `json:"incident"`
	Team     string `json:"team"`
	// Ladder is for those who have none of their own, nor a level's; default: telegram 1m, call 2m.
	Ladder []runbooks.Rung `json:"ladder,omitempty"`
	// Quiet is how long an acknowledged escalation may show no sign of life
	// before the page returns to who has it, and then to the team; 0 means for ever.
	Quiet runbooks.Duration `json:"quiet,omitempty"`
	// AnyTeam: an acknowledgement by another team of the same step is enough.
	AnyTeam bool `json:"anyTeam,omitempty"`
	// Climbed is how many rounds were climbed before the incident was reopened:
	// the ledger knows their pages, and sends no page twice.
	Climbed int `json:"climbed,omitempty"`
	// Raised is since when first pages may have left without it; they, and what
	// was said to them, stand in the ledger.
	Raised time.Time `json:"raised,omitzero"`
	// Carry, Since and First are the state over continue-as-new.
	Carry *EscalateStatus `json:"carry,omitempty"`
	Since time.Time       `json:"since,omitzero"`
	First string          `json:"first,omitempty"`
}

// breath is the wait when even the fallback can't, or can't be reached, before
// it all begins again: somebody must pick up.
const breath = time.Minute

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
	declined bool      // somebody can't: on to the next
	cant     []string  // who said so in this round
	first    string    // who is paged before the levels are: he went quiet, or was assigned
	turn     []*callee // who is being paged now
	until    time.Time // when their time is over
	late     []PageAnswer
	stopped  string
	sending  workflow.WaitGroup
	taking   bool // the acknowledgement is being made known
	handed   int  // how often it was handed over
}

func (e *escalation) setup(ctx workflow.Context) error {
	e.sending = workflow.NewWaitGroup(ctx)
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (EscalateStatus, error) { return e.ahead(), nil },
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
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateDecline, func(_ workflow.Context, u DeclineUpdate) (EscalateStatus, error) {
		e.decline(u.By)
		return e.status, nil
	}, workflow.UpdateHandlerOptions{Validator: e.validateDecline})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateDecline, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateHandOver, func(ctx workflow.Context, u HandOverUpdate) (EscalateStatus, error) {
		return e.status, e.handOver(ctx, u)
	}, workflow.UpdateHandlerOptions{Validator: e.validateHandOver})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateHandOver, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateAssign, func(ctx workflow.Context, u HandOverUpdate) (EscalateStatus, error) {
		return e.status, e.assign(ctx, u)
	}, workflow.UpdateHandlerOptions{Validator: e.validateMember})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateAssign, err)
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
	return e.validateMember(u)
}

func (e *escalation) validateDecline(u DeclineUpdate) error {
	if e.status.State == "acknowledged" {
		return invalid("decline: %s has it and nobody is being paged; assign it, or hand it over", e.status.AcknowledgedBy)
	}
	return u.validate()
}

func (e *escalation) validateMember(u HandOverUpdate) error {
	if err := u.validate(); err != nil {
		return err
	}
	if _, ok := e.team.Member(u.To); !ok {
		return invalid("to: %q is no member of team %s", u.To, e.in.Team)
	}
	if u.From != "" && u.From != e.status.AcknowledgedBy {
		return invalid("from: %s has it now, no longer %s", cmp.Or(e.status.AcknowledgedBy, "nobody"), u.From)
	}
	return nil
}

// heard are the signals that an escalation takes.
var heard = []string{SignalAcknowledged, SignalTaken, SignalDeclined, SignalHungUp, SignalAlive, SignalStop}

// listen takes the signals: answers to pages, signs of life, the stop.
func (e *escalation) listen(ctx workflow.Context) {
	sel := workflow.NewSelector(ctx)
	for _, name := range heard {
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
	case SignalTaken:
		var a PageAnswer
		if !c.ReceiveAsync(&a) {
			return false
		}
		if e.status.State != "acknowledged" && (e.in.AnyTeam || slices.Contains(e.status.Bundled, a.Contact)) {
			e.acknowledge(ctx, a.Contact, a.Via, workflow.Now(ctx))
		}
	case SignalDeclined, SignalHungUp:
		var a PageAnswer
		if !c.ReceiveAsync(&a) {
			return false
		}
		if c.Name() == SignalDeclined {
			e.decline(a.Contact)
		} else {
			e.hungUp(ctx, a.Contact)
		}
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
		if by != e.status.AcknowledgedBy { // welcome, and recorded; the first one stands
			e.late = append(e.late, PageAnswer{Contact: by, Via: via})
		}
		return
	}
	e.status.State, e.status.AcknowledgedBy, e.status.AcknowledgedAt, e.status.Via = "acknowledged", by, at, via
}

// moved: who was being paged needn't be any more, or somebody else comes first.
func (e *escalation) moved() bool { return e.over() || e.first != "" }

// over: nobody needs to be paged now.
func (e *escalation) over() bool { return e.stopped != "" || e.status.State == "acknowledged" }

func (e *escalation) run(ctx workflow.Context) (EscalateStatus, error) {
	var err error
	if e.team, err = recordHere[inventory.Team](ctx, rec.Team, e.in.Team); err != nil {
		return e.status, err
	}
	workflow.Go(ctx, e.gather)
	e.since = workflow.Now(ctx)
	if !e.in.Raised.IsZero() && e.in.Carry == nil {
		e.since, e.asking = e.in.Raised, true
	}
	if e.in.Carry != nil {
		e.since, e.first, e.asking, e.alive = e.in.Since, e.in.First, true, workflow.Now(ctx)
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
	for _, name := range heard {
		for c := workflow.GetSignalChannel(ctx, name); e.hear(ctx, c); {
			continue
		}
	}
	if e.stopped != "" {
		return nil
	}
	next := e.in
	next.Carry, next.Since, next.First = &e.status, e.since, e.first
	return workflow.NewContinueAsNewError(ctx, Escalate, next)
}
