package records

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.temporal.io/sdk/activity"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

const (
	// batchSize is how many notifications one delivery activity is given by
	// their ids, and the most that are named one by one.
	batchSize = 200
	// partSize is how many it is given by their bounds: an activity costs
	// Temporal's server as much for six hundred as for one.
	partSize = 600
	// writtenAtOnce is how many go into the ledger in one transaction.
	writtenAtOnce = 100
)

// outbox writes one sending's notifications into the ledger while the next
// ones are composed: eighteen thousand mails need not be held at once.
type outbox struct {
	a       *Activities
	pending []ledger.Notification
	under   chan written // what is being written; nil: nothing
	ids     map[inventory.Channel][]string
	rungs   map[int]bool
	n       int
}

func (a *Activities) newOutbox() *outbox {
	return &outbox{a: a, ids: map[inventory.Channel][]string{}, rungs: map[int]bool{}}
}

// add takes a notification that is new.
func (o *outbox) add(ctx context.Context, n ledger.Notification) error {
	o.pending = append(o.pending, n)
	if len(o.pending) < writtenAtOnce {
		return nil
	}
	o.a.opts.Way.Yield(ctx)
	return o.write(ctx)
}

// have takes one that is in the ledger already.
func (o *outbox) have(n ledger.Notification) {
	o.ids[n.Channel] = append(o.ids[n.Channel], n.ID)
	o.rungs[n.Rung] = true
	o.n++
}

// written is a transaction of an outbox.
type written struct {
	rows []ledger.Notification
	ids  []string
	err  error
}

// write begins to write what is pending, after what was begun before.
func (o *outbox) write(ctx context.Context) error {
	if err := o.settle(ctx); err != nil || len(o.pending) == 0 {
		return err
	}
	rows, under := o.pending, make(chan written, 1)
	o.pending, o.under = nil, under
	go func() {
		ids, err := o.a.store.Enqueue(ctx, rows, o.a.now())
		under <- written{rows, ids, err}
	}()
	return nil
}

// settle waits for what is being written.
func (o *outbox) settle(ctx context.Context) error {
	if o.under == nil {
		return nil
	}
	w := <-o.under
	o.under = nil
	if w.err != nil {
		return fmt.Errorf("write %d notifications of %s into the ledger: %w", len(w.rows), w.rows[0].Subject, w.err)
	}
	for i, id := range w.ids {
		n := w.rows[i]
		n.ID = id
		o.have(n)
	}
	if activity.IsActivity(ctx) {
		activity.RecordHeartbeat(ctx, o.n)
	}
	return nil
}

// leave waits for what a composition that failed has begun to write.
func (o *outbox) leave() {
	if o.under != nil {
		<-o.under
		o.under = nil
	}
}

// close writes what is left and answers what is to be delivered: the ids of a
// few in batches of one channel each.
func (o *outbox) close(ctx context.Context) ([][]string, error) {
	if err := o.write(ctx); err != nil {
		return nil, err
	}
	if err := o.settle(ctx); err != nil {
		return nil, err
	}
	var out [][]string
	for _, ch := range slices.Sorted(maps.Keys(o.ids)) {
		for b := range slices.Chunk(o.ids[ch], batchSize) {
			out = append(out, b)
		}
	}
	return out, nil
}

// closeInto is close for a sending that may be large: then only the bounds of
// its parts are told.
func (o *outbox) closeInto(ctx context.Context, out *Composed, d draft) error {
	batches, err := o.close(ctx)
	if err != nil || o.n <= batchSize {
		out.Batches = batches
		return err
	}
	for _, rung := range slices.Sorted(maps.Keys(o.rungs)) {
		parts, err := o.a.store.Parts(ctx, d.subject, d.step, d.revision, rung, partSize)
		if err != nil {
			return err
		}
		out.Parts = append(out.Parts, parts...)
	}
	return nil
}

// enqueue puts a few notifications into the ledger and returns their ids in batches.
func (a *Activities) enqueue(ctx context.Context, rows []ledger.Notification) ([][]string, error) {
	o := a.newOutbox()
	defer o.leave()
	for _, n := range rows {
		if err := o.add(ctx, n); err != nil {
			return nil, err
		}
	}
	return o.close(ctx)
}
