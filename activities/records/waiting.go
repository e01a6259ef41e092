package records

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
)

// StepAnnounce is the step of the broadcast that announces a work to whom an
// impact befalls.
func StepAnnounce(i maintenance.Impact) string { return "announce/" + string(i) }

// WorkWaiting reads from the ledger who has not confirmed a work's present
// revision, how he was told and what comes next, by client id. The work has its
// machines with it.
func (a *Activities) WorkWaiting(ctx context.Context, w maintenance.Work) ([]maintenance.Waiting, error) {
	confirmed, err := a.store.Confirmations(ctx, w.ID, w.Revision, "")
	if err != nil {
		return nil, err
	}
	rows, err := a.store.Standings(ctx, store.NotificationFilter{Subject: "maintenance/" + w.ID, Revision: &w.Revision})
	if err != nil {
		return nil, fmt.Errorf("read who was told of maintenance %s: %w", w.ID, err)
	}
	slices.SortStableFunc(rows, func(x, y ledger.Notification) int { return x.Rung - y.Rung })
	told, tried := map[string][]maintenance.Told{}, map[string][]inventory.Channel{}
	for i := range rows {
		n := &rows[i]
		if t := (maintenance.Told{Channel: n.Channel, State: n.State}); !slices.Contains(told[n.Client], t) {
			told[n.Client] = append(told[n.Client], t)
		}
		if n.Step == StepAnnounce(maintenance.Outage) {
			tried[n.Contact] = append(tried[n.Contact], n.Channel)
		}
	}
	ways, err := a.newWays(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]maintenance.Waiting, 0, len(w.ByClient))
	for _, client := range slices.Sorted(maps.Keys(w.ByClient)) {
		if _, knows := confirmed[client]; knows {
			continue
		}
		out = append(out, maintenance.Waiting{Client: client, Machines: len(w.ByClient[client]), Told: told[client], Next: a.ahead(ways, client, tried)})
	}
	return out, nil
}

// ahead are the next channels of a client's contacts, whatever the hour.
func (a *Activities) ahead(ways ways, client string, tried map[string][]inventory.Channel) []maintenance.Ahead {
	c, ok := a.inv.Client(client)
	if !ok {
		return nil
	}
	how := tone{confirm: true, loud: true, rungs: a.ladderFor("maintenance.announced", client)}
	var out []maintenance.Ahead
	for i := range c.Contacts {
		contact := &c.Contacts[i]
		ladder, _ := ways.of(contact, how)
		if ch, left := untried(ladder, tried[contact.ID]); left {
			out = append(out, maintenance.Ahead{Contact: contact.ID, Channel: ch})
		}
	}
	return out
}
