package labtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// CryText is what a client writes at 3 a.m.
const CryText = "у меня лежит сервер"

// Outage is one outage, from the fault to the postmortem.
type Outage struct {
	Component string
	Mode      estate.Mode
	Reporter  *inventory.Contact
	Blast     topology.Blast

	Cried    time.Time
	Report   string
	Answer   workflows.ReportAnswer
	Incident string
	Answered time.Duration // from the cry to the answer with the finding
	Resolved time.Duration // from the repair to the resolution
	CutShort bool          // it was over before the first update was written

	lab *Lab
}

// Outage is an outage that is about to happen.
func (l *Lab) Outage(component string, mode estate.Mode, reporter string) *Outage {
	return &Outage{Component: component, Mode: mode, Reporter: l.Contact(reporter), Blast: l.graph.Blast(component), lab: l}
}

// Play lets it happen: each turn waits until the one before was seen.
func (o *Outage) Play(ctx context.Context) error {
	for _, turn := range []func(context.Context) error{
		o.Break, o.Cry, o.AwaitAnswer, o.AwaitFinding, o.AwaitAcknowledged, o.Repair, o.AwaitResolved, o.AwaitPostmortem,
	} {
		if err := turn(ctx); err != nil {
			return fmt.Errorf("outage of %s, report %s, incident %s: %w", o.Component, o.Report, o.Incident, err)
		}
	}
	return nil
}

// Break makes the component fail.
func (o *Outage) Break(context.Context) error {
	return o.lab.Estate.SetFault(o.Component, estate.Fault{Mode: o.Mode})
}

// Cry has the reporter write to the bot.
func (o *Outage) Cry(ctx context.Context) error {
	var err error
	o.Cried = time.Now()
	o.Report, err = o.lab.Cry(ctx, o.Reporter.ID, CryText)
	return err
}

// Cry has a contact write to the bot; it returns the id of his report once the
// gateway has taken it.
func (l *Lab) Cry(ctx context.Context, contact, text string) (string, error) {
	return l.CryFrom(ctx, l.Contact(contact).Addresses[inventory.Telegram], text)
}

// CryFrom has somebody write to the bot from a chat.
func (l *Lab) CryFrom(ctx context.Context, chat, text string) (string, error) {
	before, err := l.reportsFrom(ctx, chat)
	if err != nil {
		return "", err
	}
	if err := l.Sandbox.WriteTelegram(chat, text); err != nil {
		return "", err
	}
	var id string
	return id, Until(ctx, "the report to be taken", func() (bool, error) {
		now, err := l.reportsFrom(ctx, chat)
		for _, r := range now {
			if !slices.Contains(before, r) {
				id = r
			}
		}
		return id != "", err
	})
}

