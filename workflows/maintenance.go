package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/maintenance"
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
	Work      maintenance.Work       `json:"work"`    // without its machines, which the store has
	Clients   int                    `json:"clients"` // who lose service
	Servers   int                    `json:"servers"` // that lose it
	Slowed    int                    `json:"slowed,omitempty"`
	Degraded  int                    `json:"degraded,omitempty"`
	Reduced   int                    `json:"reduced"`
	Conflicts []maintenance.Conflict `json:"conflicts,omitempty"` // overridden
	Next      string                 `json:"next,omitempty"`      // what happens next by itself
	NextAt    time.Time              `json:"nextAt,omitzero"`
	Before    string                 `json:"before,omitempty"`     // sweep before it began
	DownThen  int                    `json:"downBefore,omitempty"` // machines down in that sweep
	After     string                 `json:"after,omitempty"`      // sweep after it
	Incidents []string               `json:"incidents,omitempty"`  // what the sweep after the work found
}

const (
	// warnBefore is how long before the end the owner is asked, of a short
	// window in its last quarter.
	warnBefore = 15 * time.Minute
	// overrun is for how long a work is taken to go on that nobody ended in time,
	// a short one for half of its window; twice as long each time that nobody
	// says anything, up to overrunDoubled times: clients are not to be told every
	// half hour of a work that somebody forgot.
	overrun        = 30 * time.Minute
	overrunDoubled = 4
)

