package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/maintenance"
	"vakhta/runbooks"
)

// WorkUpdate is an act on a planned work: approve, begin, complete, cancel.
type WorkUpdate struct {
	Act
}

// ExtendUpdate moves the end of a running work: to EndsAt, or by For.
type ExtendUpdate struct {
	Act
	EndsAt time.Time         `json:"endsAt,omitzero"`
	For    runbooks.Duration `json:"for,omitempty"` // longer than it was to take
}

// end is the end that it asks for, of a work that ends at an instant.
func (u ExtendUpdate) end(now time.Time) time.Time {
	if u.For > 0 {
		return now.Add(u.For.Std())
	}
	return u.EndsAt
}

// ToldUpdate says that By has told a client of the work himself: it counts as
// the client's confirmation.
type ToldUpdate struct {
	Act
	Client string `json:"client"`
}

// RescheduleUpdate moves a work that has not begun.
type RescheduleUpdate struct {
	Act
	StartsAt time.Time `json:"startsAt"`
	EndsAt   time.Time `json:"endsAt"`
	Override string    `json:"override,omitempty"` // why it may run although a redundancy is broken
}

// UpstreamSignal is a newer notice of whoever does the work that a draft was made of.
type UpstreamSignal struct {
	Sequence  int       `json:"sequence"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	Cancelled bool      `json:"cancelled,omitempty"`
}

// heed takes a notice of the upstream: a draft follows it, for nobody was told;
// of one that is approved a person decides.
func (m *maintained) heed(ctx workflow.Context, u UpstreamSignal) error {
	w := m.work()
	if w.Upstream == nil || u.Sequence <= w.Upstream.Sequence {
		return nil
	}
	w.Upstream.Sequence = u.Sequence
	moved := !u.StartsAt.Equal(w.StartsAt) || !u.EndsAt.Equal(w.EndsAt)
	by := Act{By: w.Upstream.Provider, Via: "maintnote"}
	switch {
	case w.Status == maintenance.Planned && u.Cancelled:
		return m.cancel(ctx, by)
	case w.Status == maintenance.Planned && moved:
		d := &deed{act: maintenance.Reschedule, by: by, start: u.StartsAt, end: u.EndsAt, override: w.Override}
		return m.reschedule(ctx, d)
	case !u.Cancelled && !moved:
		return m.save(ctx, "upstream", by, fmt.Sprintf("%s has sent notice %d; the time is the same", by.By, u.Sequence))
	}
	what := "has cancelled it: cancel it, too"
	if !u.Cancelled {
		const form = "2006-01-02 15:04 UTC"
		what = fmt.Sprintf("has moved it to %s until %s: reschedule it", u.StartsAt.UTC().Format(form), u.EndsAt.UTC().Format(form))
	}
	if err := m.save(ctx, "upstream", by, by.By+" "+what); err != nil {
		return err
	}
	return m.task(ctx, fmt.Sprintf("upstream/%d", u.Sequence), fmt.Sprintf("Planned work %s is approved, and %s %s", w.ID, by.By, what))
}

// plainActs are the updates that need nothing but who gives them.
var plainActs = []struct {
	name string
	act  maintenance.Act
	what string
}{
	{UpdateApprove, maintenance.Approve, "Approve the work: its clients are told"},
	{UpdateBegin, maintenance.Begin, "Begin before the window does"},
	{UpdateComplete, maintenance.Complete, "The work is done: sweep, and tell everybody"},
	{UpdateRollBack, maintenance.RollBack, "The work is broken off and all is as before: sweep, and tell everybody"},
	{UpdateCancel, maintenance.Cancel, "The work will not be done"},
}

func (m *maintained) setup(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (MaintenanceStatus, error) { return m.status, nil },
		workflow.QueryHandlerOptions{Description: "Where the planned work stands, and what happens next"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryStatus, err)
	}
	for _, a := range plainActs {
		err := workflow.SetUpdateHandlerWithOptions(ctx, a.name, func(ctx workflow.Context, u WorkUpdate) (MaintenanceStatus, error) {
			return m.give(ctx, &deed{act: a.act, by: u.Act})
		}, workflow.UpdateHandlerOptions{Description: a.what, Validator: func(u WorkUpdate) error { return m.may(a.act, u.Act) }})
		if err != nil {
			return fmt.Errorf("set update %s: %w", a.name, err)
		}
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateTold, func(ctx workflow.Context, u ToldUpdate) (MaintenanceStatus, error) {
		return m.status, applicationError(act(ctx, rec.TellWork, records.ToldParams{Work: m.work().ID, Client: u.Client, By: u.By}))
	}, workflow.UpdateHandlerOptions{Description: "You have told a client yourself: it counts as his confirmation", Validator: func(u ToldUpdate) error {
		return firstOf(u.validate(), required("client", u.Client))
	}})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateTold, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateExtend, func(ctx workflow.Context, u ExtendUpdate) (MaintenanceStatus, error) {
		return m.give(ctx, &deed{act: maintenance.Extend, by: u.Act, end: u.end(m.work().EndsAt)})
	}, workflow.UpdateHandlerOptions{Description: "Move the end of the running work; its clients are told", Validator: func(u ExtendUpdate) error {
		if err := m.may(maintenance.Extend, u.Act); err != nil {
			return err
		}
		return m.later(u.end(m.work().EndsAt))
	}})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateExtend, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateReschedule, func(ctx workflow.Context, u RescheduleUpdate) (MaintenanceStatus, error) {
		return m.give(ctx, &deed{act: maintenance.Reschedule, by: u.Act, start: u.StartsAt, end: u.EndsAt, override: u.Override})
	}, workflow.UpdateHandlerOptions{Description: "Move the work; what was confirmed before counts no more", Validator: func(u RescheduleUpdate) error {
		if !u.EndsAt.After(u.StartsAt) {
			return invalid("endsAt: is not after startsAt")
		}
		return m.may(maintenance.Reschedule, u.Act)
	}})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateReschedule, err)
	}
	return nil
}

// may refuses an act at once where it can't be done.
func (m *maintained) may(act maintenance.Act, by Act) error {
	if err := by.validate(); err != nil {
		return err
	}
	if err := m.work().May(act); err != nil {
		return invalid("%s", err.Error())
	}
	if act == maintenance.Approve && !m.in.Alone && by.By == m.work().PlannedBy {
		return invalid("by: %s has planned the work; a second person approves it", by.By)
	}
	return nil
}

// later refuses an end that is no extension.
func (m *maintained) later(end time.Time) error {
	if w := m.work(); !end.After(w.EndsAt) {
		return invalid("endsAt: %s is not after the present end, %s; what ends early is completed when it is done", end.UTC().Format(time.RFC3339), w.EndsAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// give hands an act to the workflow's one hand, and waits until it is done.
func (m *maintained) give(ctx workflow.Context, d *deed) (MaintenanceStatus, error) {
	m.deeds = append(m.deeds, d)
	if err := workflow.Await(ctx, func() bool { return d.done }); err != nil {
		return m.status, err
	}
	return m.status, d.err
}

// do does an act. What another one has made impossible meanwhile is refused.
func (m *maintained) do(ctx workflow.Context, d *deed) error {
	if err := m.may(d.act, d.by); err != nil {
		return err
	}
	w := m.work()
	switch d.act {
	case maintenance.Approve:
		w.Status, w.ApprovedBy = maintenance.Approved, d.by.By
		if err := m.save(ctx, "approved", d.by, "Approved"); err != nil {
			return err
		}
		return m.catchUp(ctx)
	case maintenance.Begin:
		return m.begin(ctx, d.by)
	case maintenance.Extend:
		if err := m.later(d.end); err != nil {
			return err
		}
		m.overruns = 0
		return m.extend(ctx, d.by, d.end)
	case maintenance.Complete:
		return m.end(ctx, d.by, maintenance.Completed, "maintenance.done")
	case maintenance.RollBack:
		return m.end(ctx, d.by, maintenance.RolledBack, "maintenance.rolledback")
	case maintenance.Cancel:
		return m.cancel(ctx, d.by)
	default:
		return m.reschedule(ctx, d)
	}
}

// catchUp announces at once what is due already: whoever approves sees it begin.
func (m *maintained) catchUp(ctx workflow.Context) error {
	for _, i := range m.work().Told() {
		if _, told := m.told[i]; told || m.work().AnnounceAt(i).After(workflow.Now(ctx)) {
			continue
		}
		if err := m.proclaim(ctx, i, "maintenance.announced"); err != nil {
			return err
		}
	}
	return nil
}

func (m *maintained) cancel(ctx workflow.Context, by Act) error {
	m.retract()
	m.work().Status = maintenance.Cancelled
	if err := m.save(ctx, "cancelled", by, "Cancelled"); err != nil {
		return err
	}
	return m.tellKnowing(ctx, "maintenance.cancelled", "cancelled")
}

// reschedule moves the work: a new revision, which everybody confirms anew. A
// time at which it breaks a redundancy is refused, and nothing has changed. Who
// has not heard of the old time hears of the new one when it is due.
func (m *maintained) reschedule(ctx workflow.Context, d *deed) error {
	before := m.status
	w := m.work()
	if len(m.told) > 0 {
		w.MovedFrom = w.StartsAt
	}
	w.Revision++
	was := w.StartsAt
	w.StartsAt, w.EndsAt, w.Override = d.start.UTC(), d.end.UTC(), d.override
	if err := m.plan(ctx, ""); err != nil {
		m.status = before
		return err
	}
	const form = "2006-01-02 15:04 UTC"
	err := m.save(ctx, "moved", d.by, fmt.Sprintf("Moved from %s to %s, revision %d", was.UTC().Format(form), m.work().StartsAt.Format(form), m.work().Revision))
	if err != nil {
		return err
	}
	for _, i := range m.work().Told() {
		if _, told := m.told[i]; !told {
			continue
		}
		if err := m.proclaim(ctx, i, "maintenance.moved"); err != nil {
			return err
		}
	}
	if m.work().Status != maintenance.Approved {
		return nil
	}
	return m.catchUp(ctx)
}
