package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/notify"
	"vakhta/activities/records"
	"vakhta/internal/incident"
)

// WarRoomInput starts WarRoom.
type WarRoomInput struct {
	Incident string `json:"incident"`
	Room     string `json:"room"` // of the first team that names it
	// Told and Lost are the state over continue-as-new.
	Told int  `json:"told,omitempty"`
	Lost bool `json:"lost,omitempty"`
}

// WarRoomStatus is where an incident's thread stands.
type WarRoomStatus struct {
	Incident string `json:"incident"`
	Room     string `json:"room"`
	State    string `json:"state"` // opening, open, waiting for the messenger, closed, lost
	Told     int    `json:"told"`  // messages
}

// The states of an incident's thread.
const (
	roomOpening = "opening"
	roomOpen    = "open"
	roomWaiting = "waiting for the messenger"
	roomClosed  = "closed"
	roomLost    = "lost" // the messenger refused what opens it
)

const (
	// roomPause lets lines that come together go together.
	roomPause = 1500 * time.Millisecond
	// roomLook and roomLookMax are how often the timeline is looked at where
	// nobody said that there is news, at first and when it has been quiet.
	roomLook, roomLookMax = time.Minute, 10 * time.Minute
	// roomQuiet is how long after the resolution there must be no news before the
	// last words are said.
	roomQuiet = time.Minute
	// roomAbandoned is how long an incident that isn't resolved may show no news
	// before its thread is left alone; an escalation comes back to it.
	roomAbandoned = 7 * 24 * time.Hour
)

// WarRoom opens an incident's thread in a team's room, tells it what happens as
// the timeline has it, and closes it when the incident is resolved. It holds
// nothing: what was told stands in the store, and it may begin again at any time.
func WarRoom(ctx workflow.Context, in WarRoomInput) (WarRoomStatus, error) {
	w := &warRoom{in: in, status: WarRoomStatus{Incident: in.Incident, Room: in.Room, State: roomOpening, Told: in.Told}}
	if err := required("incident", in.Incident, "room", in.Room); err != nil {
		return w.status, err
	}
	if err := w.setup(ctx); err != nil {
		return w.status, err
	}
	return w.status, w.run(ctx)
}

type warRoom struct {
	in     WarRoomInput
	status WarRoomStatus
}

// heard takes what says that there is news. No coroutine does: at the end
// nothing may be left that was received and not looked after.
func (w *warRoom) heard(ctx workflow.Context) (any bool) {
	for c := workflow.GetSignalChannel(ctx, SignalNews); c.ReceiveAsync(nil); {
		any = true
	}
	return any
}

func (w *warRoom) setup(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (WarRoomStatus, error) { return w.status, nil },
		workflow.QueryHandlerOptions{Description: "What the thread was told"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryStatus, err)
	}
	return upsert(ctx, AttrIncident.ValueSet(w.in.Incident), AttrStatus.ValueSet(w.status.State))
}

func (w *warRoom) run(ctx workflow.Context) error {
	quiet, look := time.Duration(0), roomLook
	signals := workflow.GetSignalChannel(ctx, SignalNews)
	for {
		w.heard(ctx)
		news, told, err := w.tell(ctx, records.RoomParams{Incident: w.in.Incident, Room: w.in.Room, Close: quiet >= roomQuiet})
		if err != nil || w.status.State == roomLost {
			return err
		}
		over := news.Closed || news.Status != incident.Resolved && quiet >= roomAbandoned
		switch {
		case signals.Len() > 0:
		case over:
			return w.stands(ctx, roomClosed)
		case told && news.More:
			quiet, look = 0, roomLook
			continue
		case told:
			quiet, look = 0, roomLook
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			next := w.in
			next.Told = w.status.Told
			return workflow.NewContinueAsNewError(ctx, WarRoom, next)
		}
		if news.Status == incident.Resolved {
			look = roomQuiet
		}
		heard, err := workflow.AwaitWithTimeout(ctx, look, func() bool { return signals.Len() > 0 })
		if err != nil {
			return err
		}
		if heard {
			quiet, look = 0, roomLook
			err = workflow.Sleep(ctx, roomPause)
		} else {
			quiet, look = quiet+look, min(2*look, roomLookMax)
		}
		if err != nil {
			return err
		}
	}
}

