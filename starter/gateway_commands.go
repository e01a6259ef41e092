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
	"vakhta/internal/store"
	"vakhta/workflows"
)

// said is a command that somebody wrote in a messenger.
type said struct {
	id      string // of the message: a command that is delivered again is done once
	channel inventory.Channel
	chat    string // where
	user    string // by whom: his own address there
	text    string
}

// roomCommands are the updates that can be made from a messenger, and what
// their commands look like.
var roomCommands = map[string]string{
	"/ack": "/ack [INCIDENT]", "/note": "/note [INCIDENT] TEXT", "/eta": "/eta [INCIDENT] 04:30", "/checked": "/checked [INCIDENT] COMPONENT RESULT",
	"/restored": "/restored [INCIDENT] COMPONENTS", "/resolve": "/resolve [INCIDENT] WHY",
}

// obey does what a colleague commands, as an update of the incident in his
// name, and says what came of it. Not handled: it is no command, or comes from
// somebody who is no colleague and is heard as any client is.
func (g *gateway) obey(ctx context.Context, s said) (answer string, handled bool) {
	name, rest, _ := strings.Cut(strings.TrimSpace(s.text), " ")
	name, _, _ = strings.Cut(strings.ToLower(name), "@") // /note@bot, as groups have it
	usage, ok := roomCommands[name]
	if !ok {
		return "", false
	}
	who, linked := g.colleague(s.channel, s.user)
	if !linked {
		if _, room := g.colleague(s.channel, s.chat); !room {
			return "", false
		}
		return fmt.Sprintf("%s is not linked to anybody: write it as a member's address for %s into the inventory", s.user, s.channel), true
	}
	ctx, cancel := context.WithTimeout(ctx, updateWithin)
	defer cancel()
	in, words, err := g.meant(ctx, s, who, strings.Fields(rest))
	if err != nil {
		return err.Error(), true
	}
	update, arg, err := commandOf(name, workflows.Act{By: who.ID, Via: string(s.channel)}, words, zoned(g.now(), who))
	if err != nil {
		return fmt.Sprintf("%v: %s", err, usage), true
	}
	handle, err := g.deps.Flows.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		UpdateID: string(s.channel) + "-" + s.id, WorkflowID: workflows.IncidentID(in), UpdateName: update, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var state workflows.IncidentStatus
	if err == nil {
		err = handle.Get(ctx, &state)
	}
	if err != nil {
		return explained("incident "+in, err).Error(), true
	}
	return "✓ " + in + ": " + incidentLine(state), true
}

// colleague finds the member of a team who has the address.
func (g *gateway) colleague(ch inventory.Channel, addr string) (*inventory.Contact, bool) {
	c, ok := g.deps.Inventory.ContactByAddress(ch, addr)
	return c, ok && c.Client == ""
}

func zoned(now time.Time, who *inventory.Contact) time.Time {
	if zone, err := time.LoadLocation(who.TimeZone); err == nil {
		return now.In(zone)
	}
	return now
}

// meant finds the incident that a command is about: the one that its first word
// names, by id or by its component, else the last that the sender, or his room, was paged for.
func (g *gateway) meant(ctx context.Context, s said, who *inventory.Contact, words []string) (id string, rest []string, err error) {
	if len(words) > 0 {
		in, err := g.deps.Store.Incident(ctx, words[0])
		if err == nil {
			return in.ID, words[1:], nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return "", nil, err
		}
		open, err := g.deps.Store.Incidents(ctx, store.IncidentFilter{Open: true, Found: words[0]})
		if err != nil {
			return "", nil, err
		}
		if len(open) == 1 && open[0].Status != incident.Resolved {
			return open[0].ID, words[1:], nil
		}
	}
	contacts := []string{who.ID}
	if room, ok := g.colleague(s.channel, s.chat); ok && room.ID != who.ID {
		contacts = append(contacts, room.ID)
	}
	var last time.Time
	for _, contact := range contacts {
		pages, err := g.deps.Store.Notifications(ctx, store.NotificationFilter{Contact: contact, Event: "page", Since: g.now().Add(-72 * time.Hour)})
		if err != nil {
			return "", nil, err
		}
		for _, n := range slices.Backward(pages) {
			if of, ok := strings.CutPrefix(n.Subject, "incident/"); ok && n.CreatedAt.After(last) {
				id, last = of, n.CreatedAt
				break
			}
		}
	}
	if id == "" {
		return "", nil, errors.New("which incident? nobody here was paged lately; name it first")
	}
	return id, words, nil
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
