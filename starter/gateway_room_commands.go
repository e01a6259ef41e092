package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/slack"
	"vakhta/internal/inventory"
)

// slackPatience is how long Slack's request is kept waiting: it gives up after 3 s.
const slackPatience = 2 * time.Second

// whispered is for how long an answer is tried to be given.
const whispered = 5 * time.Second

// asCommand is a text as obey reads it: "!note …" and "note …" are "/note …".
func asCommand(text string) string { return "/" + strings.TrimLeft(text, "!/ ") }

// delivery is the id of a command; one that its provider gave none is a new one.
func delivery(id string) string {
	if strings.HasSuffix(id, "/") {
		return id + rand.Text()
	}
	return id
}

// heeded is what a command came to.
type heeded struct {
	answered

	handled bool
	err     error
}

// heed obeys, however soon the provider hangs up, and says so on a channel.
func (g *gateway) heed(ctx context.Context, s said, then func(context.Context, heeded)) <-chan heeded {
	done := make(chan heeded, 1)
	ctx = context.WithoutCancel(ctx)
	g.obeying.Go(func() {
		var h heeded
		h.answered, h.handled, h.err = g.obey(ctx, s)
		if h.err != nil {
			g.log.Error().Err(h.err).Str("channel", string(s.channel)).Msg("a command is not done")
		}
		done <- h
		if then != nil {
			ctx, cancel := context.WithTimeout(ctx, whispered)
			defer cancel()
			then(ctx, h)
		}
	})
	return done
}

// words are the answer to who must have one.
func (h heeded) words() string {
	switch {
	case h.err != nil:
		return "Not done: Vakhta's store or Temporal is away. Try again in a moment"
	case !h.handled:
		return "That is no command. There are:\n" + commandList()
	}
	return h.text
}

// slackCommand takes a slash command, and answers its giver alone.
func (g *gateway) slackCommand(w http.ResponseWriter, r *http.Request, body []byte) {
	if g.hooks.slack == nil {
		notConfigured(w, slack.Provider)
		return
	}
	c, err := g.hooks.slack.Slash(r, body)
	if err != nil {
		g.callbackFailed(w, slack.Provider, err)
		return
	}
	done := g.heed(r.Context(), g.saidInSlack(c), nil)
	select {
	case h := <-done:
		writeJSON(w, http.StatusOK, slack.Ephemeral(h.words()))
	case <-time.After(slackPatience):
		writeJSON(w, http.StatusOK, slack.Ephemeral("…"))
		g.obeying.Go(func() { g.respondLate(context.WithoutCancel(r.Context()), c, <-done) })
	}
}

// respondLate answers a slash command that took longer than its request waits.
func (g *gateway) respondLate(ctx context.Context, c slack.Command, h heeded) {
	ctx, cancel := context.WithTimeout(ctx, whispered)
	defer cancel()
	if err := g.hooks.slackBot.Respond(ctx, c, h.words()); err != nil {
		g.log.Warn().Err(err).Msg("a command is not answered")
	}
}

func (g *gateway) saidInSlack(c slack.Command) said {
	s := said{id: delivery(c.ID), channel: inventory.Slack, chat: c.Channel, user: c.User, name: c.Name, text: asCommand(c.Text)}
	if c.Thread != "" {
		s.threads = []string{c.Thread}
	}
	return s
}

// slackEvent takes a message of a channel. Slack is answered in time, whatever
// the command takes; what comes again for that is done once.
func (g *gateway) slackEvent(w http.ResponseWriter, r *http.Request, body []byte) {
	if g.hooks.slack == nil {
		notConfigured(w, slack.Provider)
		return
	}
	e, err := g.hooks.slack.Event(r, body)
	switch {
	case err != nil:
		g.callbackFailed(w, slack.Provider, err)
		return
	case e.Challenge != "":
		writeJSON(w, http.StatusOK, map[string]string{"challenge": e.Challenge})
		return
	case e.Command == nil || strings.HasPrefix(e.Command.Text, "!") && !g.teams(e.Command.Channel):
		w.WriteHeader(http.StatusOK)
		return
	}
	c := *e.Command
	done := g.heed(r.Context(), g.saidInSlack(c), func(ctx context.Context, h heeded) {
		if h.err != nil || h.handled && h.text == "" || !h.handled && !g.addressed(c) {
			return
		}
		if err := g.hooks.slackBot.Whisper(ctx, c, h.words()); err != nil {
			g.log.Warn().Err(err).Msg("a command is not answered")
			return
		}
		if h.handled {
			h.heard(ctx)
		}
	})
	select {
	case h := <-done:
		if h.err != nil {
			writeError(w, http.StatusServiceUnavailable, "the command could not be taken; send it again")
			return
		}
	case <-time.After(slackPatience):
	}
	w.WriteHeader(http.StatusOK)
}

// teams says that a channel of Slack is a team's room, or that it is paged there:
// elsewhere an exclamation mark may be meant for somebody else.
func (g *gateway) teams(channel string) bool {
	_, room := g.deps.Inventory.RoomAt(inventory.Slack, channel)
	c, known := g.deps.Inventory.ContactByAddress(inventory.Slack, channel)
	return room || known && c.Client == ""
}

// addressed: whoever writes in an incident's room, or to the app, is told that
// his command is none; in any other channel an exclamation mark is just that.
func (g *gateway) addressed(c slack.Command) bool {
	_, room := g.deps.Inventory.RoomAt(inventory.Slack, c.Channel)
	return !strings.HasPrefix(c.Text, "!") && room
}

// mattermostCommand takes a slash command, and answers its giver alone.
func (g *gateway) mattermostCommand(w http.ResponseWriter, r *http.Request, body []byte) {
	if g.hooks.mattermost == nil || g.hooks.mattermostToken == "" {
		notConfigured(w, mattermost.Provider+"'s slash command")
		return
	}
	c, err := g.hooks.mattermost.Slash(r, body, g.hooks.mattermostToken)
	if err != nil {
		g.callbackFailed(w, mattermost.Provider, err)
		return
	}
	s := said{id: delivery(c.ID), channel: inventory.Mattermost, chat: c.Channel, user: c.User, name: c.Name, text: asCommand(c.Text)}
	if c.Thread != "" {
		s.threads = []string{c.Thread}
	}
	h := <-g.heed(r.Context(), s, nil) // its patience is 30 s, longer than ours
	writeJSON(w, http.StatusOK, mattermost.Ephemeral(h.words()))
}
