package workflows

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

// Incident is one thing that went wrong: it pins its runbook, runs its steps,
// owns state and timeline, and hears from everybody who works on it.
func Incident(ctx workflow.Context, in IncidentInput) (IncidentStatus, error) {
	if err := in.validate(); err != nil {
		return IncidentStatus{}, err
	}
	if in.Incident == "" {
		return launch(ctx, in)
	}
	r := &incidentRun{in: in, teams: map[string]EscalateStatus{}, hands: newOnSite()}
	if err := r.setup(ctx); err != nil {
		return r.status(), err
	}
	status, err := r.run(ctx)
	if err != nil {
		r.giveUp(ctx, err)
	}
	return status, err
}

func (in IncidentInput) validate() error {
	if in.Incident == "" && in.Component == "" {
		return invalid(`incident: must be given (the id of a stored one), or component to open one by hand, for example {"component":"msk-r1-k01-pdu-a"}`)
	}
	if in.Incident != "" && in.Component != "" {
		return invalid("component: is for opening an incident by hand; leave out one of incident and component")
	}
	switch in.Severity {
	case "", incident.Sev1, incident.Sev2, incident.Sev3:
	default:
		return invalid("severity: %q is none of sev1, sev2, sev3", in.Severity)
	}
	return nil
}

// incidentRun is the state of a running incident.
type incidentRun struct {
	in       IncidentInput
	rec      incident.Incident
	book     runbooks.Runbook
	steps    []*step
	teams    map[string]EscalateStatus
	entryNo  int
	told     []string // contacts who heard of it by the answer to their report
	informs  workflow.ChildWorkflowFuture
	pages    map[string]workflow.ChildWorkflowFuture
	closing  bool // resolved, and not all that belongs to it is done
	hands    onSite
	reopened bool
	reopens  int // how often it was
	telling  int // tasks on their way to a person
	writing  workflow.Mutex
	raised   bool             // it began as provisional
	found    []FoundSignal    // not taken in yet
	nothing  bool             // its cause was looked for, and no probe sees it
	untold   *runbooks.Inform // the beat, once there is somebody to tell
	merged   string           // the incident whose failure it turned out to be
	quieter  bool             // one of its alerts has ended
	shown    [5]string        // search attributes as they stand

	// What the children of earlier runs came to, so that those of the next
	// don't repeat a page or an update that the ledger knows already.
	climbed     map[string]int // rounds, by team
	updatesSent int
}

func (r *incidentRun) setup(ctx workflow.Context) error {
	r.writing = workflow.NewMutex(ctx)
	r.pages, r.climbed = map[string]workflow.ChildWorkflowFuture{}, map[string]int{}
	r.told = r.in.Told
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (IncidentStatus, error) { return r.status(), nil },
		workflow.QueryHandlerOptions{Description: "The incident, its steps and who is on it"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryStatus, err)
	}
	if err := r.updates(ctx); err != nil {
		return err
	}
	workflow.Go(ctx, r.listen)
	return nil
}

func (r *incidentRun) status() IncidentStatus {
	s := IncidentStatus{Incident: r.rec, Teams: maps.Clone(r.teams), Steps: make([]StepStatus, 0, len(r.steps)), Questions: r.hands.list()}
	for _, st := range r.steps {
		s.Steps = append(s.Steps, st.StepStatus)
	}
	for _, team := range sortedKeys(r.pages) {
		if _, heard := s.Teams[team]; !heard {
			s.Teams[team] = EscalateStatus{Incident: r.rec.ID, Team: team, State: "paging", Paged: []string{}}
		}
	}
	return s
}

func (r *incidentRun) run(ctx workflow.Context) (IncidentStatus, error) {
	if err := r.load(ctx); err != nil {
		return r.status(), err
	}
	r.hands.look = r.hands.look || r.ambiguous()
	workflow.Go(ctx, r.askOnSite)
	workflow.Go(ctx, r.learn)
	for {
		err := r.runSteps(ctx)
		if err != nil {
			return r.status(), err
		}
		again, err := r.linger(ctx)
		if err != nil || !again {
			return r.status(), err
		}
	}
}

