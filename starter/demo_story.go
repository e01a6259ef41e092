package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/lab/stand"
	"vakhta/internal/message"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// story is one outage, played.
type story struct {
	h         *stand.Stand
	s         *screen
	scenario  string
	work      string // planned work that is played; "" in an outage
	component string
	reporter  *inventory.Contact
	blast     topology.Blast

	report   string
	answer   workflows.ReportAnswer
	incident string
	cried    time.Time     // the client's message left
	answered time.Duration // from it to the answer with the finding
	healed   time.Duration // from the repair to the resolution
}

func newStory(h *stand.Stand, s *screen, scenario string) *story {
	return &story{h: h, s: s, scenario: scenario}
}

// play tells the story and checks that each of its turns really happened.
func (t *story) play(ctx context.Context) error {
	if err := t.cast(); err != nil {
		return err
	}
	stop := t.follow(ctx)
	defer stop()
	for _, turn := range []func(context.Context) error{
		t.breakIt, t.cry, t.hear, t.pickUp, t.promise, t.repair, t.resolve, t.learn, t.audit,
	} {
		if err := turn(ctx); err != nil {
			return err
		}
	}
	return nil
}

// cast finds out what fails, whom it hits and who will cry, and how people behave.
func (t *story) cast() error {
	var err error
	if t.component, err = estate.Scenario(t.scenario); err != nil {
		return err
	}
	inv := t.h.Estate.Inventory()
	t.blast = topology.New(inv).Blast(t.component)
	t.reporter = t.findReporter(inv)
	if t.reporter == nil {
		return fmt.Errorf("no client of %s can write to us by telegram", t.component)
	}
	// People at night: the messenger stays unread, the phone is picked up.
	t.h.Sandbox.SetDefaults(sandbox.Persona{
		Telegram: &sandbox.Chat{},
		Phone:    &sandbox.Phone{Answer: sandbox.AnswerHuman, After: sandbox.Duration(1200 * time.Millisecond), Digits: "1", Think: sandbox.Duration(600 * time.Millisecond)},
	})
	return nil
}

// findReporter prefers the client with 500 machines over two sites.
func (t *story) findReporter(inv *inventory.Inventory) *inventory.Contact {
	var first *inventory.Contact
	for _, c := range inv.Clients() {
		if len(t.blast.ByClient[c.ID]) == 0 {
			continue
		}
		for i := range c.Contacts {
			if c.Contacts[i].Addresses[inventory.Telegram] == "" {
				continue
			}
			if c.ID == "romashka" {
				return &c.Contacts[i]
			}
			if first == nil {
				first = &c.Contacts[i]
			}
		}
	}
	return first
}

func (t *story) breakIt(context.Context) error {
	mode := estate.Down
	if t.scenario == "server" {
		mode = estate.Off
	}
	if err := t.h.Estate.SetFault(t.component, estate.Fault{Mode: mode}); err != nil {
		return err
	}
	inv := t.h.Estate.Inventory()
	t.s.heading("An outage")
	t.s.line("fault", fmt.Sprintf("%s fails (%s): %d servers of %d clients go down", t.component, inv.Place(t.component, inventory.English), len(t.blast.Servers), len(t.blast.ByClient)), styleBad)
	return nil
}

const cryText = "у меня лежит сервер"

func (t *story) cry(context.Context) error {
	t.cried = time.Now()
	t.s.line("client", fmt.Sprintf("%s writes to the bot: «%s»", t.reporter.Name, cryText), styleHead)
	return t.h.Sandbox.WriteTelegram(t.reporter.Addresses[inventory.Telegram], cryText)
}

