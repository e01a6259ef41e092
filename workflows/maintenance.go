package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/maintenance"
	"vakhta/runbooks"
)

// MaintenanceInput starts Maintenance: the life of one planned work, from its
// plan to the sweep after it.
type MaintenanceInput struct {
	Act
	Work maintenance.Work `json:"work"`
	// Alone lets whoever planned it approve it, too.
	Alone bool `json:"alone,omitempty"`
}

// MaintenanceStatus is where a planned work stands.
type MaintenanceStatus struct {
	Work      maintenance.Work       `json:"work"` // without its machines, which the store has
	Clients   int                    `json:"clients"`
	Servers   int                    `json:"servers"`
	Reduced   int                    `json:"reduced"`
	Conflicts []maintenance.Conflict `json:"conflicts,omitempty"` // overridden
	Next      string                 `json:"next,omitempty"`      // what happens next by itself
	NextAt    time.Time              `json:"nextAt,omitzero"`
	Incidents []string               `json:"incidents,omitempty"` // what the sweep after the work found
}

const (
	// warnBefore is how long before the end the owner is asked.
	warnBefore = 15 * time.Minute
	// overrun is for how long a work is taken to go on that nobody ended in time.
	overrun = 30 * time.Minute
)

// Maintenance carries a planned work through its life: computed and kept, it
// waits for a second person's approval; then its clients are told and confirm,
// and are reminded; the window opens by itself; the owner is asked before its
// end, and the clients are told of a delay; when it is completed everything
// that it touched is swept, and what didn't come back is an incident.
func Maintenance(ctx workflow.Context, in MaintenanceInput) (MaintenanceStatus, error) {
	if err := in.validate(); err != nil {
		return MaintenanceStatus{}, err
	}
	m := &maintained{in: in, status: MaintenanceStatus{Work: in.Work}}
	m.work().Status, m.work().PlannedBy = maintenance.Planned, in.By
	m.work().Revision = max(m.work().Revision, 1)
	if err := m.setup(ctx); err != nil {
		return m.status, err
	}
	if err := m.plan(ctx); err != nil {
		return m.status, err
	}
	err := m.live(ctx)
	m.retract()
	return m.status, err
}

func (in *MaintenanceInput) validate() error {
	if err := in.Act.validate(); err != nil {
		return err
	}
	w := &in.Work
	if err := required("work.id", w.ID, "work.title.ru", w.Title["ru"], "work.title.en", w.Title["en"]); err != nil {
		return err
	}
	if len(w.Components) == 0 {
		return invalid("work.components: empty; name what is switched off")
	}
	if !w.EndsAt.After(w.StartsAt) {
		return invalid("work.endsAt: is not after work.startsAt")
	}
	if w.Notices == nil {
		w.Notices = maintenance.DefaultNotices
	}
	return nil
}

// deed is an act that somebody gave, until it is done.
type deed struct {
	act      maintenance.Act
	by       Act
	start    time.Time
	end      time.Time
	override string
	done     bool
	err      error
}

type maintained struct {
	in       MaintenanceInput
	status   MaintenanceStatus
	deeds    []*deed
	announce workflow.CancelFunc // of the announcement that climbs; nil: none
	sent     int                 // messages without a natural name, counted
}

func (m *maintained) work() *maintenance.Work { return &m.status.Work }

// plan computes the work anew and keeps it.
func (m *maintained) plan(ctx workflow.Context) error {
	p, err := record[records.PlannedWork](ctx, rec.PlanWork, *m.work())
	if err != nil {
		return applicationError(err)
	}
	m.status.Work, m.status.Clients, m.status.Servers, m.status.Reduced, m.status.Conflicts = p.Work, p.Clients, p.Servers, p.Reduced, p.Conflicts
	return nil
}

func (m *maintained) save(ctx workflow.Context) error { return act(ctx, rec.SaveWork, *m.work()) }