// load reads the incident and pins the runbook to it.
func (r *incidentRun) load(ctx workflow.Context) error {
	var err error
	r.rec, err = recordHere[incident.Incident](ctx, rec.Incident, r.in.Incident)
	if err != nil {
		return err
	}
	if want := IncidentID(r.rec.ID); workflow.GetInfo(ctx).WorkflowExecution.ID != want {
		return invalid("incident: the workflow of incident %s must have the id %s", r.rec.ID, want)
	}
	r.book, err = recordHere[runbooks.Runbook](ctx, rec.PinRunbook, records.PinParams{Incident: r.rec, Name: r.in.Runbook})
	if err != nil {
		return err
	}
	r.rec.Runbook, r.rec.RunbookRev = r.book.Name, r.book.Revision
	r.steps = newSteps(r.book)
	if r.raised = r.rec.Provisional; r.raised {
		return r.save(ctx, r.entry("raised", "vakhta", "", cut("Raised by a critical alert; what has failed is being looked for: "+r.rec.Title, 400)),
			r.entry("runbook", "vakhta", "", r.bookLine()))
	}
	return r.save(ctx, r.entry("runbook", "vakhta", "", r.bookLine()))
}

func (r *incidentRun) bookLine() string {
	return fmt.Sprintf("Runbook %s, revision %.8s", r.book.Name, r.book.Revision)
}

// launch serves a person who starts the workflow in the Temporal UI with a
// component: it opens the incident and starts its workflow under its own id,
// where everybody will look for it.
func launch(ctx workflow.Context, in IncidentInput) (IncidentStatus, error) {
	o, err := record[records.Opened](ctx, rec.OpenIncident, records.OpenIncidentParams{
		RequestKey: workflow.GetInfo(ctx).WorkflowExecution.RunID, Finding: topology.Finding{Component: in.Component},
		Title: in.Title, Severity: in.Severity,
	})
	if err != nil {
		return IncidentStatus{}, err
	}
	if !o.Created {
		return IncidentStatus{}, invalid("component: incident %s is open for %s already; look at the workflow %s", o.Incident.ID, in.Component, IncidentID(o.Incident.ID))
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Opened as **%s**: look at the workflow `%s`", o.Incident.ID, IncidentID(o.Incident.ID)))
	return IncidentStatus{Incident: o.Incident}, startIncident(ctx, o.Incident, in.Runbook, nil)
}

// openIncidentAs opens the incident of a finding and starts its workflow, or
// joins the one that is open, or gives the finding to the one that alerts raised.
func openIncidentAs(ctx workflow.Context, p records.OpenIncidentParams, told []string) (records.Opened, error) {
	o, err := record[records.Opened](ctx, rec.OpenIncident, p)
	if err != nil {
		return o, err
	}
	if o.Created {
		err = startIncident(ctx, o.Incident, "", told)
	}
	if o.Adopted {
		err = tellFound(ctx, o.Incident, FoundSignal{})
	}
	for _, id := range o.Merged {
		err = firstOf(err, tellFound(ctx, incident.Incident{ID: id}, FoundSignal{Into: o.Incident.ID}))
	}
	return o, err
}

// startIncident starts the workflow of an open incident; it outlives its parent.
func startIncident(ctx workflow.Context, in incident.Incident, runbook string, told []string) error {
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: IncidentID(in.ID), TaskQueue: QueueRunbooks, ParentClosePolicy: abandon, StaticSummary: cut(in.Title, 180),
	}), Incident, IncidentInput{Incident: in.ID, Runbook: runbook, Told: told})
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if alreadyStarted(err) {
		return nil
	}
	return err
}

// entry makes a line of this incident's timeline; its key grows with the run.
func (r *incidentRun) entry(kind, actor, via, text string) incident.Entry {
	r.entryNo++
	subject := "incident/" + r.rec.ID
	return incident.Entry{
		Key: fmt.Sprintf("%s/run/%d/%s", subject, r.entryNo, kind), Subject: subject, Kind: kind, Actor: actor, Via: via, Text: text,
	}
}

// save writes the incident's state and the new lines of its timeline, one
// write at a time, so that an older state never lands on a newer one.
func (r *incidentRun) save(ctx workflow.Context, entries ...incident.Entry) error {
	now := workflow.Now(ctx).UTC()
	for i := range entries {
		entries[i].At = now
	}
	if err := r.writing.Lock(ctx); err != nil {
		return err
	}
	defer r.writing.Unlock()
	if err := act(ctx, rec.SaveIncident, records.SaveIncidentParams{Incident: r.rec, Entries: entries}); err != nil {
		return err
	}
	r.details(ctx)
	return r.show(ctx)
}