// tell has the thread told what is next, one message after the other, each by
// the ledger and its retries. While the messenger is away this waits, and nothing
// else does.
func (w *warRoom) tell(ctx workflow.Context, p records.RoomParams) (news records.RoomNews, told bool, err error) {
	news, err = recordHere[records.RoomNews](ctx, rec.TellRoom, p)
	if err != nil || len(news.Send) == 0 {
		return news, false, err
	}
	if w.status.State != roomOpening {
		err = w.stands(ctx, roomWaiting)
	}
	if wait := news.After.Sub(workflow.Now(ctx)); err == nil && wait > 0 {
		err = workflow.Sleep(ctx, wait)
	}
	if err != nil {
		return news, false, err
	}
	for _, id := range news.Send {
		var r notify.DeliverResult
		if err := workflow.ExecuteActivity(withDelivery(ctx, normal), send.Deliver, notify.SendBatchParams{IDs: []string{id}}).Get(ctx, &r); err != nil {
			return news, false, err
		}
		w.status.Told += r.Accepted
		if r.Refused > 0 {
			if lost, err := w.refused(ctx); err != nil || lost {
				return news, false, err
			}
		}
	}
	return news, true, w.stands(ctx, roomOpen)
}

// refused says on the timeline, once, that the messenger doesn't take what the
// room is told. Without a thread there is nothing more to tell.
func (w *warRoom) refused(ctx workflow.Context) (lost bool, err error) {
	if lost = w.status.Told == 0; lost {
		if err := w.stands(ctx, roomLost); err != nil {
			return true, err
		}
	}
	if w.in.Lost {
		return lost, nil
	}
	w.in.Lost = true
	text := fmt.Sprintf("The room of team %s can't be written to: its messenger refuses; vakhta notifications --incident %s says why", w.in.Room, w.in.Incident)
	return lost, noteIncident(ctx, w.in.Incident, "room/"+w.in.Room+"/refused", "room", "vakhta", "", text)
}

// stands shows where the thread stands.
func (w *warRoom) stands(ctx workflow.Context, state string) error {
	w.status.State = state
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Incident `%s` in the room of team `%s`: **%s**, %d messages", w.in.Incident, w.in.Room, state, w.status.Told))
	if state == roomWaiting || state == roomOpen {
		return nil // changes with each message
	}
	return upsert(ctx, AttrStatus.ValueSet(state))
}

// gather has the incident's thread in the team's room opened, or told that the
// incident is alive again. It holds nothing up.
func (e *escalation) gather(ctx workflow.Context) {
	if e.team.Room == nil || e.in.Carry != nil {
		return
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	id := WarRoomID(e.in.Incident, e.team.Room.ID)
	for range 3 {
		err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
			WorkflowID: id, TaskQueue: QueueRunbooks, ParentClosePolicy: abandon, StaticSummary: fmt.Sprintf("Incident %s in the room of team %s", e.in.Incident, e.team.Room.ID),
		}), WarRoom, WarRoomInput{Incident: e.in.Incident, Room: e.team.Room.ID}).GetChildWorkflowExecution().Get(ctx, nil)
		if alreadyStarted(err) { // another team shares the room, or it still tells the last of an earlier run
			err = workflow.SignalExternalWorkflow(ctx, id, "", SignalNews, nil).Get(ctx, nil)
		}
		var over *temporal.UnknownExternalWorkflowExecutionError
		if errors.As(err, &over) {
			continue // it ended just now
		}
		if err != nil {
			workflow.GetLogger(ctx).Error("A room is not told of an incident", "incident", e.in.Incident, "team", e.in.Team, "error", err)
		}
		return
	}
}
