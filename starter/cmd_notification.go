package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/ledger"
	"vakhta/internal/store"
)

// shownNotification is a notification, its attempts, and what people said of it.
type shownNotification struct {
	Notification ledger.Notification `json:"notification"`
	Attempts     []ledger.Attempt    `json:"attempts"`
	ByHand       []store.ByHand      `json:"byHand,omitempty"`
}

func newNotificationShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a notification, its text and every attempt to send it",
		Args:  exactArgs(1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withStore(ctx, func(st *store.Store) error {
				n, err := st.Notification(ctx, args[0])
				if errors.Is(err, store.ErrNotFound) {
					return notFound("there is no notification %q; vakhta notifications lists them", args[0])
				}
				if err != nil {
					return unavailable("%w", err)
				}
				attempts, err := st.Attempts(ctx, n.ID)
				if err != nil {
					return unavailable("%w", err)
				}
				byHand, err := st.SettledByHand(ctx, n.ID)
				if err != nil {
					return unavailable("%w", err)
				}
				shown := shownNotification{n, nonNil(attempts), byHand}
				if a.json {
					return printJSON(cmd.OutOrStdout(), shown)
				}
				return printNotification(cmd.OutOrStdout(), shown)
			})
		},
	}
}

func printNotification(out io.Writer, shown shownNotification) error {
	n := shown.Notification
	fmt.Fprintf(out, "%s  %s of %s to %s (%s) by %s, rung %d, revision %d\n", n.ID, n.Event, n.Subject, n.Contact, cmp.Or(n.Client, n.Team), n.Channel, n.Rung+1, n.Revision)
	state := string(n.State)
	if n.Class != "" {
		state += ", " + string(n.Class)
	}
	fmt.Fprintf(out, "%s since %s; code %s", state, local(n.UpdatedAt), n.AckCode)
	if !n.AcknowledgedAt.IsZero() {
		fmt.Fprintf(out, ", acknowledged %s by %s", local(n.AcknowledgedAt), n.AcknowledgedVia)
	}
	if !n.Deadline.IsZero() {
		fmt.Fprintf(out, "; old news from %s", local(n.Deadline))
	}
	fmt.Fprintf(out, "\n\n%s\n", strings.TrimSpace(strings.TrimSpace(n.Title)+"\n"+n.Body))
	if len(shown.Attempts) == 0 {
		_, err := fmt.Fprintln(out, "\nno attempt yet")
		return err
	}
	fmt.Fprintln(out)
	t := newTable(out, "TRY", "BEGUN", "SETTLED", "STATE", "CLASS", "PROVIDER", "ITS ID", "STATUS", "CODE", "REPEAT", "REASON")
	for _, at := range shown.Attempts {
		status, repeat := "", ""
		if at.HTTPStatus > 0 {
			status = fmt.Sprint(at.HTTPStatus)
		}
		if at.Repeat {
			repeat = "yes"
		}
		t.row(fmt.Sprint(at.N), local(at.IntentAt), local(at.SettledAt), string(at.State), string(at.Class), at.Provider, at.ProviderID, status, at.Code, repeat, at.Message)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, h := range shown.ByHand {
		its := ""
		if h.ProviderID != "" {
			its = ", the provider calls it " + h.ProviderID
		}
		if _, err := fmt.Fprintf(out, "settled by hand as %s by %s on %s%s\n", h.As, h.By, local(h.At), its); err != nil {
			return err
		}
	}
	return nil
}

func newNotificationSettleCommand(a *app) *cobra.Command {
	var as, providerID string
	cmd := &cobra.Command{
		Use:   "settle ID --as found|resend|give-up",
		Short: "Say by hand what became of a notification that nobody knows the fate of",
		Long: `Say by hand what became of an unknown notification: you have looked into the
provider's console, or asked the recipient.

  found     it arrived, or is on its way: accepted (with --provider-id its receipts find it)
  resend    send it once more, marked as a repeat: only what is critical, and once
  give-up   it did not arrive, and is not sent again: the next rung of the ladder may be tried

What a callback has settled meanwhile stays as it is. The workflow that sends
the notification goes on from there within seconds.`,
		Example: "  vakhta notifications --state unknown\n  vakhta notifications settle n-4f1c… --as found --provider-id SM0123",
		Args:    exactArgs(1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := ledger.Resolution(as)
			switch r {
			case ledger.Found, ledger.Resend, ledger.GiveUp:
			default:
				return usageError("--as %q: say found, resend or give-up", as)
			}
			if providerID != "" && r != ledger.Found {
				return usageError("--provider-id goes with --as found only")
			}
			ctx := cmd.Context()
			return a.withStore(ctx, func(st *store.Store) error {
				before, err := st.Notification(ctx, args[0])
				if errors.Is(err, store.ErrNotFound) {
					return notFound("there is no notification %q; vakhta notifications --state unknown lists those to settle", args[0])
				}
				if err != nil {
					return unavailable("%w", err)
				}
				if before.State != ledger.Unknown {
					return refused("notification %s is %s, not unknown: there is nothing to settle", before.ID, before.State)
				}
				state, err := st.SettleByHand(ctx, before.ID, store.ByHand{As: r, By: a.act().By, At: time.Now().UTC(), ProviderID: providerID})
				if errors.Is(err, store.ErrConflict) {
					return refused("%w", err)
				}
				if err != nil {
					return unavailable("%w", err)
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), map[string]any{"notification": before.ID, "state": state})
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s now\n", before.ID, state)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "found, resend or give-up")
	cmd.Flags().StringVar(&providerID, "provider-id", "", "the provider's id of the message, with --as found")
	return cmd
}
