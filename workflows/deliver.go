package workflows

import (
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/notify"
	"vakhta/activities/records"
)

// deliveryWindow is how many delivery activities run at once: batch sliding
// window, as measured in FIELD-NOTES §0.
const deliveryWindow = 10

// delivered counts what became of composed notifications.
type delivered struct{ Accepted, Refused, Dropped int }

// deliver sends composed batches through the ledger until each notification is
// settled, deliveryWindow batches at once.
func deliver(ctx workflow.Context, c records.Composed, priority int) (delivered, error) {
	var total delivered
	var failed error
	window := workflow.NewSemaphore(ctx, deliveryWindow)
	wg := workflow.NewWaitGroup(ctx)
	for _, ids := range c.Batches {
		if err := window.Acquire(ctx, 1); err != nil {
			return total, err
		}
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			defer window.Release(1)
			var r notify.DeliverResult
			err := workflow.ExecuteActivity(withDelivery(ctx, priority), send.Deliver, notify.SendBatchParams{IDs: ids}).Get(ctx, &r)
			if err != nil {
				failed = err
				return
			}
			total.Accepted += r.Accepted
			total.Refused += len(r.Refused)
			total.Dropped += r.Dropped
		})
	}
	wg.Wait(ctx)
	return total, failed
}

// record runs a records activity and decodes its answer.
func record[T any](ctx workflow.Context, activity any, params any) (T, error) {
	var out T
	err := workflow.ExecuteActivity(withRecords(ctx), activity, params).Get(ctx, &out)
	return out, err
}

// act runs a records activity that answers nothing.
func act(ctx workflow.Context, activity any, params any) error {
	return workflow.ExecuteActivity(withRecords(ctx), activity, params).Get(ctx, nil)
}

// handTask gives something to a person: the first level of a team, or of the
// inventory's first team.
func handTask(ctx workflow.Context, subject, key, team, text string, priority int) error {
	c, err := record[records.Composed](ctx, rec.ComposeTask, records.TaskParams{Subject: subject, Key: key, Team: team, Text: cut(text, 300)})
	if err != nil {
		return err
	}
	_, err = deliver(ctx, c, priority)
	return err
}
