package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/workflows"
)

func newAckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "ack CODE",
		Short:   "Record an acknowledgement that was said to the desk",
		Long:    "Record an acknowledgement: somebody called the desk and said the six characters\nof his message. What a contact acknowledges twice counts once.",
		Example: "  vakhta ack 7KQ2MD",
		Args:    exactArgs(1, "CODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			var n ledger.Notification
			var first, superseded bool
			err := a.withStore(ctx, func(st *store.Store) (err error) {
				n, first, err = st.Acknowledge(ctx, strings.TrimSpace(args[0]), "desk", time.Now().UTC())
				if errors.Is(err, store.ErrNotFound) {
					return notFound("no message has the code %q; ask again, letter by letter", args[0])
				}
				if err == nil {
					superseded, err = st.Superseded(ctx, n)
				}
				return err
			})
			if err != nil {
				return err
			}
			if err := a.tellEscalation(ctx, n); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "vakhta: recorded; the escalation will see it before it climbs: %v\n", err)
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{
					"notification": n.ID, "contact": n.Contact, "subject": n.Subject, "first": first, "acknowledgedAt": n.AcknowledgedAt, "superseded": superseded,
				})
			}
			word := "acknowledged"
			if !first {
				word = "was acknowledged before, at " + local(n.AcknowledgedAt)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s (%s, %s)\n", n.Contact, word, n.Subject, n.Event)
			if superseded {
				fmt.Fprintln(cmd.OutOrStdout(), "That message is out of date: a newer one has been sent since, and is not confirmed by this. Tell what it says, and ask for its code.")
			}
			return nil
		},
	}
}

// tellEscalation tells the workflow that pages this team; other messages have none.
func (a *app) tellEscalation(ctx context.Context, n ledger.Notification) error {
	inc, ok := strings.CutPrefix(n.Subject, "incident/")
	if !ok || n.Team == "" {
		return nil
	}
	return a.withTemporal(ctx, func(c client.Client) error {
		err := c.SignalWorkflow(ctx, workflows.EscalateID(inc, n.Team), "", workflows.SignalAcknowledged,
			workflows.PageAnswer{Contact: n.Contact, Notification: n.ID, Via: "desk"})
		if err = a.explain("escalation to "+n.Team, err); exitCode(err) == exitNotFound {
			return nil // it is over
		}
		return err
	})
}

func newNotificationsCommand(a *app) *cobra.Command {
	var f store.NotificationFilter
	var inc, state string
	cmd := &cobra.Command{
		Use:     "notifications",
		Short:   "List notifications and what became of them",
		Example: "  vakhta notifications --incident inc-7 --state unknown",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if inc != "" {
				f.Subject = "incident/" + inc
			}
			f.State = ledger.State(state)
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				list, err := st.Notifications(cmd.Context(), f)
				if err != nil {
					return unavailable("read the notifications: %w", err)
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), nonNil(list))
				}
				return printNotifications(cmd.OutOrStdout(), list)
			})
		},
	}
	cmd.AddCommand(newNotificationShowCommand(a), newNotificationSettleCommand(a))
	flags := cmd.Flags()
	flags.StringVar(&inc, "incident", "", "only those of this incident")
	flags.StringVar(&f.Subject, "subject", "", "only those of this subject, such as report/r7")
	flags.StringVar(&state, "state", "", "queued, intent, retry, unknown, accepted, sent, delivered, read, refused, dropped")
	flags.StringVar(&f.Client, "client", "", "only those to this client")
	flags.StringVar(&f.Team, "team", "", "only those to this team")
	flags.StringVar(&f.Contact, "contact", "", "only those to this contact")
	flags.StringVar(&f.Event, "event", "", "only those of this event, such as incident.update")
	flags.IntVar(&f.Limit, "limit", 200, "at most so many")
	return cmd
}
