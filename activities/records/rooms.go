package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// RoomParams name the thread of an incident in a room.
type RoomParams struct {
	Incident string `json:"incident"`
	Room     string `json:"room"`
	Close    bool   `json:"close,omitempty"` // if there is nothing to tell and the incident is resolved
}

// RoomNews is what a thread is to be told next.
type RoomNews struct {
	Send   []string        `json:"send,omitempty"`   // notifications, one after the other
	After  time.Time       `json:"after,omitzero"`   // when the first may leave
	Status incident.Status `json:"status"`           // of the incident
	Closed bool            `json:"closed,omitempty"` // the thread is closed, and stays so for now
	More   bool            `json:"more,omitempty"`   // there may be more than this
}

// roomRates are what one chat bears, of all incidents together: Telegram takes 20
// messages a minute into a group, Slack one a second into a channel.
var roomRates = map[inventory.Channel]ledger.Rate{
	inventory.Telegram:   {PerSecond: 0.25, Burst: 4},
	inventory.Slack:      {PerSecond: 0.8, Burst: 2},
	inventory.Mattermost: {PerSecond: 2, Burst: 4},
}

const (
	// roomDeadline is how old what a room is told may become: a messenger that is
	// dead for longer has no use for it.
	roomDeadline = 24 * time.Hour
	// mirroredAtOnce is how many lines of the timeline are looked at for a message.
	mirroredAtOnce = 200
)

// TellRoom writes what an incident's thread in a room is told next into the
// ledger: what opens it, the timeline's lines since the last time in one message,
// the last words. What was written and is not settled comes first: so the order
// holds whoever dies, and each line is told once.
func (a *Activities) TellRoom(ctx context.Context, p RoomParams) (RoomNews, error) {
	room, ok := a.inv.Room(p.Room)
	if !ok {
		return RoomNews{}, invalid("room: no team of the inventory has the room %q any more", p.Room)
	}
	in, err := a.incident(ctx, p.Incident)
	if err != nil {
		return RoomNews{}, err
	}
	thread, err := a.store.RoomThread(ctx, p.Incident, p.Room)
	if errors.Is(err, store.ErrNotFound) {
		thread, err = a.openThread(ctx, in, room)
	}
	if err != nil {
		return RoomNews{}, err
	}
	if room.Topics && thread.Mirrored == 0 { // whoever made the topic may have died before its first message
		if _, err := a.store.Enqueue(ctx, []ledger.Notification{a.roomOpening(in, room)}, a.now()); err != nil {
			return RoomNews{}, err
		}
	}
	news := RoomNews{Status: in.Status, Closed: thread.Closed%2 == 1 && in.Status == incident.Resolved}
	if news.Send, err = a.unsettled(ctx, in, room); err == nil && len(news.Send) == 0 {
		if news.More, err = a.nextForRoom(ctx, p, in, room, thread); err == nil {
			news.Send, err = a.unsettled(ctx, in, room)
		}
	} else {
		news.More = true
	}
	if errors.Is(err, store.ErrConflict) { // somebody else tells it; the next look finds out what
		return news, nil
	}
	if err != nil || len(news.Send) == 0 {
		return news, err
	}
	news.Closed = false
	grant, err := a.store.Allow(ctx, inventory.RoomContact(room.ID), roomRates[room.Channel], len(news.Send), false, roomDeadline, a.now())
	news.After = grant.First
	return news, err
}

// openThread writes down that there is a thread, with what opens it.
func (a *Activities) openThread(ctx context.Context, in incident.Incident, room *inventory.Room) (store.RoomThread, error) {
	first := a.roomOpening(in, room)
	if room.Topics {
		first.Event, first.Step, first.Body = message.RoomTopic, "room/topic", first.Title
	}
	thread, _, err := a.store.OpenRoomThread(ctx, in.ID, room.ID, first, a.now())
	return thread, err
}

// unsettled are a thread's messages that want to be sent, in their order.
func (a *Activities) unsettled(ctx context.Context, in incident.Incident, room *inventory.Room) ([]string, error) {
	all, err := a.store.Standings(ctx, store.NotificationFilter{Subject: "incident/" + in.ID, Contact: inventory.RoomContact(room.ID)})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(n ledger.Notification) bool {
		return !n.State.Sendable() && n.State != ledger.Intent && n.State != ledger.Unknown
	})
	order := []string{message.RoomTopic, message.RoomOpened, message.RoomTopicReopened, message.RoomLine, message.RoomClosing, message.RoomTopicClosed}
	slices.SortFunc(all, func(x, y ledger.Notification) int {
		return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(slices.Index(order, x.Event), slices.Index(order, y.Event)))
	})
	var ids []string
	for _, n := range all {
		ids = append(ids, n.ID)
	}
	return ids, nil
}

