package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
	"vakhta/internal/web"
	"vakhta/workflows"
)

// incidentWatch says where an incident stands, and does to it what engineers
// ask for on the pages: what the command line does, by the same ways.
type incidentWatch struct {
	deps
	now func() time.Time
}

// Live asks the incident's workflow, and each escalation that runs.
func (d incidentWatch) Live(ctx context.Context, id string) (web.Live, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var s workflows.IncidentStatus
	if err := ask(ctx, d.Flows, workflows.IncidentID(id), &s); err != nil {
		return web.Live{}, err
	}
	live := web.Live{Teams: make([]web.LiveTeam, len(s.Teams))}
	for _, st := range s.Steps {
		live.Steps = append(live.Steps, web.LiveStep{
			ID: st.ID, Kind: st.Kind, Title: st.Title, Result: st.Result, State: st.State, Since: st.Since, Asks: st.Manual && st.State == "running",
		})
	}
	var g errgroup.Group
	for i, name := range sortedNames(s.Teams) {
		team := s.Teams[name]
		g.Go(func() error {
			if team.State != "stopped" {
				// One that is over, or doesn't answer, stands as its incident knows it.
				var now workflows.EscalateStatus
				if err := ask(ctx, d.Flows, workflows.EscalateID(id, name), &now); err == nil && now.Team == name {
					team = now
				}
			}
			live.Teams[i] = d.team(team)
			return nil
		})
	}
	return live, g.Wait()
}

// ask queries where a workflow stands.
func ask(ctx context.Context, c asker, workflow string, into any) error {
	value, err := c.QueryWorkflow(ctx, workflow, "", workflows.QueryStatus)
	if err != nil {
		return fmt.Errorf("ask %s: %w", workflow, err)
	}
	return value.Get(into)
}

func (d incidentWatch) team(s workflows.EscalateStatus) web.LiveTeam {
	out := web.LiveTeam{
		Team: s.Team, State: s.State, HasIt: s.AcknowledgedBy, Since: s.AcknowledgedAt, Via: s.Via, Round: s.Round, Level: s.Level, Paged: s.Paged, NextAt: s.NextAt,
	}
	for _, n := range s.Next {
		out.Next = append(out.Next, web.LivePage(n))
	}
	if t, ok := d.Inventory.Team(s.Team); ok {
		for _, m := range t.Members {
			out.Members = append(out.Members, m.ID)
		}
	}
	return out
}

// May asks for the role that an act takes.
func (d incidentWatch) May(by, act string) error { return d.Inventory.May(by, workflows.Needs(act)) }

// Do sends an act to the workflow that it is about, once however often it is asked for.
func (d incidentWatch) Do(ctx context.Context, a web.IncidentAct) error {
	if err := d.May(a.By, a.Act); err != nil {
		return err
	}
	workflow, arg, err := d.update(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, updateWithin)
	defer cancel()
	handle, err := d.Flows.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		UpdateID: viaPage + "-" + a.Act + "-" + a.Key, WorkflowID: workflow, UpdateName: a.Act, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	err = explained("incident "+a.Incident, err)
	if exitCode(err) == exitUnavailable {
		return fmt.Errorf("%w: %w", web.ErrNoAnswer, err)
	}
	return err
}

// update makes the update of an act, and says to which workflow it goes.
func (d incidentWatch) update(a web.IncidentAct) (workflow string, arg any, err error) {
	by, workflow := workflows.Act{By: a.By, Via: viaPage}, workflows.IncidentID(a.Incident)
	switch a.Act {
	case workflows.UpdateDecline, workflows.UpdateHandOver, workflows.UpdateAssign:
		if a.Team == "" {
			return "", nil, refused("team: say of which")
		}
		workflow = workflows.EscalateID(a.Incident, a.Team)
		if a.Act == workflows.UpdateDecline {
			return workflow, workflows.DeclineUpdate{Act: by}, nil
		}
		return workflow, workflows.HandOverUpdate{Act: by, To: a.To, From: a.From}, nil
	case workflows.UpdateAcknowledge:
		arg = workflows.AcknowledgeUpdate{Act: by, Team: a.Team}
	case workflows.UpdateNote:
		arg = workflows.NoteUpdate{Act: by, Text: a.Text, Internal: a.Internal}
	case workflows.UpdateChecked:
		arg = workflows.CheckedUpdate{Act: by, Component: a.Component, Result: a.Result}
	case workflows.UpdateRestored:
		arg = workflows.RestoredUpdate{Act: by, Components: apart(a.Component)}
	case workflows.UpdateSetETA:
		at, err := parseInstant(a.When, d.now().In(d.clock(a.By)))
		return workflow, workflows.SetETAUpdate{Act: by, At: at}, err
	case workflows.UpdateSetSeverity:
		arg = workflows.SetSeverityUpdate{Act: by, Severity: incident.Severity(a.Severity)}
	case workflows.UpdateCompleteTask:
		arg = workflows.CompleteTaskUpdate{Act: by, Step: a.Step, Result: a.Text}
	case workflows.UpdateApprove:
		arg = workflows.ApproveUpdate{Act: by, Step: a.Step, Refuse: a.Refuse, Reason: a.Reason}
	case workflows.UpdateAskHands:
		arg = workflows.AskHandsUpdate{Act: by, Component: a.Component, Probe: topology.Probe(a.Probe), Peer: a.Peer}
	case workflows.UpdateAnswer:
		return d.answer(a, by)
	case workflows.UpdateResolve:
		arg = workflows.ResolveUpdate{Act: by, Reason: a.Reason}
	case workflows.UpdateReopen:
		arg = workflows.ReopenUpdate{Act: by, Reason: a.Reason}
	default:
		err = refused("act: there is no %q", a.Act)
	}
	return workflow, arg, err
}

// answer goes to the question, which must be one of this incident's.
func (d incidentWatch) answer(a web.IncidentAct, by workflows.Act) (workflow string, arg any, err error) {
	of, n, ok := incident.ParseQuestionID(a.Question)
	if !ok || of != a.Incident {
		return "", nil, refused("question: %q is none of incident %s", a.Question, a.Incident)
	}
	return workflows.HandsID(of, n), workflows.AnswerUpdate{Act: by, Answer: incident.Answer(a.Answer), Note: a.Text}, nil
}

// clock is the time zone by which somebody's times are read: his own.
func (d incidentWatch) clock(person string) *time.Location {
	m, ok := member(d.Inventory, person)
	if !ok {
		return time.UTC
	}
	return zoned(d.now().UTC(), m).Location()
}

// member finds somebody among the teams, by id.
func member(inv *inventory.Inventory, id string) (*inventory.Contact, bool) {
	for _, t := range inv.Teams() {
		if m, ok := t.Member(id); ok {
			return m, true
		}
	}
	return nil, false
}
