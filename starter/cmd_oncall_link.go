package main

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/inventory"
	"vakhta/internal/store"
)

// linkWithin is how long a code to link an account is good for.
const linkWithin = 15 * time.Minute

// linkCode is a code of 50 bits: nobody guesses it in a quarter of an hour.
func linkCode() string { return rand.Text()[:10] }

func newOncallLinkCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "link PERSON",
		Short: "Make a code by which somebody links his account in a messenger",
		Long: `Make a code, good once and for a quarter of an hour, by which a member of a team
links his account in Telegram, Slack or Mattermost: he sends "link CODE" as a command. What he
commands there is done in his name then. One makes it for himself; a manager, for others.`,
		Example: "  vakhta oncall link vera",
		Args:    exactArgs(1, "PERSON"),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := a.linkable(args[0])
			if err != nil {
				return err
			}
			code := linkCode()
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				until := time.Now().Add(linkWithin)
				if err := st.PutAccountCode(cmd.Context(), code, who.ID, until); err != nil {
					return unavailable("%w", err)
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), map[string]any{"person": who.ID, "code": code, "until": until.UTC()})
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), `%s until %s, once. As %s send it
  to the bot in Telegram       /link %[1]s
  in any channel of Slack      /vakhta link %[1]s
  in any channel of Mattermost /vakhta link %[1]s
`, code, until.Local().Format("15:04"), who.Name)
				return err
			})
		},
	}
}

// linkable is the member of a team for whom a code may be made, or whose accounts unlinked.
func (a *app) linkable(person string) (*inventory.Contact, error) {
	cfg, err := a.loadConfig(false)
	if err != nil {
		return nil, err
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return nil, err
	}
	who, ok := inv.Contact(person)
	if !ok || who.Client != "" {
		return nil, notFound("no team of the inventory has a member %q", person)
	}
	if by := a.act().By; by != person {
		if err := inv.May(by, inventory.Manager); err != nil {
			return nil, refused("%w; or say --by %s if you are", err, person)
		}
	}
	return who, nil
}

func newOncallLinksCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "links", Short: "List the accounts that are linked", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				all, err := st.Accounts(cmd.Context())
				if err != nil {
					return unavailable("%w", err)
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), nonNil(all))
				}
				t := newTable(cmd.OutOrStdout(), "PERSON", "MESSENGER", "ACCOUNT", "SINCE")
				for _, l := range all {
					t.row(l.Contact, string(l.Channel), l.Name, l.LinkedAt.Local().Format("2006-01-02 15:04"))
				}
				return t.flush()
			})
		},
	}
}

func newOncallUnlinkCommand(a *app) *cobra.Command {
	var channel string
	cmd := &cobra.Command{
		Use: "unlink PERSON", Short: "Unlink somebody's accounts", Args: exactArgs(1, "PERSON"),
		Example: "  vakhta oncall unlink vera --channel slack",
		RunE: func(cmd *cobra.Command, args []string) error {
			if channel != "" && !slices.Contains([]string{"telegram", "slack", "mattermost"}, channel) {
				return usageError("--channel: %q is none of telegram, slack, mattermost", channel)
			}
			who, err := a.linkable(args[0])
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				n, err := st.UnlinkAccounts(cmd.Context(), who.ID, inventory.Channel(channel))
				if err != nil {
					return unavailable("%w", err)
				}
				if n == 0 {
					return notFound("%s has no linked account in %s", who.ID, cmp.Or(channel, "any messenger"))
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d unlinked\n", n)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "", "only in telegram, slack or mattermost")
	return cmd
}