// hear waits for the answer, and that it names what we broke.
func (t *story) hear(ctx context.Context) error {
	err := t.until(ctx, "the report to be answered", func() (bool, error) {
		if t.report == "" {
			found, err := t.h.Store.Reports(ctx, reportsOf(t.reporter.Client))
			if err != nil || len(found) == 0 {
				return false, err
			}
			t.report = found[0].ID
		}
		v, err := t.h.Client.QueryWorkflow(ctx, workflows.ReportID(t.report), "", workflows.QueryAnswer)
		if err != nil {
			return false, nil //nolint:nilerr // not started, or its worker is being started again: ask again
		}
		if err := v.Get(&t.answer); err != nil {
			return false, err
		}
		t.showSweep(t.answer.Progress)
		return t.answer.Stage == "answered", nil
	})
	if err != nil {
		return err
	}
	if len(t.answer.Incident) != 1 {
		return fmt.Errorf("the answer is %q with %d incidents, want one: %s", t.answer.Kind, len(t.answer.Incident), t.answer.Summary)
	}
	t.incident = t.answer.Incident[0]
	in, err := t.h.Store.Incident(ctx, t.incident)
	if err != nil {
		return err
	}
	if in.Component != t.component {
		return fmt.Errorf("the finding names %s, but %s was broken", in.Component, t.component)
	}
	t.showFinding(in)
	return t.until(ctx, "the answer to reach the client", func() (bool, error) {
		for _, it := range t.h.Sandbox.Inbox(sandbox.Query{To: t.reporter.Addresses[inventory.Telegram], Since: t.cried}) {
			if !it.Inbound && strings.Contains(it.Text, answerMark(t.h.Estate.Inventory(), in.Finding, t.reporter.Language)) {
				t.answered = it.At.Sub(t.cried)
				return true, nil
			}
		}
		return false, nil
	})
}

// answerMark is a text that only an answer with the finding holds: the cause, in the words that clients read.
func answerMark(inv *inventory.Inventory, f topology.Finding, lang inventory.Language) string {
	return message.Cause(inv, f, lang)
}

func (t *story) showSweep(p workflows.LocalizeProgress) {
	if p.Total == 0 {
		t.s.progress("planning the sweep")
		return
	}
	parts := make([]string, 0, len(p.Sites))
	for _, s := range p.Sites {
		parts = append(parts, fmt.Sprintf("%s %d/%d, %d down", s.Site, s.Checked, s.Total, s.Down))
	}
	t.s.progress(fmt.Sprintf("%d of %d checked · %s", p.Checked, p.Total, strings.Join(parts, " · ")))
}

func (t *story) showFinding(in incident.Incident) {
	t.s.line("finding", topology.Describe(t.h.Estate.Inventory(), in.Finding, inventory.English), styleBad)
	for _, e := range in.Finding.Evidence {
		t.s.line("", "· "+e.Text, styleFact)
	}
}

// pickUp waits until every team that is paged has somebody on it.
func (t *story) pickUp(ctx context.Context) error {
	return t.until(ctx, "somebody to pick up", func() (bool, error) {
		st, err := t.status(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // its worker may be being started again: ask again
		}
		picked := false
		for _, step := range st.Steps {
			if step.Kind != "escalate" {
				continue
			}
			if step.State != "done" && step.State != "skipped" {
				return false, nil
			}
			picked = picked || step.State == "done"
		}
		return picked, nil
	})
}

func (t *story) status(ctx context.Context) (workflows.IncidentStatus, error) {
	var st workflows.IncidentStatus
	v, err := t.h.Client.QueryWorkflow(ctx, workflows.IncidentID(t.incident), "", workflows.QueryStatus)
	if err != nil {
		return st, fmt.Errorf("ask incident %s: %w", t.incident, err)
	}
	if err := v.Get(&st); err != nil {
		return st, fmt.Errorf("read the status of incident %s: %w", t.incident, err)
	}
	return st, nil
}

// promise: the engineer says what he found and when it will be back; the
// clients hear it.
func (t *story) promise(ctx context.Context) error {
	st, err := t.status(ctx)
	if err != nil {
		return err
	}
	act := workflows.Act{By: "vakhta", Via: "cli"}
	for _, team := range st.Teams {
		if team.AcknowledgedBy != "" {
			act.By = team.AcknowledgedBy
		}
	}
	if err := t.update(ctx, workflows.IncidentID(t.incident), workflows.UpdateNote, workflows.NoteUpdate{Act: act, Text: "On site, looking at " + t.component}); err != nil {
		return err
	}
	eta := time.Now().Add(20 * time.Minute).Truncate(time.Minute)
	if err := t.update(ctx, workflows.IncidentID(t.incident), workflows.UpdateSetETA, workflows.SetETAUpdate{Act: act, At: eta}); err != nil {
		return err
	}
	hour := eta.In(zone(t.reporter.TimeZone)).Format("15:04")
	return t.until(ctx, "the clients to hear when it will be back", func() (bool, error) {
		return slices.ContainsFunc(t.h.Sandbox.Inbox(sandbox.Query{To: t.reporter.Addresses[inventory.Telegram], Since: t.cried}), func(it sandbox.Item) bool {
			return !it.Inbound && strings.Contains(it.Text, hour)
		}), nil
	})
}