func (l *Lab) reportsFrom(ctx context.Context, chat string) ([]string, error) {
	all, err := l.Store.Reports(ctx, store.ReportFilter{})
	var ids []string
	for _, r := range all {
		if r.From == chat {
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}

// AwaitAnswer waits until the report is answered.
func (o *Outage) AwaitAnswer(ctx context.Context) error {
	var err error
	o.Answer, err = o.lab.AwaitAnswer(ctx, o.Report)
	return err
}

// AwaitAnswer waits until a report is answered.
func (l *Lab) AwaitAnswer(ctx context.Context, report string) (workflows.ReportAnswer, error) {
	var answer workflows.ReportAnswer
	err := Until(ctx, "report "+report+" to be answered", func() (bool, error) {
		err := l.ask(ctx, workflows.ReportID(report), workflows.QueryAnswer, &answer)
		return answer.Stage == "answered", err
	})
	return answer, err
}

// ask queries a workflow. Its worker may be dying: give it a moment only.
func (l *Lab) ask(ctx context.Context, workflow, query string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	v, err := l.Client.QueryWorkflow(ctx, workflow, "", query)
	if err != nil {
		return fmt.Errorf("query %s of %s: %w", query, workflow, err)
	}
	return v.Get(into)
}

// AwaitFinding checks that the answer names what was broken, in an incident.
func (o *Outage) AwaitFinding(ctx context.Context) error {
	if len(o.Answer.Incident) != 1 {
		return fmt.Errorf("the answer is %q with %d incidents, want one: %s\n%s", o.Answer.Kind, len(o.Answer.Incident), o.Answer.Summary, o.evidence(ctx))
	}
	o.Incident = o.Answer.Incident[0]
	in, err := o.lab.Store.Incident(ctx, o.Incident)
	if err != nil {
		return err
	}
	if in.Component != o.Component {
		return fmt.Errorf("the finding names %s, but %s was broken", in.Component, o.Component)
	}
	if slices.Sort(in.Servers); !slices.Equal(in.Servers, o.Blast.Servers) {
		return fmt.Errorf("the incident names servers %v, want %v", in.Servers, o.Blast.Servers)
	}
	return Until(ctx, "the answer to reach the client", func() (bool, error) {
		name := o.lab.Estate.Inventory().Name(o.Component, o.Reporter.Language)
		for _, it := range o.lab.Inbox(o.Reporter.ID, o.Cried) {
			if strings.Contains(it.Text, name) {
				o.Answered = it.At.Sub(o.Cried)
				return true, nil
			}
		}
		return false, nil
	})
}

// evidence is why the incidents of the answer were opened.
func (o *Outage) evidence(ctx context.Context) string {
	var lines []string
	for _, id := range o.Answer.Incident {
		in, err := o.lab.Store.Incident(ctx, id)
		if err != nil {
			return err.Error()
		}
		for _, e := range in.Finding.Evidence {
			lines = append(lines, in.Component+": "+e.Text)
		}
	}
	return strings.Join(lines, "\n")
}

// AwaitAcknowledged waits until every team that is paged has somebody on it.
func (o *Outage) AwaitAcknowledged(ctx context.Context) error {
	return Until(ctx, "somebody to pick up", func() (bool, error) {
		var st workflows.IncidentStatus
		if err := o.lab.ask(ctx, workflows.IncidentID(o.Incident), workflows.QueryStatus, &st); err != nil {
			return false, err
		}
		picked := false
		for _, s := range st.Steps {
			if s.Kind != "escalate" {
				continue
			}
			if s.State != "done" && s.State != "skipped" {
				return false, nil
			}
			picked = picked || s.State == "done"
		}
		return picked, nil
	})
}

// Repair mends the component.
func (o *Outage) Repair(context.Context) error {
	o.Resolved = -time.Since(o.Cried)
	return o.lab.Estate.ClearFault(o.Component)
}

// AwaitResolved waits until Vakhta has seen for itself that all is back.
func (o *Outage) AwaitResolved(ctx context.Context) error {
	if err := o.lab.AwaitResolved(ctx, o.Incident); err != nil {
		return err
	}
	o.Resolved += time.Since(o.Cried)
	return nil
}

// AwaitResolved waits until an incident is resolved.
func (l *Lab) AwaitResolved(ctx context.Context, id string) error {
	return Until(ctx, "incident "+id+" to be resolved", func() (bool, error) {
		in, err := l.Store.Incident(ctx, id)
		return err == nil && in.Status == incident.Resolved, err
	})
}

// AwaitPostmortem waits until the postmortem is drafted.
func (o *Outage) AwaitPostmortem(ctx context.Context) error {
	return Until(ctx, "the postmortem to be drafted", func() (bool, error) {
		pm, err := o.lab.Store.Postmortem(ctx, o.Incident)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return pm.Incident == o.Incident, err
	})
}

// Update tells a workflow something, as the command line does.
func (l *Lab) Update(ctx context.Context, workflow, name string, arg any) error {
	return Until(ctx, name+" to be taken by "+workflow, func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		h, err := l.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: workflow, UpdateName: name, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = h.Get(ctx, nil)
		}
		return err == nil, err
	})
}
