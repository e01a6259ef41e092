package labtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
)

// room is the team's room and what stands in the incident's thread there, oldest
// first. A thread is what its first message or its topic opened.
func (o *Outage) room(team string) (room *inventory.Room, thread string, items []sandbox.Item) {
	t, ok := o.lab.Estate.Inventory().Team(team)
	if !ok || t.Room == nil {
		return nil, "", nil
	}
	for _, it := range o.lab.Sandbox.Inbox(sandbox.Query{To: t.Room.Address, Channel: string(t.Room.Channel)}) {
		own := it.ID[strings.LastIndexByte(it.ID, '/')+1:]
		if thread == "" && it.Thread == "" && strings.Contains(it.Text, o.Incident) || it.Topic != nil && strings.Contains(it.Topic.Name, o.Incident) {
			thread = own
		}
		if thread != "" && (it.Thread == thread || own == thread) {
			items = append(items, it)
		}
	}
	return t.Room, thread, items
}

// WriteInRoom has a member of a team write a command in the incident's thread.
func (o *Outage) WriteInRoom(team, member, text string) error {
	room, thread, _ := o.room(team)
	if room == nil || thread == "" {
		return fmt.Errorf("the room of %s has no thread of %s", team, o.Incident)
	}
	c := o.lab.Contact(member)
	return o.lab.Sandbox.Write(sandbox.Post{Provider: sandbox.Provider(room.Channel), Room: room.Address, Thread: thread, By: sandbox.Member{ID: c.Addresses[room.Channel], Name: c.Name}, Text: text})
}

// CheckRooms has an engineer write a note in the incident's thread, and waits
// until every room of the teams that were paged has been told that and all that
// people must know of the incident: each line once, in the order of the timeline.
func (o *Outage) CheckRooms(ctx context.Context, teams ...string) error {
	note := "looked at in the room, " + o.Incident
	if err := o.WriteInRoom("emergency", "ivan", "/note "+note); err != nil {
		return err
	}
	var problems []error
	err := Until(ctx, "the rooms to be told of "+o.Incident, func() (bool, error) {
		entries, err := o.lab.Store.Timeline(ctx, "incident/"+o.Incident, 0, 0)
		if err != nil {
			return false, err
		}
		var want []string
		for _, e := range entries {
			if slices.Contains([]string{"page", "restored", "resolved"}, e.Kind) || e.Kind == "note" && e.Actor == "ivan" && e.Via == string(inventory.Telegram) {
				want = append(want, e.Text)
			}
		}
		problems = problems[:0]
		if !slices.Contains(want, note) {
			problems = append(problems, errors.New("the note is not on the timeline"))
		}
		for _, team := range teams {
			problems = append(problems, o.missingInRoom(team, want)...)
		}
		return len(problems) == 0, nil
	})
	if err != nil {
		return errors.Join(append(problems, err)...)
	}
	return nil
}

// missingInRoom says what of the timeline's lines a room lacks, or has otherwise.
func (o *Outage) missingInRoom(team string, want []string) (problems []error) {
	_, thread, items := o.room(team)
	if thread == "" {
		return []error{fmt.Errorf("the room of %s has no thread", team)}
	}
	var told strings.Builder
	topics := 0
	for _, it := range items {
		if it.Topic != nil {
			topics++
		}
		text, again := firstWords(it)
		if !it.Inbound && it.Topic == nil && !(again && strings.Contains(told.String(), text)) {
			told.WriteString(text + "\n")
		}
	}
	if topics > 1 {
		problems = append(problems, fmt.Errorf("the room of %s has %d topics", team, topics))
	}
	last := 0
	for _, line := range want {
		at := strings.Index(told.String(), line)
		switch {
		case at < 0:
			problems = append(problems, fmt.Errorf("the room of %s was not told %q", team, line))
		case at < last:
			problems = append(problems, fmt.Errorf("the room of %s was told %q too early", team, line))
		case strings.Count(told.String(), line) > 1:
			problems = append(problems, fmt.Errorf("the room of %s was told %q %d times", team, line, strings.Count(told.String(), line)))
		}
		last = max(last, at)
	}
	return problems
}
