package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/topology"
)

// onSite is what an incident has asked people at its sites.
type onSite struct {
	look      bool // there is something to infer anew, or to ask
	last      int  // the greatest number of a question
	questions map[int]HandsStatus
	running   map[int]workflow.ChildWorkflowFuture
	asked     map[questionKey]bool
	// elsewhere are the open questions of other incidents whose answer this one
	// waits for, by id.
	elsewhere map[string]incident.Question
}

type questionKey struct {
	component, peer string
	probe           topology.Probe
}

func keyOf(q incident.Question) questionKey { return questionKey{q.Component, q.Peer, q.Probe} }

func newOnSite() onSite {
	return onSite{questions: map[int]HandsStatus{}, running: map[int]workflow.ChildWorkflowFuture{}, asked: map[questionKey]bool{}, elsewhere: map[string]incident.Question{}}
}

func (o *onSite) list() []HandsStatus {
	var out []HandsStatus
	for _, n := range sortedKeys(o.questions) {
		out = append(out, o.questions[n])
	}
	return out
}

// hear takes what a question says of itself; one that a person started in the
// Temporal UI is among them from then on.
func (o *onSite) hear(own string, s HandsStatus) {
	q := s.Question
	switch {
	case q.Number < 1:
		return
	case q.Incident != own:
		if _, waits := o.elsewhere[q.ID]; waits && !q.Open() {
			delete(o.elsewhere, q.ID)
			o.look = true
		}
		return
	}
	was := o.questions[q.Number].Question
	o.questions[q.Number], o.last = s, max(o.last, q.Number)
	o.asked[keyOf(q)] = true
	if was.State != q.State && q.State != incident.Asking {
		o.look = true
	}
}

// askOnSite asks people where no probe can tell the explanations apart, one
// question at a site at a time, and infers again with each answer.
func (r *incidentRun) askOnSite(ctx workflow.Context) {
	for {
		if err := workflow.Await(ctx, func() bool { return r.hands.look && r.rec.Status != incident.Resolved }); err != nil {
			return
		}
		r.hands.look = false
		if err := r.lookAgain(ctx); err != nil && ctx.Err() == nil {
			workflow.GetLogger(ctx).Error("What people on site saw could not be taken in", "incident", r.rec.ID, "error", err)
		}
	}
}

// ambiguous: the finding has rivals that explain the same.
func (r *incidentRun) ambiguous() bool { return len(r.rec.Finding.AmbiguousWith) > 0 }

func (r *incidentRun) lookAgain(ctx workflow.Context) error {
	l, err := record[records.Look](ctx, rec.LookAgain, records.LookAgainParams{Incident: r.rec.ID})
	if err != nil || r.rec.Status == incident.Resolved {
		return err
	}
	if l.Told {
		if err := r.learnFrom(ctx, l); err != nil {
			return err
		}
	}
	for _, n := range l.Moot {
		workflow.SignalExternalWorkflow(ctx, HandsID(r.rec.ID, n), "", SignalStop, StopSignal{Why: "it would not tell anything any more"})
	}
	return r.askNext(ctx, l)
}

