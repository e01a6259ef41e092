package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vakhta/internal/inventory"
	"vakhta/internal/maintnote"
	"vakhta/internal/store"
	"vakhta/workflows"
)

func newMaintenanceImportCommand(a *app) *cobra.Command {
	var components string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make a draft of an upstream's MAINTNOTE (.ics, or a mail that carries one)",
		Long: `Make a draft of an upstream's notice: a MAINTNOTE calendar, or the mail (.eml)
that carries one. Its components are guessed from the notice's object ids; an
engineer looks at it and approves it. A later notice of the same work moves the
draft; once that is approved, it is a task for its owner.`,
		Example: "  vakhta maintenance import notice.eml\n  vakhta maintenance import notice.ics --components msk-uplink-1",
		Args:    exactArgs(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if errors.Is(err, os.ErrNotExist) {
				return notFound("%w", err)
			}
			if err != nil {
				return err
			}
			all, err := maintnote.Read(text)
			if err != nil {
				return refused("%s: %w", args[0], err)
			}
			ctx := cmd.Context()
			return a.withContacts(ctx, func(inv *inventory.Inventory, st *store.Store) error {
				if err := inv.May(a.act().By, workflows.NeedsToPlan); err != nil {
					return refused("notice: %w", err)
				}
				return a.withTemporal(ctx, func(c client.Client) error {
					var out []noticeTaken
					for _, n := range all {
						taken, err := notices{c, st, inv}.take(ctx, n, splitList(components)...)
						if err != nil {
							return a.explain("notice "+n.Maintenance, err)
						}
						out = append(out, taken)
					}
					if a.json {
						return printJSON(cmd.OutOrStdout(), out)
					}
					return printNotices(cmd, out)
				})
			})
		},
	}
	cmd.Flags().StringVar(&components, "components", "", "what is worked on, where the notice does not tell (comma-separated)")
	return cmd
}

func printNotices(cmd *cobra.Command, all []noticeTaken) error {
	out := cmd.OutOrStdout()
	var wrong []error
	for _, t := range all {
		switch t.State {
		case "drafted":
			fmt.Fprintf(out, "%s  is a draft now: %s\n", t.Maintenance, t.Work)
			for _, o := range slices.Sorted(maps.Keys(t.Guessed)) {
				fmt.Fprintf(out, "  %s is taken for %s\n", o, t.Guessed[o])
			}
			if len(t.Unknown) > 0 {
				fmt.Fprintf(out, "  not in the inventory: %s\n", strings.Join(t.Unknown, ", "))
			}
			fmt.Fprintf(out, "  look at it, then: vakhta maintenance approve %s\n", t.Work)
		case "told":
			fmt.Fprintf(out, "%s  is known as %s, which follows it\n", t.Maintenance, t.Work)
		case "over":
			fmt.Fprintf(out, "%s  is over: %s\n", t.Maintenance, t.Work)
		case "ignored":
			fmt.Fprintf(out, "%s  is over, and was never known here\n", t.Maintenance)
		default:
			wrong = append(wrong, refused("%s", t.Why))
		}
	}
	return errors.Join(wrong...)
}
