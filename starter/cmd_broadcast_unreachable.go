package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vakhta/internal/store"
)

func newBroadcastUnreachableCommand(a *app) *cobra.Command {
	var inc, work, step string
	revision := -1
	cmd := &cobra.Command{
		Use:   "unreachable",
		Short: "List whom no channel reached, so that somebody tells them by hand",
		Long: `List whom no channel reached: every address of theirs is dead, opted out or was
refused, or they have none. Somebody must tell them by hand.`,
		Example: "  vakhta broadcast unreachable --incident inc-7\n  vakhta broadcast unreachable --work feed-b --revision 2",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			subject, err := subjectOf(inc, work)
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				all, err := st.Unreached(cmd.Context(), subject, step, revision)
				if err != nil {
					return unavailable("read whom no channel reached: %w", err)
				}
				out := cmd.OutOrStdout()
				if a.json {
					return printJSON(out, nonNil(all))
				}
				if len(all) == 0 {
					_, err := fmt.Fprintf(out, "every sending about %s had a channel for everybody\n", subject)
					return err
				}
				t := newTable(out, "CLIENT", "CONTACT", "SENDING", "REVISION", "SINCE")
				for _, u := range all {
					t.row(u.Client, u.Contact, u.Step, fmt.Sprint(u.Revision), local(u.At))
				}
				return t.flush()
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&inc, "incident", "", "the incident that the messages are about")
	flags.StringVar(&work, "work", "", "the planned work that they are about")
	flags.StringVar(&step, "step", "", "which sending, such as update; default: all")
	flags.IntVar(&revision, "revision", -1, "its revision; default: all")
	return cmd
}
