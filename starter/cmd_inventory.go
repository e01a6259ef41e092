package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vakhta/internal/inventory"
)

func newInventoryCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "Check and look up what we own and whom we serve",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newInventoryLintCommand(a), newInventoryShowCommand(a), newInventoryDoubtsCommand(a))
	return cmd
}

// inventoryFiles are the named files, else the configuration's.
func (a *app) inventoryFiles(args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	cfg, err := a.loadConfig(false)
	if err != nil {
		return nil, err
	}
	return cfg.Inventory, nil
}

func newInventoryLintCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "lint [FILE...]",
		Short:   "Check inventory documents; problems are file:line:column",
		Example: "  vakhta inventory lint estate.yaml teams.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := a.inventoryFiles(args)
			if err != nil {
				return err
			}
			inv, err := inventory.LoadFiles(files...)
			var wrong *inventory.Error
			if a.json && errors.As(err, &wrong) {
				if err := printJSON(cmd.OutOrStdout(), wrong); err != nil {
					return err
				}
				return refused("inventory has %d problem(s)", len(wrong.Problems)+wrong.More)
			}
			if errors.Is(err, os.ErrNotExist) {
				return notFound("%w", err)
			}
			if err != nil {
				return refused("%w", err)
			}
			warnings := nonNil(inv.Warnings())
			if a.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"problems": []inventory.Problem{}, "warnings": warnings})
			}
			fmt.Fprintln(cmd.OutOrStdout(), "in order: "+inventorySize(inv))
			for _, w := range warnings {
				fmt.Fprintln(cmd.OutOrStdout(), "  warning: "+w)
			}
			return nil
		},
	}
}

func inventorySize(inv *inventory.Inventory) string {
	return fmt.Sprintf("%d components, %d servers, %d sites, %d clients, %d teams",
		len(inv.Components()), len(inv.Servers()), len(inv.Sites()), len(inv.Clients()), len(inv.Teams()))
}

func newInventoryShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show [ID]",
		Short:   "Show a component, client or team; without ID the sizes",
		Example: "  vakhta inventory show msk-r1-k01-u12",
		Args: func(cmd *cobra.Command, args []string) error {
			return exactArgs(min(len(args), 1))(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := a.inventoryFiles(nil)
			if err != nil {
				return err
			}
			inv, err := inventory.LoadFiles(files...)
			if err != nil {
				return refused("%w", err)
			}
			out := cmd.OutOrStdout()
			if len(args) == 0 {
				return showSizes(out, inv, a.json)
			}
			id := args[0]
			if c, ok := inv.Component(id); ok {
				return a.showComponent(out, inv, c)
			}
			if c, ok := inv.Client(id); ok {
				return a.showClient(out, inv, c)
			}
			if t, ok := inv.Team(id); ok {
				return a.showTeam(out, t)
			}
			return notFound("the inventory holds no component, client or team %q", id)
		},
	}
}

func showSizes(out io.Writer, inv *inventory.Inventory, asJSON bool) error {
	if asJSON {
		return printJSON(out, map[string]any{
			"revision": inv.Revision(), "components": len(inv.Components()), "servers": len(inv.Servers()),
			"sites": len(inv.Sites()), "clients": len(inv.Clients()), "teams": len(inv.Teams()),
		})
	}
	fmt.Fprintf(out, "revision %.12s: %s\n\n", inv.Revision(), inventorySize(inv))
	t := newTable(out, "SITE", "NAME", "SERVERS", "VANTAGES")
	for _, s := range inv.Sites() {
		t.row(s.ID, inv.SiteName(s.ID, inventory.English), fmt.Sprint(len(inv.ServersAt(s.ID))), strings.Join(s.Vantages, ", "))
	}
	return t.flush()
}

func (a *app) showComponent(out io.Writer, inv *inventory.Inventory, c *inventory.Component) error {
	if a.json {
		return printJSON(out, c)
	}
	fmt.Fprintf(out, "%s  %s\n", c.ID, inv.Name(c.ID, inventory.English))
	t := newTable(out, "WHAT", "VALUE")
	t.row("kind", c.Kind.Word(inventory.English))
	t.row("place", inv.Place(c.ID, inventory.English))
	if c.Client != "" {
		t.row("client", c.Client)
	}
	if c.Label != "" {
		t.row("label", c.Label)
	}
	for _, group := range c.Needs {
		t.row("needs "+group.Name, strings.Join(group.Members, " or "))
	}
	if p := c.Probe; p.Address != "" {
		t.row("answers", strings.TrimSpace(fmt.Sprintf("%s %v", cmp.Or(map[bool]string{true: "ping"}[p.ICMP], ""), p.TCP)))
	}
	return t.flush()
}

// showClient names a client's contacts and channels; addresses stay in the inventory.
func (a *app) showClient(out io.Writer, inv *inventory.Inventory, c *inventory.Client) error {
	servers := inv.ServersOf(c.ID)
	if a.json {
		return printJSON(out, map[string]any{"id": c.ID, "name": c.Name, "language": c.Language, "timezone": c.TimeZone, "servers": servers})
	}
	fmt.Fprintf(out, "%s  %s, %d servers, writes %s, %s\n", c.ID, c.Name, len(servers), c.Language, c.TimeZone)
	return contactTable(out, c.Contacts)
}

func (a *app) showTeam(out io.Writer, team *inventory.Team) error {
	if a.json {
		return printJSON(out, map[string]any{"id": team.ID, "name": team.Name, "levels": team.Levels, "repeat": team.Repeat})
	}
	fmt.Fprintf(out, "%s  %s, %d levels, climbed again %d times\n", team.ID, team.Name, len(team.Levels), team.Repeat)
	for i, level := range team.Levels {
		fmt.Fprintf(out, "  level %d: %s, %d s to acknowledge\n", i+1, strings.Join(level.Members, ", "), level.AckWithinSeconds)
	}
	return contactTable(out, team.Members)
}

func contactTable(out io.Writer, contacts []inventory.Contact) error {
	t := newTable(out, "CONTACT", "NAME", "LANGUAGE", "TIME ZONE", "CHANNELS")
	for _, c := range contacts {
		var channels []string
		for _, ch := range inventory.Channels {
			if c.Addresses[ch] != "" {
				channels = append(channels, string(ch))
			}
		}
		t.row(c.ID, c.Name, string(c.Language), c.TimeZone, strings.Join(channels, ", "))
	}
	return t.flush()
}
