package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/topology"
)

// ClientReport answers a client who says that something of his is down: who is
// it, does planned work or an open incident explain it, else localize, answer,
// and open an incident for each finding.
func ClientReport(ctx workflow.Context, in ClientReportInput) (ReportAnswer, error) {
	if err := in.validate(); err != nil {
		return ReportAnswer{}, err
	}
	r := &report{in: in, id: in.Report}
	if r.id == "" {
		r.id = strings.TrimPrefix(workflow.GetInfo(ctx).WorkflowExecution.ID, "report/")
	}
	if err := r.setup(ctx); err != nil {
		return r.answer, err
	}
	return r.answer, r.run(ctx)
}

func (in ClientReportInput) validate() error {
	if in.Report == "" && in.Client == "" {
		return invalid(`client: must be given (or "report", the id of a stored one), for example {"client":"acme","text":"my server is down"}`)
	}
	if in.Report != "" && in.Client != "" {
		return invalid("report: names a stored report, which knows its client: leave out one of report and client")
	}
	return nil
}

type report struct {
	in     ClientReportInput
	id     string
	who    records.Reporter
	answer ReportAnswer
	phase  string             // of the planned work that the answer names
	spoken int                // how many replies were begun
	done   workflow.WaitGroup // replies under way
	chain  workflow.Mutex     // replies leave in the order they were said
}

func (r *report) setup(ctx workflow.Context) error {
	r.answer = ReportAnswer{Report: r.id, Stage: "identifying"}
	r.done, r.chain = workflow.NewWaitGroup(ctx), workflow.NewMutex(ctx)
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryAnswer, func() (ReportAnswer, error) { return r.answer, nil },
		workflow.QueryHandlerOptions{Description: "What the report came to"})
	if err != nil {
		return fmt.Errorf("set query %s: %w", QueryAnswer, err)
	}
	return upsert(ctx, AttrStatus.ValueSet("checking"))
}

func (r *report) run(ctx workflow.Context) error {
	var err error
	r.who, err = record[records.Reporter](ctx, rec.TakeReport, records.TakeReportParams{Report: r.id, Client: r.in.Client, Text: r.in.Text})
	if err != nil {
		return err
	}
	if !r.who.Known {
		return r.stranger(ctx)
	}
	r.answer.Client = r.who.Client
	if err := upsert(ctx, AttrClient.ValueSet(r.who.Client)); err != nil {
		return err
	}
	why, err := record[records.Explanation](ctx, rec.Explain, r.who.Client)
	if err != nil {
		return err
	}
	r.answer.Work, r.phase = why.Work, why.Phase
	switch {
	case len(why.Incidents) > 0:
		r.join(ctx, why.Incidents)
		if why.Phase == records.PhaseRunning {
			r.planned(ctx)
		}
		return r.finish(ctx, "incident", "report.incident", "Open incident explains it: "+strings.Join(why.Incidents, ", "), why.Incidents)
	case why.Phase == records.PhaseRunning:
		r.planned(ctx)
		if !why.Whole {
			return r.beside(ctx)
		}
		return r.finish(ctx, "planned", "", fmt.Sprintf("Planned work %s explains it", why.Work), nil)
	}
	return r.check(ctx)
}

// planned tells him of the work that runs on his machines.
func (r *report) planned(ctx workflow.Context) {
	r.say(ctx, records.ReplyParams{Event: "report.planned", Work: r.answer.Work, Total: r.who.Servers})
}

// beside looks whether something of his is down that the work, of which he has
// been told, does not explain. Nothing is: he hears no more.
func (r *report) beside(ctx workflow.Context) error {
	r.answer.Kind, r.answer.Stage = "planned", "checking"
	found, err := r.localize(ctx, false)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		workflow.GetLogger(ctx).Error("What planned work does not explain could not be checked", "report", r.id, "error", err)
		if err := r.task(ctx, "unchecked", fmt.Sprintf("Report %s of %s: planned work %s explains some of his machines, and the others could not be checked; look at them", r.id, r.who.Client, r.answer.Work)); err != nil {
			return err
		}
		return r.finish(ctx, "planned", "", fmt.Sprintf("Planned work %s explains it; his other machines could not be checked", r.answer.Work), nil)
	}
	r.answer.Progress = found.Progress
	switch {
	case len(found.Findings) > 0:
		return r.found(ctx, found)
	case len(found.Unexplained) > 0, found.unwell() != "":
		return r.unclear(ctx, found)
	}
	return r.finish(ctx, "planned", "", fmt.Sprintf("Planned work %s explains it; nothing else of his is down", r.answer.Work), nil)
}