// show sets the search attributes when one has changed.
func (r *incidentRun) show(ctx workflow.Context) error {
	now := [...]string{r.rec.ID, r.rec.Site, string(r.rec.Severity), string(r.rec.Status), r.rec.Runbook}
	if now == r.shown {
		return nil
	}
	r.shown = now
	return upsert(ctx,
		AttrIncident.ValueSet(now[0]), AttrSite.ValueSet(now[1]), AttrSeverity.ValueSet(now[2]), AttrStatus.ValueSet(now[3]), AttrRunbook.ValueSet(now[4]))
}

// listen takes the signals of reports, alerts and escalations.
func (r *incidentRun) listen(ctx workflow.Context) {
	sel := workflow.NewSelector(ctx)
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalReported), func(c workflow.ReceiveChannel, _ bool) {
		var s ReportedSignal
		c.Receive(ctx, &s)
		if s.Told != "" && !slices.Contains(r.told, s.Told) {
			r.told = append(r.told, s.Told)
		}
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalPageState), func(c workflow.ReceiveChannel, _ bool) {
		var s EscalateStatus
		c.Receive(ctx, &s)
		r.teams[s.Team] = s
		r.colleagues(ctx, s)
		r.details(ctx)
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalHandsState), func(c workflow.ReceiveChannel, _ bool) {
		var s HandsStatus
		c.Receive(ctx, &s)
		r.hands.hear(r.rec.ID, s)
		r.details(ctx)
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalFound), func(c workflow.ReceiveChannel, _ bool) {
		var s FoundSignal
		c.Receive(ctx, &s)
		r.found = append(r.found, s)
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalQuieter), func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		r.quieter = true
	})
	for {
		sel.Select(ctx)
	}
}

// changed tells the beat of client updates that there is news.
func (r *incidentRun) changed(ctx workflow.Context, why string) {
	if r.informs != nil {
		workflow.SignalExternalWorkflow(ctx, InformID(r.rec.ID), "", SignalChanged, ChangedSignal{Why: why})
	}
}

// alive tells the escalations that somebody works on it.
func (r *incidentRun) alive(ctx workflow.Context, a Act) {
	for _, team := range sortedKeys(r.pages) {
		workflow.SignalExternalWorkflow(ctx, EscalateID(r.rec.ID, team), "", SignalAlive, a)
	}
}

// colleagues tells the other teams who has taken a team's page: whose page was
// bundled with theirs needn't press twice.
func (r *incidentRun) colleagues(ctx workflow.Context, s EscalateStatus) {
	if s.State != "acknowledged" {
		return
	}
	for _, team := range sortedKeys(r.pages) {
		if team != s.Team && r.teams[team].State != "acknowledged" {
			workflow.SignalExternalWorkflow(ctx, EscalateID(r.rec.ID, team), "", SignalTaken, PageAnswer{Contact: s.AcknowledgedBy, Via: s.Via})
		}
	}
}

func (r *incidentRun) details(ctx workflow.Context) {
	var b strings.Builder
	in := r.rec
	fmt.Fprintf(&b, "## %s — %s\n%s\n\n", in.ID, in.Status, in.Title)
	fmt.Fprintf(&b, "%s · %d of %d servers back · %d clients", in.Severity, len(in.Restored), in.Affected(), len(in.Clients))
	if !in.ETA.IsZero() {
		fmt.Fprintf(&b, " · expected by %s", in.ETA.UTC().Format(time.RFC3339))
	}
	b.WriteString("\n\n")
	for _, team := range sortedKeys(r.teams) {
		t := r.teams[team]
		fmt.Fprintf(&b, "- team %s: %s %s\n", team, t.State, t.AcknowledgedBy)
	}
	for _, s := range r.hands.list() {
		fmt.Fprintf(&b, "- question %s, %s: %s %s\n", s.Question.ID, s.Question.State, s.Text, s.Question.Answer)
	}
	for _, s := range r.steps {
		fmt.Fprintf(&b, "- %s `%s` %s %s\n", mark(s.State), s.ID, s.Title, s.Result)
	}
	workflow.SetCurrentDetails(ctx, cut(b.String(), 19_000))
}

func mark(state string) string {
	switch state {
	case stepDone:
		return "✓"
	case stepFailed:
		return "✗"
	case stepRunning:
		return "▶"
	case stepSkipped:
		return "–"
	default:
		return "·"
	}
}
