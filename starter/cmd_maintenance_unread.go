package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/postmortem"
	"vakhta/internal/store"
)

// unread is what is known of those who have not confirmed a work.
type unread struct {
	Work      string                `json:"work"`
	Revision  int                   `json:"revision"`
	StartsAt  time.Time             `json:"startsAt"`
	Clients   int                   `json:"clients"`
	Confirmed int                   `json:"confirmed"`
	ByRung    map[string]int        `json:"byRung"`          // clients by the channel that told them last; "none": nothing has left
	NextAt    time.Time             `json:"nextAt,omitzero"` // when the announcement climbs
	Unread    []maintenance.Waiting `json:"unread"`
}

func newMaintenanceUnreadCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "unread WORK",
		Short: "List the clients who have not confirmed, by what they were told, and what comes next",
		Args:  exactArgs(1, "WORK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withContacts(ctx, func(inv *inventory.Inventory, st *store.Store) error {
				u, err := a.unreadOf(ctx, inv, st, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), u)
				}
				return printUnread(cmd.OutOrStdout(), inv, u, time.Now())
			})
		},
	}
}

func readKept(ctx context.Context, st *store.Store, id string) (maintenance.Work, error) {
	w, err := st.Maintenance(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return w, notFound("there is no planned work %q; vakhta maintenance list shows them", id)
	case err != nil:
		return w, unavailable("%w", err)
	}
	return w, nil
}

func (a *app) unreadOf(ctx context.Context, inv *inventory.Inventory, st *store.Store, id string) (unread, error) {
	cfg, err := a.loadConfig(false)
	if err != nil {
		return unread{}, err
	}
	w, err := readKept(ctx, st, id)
	if err != nil {
		return unread{}, err
	}
	waiting, err := records.New(st, inv, nil, nil, nil, records.Options{Ladders: cfg.Notify.Ladders}).WorkWaiting(ctx, w)
	if err != nil {
		return unread{}, unavailable("%w", err)
	}
	u := unread{Work: w.ID, Revision: w.Revision, StartsAt: w.StartsAt, Clients: len(w.ByClient), Confirmed: len(w.ByClient) - len(waiting), ByRung: map[string]int{}, Unread: waiting}
	for i := range waiting {
		u.ByRung[rungName(&waiting[i])]++
	}
	if w.Status != maintenance.Approved || len(waiting) == 0 {
		return u, nil
	}
	// Without Temporal the list is whole all the same.
	err = a.withTemporal(ctx, func(c client.Client) error {
		u.NextAt = nextRung(ctx, c, w)
		return nil
	})
	return u, errors.Join(ctx.Err(), ignoreAway(err))
}

// ignoreAway forgives that Temporal does not answer.
func ignoreAway(err error) error {
	var exit *exitError
	if errors.As(err, &exit) && exit.code == exitUnavailable {
		return nil
	}
	return err
}

func rungName(w *maintenance.Waiting) string {
	if ch := w.Rung(); ch != "" {
		return string(ch)
	}
	return "none"
}

func printUnread(out io.Writer, inv *inventory.Inventory, u unread, now time.Time) error {
	left := "it began " + local(u.StartsAt)
	if d := u.StartsAt.Sub(now); d > 0 {
		left = fmt.Sprintf("%s left (it begins %s)", postmortem.Span(d.Round(time.Second)), local(u.StartsAt))
	}
	fmt.Fprintf(out, "%d of %d clients have not confirmed revision %d, %s\n", len(u.Unread), u.Clients, u.Revision, left)
	if len(u.Unread) == 0 {
		return nil
	}
	var rungs []string
	for _, ch := range append([]inventory.Channel{"none"}, inventory.Channels...) {
		if n := u.ByRung[string(ch)]; n > 0 {
			rungs = append(rungs, fmt.Sprintf("%s %d", strings.Replace(string(ch), "none", "nothing yet", 1), n))
		}
	}
	fmt.Fprintf(out, "told last by: %s\n", strings.Join(rungs, ", "))
	if !u.NextAt.IsZero() {
		fmt.Fprintf(out, "the next channel opens %s (in %s)\n", local(u.NextAt), postmortem.Span(max(u.NextAt.Sub(now), 0).Round(time.Second)))
	}
	t := newTable(out, "CLIENT", "NAME", "MACHINES", "TOLD BY", "NEXT")
	for i := range u.Unread {
		w := &u.Unread[i]
		name := w.Client
		if c, ok := inv.Client(w.Client); ok {
			name = c.Name
		}
		var told, next []string
		for _, n := range w.Told {
			told = append(told, string(n.Channel)+" "+string(n.State))
		}
		for _, n := range w.Next {
			next = append(next, string(n.Channel)+" "+n.Contact)
		}
		t.row(w.Client, name, fmt.Sprint(w.Machines), strings.Join(told, ", "), strings.Join(next, ", "))
	}
	return t.flush()
}

func newMaintenanceToldCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "told WORK CLIENT",
		Short:   "Say that you told a client yourself: it counts as his confirmation",
		Example: "  vakhta maintenance told feed-b-room-2 acme --by petrov",
		Args:    exactArgs(2, "WORK", "CLIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withContacts(ctx, func(inv *inventory.Inventory, st *store.Store) error {
				if _, err := readKept(ctx, st, args[0]); err != nil {
					return err
				}
				err := records.New(st, inv, nil, nil, nil, records.Options{}).TellWork(ctx, records.ToldParams{Work: args[0], Client: args[1], By: a.act().By})
				if err != nil {
					return a.explain("maintenance "+args[0], err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has been told by %s\n", args[1], a.act().By)
				return err
			})
		},
	}
}
