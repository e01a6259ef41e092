package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// said is a command that somebody wrote in a messenger.
type said struct {
	id      string // of the message: a command that is delivered again is done once
	channel inventory.Channel
	chat    string   // where
	threads []string // in which thread, by ids of messages of which one may be ours
	user    string   // by whom: his own address there
	name    string   // what he is called there
	text    string   // begins with a slash
}

// roomCommands are what can be done from a messenger, and what the commands
// look like. In an incident's thread it need not be named.
var roomCommands = map[string]string{
	"/ack": "/ack [INCIDENT]", "/note": "/note [INCIDENT] TEXT", "/eta": "/eta [INCIDENT] 04:30", "/checked": "/checked [INCIDENT] COMPONENT RESULT",
	"/restored": "/restored [INCIDENT] COMPONENTS", "/resolve": "/resolve [INCIDENT] WHY", "/status": "/status [INCIDENT]", "/link": "/link CODE", "/help": "/help",
}

// answered is what becomes of a command: what its sender is told, and what is
// to be done once he has heard it, so that he hears it once. Nothing is told
// where an earlier delivery was answered.
type answered struct {
	text  string
	heard func(ctx context.Context)
}

func saying(format string, args ...any) answered {
	return answered{text: fmt.Sprintf(format, args...), heard: func(context.Context) {}}
}

// obey does what a colleague commands, as an update of the incident in his
// name, and says what came of it. Not handled: it is no command, or comes from
// somebody who is no colleague and is heard as any client is. An error says that
// nothing was done and that it may come again.
func (g *gateway) obey(ctx context.Context, s said) (answer answered, handled bool, err error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(s.text), " ")
	name, _, _ = strings.Cut(strings.ToLower(name), "@") // /note@bot, as groups have it
	usage, ok := roomCommands[name]
	if !ok {
		return answered{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, updateWithin)
	defer cancel()
	if name == "/link" {
		answer, err = g.link(ctx, s, strings.TrimSpace(rest))
		return answer, true, err
	}
	who, linked, err := g.colleague(ctx, s.channel, s.user)
	if err != nil {
		return answered{}, true, err
	}
	if !linked {
		return saying("%s", g.strangerHere(s)), g.ourRoom(s), nil
	}
	if name == "/help" {
		return saying("%s", commandList()), true, nil
	}
	in, words, err := g.meant(ctx, s, who, strings.Fields(rest))
	if errors.Is(err, errWhich) {
		return saying("%v", err), true, nil
	}
	if err != nil {
		return answered{}, true, err
	}
	if name == "/status" {
		return g.stands(ctx, in), true, nil
	}
	update, arg, err := commandOf(name, workflows.Act{By: who.ID, Via: string(s.channel)}, words, zoned(g.now(), who))
	if err != nil {
		return saying("%v: %s", err, usage), true, nil
	}
	answer, err = g.command(ctx, s, in, update, arg)
	return answer, true, err
}

// command makes the update of a command, once however often it is delivered.
func (g *gateway) command(ctx context.Context, s said, in, update string, arg any) (answered, error) {
	id := string(s.channel) + "-" + s.id
	in, done, err := g.deps.Store.PinCommand(ctx, id, in, g.now().UTC())
	if err != nil || done {
		return answered{}, err
	}
	heard := func(ctx context.Context) {
		if err := g.deps.Store.CommandAnswered(ctx, id, g.now().UTC()); err != nil {
			g.log.Warn().Err(err).Msg("a command may be answered twice")
		}
	}
	handle, err := g.deps.Flows.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		UpdateID: id, WorkflowID: workflows.IncidentID(in), UpdateName: update, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var state workflows.IncidentStatus
	if err == nil {
		err = handle.Get(ctx, &state)
	}
	if err != nil {
		return answered{text: explained("incident "+in, err).Error(), heard: heard}, nil
	}
	return answered{text: "✓ " + in + ": " + strings.TrimPrefix(incidentLine(state), in+": "), heard: heard}, nil
}

// stands says where an incident stands.
func (g *gateway) stands(ctx context.Context, in string) answered {
	var state workflows.IncidentStatus
	value, err := g.deps.Flows.QueryWorkflow(ctx, workflows.IncidentID(in), "", workflows.QueryStatus)
	if err == nil {
		err = value.Get(&state)
	}
	if err != nil {
		return saying("%v", explained("incident "+in, err))
	}
	return saying("%s", incidentLine(state))
}

func commandList() string {
	list := make([]string, 0, len(roomCommands))
	for _, usage := range roomCommands {
		list = append(list, usage)
	}
	slices.Sort(list)
	return strings.Join(list, "\n") + "\nIn an incident's thread leave INCIDENT out."
}

// colleague finds the member of a team whose account it is: by his address
// in the inventory, or because he linked it.
func (g *gateway) colleague(ctx context.Context, ch inventory.Channel, account string) (*inventory.Contact, bool, error) {
	if c, ok := g.deps.Inventory.ContactByAddress(ch, account); ok {
		return c, c.Client == "", nil
	}
	id, err := g.deps.Store.AccountOf(ctx, ch, account)
	if err != nil || id == "" {
		return nil, false, err
	}
	c, ok := g.deps.Inventory.Contact(id)
	return c, ok && c.Client == "", nil
}