// stranger answers somebody whom the inventory doesn't know, and gives an
// engineer the task to find out who he is.
func (r *report) stranger(ctx workflow.Context) error {
	r.answer.Kind = "unknown-client"
	err := r.task(ctx, "stranger", fmt.Sprintf("Somebody whom the inventory does not know reports a failure; find out who it is: report %s", r.id))
	if err != nil {
		return err
	}
	return r.finish(ctx, "unknown-client", "report.unknown-client", "The sender is not known; an engineer has the task", nil)
}

func (r *report) task(ctx workflow.Context, key, text string) error {
	c, err := record[records.Composed](ctx, rec.ComposeTask, records.TaskParams{Subject: "report/" + r.id, Key: key, Text: text})
	if err != nil {
		return err
	}
	r.sendLater(ctx, c, urgent)
	return nil
}

// check localizes over all of the client's machines, telling him how far it is.
func (r *report) check(ctx workflow.Context) error {
	r.answer.Stage = "checking"
	r.say(ctx, records.ReplyParams{Event: "report.received", Total: r.who.Servers, Sites: replySites(r.who.Sites), Work: r.answer.Work})
	found, err := r.localize(ctx, true)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		// A check that could not be made is no reason to leave him without an answer.
		workflow.GetLogger(ctx).Error("A report could not be checked", "report", r.id, "error", err)
		found = LocalizeResult{Progress: r.answer.Progress}
		found.Progress.Total = r.who.Servers
		return r.unclear(ctx, found)
	}
	r.answer.Progress = found.Progress
	switch {
	case len(found.Findings) > 0:
		return r.found(ctx, found)
	case found.Progress.allUp() && found.unwell() == "":
		return r.finish(ctx, "healthy", "report.healthy", form(found.Progress.Checked, "The machine answers", fmt.Sprintf("All %d machines answer", found.Progress.Checked)), nil)
	default:
		return r.unclear(ctx, found)
	}
}

// unclear: machines are down (or could not be asked) and no finding names why.
// A person must look; the client is told what we know, nothing more.
func (r *report) unclear(ctx workflow.Context, found LocalizeResult) error {
	p := found.Progress
	text := fmt.Sprintf("Report %s of %s: of %d machines %d do not answer (%d of them did not before, or are under planned work), %d could not be told, and no point of failure could be named; vantages absent: %d. Look at it",
		r.id, r.who.Client, p.Total, p.Down, p.WasSo, p.Unknown(), len(p.Absent))
	if unwell := found.unwell(); unwell != "" {
		text += "; these answer, but don't serve as they should: " + unwell
	}
	if err := r.task(ctx, "unclear", text); err != nil {
		return err
	}
	return r.finish(ctx, "unclear", "report.progress", text, nil)
}

// localize checks all of his machines; aloud, he hears how far it is.
func (r *report) localize(ctx workflow.Context, aloud bool) (LocalizeResult, error) {
	var out LocalizeResult
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:    LocalizeID(r.who.Client, r.id),
		StaticSummary: fmt.Sprintf("All %d machines of %s", r.who.Servers, r.who.Client),
	}), Localize, LocalizeInput{Client: r.who.Client})
	progress := workflow.GetSignalChannel(ctx, SignalProgress)
	finished := false
	var err error
	sel := workflow.NewSelector(ctx)
	sel.AddFuture(child, func(f workflow.Future) { err, finished = f.Get(ctx, &out), true })
	sel.AddReceive(progress, func(c workflow.ReceiveChannel, _ bool) {
		var p LocalizeProgress
		c.Receive(ctx, &p)
		r.answer.Progress = p
		if aloud {
			r.say(ctx, progressReply(p))
		}
	})
	for !finished {
		sel.Select(ctx)
	}
	return out, err
}

// found opens an incident for each finding, or joins the one that is open, and
// answers the client with those that concern his machines. What the sweep saw
// on his neighbours' is an incident, too, and none of his business.
func (r *report) found(ctx workflow.Context, found LocalizeResult) error {
	var ids []string
	var his []topology.Finding
	for i, f := range found.Findings {
		p := records.OpenIncidentParams{RequestKey: fmt.Sprintf("%s/%d", r.id, i), Finding: f, Sweep: found.Sweep}
		if r.phase == records.PhaseRunning || r.phase == records.PhaseFinished {
			p.Beside = r.answer.Work
		}
		opened, err := openIncidentAs(ctx, p, []string{r.who.Contact})
		if err != nil {
			return err
		}
		if !slices.Contains(opened.Incident.Clients, r.who.Client) {
			continue
		}
		ids, his = append(ids, opened.Incident.ID), append(his, f)
		if !opened.Created {
			r.join(ctx, []string{opened.Incident.ID})
		}
	}
	if len(ids) == 0 {
		return r.unclear(ctx, found)
	}
	return r.finish(ctx, "finding", "report.finding", summary(his), ids)
}

