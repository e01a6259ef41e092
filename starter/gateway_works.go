package main

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/web"
	"vakhta/workflows"
)

// worksDesk does to planned work what engineers ask for on the pages: what the
// command line does, by the same ways.
type worksDesk struct {
	deps
	now func() time.Time
}

// viaPage is how an act came that was given on a page.
const viaPage = "page"

// Waiting are those who have not confirmed.
func (d worksDesk) Waiting(ctx context.Context, w maintenance.Work) ([]maintenance.Waiting, error) {
	return d.Records.WorkWaiting(ctx, w)
}

// NextRung asks the announcement when it climbs.
func (d worksDesk) NextRung(ctx context.Context, w maintenance.Work) time.Time {
	return nextRung(ctx, d.Flows, w)
}

// askWithin is how long a page waits for a workflow's word that it can do without.
const askWithin = time.Second

// nextRung asks the announcement of a work when it climbs; zero where it doesn't, or doesn't say.
func nextRung(ctx context.Context, c asker, w maintenance.Work) time.Time {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	id := workflows.BroadcastID("maintenance/"+w.ID, records.StepAnnounce(maintenance.Outage), w.Revision)
	var p workflows.BroadcastProgress
	value, err := c.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err == nil {
		err = value.Get(&p)
	}
	if err != nil { // it has not begun, or the workers are away: the page is whole without
		return time.Time{}
	}
	return p.NextAt
}

// Measure computes what a work would be.
func (d worksDesk) Measure(ctx context.Context, f web.WorkForm) (web.Measured, error) {
	w, err := d.read(f)
	if err != nil {
		return web.Measured{}, err
	}
	m, err := d.Records.MeasureWork(ctx, w)
	plan := m.Announcement
	out := web.Measured{
		Clients: m.Clients, Servers: m.Servers, Degraded: m.Degraded, Reduced: m.Reduced, Conflicts: m.Conflicts,
		Contacts: plan.Contacts, Told: plan.Clients, Unreachable: plan.Unreachable,
	}
	for _, l := range plan.Lines {
		out.Rungs = append(out.Rungs, web.MeasuredRung{Rung: l.Rung + 1, Channel: l.Channel, Contacts: l.Contacts, Takes: l.Takes, Known: l.PerSecond > 0})
	}
	return out, err
}

// Plan starts the work's life.
func (d worksDesk) Plan(ctx context.Context, f web.WorkForm, by string) (string, error) {
	if err := d.Inventory.May(by, workflows.NeedsToPlan); err != nil {
		return "", err
	}
	w, err := d.read(f)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	err = startWork(ctx, d.Flows, workflows.MaintenanceInput{Act: workflows.Act{By: by, Via: viaPage}, Work: w})
	if err == nil {
		_, err = workState(ctx, d.Flows, w.ID)
	}
	return w.ID, explained("maintenance "+w.ID, err)
}

// explained says what went wrong with a workflow, in an engineer's words.
func explained(what string, err error) error {
	return (&app{temporalAddress: "the configured Temporal"}).explain(what, err)
}

func (d worksDesk) read(f web.WorkForm) (maintenance.Work, error) {
	p := planFlags{
		id: f.ID, start: f.Start, end: f.End, zone: f.TimeZone, owner: f.Owner, impact: f.Impact,
		components: apart(f.Components), notices: apart(f.Notices), titleRu: f.TitleRu, titleEn: f.TitleEn, textRu: f.TextRu, textEn: f.TextEn,
	}
	doc := p.document(d.Inventory)
	w, err := doc.Work(d.Inventory)
	w.Override = strings.TrimSpace(f.Override)
	return w, err
}

// apart are the words of a list that has commas, spaces or lines between.
func apart(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
}

// Do sends an act to the work's life.
func (d worksDesk) Do(ctx context.Context, a web.WorkAct) error {
	if err := d.Inventory.May(a.By, workflows.Needs(a.Act)); err != nil {
		return err
	}
	arg, err := d.update(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, updateWithin)
	defer cancel()
	handle, err := d.Flows.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.MaintenanceID(a.Work), UpdateName: a.Act, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	return explained("maintenance "+a.Work, err)
}

func (d worksDesk) update(a web.WorkAct) (any, error) {
	by := workflows.Act{By: a.By, Via: viaPage}
	switch a.Act {
	case workflows.UpdateTold:
		return workflows.ToldUpdate{Act: by, Client: strings.TrimSpace(a.Client)}, nil
	case workflows.UpdateExtend:
		return extension(by, strings.TrimSpace(a.End), d.now().UTC())
	case workflows.UpdateReschedule:
		return reschedule(by, a.Start, a.End, a.TimeZone, a.Override)
	default:
		return workflows.WorkUpdate{Act: by}, nil
	}
}

func teamIDs(inv *inventory.Inventory) []string {
	var out []string
	for _, t := range inv.Teams() {
		out = append(out, t.ID)
	}
	return out
}