func zone(name string) *time.Location {
	if l, err := time.LoadLocation(name); err == nil {
		return l
	}
	return time.UTC
}

func (t *story) update(ctx context.Context, workflow, name string, arg any) error {
	return t.until(ctx, name+" to be taken", func() (bool, error) {
		ask, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		handle, err := t.h.Client.UpdateWorkflow(ask, client.UpdateWorkflowOptions{
			WorkflowID: workflow, UpdateName: name, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = handle.Get(ask, nil)
		}
		if err != nil && ask.Err() != nil && ctx.Err() == nil {
			return false, nil // nobody was there to take it: once more
		}
		return err == nil, err
	})
}

func (t *story) repair(context.Context) error {
	if err := t.h.Estate.ClearFault(t.component); err != nil {
		return err
	}
	t.healed = -time.Since(t.cried)
	t.s.line("repair", t.component+" is switched on again; its servers boot", styleGood)
	return nil
}

// resolve waits until Vakhta has seen for itself that all is back.
func (t *story) resolve(ctx context.Context) error {
	return t.until(ctx, "the incident to be resolved", func() (bool, error) {
		in, err := t.h.Store.Incident(ctx, t.incident)
		if err != nil {
			return false, err
		}
		if in.Status == incident.Resolved && t.healed < 0 {
			t.healed += time.Since(t.cried)
		}
		return in.Status == incident.Resolved, nil
	})
}

// learn: people add what must be done, approve and publish the postmortem.
func (t *story) learn(ctx context.Context) error {
	err := t.until(ctx, "the postmortem to be drafted", func() (bool, error) {
		v, err := t.h.Client.QueryWorkflow(ctx, workflows.PostmortemID(t.incident), "", workflows.QueryDocument)
		if err != nil {
			return false, nil //nolint:nilerr // not started yet
		}
		var pm incident.Postmortem
		err = v.Get(&pm)
		return pm.Incident != "", err
	})
	if err != nil {
		return err
	}
	act := workflows.Act{By: "shift-lead", Via: "cli"}
	id := workflows.PostmortemID(t.incident)
	return errors.Join(
		t.update(ctx, id, workflows.UpdateAddAction, workflows.AddActionUpdate{Act: act, Text: "Look at every component like " + t.component + " for the same weakness", Owner: "admins", Due: time.Now().AddDate(0, 0, 14)}),
		t.update(ctx, id, workflows.UpdateApprove, workflows.ApproveUpdate{Act: act}),
		t.update(ctx, id, workflows.UpdatePublish, act),
	)
}

// audit holds what people received against what we broke: everybody affected
// was told, nobody else, and each about his own machines only.
func (t *story) audit(ctx context.Context) error {
	inv := t.h.Estate.Inventory()
	told := map[string]bool{}
	for _, it := range t.h.Sandbox.Inbox(sandbox.Query{Since: t.cried}) {
		contact, ok := inv.ContactByAddress(inventory.Channel(it.Channel), it.To)
		if !ok || contact.Client == "" || it.Inbound {
			continue
		}
		told[contact.Client] = true
		for _, server := range t.blast.Servers {
			c, _ := inv.Component(server)
			if c.Client != contact.Client && strings.Contains(it.Content(), server) {
				return fmt.Errorf("%s was told about %s, which is %s's", contact.Client, server, c.Client)
			}
		}
	}
	for _, c := range inv.Clients() {
		if hit := len(t.blast.ByClient[c.ID]) > 0; hit != told[c.ID] {
			return fmt.Errorf("client %s: affected is %v, told is %v", c.ID, hit, told[c.ID])
		}
	}
	return ctx.Err()
}

// until polls for what must become true; the story's own time limit ends it.
func (t *story) until(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// follow shows what happens while the story is played; the answer ends it.
func (t *story) follow(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { t.followInbox(ctx) })
	wg.Go(func() { t.followTimelines(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}