// live does what is given, and what falls due, until the work is over.
func (m *maintained) live(ctx workflow.Context) error {
	for !m.work().Status.Over() {
		what, at := m.next(workflow.Now(ctx))
		m.status.Next, m.status.NextAt = what, at
		if err := m.show(ctx); err != nil {
			return err
		}
		given, err := workflow.AwaitWithTimeout(ctx, at.Sub(workflow.Now(ctx)), func() bool { return len(m.deeds) > 0 })
		if err != nil {
			return err
		}
		if given {
			d := m.deeds[0]
			m.deeds = m.deeds[1:]
			d.err = m.do(ctx, d)
			d.done = true
			continue
		}
		err = m.due(ctx, what)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		// One message that fails must not end the life of a work.
		workflow.GetLogger(ctx).Error("What fell due failed", "work", m.work().ID, "due", what, "error", err)
		if err := m.task(ctx, "failed/"+what, fmt.Sprintf("Of planned work %s this failed: %s; look at it, and tell the clients by hand", m.work().ID, what)); err != nil {
			return err
		}
	}
	m.status.Next, m.status.NextAt = "", time.Time{}
	for _, d := range m.deeds { // given while the last one was done
		d.err, d.done = m.may(d.act, d.by), true
	}
	if err := m.show(ctx); err != nil {
		return err
	}
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// What falls due.
const (
	dueLapse    = "it lapses: nobody has approved it"
	dueReminder = "clients who have not confirmed are reminded"
	dueBegin    = "it begins"
	dueWarning  = "the owner is asked whether it ends in time"
	dueOverrun  = "clients are told of a delay"
)

// next is what falls due next, and when.
func (m *maintained) next(now time.Time) (string, time.Time) {
	w := m.work()
	switch w.Status {
	case maintenance.Planned:
		return dueLapse, w.StartsAt
	case maintenance.Approved:
		if r := w.Reminders(now); len(r) > 0 {
			return dueReminder, r[0]
		}
		return dueBegin, w.StartsAt
	default:
		if at := w.EndsAt.Add(-warnBefore); at.After(now) {
			return dueWarning, at
		}
		return dueOverrun, w.EndsAt
	}
}

// due does what has fallen due.
func (m *maintained) due(ctx workflow.Context, what string) error {
	w := m.work()
	switch what {
	case dueLapse:
		w.Status = maintenance.Cancelled
		if err := m.save(ctx); err != nil {
			return err
		}
		return m.task(ctx, "lapsed", fmt.Sprintf("Planned work %s was to begin and nobody had approved it: it is cancelled, nobody was told of it", w.ID))
	case dueReminder:
		m.sent++
		return m.broadcast(ctx, BroadcastInput{Event: "maintenance.reminder", Step: fmt.Sprintf("reminder/%d", m.sent), Unconfirmed: true})
	case dueBegin:
		return m.begin(ctx)
	case dueWarning:
		return m.task(ctx, fmt.Sprintf("ends/%d", w.EndsAt.Unix()), fmt.Sprintf("Planned work %s is to end in %s: complete it, or extend it", w.ID, warnBefore))
	default:
		return m.extend(ctx, w.EndsAt.Add(overrun))
	}
}

func (m *maintained) begin(ctx workflow.Context) error {
	m.retract() // who has not confirmed by now is told that it has begun
	m.work().Status = maintenance.Running
	if err := m.save(ctx); err != nil {
		return err
	}
	return m.broadcast(ctx, BroadcastInput{Event: "maintenance.begun", Step: "begun"})
}

// extend moves the end of a running work, and tells everybody.
func (m *maintained) extend(ctx workflow.Context, end time.Time) error {
	m.work().EndsAt = end.UTC()
	if err := m.save(ctx); err != nil {
		return err
	}
	m.sent++
	return m.broadcast(ctx, BroadcastInput{Event: "maintenance.delayed", Step: fmt.Sprintf("delayed/%d", m.sent)})
}

// complete ends the work: everything that it touched is swept first, and what
// didn't come back is an incident before its owner notices. Everybody else
// hears that it is done.
func (m *maintained) complete(ctx workflow.Context) error {
	w := m.work()
	w.Status = maintenance.Completed
	if now := workflow.Now(ctx); now.After(w.StartsAt) && now.Before(w.EndsAt) {
		w.EndsAt = now.UTC()
	}
	if err := m.save(ctx); err != nil { // what is down from now on is news
		return err
	}
	var found LocalizeResult
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: LocalizeID("maintenance-"+w.ID, fmt.Sprint(w.Revision)), StaticSummary: "after planned work " + w.ID,
	}), Localize, LocalizeInput{Components: w.Components}).Get(ctx, &found)
	if err != nil {
		workflow.GetLogger(ctx).Error("The sweep after planned work failed", "work", w.ID, "error", err)
		if err := m.task(ctx, "unswept", fmt.Sprintf("After planned work %s the machines could not be swept: check by hand that all are back", w.ID)); err != nil {
			return err
		}
	}
	var except []string
	for i, f := range found.Findings {
		o, err := openIncident(ctx, fmt.Sprintf("maintenance/%s/%d/%d", w.ID, w.Revision, i), f, found.Sweep, nil)
		if err != nil {
			return err
		}
		m.status.Incidents = append(m.status.Incidents, o.Incident.ID)
		except = append(except, o.Incident.Clients...) // they hear of it from the incident
	}
	return m.broadcast(ctx, BroadcastInput{Event: "maintenance.done", Step: "done", Except: except})
}