// Maintenance carries a planned work through its life: computed and kept, it
// waits for a second person's approval; then its clients are told when the
// policy says so, confirm, and are reminded; the window opens by itself after
// a sweep; the owner is asked before its end, and the clients are told of a
// delay; when it is completed or rolled back everything that it touched is
// swept once more, and what didn't come back is an incident.
func Maintenance(ctx workflow.Context, in MaintenanceInput) (MaintenanceStatus, error) {
	if err := in.validate(); err != nil {
		return MaintenanceStatus{}, err
	}
	m := &maintained{in: in, status: MaintenanceStatus{Work: in.Work}, told: map[maintenance.Impact]time.Time{}}
	m.work().Status, m.work().PlannedBy = maintenance.Planned, in.By
	m.work().Revision = max(m.work().Revision, 1)
	if err := m.setup(ctx); err != nil {
		return m.status, err
	}
	if err := m.plan(ctx, in.planner()); err != nil {
		return m.status, err
	}
	if err := m.save(ctx, "planned", in.Act, fmt.Sprintf("Planned: service stops for %s of %s", agreed(m.status.Servers, "machine", "machines"), agreed(m.status.Clients, "client", "clients"))); err != nil {
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
		w.Notices = maintenance.DefaultPolicy()
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
	lines    int                 // of the timeline, counted
	// told is up to when those whom an impact befalls have been told what fell
	// due; who is not here has not been told of the work at all.
	told   map[maintenance.Impact]time.Time
	warned time.Time // the end of which the owner was asked
	// overruns are the ends in a row at which nobody had said anything.
	overruns int
}

func (m *maintained) work() *maintenance.Work { return &m.status.Work }

// ViaNotice is how a work came that an upstream's notice has begun.
const ViaNotice = "maintnote"

// planner is who must have the role to plan it: nobody where a notice began it,
// for it is a draft until a person approves it.
func (in *MaintenanceInput) planner() string {
	if in.Via == ViaNotice {
		return ""
	}
	return in.By
}

// plan computes the work anew and keeps it; by is whose role has not been asked yet.
func (m *maintained) plan(ctx workflow.Context, by string) error {
	p, err := record[records.PlannedWork](ctx, rec.PlanWork, records.PlanWorkParams{Work: *m.work(), AskedBy: by})
	if err != nil {
		return applicationError(err)
	}
	s := &m.status
	s.Work, s.Clients, s.Servers, s.Reduced, s.Conflicts = p.Work, p.Clients, p.Servers, p.Reduced, p.Conflicts
	s.Slowed, s.Degraded = p.Slowed, p.Degraded
	return nil
}

// seen are the changes that the calendars of clients show.
var seen = []string{"moved", "begun", "extended", "completed", "rolled-back", "cancelled", "lapsed"}

// save keeps the work, with a line of its timeline.
func (m *maintained) save(ctx workflow.Context, kind string, by Act, text string) error {
	m.lines++
	if slices.Contains(seen, kind) {
		m.work().Sequence++
	}
	subject := "maintenance/" + m.work().ID
	return act(ctx, rec.SaveWork, records.SaveWorkParams{Work: *m.work(), Entries: []incident.Entry{{
		Key: fmt.Sprintf("%s/life/%d/%s", subject, m.lines, kind), Subject: subject, At: workflow.Now(ctx).UTC(), Kind: kind, Actor: by.By, Via: by.Via, Text: text,
	}}})
}

// itself is who does what falls due.
var itself = Act{By: "vakhta"}

// live does what is given, and what falls due, until the work is over.
func (m *maintained) live(ctx workflow.Context) error {
	upstream := workflow.GetSignalChannel(ctx, SignalUpstream)
	for !m.work().Status.Over() {
		d := m.next()
		m.status.Next, m.status.NextAt = d.what, d.at
		if err := m.show(ctx); err != nil {
			return err
		}
		given, err := workflow.AwaitWithTimeout(ctx, d.at.Sub(workflow.Now(ctx)), func() bool { return len(m.deeds) > 0 || upstream.Len() > 0 })
		if err != nil {
			return err
		}
		var u UpstreamSignal
		if upstream.ReceiveAsync(&u) {
			if err := m.heed(ctx, u); err != nil {
				return err
			}
			continue
		}
		if given {
			next := m.deeds[0]
			m.deeds = m.deeds[1:]
			next.err = m.do(ctx, next)
			next.done = true
			continue
		}
		if err := m.due(ctx, d); err != nil {
			if ctx.Err() != nil {
				return err
			}
			// One message that fails must not end the life of a work.
			workflow.GetLogger(ctx).Error("What fell due failed", "work", m.work().ID, "due", d.what, "error", err)
			if err := m.task(ctx, "failed/"+d.what, fmt.Sprintf("Of planned work %s this failed: %s; look at it, and tell the clients by hand", m.work().ID, d.what)); err != nil {
				return err
			}
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
	dueAnnounce = "it is announced"
	dueReminder = "clients who have not confirmed are reminded"
	dueBegin    = "it begins"
	dueWarning  = "the owner is asked whether it ends in time"
	dueOverrun  = "clients are told of a delay"
)

// falling is what falls due next.
type falling struct {
	what   string
	at     time.Time
	impact maintenance.Impact // whose clients an announcement or a reminder is for
}

// next is what falls due next.
func (m *maintained) next() falling {
	w := m.work()
	switch w.Status {
	case maintenance.Planned:
		return falling{what: dueLapse, at: w.StartsAt}
	case maintenance.Approved:
		first := falling{what: dueBegin, at: w.StartsAt}
		for _, i := range w.Told() {
			n := falling{what: dueAnnounce, at: w.AnnounceAt(i), impact: i}
			if told, already := m.told[i]; already {
				n.what = dueReminder
				var left bool
				if n.at, left = w.NextReminder(i, told); !left {
					continue
				}
			}
			if n.at.Before(first.at) {
				first = n
			}
		}
		return first
	default:
		if at := w.EndsAt.Add(-min(warnBefore, w.EndsAt.Sub(w.StartsAt)/4)); !m.warned.Equal(w.EndsAt) {
			return falling{what: dueWarning, at: at}
		}
		return falling{what: dueOverrun, at: w.EndsAt}
	}
}

// due does what has fallen due.
func (m *maintained) due(ctx workflow.Context, d falling) error {
	w := m.work()
	switch d.what {
	case dueLapse:
		w.Status = maintenance.Cancelled
		if err := m.save(ctx, "lapsed", itself, "Nobody had approved it before its start: cancelled, and nobody was told"); err != nil {
			return err
		}
		return m.task(ctx, "lapsed", fmt.Sprintf("Planned work %s was to begin and nobody had approved it: it is cancelled, nobody was told of it", w.ID))
	case dueAnnounce:
		return m.proclaim(ctx, d.impact, "maintenance.announced")
	case dueReminder:
		m.told[d.impact] = workflow.Now(ctx)
		m.sent++
		return m.broadcast(ctx, BroadcastInput{
			Event: "maintenance.reminder", Step: fmt.Sprintf("reminder/%d", m.sent), Unconfirmed: true, Impacts: []maintenance.Impact{d.impact},
		})
	case dueBegin:
		return m.begin(ctx, itself)
	case dueWarning:
		m.warned = w.EndsAt
		return m.task(ctx, fmt.Sprintf("ends/%d", w.EndsAt.Unix()), fmt.Sprintf("Planned work %s is to end at %s UTC: complete it, or extend it", w.ID, w.EndsAt.UTC().Format("15:04")))
	default:
		longer := min(overrun, w.EndsAt.Sub(w.StartsAt)/2) << min(m.overruns, overrunDoubled)
		m.overruns++
		return m.extend(ctx, itself, w.EndsAt.Add(longer))
	}
}

func (m *maintained) task(ctx workflow.Context, key, text string) error {
	return handTask(ctx, "maintenance/"+m.work().ID, key, m.work().Owner, text, normal)
}

// show draws where the work stands, for the Temporal UI.
func (m *maintained) show(ctx workflow.Context) error {
	w, s := m.work(), &m.status
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** %s, revision %d: %s\n\n", w.Status, w.ID, w.Revision, w.TitleIn("en"))
	fmt.Fprintf(&b, "- window: %s to %s\n", w.StartsAt.UTC().Format(time.RFC3339), w.EndsAt.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "- takes down %d machines of %d clients; %d machines work worse; %d lose redundancy only\n", s.Servers, s.Clients, s.Degraded, s.Reduced)
	if s.Next != "" {
		fmt.Fprintf(&b, "- next: %s, %s\n", s.Next, s.NextAt.UTC().Format(time.RFC3339))
	}
	if len(s.Incidents) > 0 {
		fmt.Fprintf(&b, "- did not come back: incidents %s\n", strings.Join(s.Incidents, ", "))
	}
	workflow.SetCurrentDetails(ctx, b.String())
	return upsert(ctx, AttrStatus.ValueSet(string(w.Status)))
}
