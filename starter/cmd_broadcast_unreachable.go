package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vakhta/internal/store"
)

// missed is a contact whom a sending did not reach.
type missed struct {
	store.Unreached

	// Knows is by what the client knows of planned work all the same: a channel
	// of another contact, or who told him; empty: he doesn't.
	Knows string `json:"knows,omitempty"`
}

// missedOf lists whom the sendings about a subject did not reach.
func missedOf(ctx context.Context, st *store.Store, subject, step string, revision int) ([]missed, error) {
	rows, err := st.Unreached(ctx, subject, step, revision)
	if err != nil {
		return nil, err
	}
	known := map[int]map[string]store.Confirmation{} // by revision and client
	out := make([]missed, len(rows))
	for i, u := range rows {
		out[i].Unreached = u
		work, planned := strings.CutPrefix(subject, "maintenance/")
		if !planned {
			continue
		}
		if known[u.Revision] == nil {
			if known[u.Revision], err = st.Confirmations(ctx, work, u.Revision, ""); err != nil {
				return nil, err
			}
		}
		out[i].Knows = known[u.Revision][u.Client].Via
	}
	return out, nil
}

func newBroadcastUnreachableCommand(a *app) *cobra.Command {
	var inc, work, step string
	revision := -1
	cmd := &cobra.Command{
		Use:   "unreachable",
		Short: "List whom no channel reached, so that somebody tells them by hand",
		Long: `List whom no channel was left for: every address of theirs is dead, opted out or
was refused, they have none, or what they must confirm was told by each and not
confirmed. Somebody must tell them by hand, unless another contact of the same
client has confirmed.`,
		Example: "  vakhta broadcast unreachable --incident inc-7\n  vakhta broadcast unreachable --work feed-b --revision 2",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			subject, err := subjectOf(inc, work)
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				all, err := missedOf(cmd.Context(), st, subject, step, revision)
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
				t := newTable(out, "CLIENT", "CONTACT", "SENDING", "REVISION", "SINCE", "CLIENT KNOWS")
				for _, u := range all {
					knows := "no"
					if knows = cmp.Or(u.Knows, knows); u.Knows != "" && !strings.HasPrefix(knows, "told by") {
						knows = "by " + knows
					}
					t.row(u.Client, u.Contact, u.Step, fmt.Sprint(u.Revision), local(u.At), knows)
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