// broadcast tells one message about the work, and waits until it is sent.
func (m *maintained) broadcast(ctx workflow.Context, in BroadcastInput) error {
	if m.status.Clients == 0 { // only redundancy is lost: nobody needs to know
		return nil
	}
	in.Work, in.Revision, in.Team = m.work().ID, m.work().Revision, m.work().Owner
	_, err := startBroadcast(ctx, in)
	return err
}

// proclaim tells everybody of the work's present revision, and climbs until
// each has confirmed or it begins. It goes on in the background.
func (m *maintained) proclaim(ctx workflow.Context, event string) error {
	m.retract()
	if m.status.Clients == 0 {
		return nil
	}
	w, now := m.work(), workflow.Now(ctx)
	until := max(w.StartsAt.Sub(now), time.Minute)
	child, cancel := workflow.WithCancel(ctx)
	future := broadcastChild(child, BroadcastInput{
		Work: w.ID, Team: w.Owner, Event: event, Step: "announce", Revision: w.Revision, RequireAck: true,
		RungWait: runbooks.Duration(min(24*time.Hour, until/4).Round(time.Second)), Window: w.StartsAt,
	}, until+24*time.Hour)
	m.announce = cancel
	return future.GetChildWorkflowExecution().Get(ctx, nil)
}

// retract ends the announcement that climbs: what has not left is taken back.
func (m *maintained) retract() {
	if m.announce != nil {
		m.announce()
		m.announce = nil
	}
}

func (m *maintained) task(ctx workflow.Context, key, text string) error {
	return handTask(ctx, "maintenance/"+m.work().ID, key, m.work().Owner, text, normal)
}

// show draws where the work stands, for the Temporal UI.
func (m *maintained) show(ctx workflow.Context) error {
	w := m.work()
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** %s, revision %d: %s\n\n", w.Status, w.ID, w.Revision, w.TitleIn("en"))
	fmt.Fprintf(&b, "- window: %s to %s\n", w.StartsAt.UTC().Format(time.RFC3339), w.EndsAt.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "- takes down %d machines of %d clients; %d machines lose redundancy only\n", m.status.Servers, m.status.Clients, m.status.Reduced)
	if m.status.Next != "" {
		fmt.Fprintf(&b, "- next: %s, %s\n", m.status.Next, m.status.NextAt.UTC().Format(time.RFC3339))
	}
	if len(m.status.Incidents) > 0 {
		fmt.Fprintf(&b, "- did not come back: incidents %s\n", strings.Join(m.status.Incidents, ", "))
	}
	workflow.SetCurrentDetails(ctx, b.String())
	return upsert(ctx, AttrStatus.ValueSet(string(w.Status)))
}
