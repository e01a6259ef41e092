package labtest_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/lab/labtest"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
	"vakhta/workflows"
)

const (
	works = 5
	// workMessages is how many a work of this size sends, more or less.
	workMessages = 9
)

// The worker is killed in the middle of each of five planned works. Each goes
// on through its life: everybody affected is told once of each turn, nobody
// else, no message doubled, and nothing that came back is taken for lost.
func TestPlannedWorkOutlivesTheDeathsOfTheWorker(t *testing.T) {
	t.Parallel() // it waits more than it works
	dice := labtest.Dice(t)
	s := labtest.Open(t)
	var all []plannedWork
	for i, o := range s.SeparateOutages(works, dice) {
		all = append(all, plannedWork{lab: s, id: fmt.Sprintf("killed-%d", i), component: o.Component, affected: o.Blast.ByClient})
	}
	require.Len(t, all, works)
	var group errgroup.Group
	for i := range all {
		kill := 1 + dice.IntN(workMessages)
		group.Go(func() error { return all[i].outlive(t.Context(), kill) })
	}
	require.NoError(t, group.Wait())
	require.NoError(t, s.Audit(t.Context()))
	require.Equal(t, 1+works, s.Worker.Starts())
}

type plannedWork struct {
	lab           *labtest.Lab
	id, component string
	affected      map[string][]string
}

// outlive plays the life of a work, and kills the worker when so many more
// messages have reached a provider.
func (w plannedWork) outlive(ctx context.Context, kill int) error {
	killed := make(chan error, 1)
	go func() {
		err := afterMessages(w.lab, kill)(ctx)
		if err == nil {
			err = w.lab.KillWorker(ctx)
		}
		killed <- err
	}()
	if err := w.play(ctx); err != nil {
		return fmt.Errorf("planned work %s: %w", w.id, err)
	}
	return <-killed
}

func (w plannedWork) play(ctx context.Context) error {
	start := time.Now().Add(30 * time.Minute).UTC().Truncate(time.Second)
	_, err := w.lab.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: workflows.MaintenanceID(w.id), TaskQueue: workflows.QueueRunbooks},
		workflows.TypeMaintenance, workflows.MaintenanceInput{Act: workflows.Act{By: "ivan", Via: "cli"}, Work: maintenance.Work{
			ID: w.id, Title: map[string]string{"ru": "замена " + w.id, "en": "replacement of " + w.id}, Components: []string{w.component},
			StartsAt: start, EndsAt: start.Add(time.Hour), Owner: "emergency", Notices: maintenance.Policy{maintenance.Outage: {time.Hour}},
		}})
	if err != nil {
		return err
	}
	for _, turn := range []struct{ update, event string }{
		{workflows.UpdateApprove, "maintenance.announced"}, {workflows.UpdateBegin, "maintenance.begun"}, {workflows.UpdateComplete, "maintenance.done"},
	} {
		if err := w.give(ctx, turn.update); err != nil {
			return err
		}
		if err := w.awaitTold(ctx, turn.event); err != nil {
			return err
		}
	}
	var state workflows.MaintenanceStatus
	if err := w.lab.Client.GetWorkflow(ctx, workflows.MaintenanceID(w.id), "").Get(ctx, &state); err != nil {
		return err
	}
	if state.Work.Status != maintenance.Completed || len(state.Incidents) > 0 {
		return fmt.Errorf("it ended %s, with incidents %v", state.Work.Status, state.Incidents)
	}
	return nil
}

// give gives an act, again where its answer was lost: the same act is done once.
func (w plannedWork) give(ctx context.Context, act string) error {
	return labtest.Until(ctx, act+" to be done to "+w.id, func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		h, err := w.lab.Client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: workflows.MaintenanceID(w.id), UpdateID: act, UpdateName: act, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{workflows.WorkUpdate{Act: workflows.Act{By: "petr", Via: "cli"}}},
		})
		if err == nil {
			err = h.Get(ctx, nil)
		}
		return err == nil, err
	})
}

// awaitTold waits until each affected contact has been told of a turn, once. A
// turn that only informs is not sent again by the same channel where nobody
// knows whether it arrived: the next channel tells it, and where there is none
// an engineer has the task to.
func (w plannedWork) awaitTold(ctx context.Context, event string) error {
	want := w.contacts()
	var got, fates []string
	err := labtest.Until(ctx, event+" of "+w.id+" to reach everybody", func() (bool, error) {
		rows, err := w.lab.Store.Standings(ctx, store.NotificationFilter{Subject: "maintenance/" + w.id})
		if err != nil {
			return false, err
		}
		fates = fates[:0]
		for _, n := range rows {
			fates = append(fates, fmt.Sprintf("%s to %s by %s, rung %d: %s %s, %d attempts", n.Event, n.Contact, n.Channel, n.Rung, n.State, n.Class, n.Attempts))
		}
		var settled bool
		got, settled = toldOf(event, rows)
		return len(got) >= len(want) && settled, nil
	})
	if err != nil {
		return fmt.Errorf("%w; %v are to be told, and of these became: %s", err, want, strings.Join(fates, "; "))
	}
	if !slices.Equal(got, want) {
		err = fmt.Errorf("%s went to %v, want %v", event, got, want)
	}
	return err
}

// contacts are those whom the work touches, in order.
func (w plannedWork) contacts() []string {
	inv := w.lab.Estate.Inventory()
	var out []string
	for client := range w.affected {
		c, _ := inv.Client(client)
		for _, contact := range c.Contacts {
			out = append(out, contact.ID)
		}
	}
	slices.Sort(out)
	return out
}

// toldOf gives the contacts whom an event reached, once for each message that
// did, and once those of whom nobody knows. Of these it is settled when a person has
// the task to tell them; an announcement has a later channel before that.
func toldOf(event string, rows []ledger.Notification) (got []string, settled bool) {
	tasked, open := false, map[string]bool{}
	for _, n := range rows {
		arrived := n.State == ledger.Accepted || n.State == ledger.Sent || n.State == ledger.Delivered || n.State == ledger.Read
		tasked = tasked || n.Event == "task.engineer" && arrived
		switch {
		case n.Event != event:
		case arrived:
			got = append(got, n.Contact)
		case n.Class == ledger.ClassAmbiguous && (n.Repeat || event != "maintenance.announced"):
			open[n.Contact] = true
		}
	}
	for _, contact := range got {
		delete(open, contact)
	}
	settled = len(open) == 0 || tasked || event == "maintenance.announced"
	got = slices.AppendSeq(got, maps.Keys(open))
	slices.Sort(got)
	return got, settled
}
