package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// complete ends the work; what did not come back is an incident.
func (t *workStory) complete(ctx context.Context) error {
	act := workflows.WorkUpdate{Act: workflows.Act{By: "ivan", Via: "cli"}}
	if err := t.update(ctx, workflows.MaintenanceID(t.work), workflows.UpdateComplete, act); err != nil {
		return err
	}
	if err := t.h.Client.GetWorkflow(ctx, workflows.MaintenanceID(t.work), "").Get(ctx, &t.state); err != nil {
		return err
	}
	if t.state.Work.Status != maintenance.Completed || len(t.state.Incidents) != 1 {
		return fmt.Errorf("the work is %s and %d incidents came of it, want one: %v", t.state.Work.Status, len(t.state.Incidents), t.state.Incidents)
	}
	t.incident = t.state.Incidents[0]
	in, err := t.h.Store.Incident(ctx, t.incident)
	if err != nil {
		return err
	}
	if in.Component != t.lost {
		return fmt.Errorf("the incident is about %s, but %s did not come back", in.Component, t.lost)
	}
	t.showFinding(in)
	return nil
}

// notice: the owner of the server hears of it before he has noticed.
func (t *workStory) notice(ctx context.Context) error {
	c, _ := t.h.Estate.Inventory().Component(t.lost)
	err := t.until(ctx, "the owner of "+t.lost+" to be told", func() (bool, error) {
		sent, err := t.h.Store.Notifications(ctx, store.NotificationFilter{Subject: "incident/" + t.incident, Client: c.Client})
		for _, n := range sent {
			if n.State == ledger.Sent || n.State == ledger.Delivered || n.State == ledger.Read || n.State == ledger.Accepted {
				return true, nil
			}
		}
		if err != nil {
			return false, err
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	reports, err := t.h.Store.Reports(ctx, reportsOf(c.Client))
	if err != nil {
		return err
	}
	if len(reports) > 0 {
		return fmt.Errorf("%s had noticed by himself", c.Client)
	}
	t.s.line("told", "the owner of "+t.lost+" hears of it from us, and had not noticed", styleGood)
	return t.pickUp(ctx)
}

func (t *workStory) repairIt(context.Context) error {
	if err := t.h.Estate.ClearFault(t.lost); err != nil {
		return err
	}
	t.healed = -time.Since(t.cried)
	t.s.line("repair", t.lost+" is switched on", styleGood)
	t.component = t.lost // of the postmortem's action
	return nil
}

// refers: the postmortem says after which work it happened.
func (t *workStory) refers(ctx context.Context) error {
	pm, err := t.h.Store.Postmortem(ctx, t.incident)
	if err != nil {
		return err
	}
	if !strings.Contains(pm.Sections["cause"], t.work) {
		return fmt.Errorf("the postmortem does not refer to %s: %s", t.work, pm.Sections["cause"])
	}
	return nil
}

// auditWork holds what people received against what was planned: everybody
// affected was told, nobody else, each about his own machines only, nobody the
// same thing twice, and nobody was called who had confirmed.
func (t *workStory) auditWork(ctx context.Context) error {
	inv := t.h.Estate.Inventory()
	told, texts := map[string]bool{}, map[string]bool{}
	for _, it := range t.h.Sandbox.Inbox(sandbox.Query{Since: t.began}) {
		contact, ok := inv.ContactByAddress(inventory.Channel(it.Channel), it.To)
		if !ok || contact.Client == "" || it.Inbound {
			continue
		}
		told[contact.Client] = true
		content := it.Channel + it.To + it.Content()
		if texts[content] {
			return fmt.Errorf("%s was told the same thing twice: %s", contact.ID, it.Content())
		}
		texts[content] = true
		for _, server := range t.blast.Servers {
			if c, _ := inv.Component(server); c.Client != contact.Client && strings.Contains(it.Content(), server) {
				return fmt.Errorf("%s was told about %s, which is %s's", contact.Client, server, c.Client)
			}
		}
	}
	for _, c := range inv.Clients() {
		if hit := t.how[c.ID] != ""; hit != told[c.ID] {
			return fmt.Errorf("client %s: affected is %v, told is %v", c.ID, hit, told[c.ID])
		}
	}
	known, err := t.h.Store.Confirmations(ctx, t.work, 1, "")
	if err != nil {
		return err
	}
	for id, c := range known {
		for _, call := range t.calls(id) {
			if call.At.After(c.At) && call.At.Before(t.plan.StartsAt) {
				return fmt.Errorf("%s confirmed by %s and was called %s later", id, c.Via, call.At.Sub(c.At))
			}
		}
	}
	t.s.line("audit", fmt.Sprintf("%d clients affected, %d told; nobody else, nobody twice, nobody called after he had confirmed", len(t.how), len(told)), styleGood)
	return ctx.Err()
}