// nextForRoom writes the next message, if there is one; more says that there may
// be another after it.
func (a *Activities) nextForRoom(ctx context.Context, p RoomParams, in incident.Incident, room *inventory.Room, thread store.RoomThread) (more bool, err error) {
	closed := thread.Closed%2 == 1
	if closed && in.Status == incident.Resolved {
		return false, nil
	}
	if closed {
		var again ledger.Notification
		if room.Topics {
			again = a.roomNote(in, room, message.RoomTopicReopened, fmt.Sprintf("room/reopened/%d", thread.Closed), "")
		}
		if err := a.store.CloseRoomThread(ctx, thread, a.now(), again); err != nil {
			return false, err
		}
		thread.Closed++
	}
	told, more, err := a.mirror(ctx, in, room, thread)
	if err != nil || told || !p.Close || in.Status != incident.Resolved {
		return more, err
	}
	if thread, err = a.store.RoomThread(ctx, in.ID, room.ID); err != nil {
		return false, err
	}
	last := []ledger.Notification{a.roomNote(in, room, message.RoomClosing, fmt.Sprintf("room/closing/%d", thread.Closed), message.Closing(in, a.postmortemURL(ctx, in.ID), room.Language))}
	if room.Topics {
		last = append(last, a.roomNote(in, room, message.RoomTopicClosed, fmt.Sprintf("room/closed/%d", thread.Closed), ""))
	}
	return true, a.store.CloseRoomThread(ctx, thread, a.now(), last...)
}

// mirror tells the next lines of the timeline, as many as fit into one message.
// Those that nobody is told only move the mark.
func (a *Activities) mirror(ctx context.Context, in incident.Incident, room *inventory.Room, thread store.RoomThread) (told, more bool, err error) {
	zone, err := time.LoadLocation(room.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	for {
		entries, err := a.store.Timeline(ctx, "incident/"+in.ID, thread.Mirrored, mirroredAtOnce)
		if err != nil || len(entries) == 0 {
			return false, false, err
		}
		slices.SortFunc(entries, func(x, y incident.Entry) int { return cmp.Compare(x.Seq, y.Seq) })
		text, upTo := message.Bundle(entries, a.colleague, zone, a.now())
		var n ledger.Notification
		if text != "" {
			n = a.roomNote(in, room, message.RoomLine, fmt.Sprintf("room/line/%d", upTo), text)
		}
		if err := a.store.Mirror(ctx, thread, upTo, n, a.now()); err != nil {
			return false, false, err
		}
		if text != "" {
			return true, upTo < entries[len(entries)-1].Seq || len(entries) == mirroredAtOnce, nil
		}
		thread.Mirrored = upTo
	}
}

// colleague names who did something, if he is one of ours: a client's people
// are not named in a room.
func (a *Activities) colleague(actor string) string {
	if c, ok := a.inv.Contact(actor); ok {
		if c.Client != "" {
			return "a client"
		}
		return c.Name
	}
	if _, client := a.inv.Client(actor); client || actor == inventory.Itself {
		return ""
	}
	return message.Discreet(actor)
}

func (a *Activities) postmortemURL(ctx context.Context, in string) string {
	if _, err := a.store.Postmortem(ctx, in); err != nil {
		return ""
	}
	return a.opts.PublicURL + "/postmortems/" + in
}

// roomOpening is the thread's first message.
func (a *Activities) roomOpening(in incident.Incident, room *inventory.Room) ledger.Notification {
	o := message.Opening{
		Incident: in.ID, Severity: string(in.Severity), Servers: in.Affected(), Clients: len(in.Clients),
		URL: a.opts.PublicURL + "/incidents/" + in.ID, Channel: room.Channel, Drill: in.Drill,
	}
	o.Finding = strings.TrimSuffix(topology.Describe(a.inv, in.Finding, room.Language), ".")
	if in.Provisional {
		o.Finding = earlyFinding(in, room.Language)
	}
	n := a.roomNote(in, room, message.RoomOpened, "room/opened", message.Discreet(o.Text(room.Language)))
	if !in.Provisional {
		o.Finding = message.Cause(a.inv, in.Finding, room.Language)
	}
	n.Title = message.Discreet(o.Title(room.Language))
	return n
}

// roomNote is a message into a thread. It is critical in the ledger's sense: of
// a hole in the thread nobody would know, of a marked repeat everybody does.
func (a *Activities) roomNote(in incident.Incident, room *inventory.Room, event, step, text string) ledger.Notification {
	return ledger.Notification{
		Subject: "incident/" + in.ID, Event: event, Step: step, Revision: 1, Contact: inventory.RoomContact(room.ID), Team: room.ID,
		Channel: room.Channel, Language: room.Language, Critical: true, Body: text, Deadline: a.now().Add(roomDeadline),
	}
}

// tellRooms has the rooms hear at once that there is news. They look by
// themselves, too: what goes wrong here costs a minute.
func (a *Activities) tellRooms(ctx context.Context, entries []incident.Entry) {
	if a.opts.News == nil || !a.inv.HasRooms() {
		return
	}
	told := map[string]bool{}
	for _, e := range entries {
		in, ok := strings.CutPrefix(e.Subject, "incident/")
		if !ok || told[in] {
			continue
		}
		told[in] = true
		rooms, err := a.store.RoomsOf(ctx, in)
		if err != nil {
			return
		}
		for _, room := range rooms {
			a.opts.News(ctx, in, room)
		}
	}
}
