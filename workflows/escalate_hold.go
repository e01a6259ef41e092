package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
)

// handOver pages the colleague, so that he knows that he has it now.
func (e *escalation) handOver(ctx workflow.Context, u HandOverUpdate) error {
	e.status.AcknowledgedBy, e.status.Via = u.To, u.Via
	e.alive = workflow.Now(ctx)
	e.handed++
	handed := e.handed
	// What is not sent yet is being taken back; this page comes after that.
	if err := workflow.Await(ctx, func() bool { return !e.taking }); err != nil {
		return err
	}
	r, err := e.roster(ctx, records.RosterParams{People: []string{u.To}})
	if err != nil {
		return err
	}
	if len(r.People) > 0 {
		p := e.pageParams("page", []string{u.To}, r.People[0].Ladder[0].Channel, 1000+handed)
		c, err := recordHere[records.Composed](ctx, rec.ComposePage, p)
		if err != nil {
			return err
		}
		e.sendPages(ctx, p, c, nil)
	}
	e.details(ctx)
	return firstOf(
		e.note(ctx, fmt.Sprintf("handed-over-%d.%d", e.status.Round, handed), "handed-over", u.By, u.Via, fmt.Sprintf("%s hands over to %s", u.By, u.To)),
		e.announce(ctx))
}

// assign gives it to somebody, whoever has it: he is paged, and must
// acknowledge before his time is over, or the team is paged.
func (e *escalation) assign(ctx workflow.Context, u HandOverUpdate) error {
	if err := workflow.Await(ctx, func() bool { return !e.taking }); err != nil {
		return err
	}
	e.handed++
	e.first, e.declined = u.To, true
	e.cant = slices.DeleteFunc(e.cant, func(id string) bool { return id == u.To })
	e.page0(ctx)
	return firstOf(
		e.note(ctx, fmt.Sprintf("assigned-%d.%d", e.status.Round, e.handed), "assigned", u.By, u.Via, fmt.Sprintf("%s assigns it to %s", u.By, u.To)),
		e.announce(ctx))
}

// page0 puts it back to where nobody has it.
func (e *escalation) page0(ctx workflow.Context) {
	e.status.State, e.status.AcknowledgedBy, e.status.Via = "paging", "", ""
	e.since, e.asking = workflow.Now(ctx), false
}

// hold keeps an acknowledged escalation until it is stopped, goes quiet, or is
// assigned to somebody.
func (e *escalation) hold(ctx workflow.Context) error {
	if e.status.State != "acknowledged" || e.stopped != "" {
		return nil
	}
	if err := e.taken(ctx); err != nil {
		return err
	}
	stirred := func() bool { return e.stopped != "" || len(e.late) > 0 || e.status.State != "acknowledged" }
	for e.stopped == "" && e.status.State == "acknowledged" {
		if err := e.welcome(ctx); err != nil {
			return err
		}
		if e.in.Quiet.Std() <= 0 {
			if err := workflow.Await(ctx, stirred); err != nil {
				return err
			}
			continue
		}
		left := e.alive.Add(e.in.Quiet.Std()).Sub(workflow.Now(ctx))
		if left <= 0 {
			return e.quiet(ctx)
		}
		if _, err := workflow.AwaitWithTimeout(ctx, left, stirred); err != nil {
			return err
		}
	}
	return nil
}

// welcome records acknowledgements that came when somebody had it already.
func (e *escalation) welcome(ctx workflow.Context) error {
	for len(e.late) > 0 {
		a := e.late[0]
		e.late = e.late[1:]
		e.status.Late++
		key := fmt.Sprintf("late-%d.%d", e.status.Round, e.status.Late)
		if err := e.note(ctx, key, "acknowledged-late", a.Contact, a.Via, fmt.Sprintf("%s acknowledges too; %s has it", a.Contact, e.status.AcknowledgedBy)); err != nil {
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
	p := e.pageParams("page.standdown", others, inventory.Channel(""), 0)
	p.TakenBy, p.Deadline = by, 15*time.Minute
	c, err := recordHere[records.Composed](ctx, rec.ComposePage, p)
	if err == nil {
		e.sendPages(ctx, p, c, nil)
	}
	return err
}

// drop takes back the pages that have not left.
func (e *escalation) drop(ctx workflow.Context) error {
	_, err := recordHere[int](ctx, rec.Drop, records.DropParams{Subject: "incident/" + e.in.Incident, StepPrefix: records.PageStep(e.in.Team) + "/"})
	return err
}

// quiet: acknowledged, then forgotten. The page returns to who forgot it, and
// then the team is paged.
func (e *escalation) quiet(ctx workflow.Context) error {
	by := e.status.AcknowledgedBy
	e.page0(ctx)
	if _, ok := e.team.Member(by); ok {
		e.first = by
	}
	e.cant = nil
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
	if err := firstOf(e.welcome(ctx), e.drop(ctx)); err != nil {
		return err
	}
	e.sending.Wait(ctx)
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	e.details(ctx)
	return upsert(ctx, AttrStatus.ValueSet(e.status.State))
}

// note writes a line in the workflow task that it belongs to: a thousand
// escalations at once have no time for a task of its own each.
func (e *escalation) note(ctx workflow.Context, key, kind, actor, via, text string) error {
	_, err := recordHere[any](ctx, rec.Append, incidentLine(ctx, e.in.Incident, "escalate/"+e.in.Team+"/"+key, kind, actor, via, text))
	return err
}

// ahead is where it stands, with what comes next.
func (e *escalation) ahead() EscalateStatus {
	s := e.status
	switch {
	case e.stopped != "":
	case s.State == "acknowledged":
		if e.in.Quiet.Std() > 0 {
			s.NextAt = e.alive.Add(e.in.Quiet.Std())
		}
	default:
		s.NextAt = e.until
		for _, c := range e.turn {
			if c.next < len(c.ladder) {
				s.Next = append(s.Next, NextPage{Contact: c.id, Channel: c.ladder[c.next].Channel, At: c.due})
			}
		}
		slices.SortStableFunc(s.Next, func(a, b NextPage) int { return a.At.Compare(b.At) })
	}
	return s
}

func (e *escalation) details(ctx workflow.Context) {
	s := e.status
	line := fmt.Sprintf("**%s**, round %d, level %d; paged: %s", s.State, s.Round, s.Level, strings.Join(s.Paged, ", "))
	if s.AcknowledgedBy != "" {
		line = fmt.Sprintf("**%s has it** (%s)", s.AcknowledgedBy, s.Via)
	}
	workflow.SetCurrentDetails(ctx, line)
}