// ourRoom says that a chat is a team's: who commands there is no client.
func (g *gateway) ourRoom(s said) bool {
	if _, room := g.deps.Inventory.RoomAt(s.channel, s.chat); room || s.channel != inventory.Telegram {
		return true
	}
	c, ok := g.deps.Inventory.ContactByAddress(s.channel, s.chat)
	return ok && c.Client == ""
}

// strangerHere tells somebody how he becomes known.
func (g *gateway) strangerHere(s said) string {
	send := "/vakhta link CODE"
	if s.channel == inventory.Telegram {
		send = "/link CODE"
	}
	return fmt.Sprintf("%s is not linked to anybody: run `vakhta oncall link YOU` and send its code with %s, or write the account as a member's address for %s into the inventory",
		cmp.Or(s.user, "this account"), send, s.channel)
}

// link links the sender's account to whom the code was given.
func (g *gateway) link(ctx context.Context, s said, code string) (answered, error) {
	who, err := g.deps.Store.LinkAccount(ctx, strings.ToUpper(code), s.channel, s.user, g.now().UTC())
	if errors.Is(err, store.ErrNotFound) {
		return saying("This code is not known, or was used, or its time is over: `vakhta oncall link YOU` makes a new one"), nil
	}
	if err != nil {
		return answered{}, err
	}
	g.log.Info().Str("contact", who).Str("channel", string(s.channel)).Msg("an account was linked")
	return saying("✓ You are %s here from now on", g.personOf(who)), nil
}

func zoned(now time.Time, who *inventory.Contact) time.Time {
	if zone, err := time.LoadLocation(who.TimeZone); err == nil {
		return now.In(zone)
	}
	return now
}

var errWhich = errors.New("which incident? nobody here was paged lately; name it first")

// meant finds the incident that a command is about: the one in whose thread it
// was written, or that its first word names, by id or by its component, else the
// last that the sender, or his room, was paged for.
func (g *gateway) meant(ctx context.Context, s said, who *inventory.Contact, words []string) (id string, rest []string, err error) {
	room, isRoom := g.deps.Inventory.RoomAt(s.channel, s.chat)
	if isRoom {
		if id, err = g.deps.Store.IncidentOfThread(ctx, room.ID, s.threads); err != nil {
			return "", nil, err
		}
		if id != "" {
			if len(words) > 0 && words[0] == id {
				words = words[1:]
			}
			return id, words, nil
		}
	}
	if len(words) > 0 {
		if id, err = g.named(ctx, words[0]); err != nil || id != "" {
			return id, words[1:], err
		}
	}
	asked := []store.NotificationFilter{{Contact: who.ID, Event: "page"}}
	if c, ok := g.deps.Inventory.ContactByAddress(s.channel, s.chat); ok && c.Client == "" && c.ID != who.ID {
		asked = append(asked, store.NotificationFilter{Contact: c.ID, Event: "page"})
	}
	if isRoom {
		asked = append(asked, store.NotificationFilter{Contact: inventory.RoomContact(room.ID), Event: message.RoomOpened})
	}
	id, err = g.lastOf(ctx, asked)
	if err == nil && id == "" {
		err = errWhich
	}
	return id, words, err
}

// named is the incident that a word names: by its id, or the component of an open one.
func (g *gateway) named(ctx context.Context, word string) (string, error) {
	in, err := g.deps.Store.Incident(ctx, word)
	if err == nil {
		return in.ID, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	open, err := g.deps.Store.Incidents(ctx, store.IncidentFilter{Open: true, Found: word})
	if err == nil && len(open) == 1 && open[0].Status != incident.Resolved {
		return open[0].ID, nil
	}
	return "", err
}

// lastOf is the incident of the latest of the messages asked for.
func (g *gateway) lastOf(ctx context.Context, asked []store.NotificationFilter) (id string, err error) {
	var last time.Time
	for _, f := range asked {
		f.Since = g.now().Add(-72 * time.Hour)
		pages, err := g.deps.Store.Notifications(ctx, f)
		if err != nil {
			return "", err
		}
		for _, n := range slices.Backward(pages) {
			if of, ok := strings.CutPrefix(n.Subject, "incident/"); ok && n.CreatedAt.After(last) {
				id, last = of, n.CreatedAt
				break
			}
		}
	}
	return id, nil
}

var errTooShort = errors.New("something is missing")

// commandOf makes the update of a command.
func commandOf(name string, act workflows.Act, words []string, now time.Time) (update string, arg any, err error) {
	text := strings.Join(words, " ")
	if text == "" && name != "/ack" {
		return "", nil, errTooShort
	}
	switch name {
	case "/ack":
		return workflows.UpdateAcknowledge, workflows.AcknowledgeUpdate{Act: act}, nil
	case "/note":
		return workflows.UpdateNote, workflows.NoteUpdate{Act: act, Text: text}, nil
	case "/eta":
		at, err := parseInstant(words[len(words)-1], now)
		return workflows.UpdateSetETA, workflows.SetETAUpdate{Act: act, At: at}, err
	case "/checked":
		if len(words) < 2 {
			return "", nil, errTooShort
		}
		return workflows.UpdateChecked, workflows.CheckedUpdate{Act: act, Component: words[0], Result: strings.Join(words[1:], " ")}, nil
	case "/restored":
		return workflows.UpdateRestored, workflows.RestoredUpdate{Act: act, Components: splitList(text)}, nil
	default:
		return workflows.UpdateResolve, workflows.ResolveUpdate{Act: act, Reason: cmp.Or(text, "said in the room")}, nil
	}
}
