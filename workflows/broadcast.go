package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/maintenance"
	"vakhta/runbooks"
)

// BroadcastInput starts Broadcast: one message about an incident, or about
// planned work, to every affected client, or to some of them.
type BroadcastInput struct {
	Incident    string   `json:"incident,omitempty"`
	Work        string   `json:"work,omitempty"` // planned work, in place of an incident
	Team        string   `json:"team,omitempty"` // told of whom no channel reaches; default: the first one
	Event       string   `json:"event"`          // message event, e.g. incident.update
	Step        string   `json:"step"`           // which sending of the incident, e.g. update
	Revision    int      `json:"revision"`
	Clients     []string `json:"clients,omitempty"` // default: all affected
	Except      []string `json:"except,omitempty"`
	OnlyChanged bool     `json:"onlyChanged,omitempty"` // skip who was told exactly this
	Unconfirmed bool     `json:"unconfirmed,omitempty"` // of planned work: skip clients who have confirmed
	// Impacts choose clients of planned work by the worst that befalls them; none: all whom its policy tells.
	Impacts  []maintenance.Impact `json:"impacts,omitempty"`
	Critical bool                 `json:"critical,omitempty"`
	// RequireAck climbs the ladder for everybody who has not confirmed: as the
	// operator's ladder for the event says, else after RungWait each.
	RequireAck bool              `json:"requireAck,omitempty"`
	RungWait   runbooks.Duration `json:"rungWait,omitempty"`
	// Window is when that begins of which the message tells; rungs may be timed by it.
	Window     time.Time         `json:"window,omitzero"`
	Deadline   runbooks.Duration `json:"deadline,omitempty"` // after which it is old news
	NextUpdate runbooks.Duration `json:"nextUpdate,omitempty"`
}

// maxRungs bounds how often a broadcast climbs: once for each channel as it
// opens, and once for each that refuses.
const maxRungs = 16

// Broadcast sends one message to an audience through the ledger, each contact
// by his ladder: the next channel when one refuses or, where it must be
// confirmed, stays unconfirmed.
func Broadcast(ctx workflow.Context, in BroadcastInput) (BroadcastProgress, error) {
	if err := in.validate(); err != nil {
		return BroadcastProgress{}, err
	}
	b := &broadcast{in: in, progress: BroadcastProgress{
		Subject: in.subject(), Event: in.Event, Step: in.Step, Revision: in.Revision, Stage: "planning",
	}}
	if err := b.setup(ctx); err != nil {
		return b.progress, err
	}
	err := b.run(ctx)
	if temporal.IsCanceledError(err) {
		// Superseded: what has not left is taken back.
		detached, _ := workflow.NewDisconnectedContext(ctx)
		b.stage(detached, "stopped")
		return b.progress, firstOf(b.drop(detached), err)
	}
	return b.progress, err
}

func (in *BroadcastInput) validate() error {
	if in.Work == "" {
		if err := required("incident", in.Incident); err != nil {
			return err
		}
	}
	if err := required("event", in.Event); err != nil {
		return err
	}
	if in.Step == "" {
		in.Step = in.Event
	}
	if in.RequireAck && in.RungWait <= 0 {
		return invalid("rungWait: must be given with requireAck: how long each channel is given")
	}
	return nil
}

// subject is what the message is about, as the ledger names it.
func (in *BroadcastInput) subject() string {
	if in.Work != "" {
		return "maintenance/" + in.Work
	}
	return "incident/" + in.Incident
}

type broadcast struct {
	in       BroadcastInput
	progress BroadcastProgress
	stopped  bool
	last     bool // the last channel has opened, and its time is running
}

func (b *broadcast) setup(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress, func() (BroadcastProgress, error) { return b.progress, nil },
		workflow.QueryHandlerOptions{Description: "How far the broadcast is"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryProgress, err)
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateStop, func(ctx workflow.Context, _ StopUpdate) (BroadcastProgress, error) {
		b.stopped = true
		return b.progress, b.drop(ctx)
	}, workflow.UpdateHandlerOptions{Validator: func(u StopUpdate) error { return u.validate() }})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateStop, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateRetarget, func(_ workflow.Context, u RetargetUpdate) (BroadcastProgress, error) {
		b.in.Except = append(b.in.Except, u.Except...)
		return b.progress, nil
	}, workflow.UpdateHandlerOptions{Validator: func(u RetargetUpdate) error {
		if len(u.Except) == 0 {
			return invalid("except: name at least one client to take out")
		}
		return u.validate()
	}})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateRetarget, err)
	}
	if b.in.Incident == "" {
		return nil
	}
	return upsert(ctx, AttrIncident.ValueSet(b.in.Incident))
}

func (b *broadcast) compose() records.ComposeParams {
	return records.ComposeParams{
		Incident: b.in.Incident, Work: b.in.Work, Event: b.in.Event, Step: b.in.Step, Revision: b.in.Revision, Clients: b.in.Clients, Except: b.in.Except,
		OnlyChanged: b.in.OnlyChanged, Unconfirmed: b.in.Unconfirmed, Impacts: b.in.Impacts, Critical: b.in.Critical, Deadline: b.in.Deadline.Std(), NextUpdate: b.in.NextUpdate.Std(),
	}
}