// askNext asks what would tell the explanations apart, where nothing is asked
// at the site. What another incident asks already is waited for.
func (r *incidentRun) askNext(ctx workflow.Context, l records.Look) error {
	busy := map[string]bool{}
	for _, id := range sortedKeys(r.hands.elsewhere) {
		busy[r.hands.elsewhere[id].Site] = true
	}
	for _, s := range r.hands.list() {
		if q := s.Question; q.State == incident.Asking && !slices.Contains(l.Moot, q.Number) {
			busy[q.Site] = true
		}
	}
	for _, q := range l.Ask {
		if busy[q.Site] || r.hands.asked[keyOf(q)] || r.rec.Status == incident.Resolved {
			continue
		}
		busy[q.Site] = true
		if q.ID != "" && r.follow(ctx, q) {
			continue
		}
		q.AskedBy = records.AskedByVakhta
		if _, err := r.startQuestion(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// follow waits for the answer to another incident's question. Where that
// question is over although its record doesn't say so, it can't.
func (r *incidentRun) follow(ctx workflow.Context, q incident.Question) bool {
	r.hands.elsewhere[q.ID] = q
	err := workflow.SignalExternalWorkflow(ctx, HandsID(q.Incident, q.Number), "", SignalFollow, FollowSignal{Incident: r.rec.ID}).Get(ctx, nil)
	if err != nil {
		delete(r.hands.elsewhere, q.ID)
		return false
	}
	text := fmt.Sprintf("Question %s asks what would tell more here, too (%s of %s): its answer counts", q.ID, q.Probe, strings.TrimSpace(q.Component+" "+q.Peer))
	if err := r.save(ctx, r.entry("question", "vakhta", "", text)); err != nil {
		workflow.GetLogger(ctx).Warn("A line of the timeline is lost", "incident", r.rec.ID, "error", err)
	}
	return true
}

// learnFrom takes the finding as it is with the answers into the incident.
func (r *incidentRun) learnFrom(ctx workflow.Context, l records.Look) error {
	kept := r.rec.Sweep != ""
	r.rec.Sweep = l.Sweep
	if !l.Changed {
		if kept {
			return nil
		}
		return r.save(ctx)
	}
	was := r.rec.Component
	r.rec.Finding, r.rec.Servers, r.rec.ServerCount, r.rec.Clients = l.Finding, l.Servers, l.ServerCount, l.Clients
	if l.Title != "" {
		r.rec.Title, r.rec.Site = l.Title, l.Site
	}
	if l.Twin == "" {
		r.rec.Component = l.Finding.Component
	}
	if r.rec.Status == incident.Investigating {
		r.rec.Status = incident.Identified
	}
	line := r.entry("finding", "vakhta", "", cut("The answer changes the finding: "+l.Text, 600))
	err := r.save(ctx, line)
	if isConflict(err) { // an incident of that component was opened a moment ago
		r.rec.Component, l.Twin = was, "another one"
		err = r.save(ctx, line)
	}
	if err != nil {
		return err
	}
	if l.Twin != "" {
		r.tell(ctx, "twin/"+l.Finding.Component, "", fmt.Sprintf("Incidents %s and %s name the same point of failure, %s: resolve one of them", r.rec.ID, l.Twin, l.Finding.Component), normal)
	}
	r.changed(ctx, "finding")
	return nil
}

// isConflict: another incident of the component is open.
func isConflict(err error) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.Type() == records.TypeConflict
}

// startQuestion starts the workflow of a question under the next free number.
func (r *incidentRun) startQuestion(ctx workflow.Context, q incident.Question) (int, error) {
	detached, _ := workflow.NewDisconnectedContext(ctx)
	r.hands.asked[keyOf(q)] = true
	for {
		r.hands.last++
		n := r.hands.last
		child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(detached, workflow.ChildWorkflowOptions{
			WorkflowID: HandsID(r.rec.ID, n), ParentClosePolicy: requestCancel,
			StaticSummary: cut(strings.TrimSpace(fmt.Sprintf("%s of %s %s, for incident %s", q.Probe, q.Component, q.Peer, r.rec.ID)), 180),
		}), RemoteHands, HandsInput{Incident: r.rec.ID, Number: n, Component: q.Component, Probe: q.Probe, Peer: q.Peer, By: q.AskedBy})
		err := child.GetChildWorkflowExecution().Get(ctx, nil)
		if alreadyStarted(err) {
			continue // a person started one under this number
		}
		if err != nil {
			return n, err
		}
		q.ID, q.Incident, q.Number, q.State = incident.QuestionID(r.rec.ID, n), r.rec.ID, n, incident.Asking
		if r.hands.questions[n].Question.ID == "" {
			r.hands.questions[n] = HandsStatus{Question: q, Asked: []string{}}
		}
		r.hands.running[n] = child
		workflow.Go(detached, func(ctx workflow.Context) { r.followQuestion(ctx, n, child) })
		if r.rec.Status == incident.Resolved {
			r.stop(ctx, HandsID(r.rec.ID, n)) // resolved while it started
		}
		return n, nil
	}
}

// followQuestion notices a question that ended badly: an engineer looks instead.
func (r *incidentRun) followQuestion(ctx workflow.Context, n int, child workflow.ChildWorkflowFuture) {
	err := child.Get(ctx, nil)
	delete(r.hands.running, n)
	if err == nil || temporal.IsCanceledError(err) {
		return
	}
	s := r.hands.questions[n]
	if s.Text == "" && s.Question.AskedBy != records.AskedByVakhta {
		delete(r.hands.questions, n) // who asked it hears why
		if r.hands.last == n {
			r.hands.last-- // it was never put
		}
		return
	}
	s.Question.State = incident.Unheard
	r.hands.questions[n], r.hands.look = s, true
	if s.Question.AskedBy == records.AskedByVakhta {
		text := fmt.Sprintf("Question %s (%s of %s %s) could not be asked: %v", s.Question.ID, s.Question.Probe, s.Question.Component, s.Question.Peer, err)
		r.tell(ctx, fmt.Sprintf("hands/%d/failed", n), "", text, urgent)
	}
}

func (r *incidentRun) validateAskHands(u AskHandsUpdate) error {
	if err := firstOf(u.validate(), required("component", u.Component, "probe", string(u.Probe))); err != nil {
		return err
	}
	if r.rec.Status == incident.Resolved {
		return invalid("incident: %s is resolved", r.rec.ID)
	}
	for _, s := range r.hands.list() {
		if q := s.Question; q.Open() && keyOf(q) == (questionKey{u.Component, u.Peer, u.Probe}) {
			return invalid("question: %s asks this already", q.ID)
		}
	}
	return nil
}

// askHands asks what an engineer wants to know.
func (r *incidentRun) askHands(ctx workflow.Context, u AskHandsUpdate) error {
	r.alive(ctx, u.Act)
	n, err := r.startQuestion(ctx, incident.Question{Component: u.Component, Probe: u.Probe, Peer: u.Peer, AskedBy: u.By})
	if err != nil {
		return err
	}
	child := r.hands.running[n]
	if err := workflow.Await(ctx, func() bool { return r.hands.questions[n].Text != "" || child.IsReady() }); err != nil {
		return err
	}
	if child.IsReady() {
		return applicationError(child.Get(ctx, nil))
	}
	return nil
}

// stopQuestions withdraws what is still asked.
func (r *incidentRun) stopQuestions(ctx workflow.Context) {
	for _, s := range r.hands.list() {
		if s.Question.Open() {
			r.stop(ctx, HandsID(r.rec.ID, s.Question.Number))
		}
	}
}

// endQuestions waits until those who were asked are told.
func (r *incidentRun) endQuestions(ctx workflow.Context) {
	for _, n := range sortedKeys(r.hands.running) {
		if child := r.hands.running[n]; child != nil {
			_ = child.Get(ctx, nil) // followQuestion says how it ended
		}
	}
}
