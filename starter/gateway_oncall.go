package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/acklink"
	"vakhta/internal/roster"
)

// turns are the turns of everybody, for the page.
func (g *gateway) turns(ctx context.Context, from, to time.Time) ([]roster.Turn, error) {
	o, err := g.deps.Store.Overrides(ctx, from)
	if err != nil {
		return nil, err
	}
	return roster.Turns(g.deps.Inventory, o, from, to), nil
}

// What a feed holds: calendar programs drop what it doesn't name any more.
const (
	feedBehind = 31 * 24 * time.Hour
	feedAhead  = 180 * 24 * time.Hour
)

// oncallFeed answers a person's turns as iCalendar to whoever holds his link.
// It begins with a month's first day, so that the turns in it keep their UIDs.
func (g *gateway) oncallFeed(w http.ResponseWriter, r *http.Request) {
	token, isFeed := strings.CutSuffix(r.PathValue("token"), ".ics")
	person, err := acklink.Parse(token)
	if !isFeed || err != nil || g.signer.Verify(token, person, feedFor) != nil {
		writeError(w, http.StatusNotFound, "there is no such calendar; ask for the link again: vakhta oncall feed PERSON")
		return
	}
	if c, ok := g.deps.Inventory.Contact(person); !ok || c.Client != "" {
		writeError(w, http.StatusNotFound, "this person is a member of no team any more")
		return
	}
	now := g.now().UTC()
	first := now.Add(-feedBehind)
	first = time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC)
	turns, err := g.turns(r.Context(), first, now.Add(feedAhead))
	if err != nil {
		g.log.Error().Err(err).Msg("calendar not read")
		writeError(w, http.StatusServiceUnavailable, "the calendar could not be read; try again")
		return
	}
	w.Header().Set("Content-Type", "text/calendar; charset=utf-8")
	w.Header().Set("Cache-Control", "private, max-age=300")
	_, _ = w.Write(roster.ICS(roster.OfPerson(turns, person), g.deps.Inventory.Names().Person, now))
}

// feedFor stands where an acknowledgement's token has its contact: no contact's id begins so.
const feedFor = "\x00calendar"

// feedURL is the address of a person's calendar.
func feedURL(s acklink.Signer, public, person string) string {
	return strings.TrimRight(public, "/") + "/oncall/" + s.Sign(person, feedFor) + ".ics"
}

func newOncallFeedCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "feed PERSON",
		Short:   "Print the link of somebody's calendar, for his calendar program",
		Example: "  vakhta oncall feed vera",
		Args:    exactArgs(1, "PERSON"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.loadConfig(true)
			if err != nil {
				return err
			}
			inv, err := loadInventory(cfg)
			if err != nil {
				return err
			}
			if c, ok := inv.Contact(args[0]); !ok || c.Client != "" {
				return notFound("%s is a member of no team", args[0])
			}
			signer, err := acklink.NewSigner(cfg.LinkSecret.Reveal())
			if err != nil {
				return refused("linkSecret: %w", err)
			}
			_, err = cmd.OutOrStdout().Write([]byte(feedURL(signer, cfg.PublicURL, args[0]) + "\n"))
			return err
		},
	}
}