func (b *broadcast) run(ctx workflow.Context) error {
	c, err := compose(ctx, rec.ComposeUpdate, b.compose())
	if err != nil {
		return err
	}
	b.progress.Contacts, b.progress.Plan = c.Contacts, c.Plan
	climb := b.schedule(ctx, c.Plan.Openings)
	for !b.stopped {
		b.count(c)
		refused, err := b.deliver(ctx, c)
		if err != nil {
			return err
		}
		next := records.NextRungParams{Compose: b.compose(), Confirm: b.in.RequireAck}
		switch {
		case b.stopped:
		case refused > 0: // who can't be reached by a channel doesn't wait for the next one
			b.progress.Rung++
		case !b.in.RequireAck:
			return b.end(ctx)
		default:
			open, more, err := b.wait(ctx, climb, c.Quiet > 0)
			if err != nil {
				return err
			}
			if !more {
				return b.end(ctx)
			}
			// The audience may have been changed meanwhile.
			next.Unacknowledged, next.Open, next.Compose = true, open, b.compose()
			b.progress.Rung++
		}
		if b.stopped || b.progress.Rung >= maxRungs {
			break
		}
		if c, err = compose(ctx, rec.NextRung, next); err != nil {
			return err
		}
		if len(c.Batches)+len(c.Parts) > 0 {
			continue
		}
		if b.in.RequireAck && (refused > 0 || c.Quiet+c.Waiting > 0) {
			b.progress.Rung-- // nobody climbed now: quiet hours end within a day, and channels open in time
			continue
		}
		b.count(c)
		break
	}
	return b.end(ctx)
}

// end takes back what was written while a stop was done, and finishes.
func (b *broadcast) end(ctx workflow.Context) error {
	if b.stopped {
		if err := b.drop(ctx); err != nil {
			return err
		}
	}
	return b.finish(ctx)
}

// deliver sends one rung and keeps the progress fresh meanwhile. It returns how
// many were refused.
func (b *broadcast) deliver(ctx workflow.Context, c records.Composed) (int, error) {
	before := b.progress
	count := func(ctx workflow.Context, d delivered) {
		b.progress.Accepted, b.progress.Refused, b.progress.Dropped = before.Accepted+d.Accepted, before.Refused+d.Refused, before.Dropped+d.Dropped
		b.stage(ctx, "sending")
	}
	count(ctx, delivered{})
	d, err := deliver(ctx, c, bulk, count)
	return d.Refused, err
}

// finish hands whoever no channel reached to a person: silence is not an answer.
func (b *broadcast) finish(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	if b.stopped {
		b.stage(ctx, "stopped")
		return nil
	}
	b.stage(ctx, "done")
	if b.progress.UnreachableTotal == 0 {
		return nil
	}
	who, err := record[records.Unreached](ctx, rec.StillUnreached, records.UnreachedParams{Subject: b.progress.Subject, Step: b.in.Step, Revision: b.in.Revision, Work: b.in.Work})
	if err != nil || who.Total == 0 {
		return err
	}
	// One task for the same people, however many updates don't reach them. Nothing stops it once it is written: of one that
	// the end of the incident catches half-way nobody would learn whether it has left.
	ctx, release := workflow.NewDisconnectedContext(ctx)
	defer release()
	key := "unreachable/" + who.Digest
	if b.in.Work != "" {
		text := fmt.Sprintf("%s %s could not be told of planned work %s, or did not confirm: tell them by hand, then: vakhta maintenance told %s CLIENT%s",
			form(who.Total, "Client", "Clients"), someOf(who.Names, who.Total), b.in.Work, b.in.Work, listedBy(who, "--work "+b.in.Work))
		return handTask(ctx, b.progress.Subject, key, b.in.Team, text, normal)
	}
	text := fmt.Sprintf("No channel reaches %s about incident %s: tell them by hand%s", someOf(who.Names, who.Total), b.in.Incident, listedBy(who, "--incident "+b.in.Incident))
	if err := noteIncident(ctx, b.in.Incident, key, "task", "vakhta", "", text); err != nil {
		return err
	}
	return handTask(ctx, b.progress.Subject, key, "", text, normal)
}

// listedBy says which command lists them, where a task can't name them all.
func listedBy(who records.Unreached, flag string) string {
	if who.Total <= named {
		return ""
	}
	return ". All of them: vakhta broadcast unreachable " + flag
}

// fewNames is how many of those whom no channel reaches the progress names.
const fewNames = 20

// count adds what a composition could not reach, and who waits for the end of
// his quiet hours. Each rung names anew whom it can't reach.
func (b *broadcast) count(c records.Composed) {
	all := slices.Concat(b.progress.Unreachable, c.Unreachable)
	slices.Sort(all)
	all = slices.Compact(all)
	b.progress.Quiet = c.Quiet
	b.progress.UnreachableTotal = max(b.progress.UnreachableTotal, c.UnreachableTotal, len(all))
	b.progress.Unreachable = all[:min(len(all), fewNames)]
}

func (b *broadcast) drop(ctx workflow.Context) error {
	_, err := record[int](ctx, rec.Drop, records.DropParams{Subject: b.progress.Subject, StepPrefix: b.in.Step})
	return err
}

func (b *broadcast) stage(ctx workflow.Context, stage string) {
	b.progress.Stage = stage
	workflow.SetCurrentDetails(ctx, b.progress.details())
}

// startBroadcast runs a broadcast as a child and waits for it.
func startBroadcast(ctx workflow.Context, in BroadcastInput) (BroadcastProgress, error) {
	var out BroadcastProgress
	err := broadcastChild(ctx, in, 24*time.Hour).Get(ctx, &out)
	return out, err
}

// broadcastChild starts a broadcast as a child, which may take so long.
func broadcastChild(ctx workflow.Context, in BroadcastInput, atMost time.Duration) workflow.ChildWorkflowFuture {
	subject := in.subject()
	return workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:               BroadcastID(subject, in.Step, in.Revision),
		StaticSummary:            fmt.Sprintf("%s, revision %d, of %s", in.Event, in.Revision, strings.Replace(subject, "/", " ", 1)),
		WorkflowExecutionTimeout: atMost,
		WaitForCancellation:      true, // until what has not left is taken back
	}), Broadcast, in)
}
