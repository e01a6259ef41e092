package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
)

func newContactCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "contact",
		Short: "See and say which addresses nothing is sent to any more",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newContactBarredCommand(a), newContactBarCommand(a), newContactUnbarCommand(a))
	return cmd
}

// shownBar is a barred address as the command line shows it: without the address.
type shownBar struct {
	ledger.Barred
	Client  string `json:"client,omitempty"`
	Current bool   `json:"current"` // the inventory still names this address
	Left    int    `json:"left"`    // channels of the contact that are still open
}

func newContactBarredCommand(a *app) *cobra.Command {
	var contact string
	cmd := &cobra.Command{
		Use:   "barred",
		Short: "List dead addresses and opt-outs",
		Long: `List the addresses to which nothing is sent: a provider said that there is nobody
(dead), or their owner wants nothing more (opted-out). An entry is over when the
inventory names another address. A contact of whom no channel is left needs one.`,
		Example: "  vakhta contact barred\n  vakhta contact barred --contact acme-duty --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return a.withContacts(ctx, func(inv *inventory.Inventory, st *store.Store) error {
				all, err := st.Barred(ctx, contact)
				if err != nil {
					return unavailable("%w", err)
				}
				shown := showBars(inv, all)
				if a.json {
					return printJSON(cmd.OutOrStdout(), nonNil(shown))
				}
				return printBars(cmd.OutOrStdout(), shown)
			})
		},
	}
	cmd.Flags().StringVar(&contact, "contact", "", "only this contact's")
	return cmd
}

func showBars(inv *inventory.Inventory, all []ledger.Barred) []shownBar {
	holds := func(b ledger.Barred) bool { return b.Address != "" && inv.Address(b.Contact, b.Channel) == b.Address }
	var out []shownBar
	for _, b := range all {
		s := shownBar{Barred: b, Current: holds(b)}
		if c, ok := inv.Contact(b.Contact); ok {
			s.Client = c.Client
			for ch := range c.Addresses {
				if !slices.ContainsFunc(all, func(o ledger.Barred) bool { return o.Contact == c.ID && o.Channel == ch && holds(o) }) {
					s.Left++
				}
			}
		}
		out = append(out, s)
	}
	return out
}

func printBars(out io.Writer, all []shownBar) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "no address is barred")
		return err
	}
	t := newTable(out, "CONTACT", "OF", "CHANNEL", "WHY", "SAID BY", "CODE", "SINCE", "STILL HIS", "OTHER CHANNELS")
	for _, b := range all {
		his, left := "yes", fmt.Sprint(b.Left)
		if !b.Current {
			his = "no: over"
		}
		if b.Left == 0 {
			left = "none: find one"
		}
		t.row(b.Contact, b.Client, string(b.Channel), string(b.Bar), b.Provider, b.Code, local(b.Since), his, left)
	}
	return t.flush()
}

func newContactBarCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "bar CONTACT CHANNEL",
		Short:   "Send nothing more to a contact by a channel: he asked for it",
		Example: "  vakhta contact bar acme-duty sms",
		Args:    exactArgs(2, "CONTACT", "CHANNEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withContacts(ctx, func(inv *inventory.Inventory, st *store.Store) error {
				address, err := addressOf(inv, args[0], args[1])
				if err != nil {
					return err
				}
				err = st.Bar(ctx, ledger.Barred{
					Contact: args[0], Channel: inventory.Channel(args[1]), Bar: ledger.BarOptedOut, Provider: a.act().By, Since: time.Now().UTC(), Address: address,
				})
				if err != nil {
					return unavailable("%w", err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s gets nothing more by %s\n", args[0], args[1])
				return err
			})
		},
	}
}

func newContactUnbarCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "unbar CONTACT CHANNEL",
		Short:   "Use an address again: it lives, or its owner has changed his mind",
		Example: "  vakhta contact unbar acme-duty email",
		Args:    exactArgs(2, "CONTACT", "CHANNEL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withStore(ctx, func(st *store.Store) error {
				was, err := st.Unbar(ctx, args[0], inventory.Channel(args[1]))
				if err != nil {
					return unavailable("%w", err)
				}
				if !was {
					return notFound("contact %q has no barred %s address; see vakhta contact barred", args[0], args[1])
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is reached by %s again\n", args[0], args[1])
				return err
			})
		},
	}
}

// addressOf is a contact's address at a channel.
func addressOf(inv *inventory.Inventory, contact, channel string) (string, error) {
	c, ok := inv.Contact(contact)
	if !ok {
		return "", notFound("the inventory has no contact %q", contact)
	}
	address := c.Addresses[inventory.Channel(channel)]
	if address == "" {
		return "", notFound("contact %s has no address for channel %q; he has %s", contact, channel, cmp.Or(channelsOf(c), "none"))
	}
	return address, nil
}

func channelsOf(c *inventory.Contact) string {
	var names string
	for i, ch := range c.Urgent() {
		if i > 0 {
			names += ", "
		}
		names += string(ch)
	}
	return names
}

// withContacts opens the inventory and the store for one task.
func (a *app) withContacts(ctx context.Context, do func(*inventory.Inventory, *store.Store) error) error {
	cfg, err := a.loadConfig(false)
	if err != nil {
		return err
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(st *store.Store) error { return do(inv, st) })
}

func newResealCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reseal",
		Short: "Encrypt the stored addresses with the first data key",
		Long: `Encrypt every stored address that is in the clear or under another key with the
first of dataKeys. To replace a key: put the new one first and keep the old one
behind it, restart gateway and workers, run this, then take the old one away.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return a.withStore(ctx, func(st *store.Store) error {
				n, err := st.Reseal(ctx, func(done int) { fmt.Fprintf(cmd.ErrOrStderr(), "\r%d addresses encrypted", done) })
				if err != nil {
					return unavailable("%w", err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "\r%d addresses encrypted; all of them are under the first key now\n", n)
				return err
			})
		},
	}
}