func summary(findings []topology.Finding) string {
	parts := make([]string, 0, len(findings))
	for _, f := range findings {
		parts = append(parts, fmt.Sprintf("%s (%s), %d%%, %s", f.Component, f.Kind, topology.Percent(f.Itself()), agreed(f.Impact(), "machine", "machines")))
	}
	return "Point of failure: " + strings.Join(parts, "; ")
}

// join tells running incidents that this client speaks of them, too.
func (r *report) join(ctx workflow.Context, incidents []string) {
	told := make([]workflow.Future, 0, len(incidents))
	for _, id := range incidents {
		told = append(told, workflow.SignalExternalWorkflow(ctx, IncidentID(id), "", SignalReported, ReportedSignal{Report: r.id, Client: r.who.Client, Told: r.who.Contact}))
	}
	for i, f := range told {
		if err := f.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("An incident did not hear of a report", "incident", incidents[i], "report", r.id, "error", err)
		}
	}
}

// finish gives the answer by a message of the event, if there is more to say, records it, and waits until every reply has left.
func (r *report) finish(ctx workflow.Context, kind, event, summary string, incidents []string) error {
	r.answer.Kind, r.answer.Incident, r.answer.Summary, r.answer.Stage = kind, incidents, summary, "answered"
	p := progressReply(r.answer.Progress)
	p.Event, p.Incidents = event, incidents
	if p.Total == 0 {
		p.Total = r.who.Servers
	}
	if event != "" { // else he has been told
		r.say(ctx, p)
	}
	closing := records.CloseReportParams{Report: r.id, Answer: kind, Summary: summary}
	if len(incidents) > 0 {
		closing.Incident = incidents[0]
	}
	if err := act(ctx, rec.CloseReport, closing); err != nil {
		return err
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s**: %s", kind, summary))
	if err := upsert(ctx, AttrStatus.ValueSet(kind)); err != nil {
		return err
	}
	r.done.Wait(ctx)
	return nil
}

// say sends one reply; replies leave in the order in which they were said.
func (r *report) say(ctx workflow.Context, p records.ReplyParams) {
	r.spoken++
	p.Report, p.Step = r.id, fmt.Sprintf("reply/%d", r.spoken)
	r.done.Add(1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer r.done.Done()
		if err := r.chain.Lock(ctx); err != nil {
			return
		}
		defer r.chain.Unlock()
		if err := r.reply(ctx, p); err != nil {
			workflow.GetLogger(ctx).Error("A reply could not be sent", "report", r.id, "event", p.Event, "error", err)
		}
	})
}

// reply climbs the contact's channels until one takes the message.
func (r *report) reply(ctx workflow.Context, p records.ReplyParams) error {
	for p.Rung = 0; ; p.Rung++ {
		c, err := record[records.Composed](ctx, rec.ComposeReply, p)
		if err != nil {
			return err
		}
		if len(c.Batches) == 0 {
			return r.task(ctx, "unreachable", fmt.Sprintf("No channel reached the contact who sent report %s: call him", r.id))
		}
		d, err := deliver(ctx, c, urgent, nil)
		if err != nil || d.Refused == 0 {
			return err
		}
	}
}

func (r *report) sendLater(ctx workflow.Context, c records.Composed, priority int) {
	r.done.Add(1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer r.done.Done()
		if _, err := deliver(ctx, c, priority, nil); err != nil {
			workflow.GetLogger(ctx).Error("A task could not be sent", "report", r.id, "error", err)
		}
	})
}

// progressReply is how far a check is, as the client hears it. A machine that nobody could ask
// is not one that was checked: he would read that it answers.
func progressReply(p LocalizeProgress) records.ReplyParams {
	out := records.ReplyParams{Event: "report.progress", Total: p.Total, Down: p.Down}
	for _, s := range p.Sites {
		known := max(0, s.Checked-s.Unknown)
		out.Checked += known
		out.Sites = append(out.Sites, records.ReplySite{Site: s.Site, Total: s.Total, Checked: known, Down: s.Down})
	}
	return out
}

func replySites(sites []records.SiteCount) []records.ReplySite {
	out := make([]records.ReplySite, 0, len(sites))
	for _, s := range sites {
		out = append(out, records.ReplySite{Site: s.Site, Total: s.Servers})
	}
	return out
}
