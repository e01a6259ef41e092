package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/notify"
	"vakhta/activities/records"
)

// deliveryWindow is how many delivery activities of one channel run at once:
// batch sliding window, as measured in FIELD-NOTES §0. Each channel has its
// own, so that a slow provider holds nobody else.
const deliveryWindow = 10

// delivered counts what became of composed notifications.
type delivered struct{ Accepted, Refused, Dropped int }

func (d *delivered) add(r notify.DeliverResult) {
	d.Accepted += r.Accepted
	d.Refused += r.Refused
	d.Dropped += r.Dropped
}

// consignments are the inputs of the delivery activities, by the window in
// which they go: a part's channel, or the batches that are named by id.
func consignments(c records.Composed, priority int) (windows []string, by map[string][]notify.SendBatchParams) {
	by = map[string][]notify.SendBatchParams{}
	add := func(window string, p notify.SendBatchParams) {
		if _, known := by[window]; !known {
			windows = append(windows, window)
		}
		p.Urgent = priority == urgent
		by[window] = append(by[window], p)
	}
	for _, ids := range c.Batches {
		add("", notify.SendBatchParams{IDs: ids})
	}
	for _, part := range c.Parts {
		add(string(part.Channel), notify.SendBatchParams{Part: &part})
	}
	return windows, by
}

// deliver sends composed notifications through the ledger until each is
// settled. progress, if there is one, is told after each activity.
func deliver(ctx workflow.Context, c records.Composed, priority int, progress func(ctx workflow.Context, d delivered)) (delivered, error) {
	var total delivered
	var failed error
	windows, by := consignments(c, priority)
	wg := workflow.NewWaitGroup(ctx)
	for _, name := range windows {
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			err := deliverWindow(ctx, by[name], priority, func(r notify.DeliverResult) {
				total.add(r)
				if progress != nil {
					progress(ctx, total)
				}
			})
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait(ctx)
	return total, failed
}

func deliverWindow(ctx workflow.Context, all []notify.SendBatchParams, priority int, done func(notify.DeliverResult)) error {
	var failed error
	window := workflow.NewSemaphore(ctx, deliveryWindow)
	wg := workflow.NewWaitGroup(ctx)
	for _, p := range all {
		if err := window.Acquire(ctx, 1); err != nil {
			return err
		}
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			defer window.Release(1)
			var r notify.DeliverResult
			if err := workflow.ExecuteActivity(withDelivery(ctx, priority), send.Deliver, p).Get(ctx, &r); err != nil {
				failed = err
				return
			}
			done(r)
		})
	}
	wg.Wait(ctx)
	return failed
}

// record runs a records activity and decodes its answer.
func record[T any](ctx workflow.Context, activity any, params any) (T, error) {
	var out T
	err := workflow.ExecuteActivity(withRecords(ctx), activity, params).Get(ctx, &out)
	return out, err
}

// recordHere is record inside of the workflow task: what is urgent saves the
// way over the server, there and back. Where that fails, or this worker doesn't
// do it in time, it is an activity like all others.
func recordHere[T any](ctx workflow.Context, activity any, params any) (T, error) {
	var out T
	err := workflow.ExecuteLocalActivity(withRecordsHere(ctx), activity, params).Get(ctx, &out)
	if err == nil || temporal.IsCanceledError(err) {
		return out, err
	}
	return record[T](ctx, activity, params)
}

// compose writes a sending into the ledger.
func compose(ctx workflow.Context, activity any, params any) (records.Composed, error) {
	var out records.Composed
	err := workflow.ExecuteActivity(withCompose(ctx), activity, params).Get(ctx, &out)
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
	_, err = deliver(ctx, c, priority, nil)
	return err
}
