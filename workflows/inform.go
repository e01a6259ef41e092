package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"vakhta/runbooks"
)

// InformInput starts InformClients.
type InformInput struct {
	Incident string            `json:"incident"`
	Every    runbooks.Duration `json:"every"`              // the beat; default 15m
	Debounce runbooks.Duration `json:"debounce,omitempty"` // news within it make one update; default 2s
	// Told are contacts who were told a moment ago: the first update skips them.
	Told []string `json:"told,omitempty"`
	// Sent is how many updates there were before the incident was reopened: the
	// ledger knows them, and sends none twice.
	Sent int `json:"sent,omitempty"`
	// Carry and News are the state over continue-as-new.
	Carry *InformStatus `json:"carry,omitempty"`
	News  bool          `json:"news,omitempty"`
}

// InformClients is the beat of an incident: on each tick every affected client
// hears how it stands, on each change those whom it concerns, about their own
// machines only. It ends when its incident stops it.
func InformClients(ctx workflow.Context, in InformInput) (InformStatus, error) {
	if err := in.validate(); err != nil {
		return InformStatus{}, err
	}
	b := &beat{in: in, status: InformStatus{Incident: in.Incident, Updates: in.Sent}}
	if in.Carry != nil {
		b.status = *in.Carry
	}
	if err := b.setup(ctx); err != nil {
		return b.status, err
	}
	return b.run(ctx)
}

func (in *InformInput) validate() error {
	if err := required("incident", in.Incident); err != nil {
		return err
	}
	if in.Every == 0 {
		in.Every = runbooks.Duration(15 * time.Minute)
	}
	if in.Every.Std() < time.Second {
		return invalid("every: %s is too often for people; at least 1s", in.Every.Std())
	}
	if in.Debounce == 0 {
		in.Debounce = runbooks.Duration(2 * time.Second)
	}
	return nil
}

type beat struct {
	in      InformInput
	status  InformStatus
	news    bool
	stopped bool
}

func (b *beat) setup(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (InformStatus, error) { return b.status, nil },
		workflow.QueryHandlerOptions{Description: "When clients were told, and when they will be"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryStatus, err)
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateChanged, func(_ workflow.Context, _ ChangedSignal) (InformStatus, error) {
		b.news = true
		return b.status, nil
	}, workflow.UpdateHandlerOptions{Description: "There is news: tell those whom it concerns"})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateChanged, err)
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		sel := workflow.NewSelector(ctx)
		for _, name := range []string{SignalChanged, SignalStop} {
			sel.AddReceive(workflow.GetSignalChannel(ctx, name), func(c workflow.ReceiveChannel, _ bool) { b.hear(c) })
		}
		for {
			sel.Select(ctx)
		}
	})
	return upsert(ctx, AttrIncident.ValueSet(b.in.Incident))
}

// hear takes what is in a signal channel; it answers whether there was anything.
func (b *beat) hear(c workflow.ReceiveChannel) bool {
	if !c.ReceiveAsync(nil) {
		return false
	}
	if c.Name() == SignalStop {
		b.stopped = true
	} else {
		b.news = true
	}
	return true
}

func (b *beat) run(ctx workflow.Context) (InformStatus, error) {
	// The first update goes out at once, to those who don't know yet.
	if b.in.Carry == nil {
		b.status.NextAt = workflow.Now(ctx).Add(b.in.Every.Std())
		if err := b.tell(ctx, b.in.Told, false); err != nil {
			return b.status, err
		}
	}
	b.news = b.news || b.in.News
	for !b.stopped {
		changed, err := b.next(ctx)
		if err != nil {
			return b.status, err
		}
		if b.stopped {
			break
		}
		if err := b.tell(ctx, nil, changed); err != nil {
			return b.status, err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			if err := b.continueAsNew(ctx); err != nil {
				return b.status, err
			}
		}
	}
	return b.status, workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// continueAsNew carries everything that was heard; a stop is heeded instead.
func (b *beat) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	for _, name := range []string{SignalChanged, SignalStop} {
		for c := workflow.GetSignalChannel(ctx, name); b.hear(c); {
			continue
		}
	}
	if b.stopped {
		return nil
	}
	next := b.in
	next.Carry, next.News = &b.status, b.news
	return workflow.NewContinueAsNewError(ctx, InformClients, next)
}

// next waits for the tick or for news, which it collects for the debounce
// time. News doesn't move the tick: it concerns some, the tick is promised to all.
func (b *beat) next(ctx workflow.Context) (changed bool, err error) {
	b.details(ctx)
	if left := b.status.NextAt.Sub(workflow.Now(ctx)); left > 0 { // else the tick is due, whatever the news
		changed, err = workflow.AwaitWithTimeout(ctx, left, func() bool { return b.news || b.stopped })
		if err != nil || b.stopped {
			return false, err
		}
	}
	if changed {
		if _, err := workflow.AwaitWithTimeout(ctx, b.in.Debounce.Std(), func() bool { return b.stopped }); err != nil {
			return false, err
		}
		// Near the tick the news goes to all, as the tick: nobody hears the same twice in a row.
		if b.status.NextAt.Sub(workflow.Now(ctx)) > b.in.Every.Std()/4 {
			return true, nil
		}
	}
	b.status.NextAt = workflow.Now(ctx).Add(b.in.Every.Std())
	return false, nil
}

// tell makes one update. A stop cuts it short: what has not left is old news,
// and must not hold up the message that it is over.
func (b *beat) tell(ctx workflow.Context, except []string, changed bool) error {
	b.news = false
	b.status.Updates++
	telling, cancel := workflow.WithCancel(ctx)
	defer cancel()
	workflow.Go(telling, func(ctx workflow.Context) {
		if workflow.Await(ctx, func() bool { return b.stopped }) == nil {
			cancel()
		}
	})
	p, err := startBroadcast(telling, BroadcastInput{
		Incident: b.in.Incident, Event: "incident.update", Step: "update", Revision: b.status.Updates, Except: except,
		OnlyChanged: changed, Deadline: 2 * b.in.Every, NextUpdate: b.in.Every,
	})
	switch {
	case err != nil && !b.stopped && ctx.Err() == nil:
		// One update that could not be made doesn't end the beat.
		workflow.GetLogger(ctx).Error("An update could not be broadcast", "incident", b.in.Incident, "error", err)
	case err == nil && p.Contacts > 0:
		text := fmt.Sprintf("Update %d reached %d of %s", b.status.Updates, p.Accepted, agreed(p.Contacts, "contact", "contacts"))
		if err := noteIncident(ctx, b.in.Incident, fmt.Sprintf("update/%d", b.status.Updates), "update", "vakhta", "", text); err != nil {
			return err
		}
	}
	b.status.LastAt = workflow.Now(ctx)
	return ctx.Err()
}

func (b *beat) details(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%d updates** sent, the next at %s at the latest", b.status.Updates, b.status.NextAt.UTC().Format("15:04:05 MST")))
}
