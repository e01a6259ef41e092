package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/inventory"
	"vakhta/internal/store"
)

func newMaintenanceCalendarCommand(a *app) *cobra.Command {
	var weeks int
	cmd := &cobra.Command{
		Use:   "calendar",
		Short: "Show the planned work of the next weeks, day by day",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if weeks < 1 || weeks > 104 {
				return usageError("--weeks: %d must be between 1 and 104", weeks)
			}
			ctx := cmd.Context()
			return a.withContacts(ctx, func(_ *inventory.Inventory, st *store.Store) error {
				now := time.Now()
				works, err := st.Maintenances(ctx, now, now.AddDate(0, 0, 7*weeks))
				if err != nil {
					return unavailable("%w", err)
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), nonNil(works))
				}
				counts, err := st.MaintenanceCounts(ctx, works)
				if err != nil {
					return unavailable("%w", err)
				}
				out, day := cmd.OutOrStdout(), ""
				for i := range works {
					w := &works[i]
					if w.Status.Over() {
						continue
					}
					if d := w.StartsAt.Local().Format("Monday, 2 January 2006"); d != day {
						day = d
						fmt.Fprintf(out, "%s\n", d)
					}
					c := counts[w.ID]
					fmt.Fprintf(out, "  %s–%s  %-10s %s: %s; %d of %d clients have confirmed\n",
						w.StartsAt.Local().Format("15:04"), w.EndsAt.Local().Format("15:04"), w.Status, w.ID, w.TitleIn("en"), c.Confirmed, c.Clients)
				}
				if day == "" {
					_, err = fmt.Fprintf(out, "no work is planned in the next %d weeks\n", weeks)
				}
				return err
			})
		},
	}
	cmd.Flags().IntVar(&weeks, "weeks", 4, "how many")
	return cmd
}
