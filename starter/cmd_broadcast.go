package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vakhta/activities/records"
	"vakhta/internal/ledger"
	"vakhta/internal/postmortem"
	"vakhta/internal/store"
)

func newBroadcastCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "broadcast",
		Short: "Plan a message to all clients of an incident or of planned work, and see how far one is",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBroadcastPlanCommand(a), newBroadcastProgressCommand(a), newBroadcastUnreachableCommand(a))
	return cmd
}

func newBroadcastPlanCommand(a *app) *cobra.Command {
	var p records.ComposeParams
	var confirm bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say who would be told by which channel, and how long the providers take",
		Long: `Say who would be told by which channel, and how long the providers take at the
rates that the configuration gives. Nothing is written and nothing is sent.`,
		Example: "  vakhta broadcast plan --incident inc-7\n  vakhta broadcast plan --incident inc-7 --client acme --confirm\n  vakhta broadcast plan --work feed-b --confirm",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if (p.Incident == "") == (p.Work == "") {
				return usageError("--incident or --work: give one; say what the message is about")
			}
			if p.Work != "" && !cmd.Flags().Changed("event") {
				p.Event = "maintenance.announced"
			}
			cfg, err := a.loadConfig(false)
			if err != nil {
				return err
			}
			inv, err := loadInventory(cfg)
			if err != nil {
				return err
			}
			var plan records.Plan
			err = a.withStore(ctx, func(st *store.Store) (err error) {
				acts := records.New(st, inv, nil, nil, nil, records.Options{PublicURL: cfg.PublicURL, Rates: cfg.Paces(), Ladders: cfg.Notify.Ladders})
				plan, err = acts.PlanUpdate(ctx, p, confirm)
				switch {
				case errors.Is(err, store.ErrNotFound) && p.Work != "":
					return notFound("there is no planned work %q; list it with vakhta maintenance list", p.Work)
				case errors.Is(err, store.ErrNotFound):
					return notFound("there is no incident %q; list them with vakhta incident list", p.Incident)
				}
				return err
			})
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), plan)
			}
			return printPlan(cmd.OutOrStdout(), plan)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.Incident, "incident", "", "the incident that the message is about")
	flags.StringVar(&p.Work, "work", "", "the planned work that it is about")
	flags.StringVar(&p.Event, "event", "incident.update", "which message, for planned work maintenance.announced; the operator's ladders go by it")
	flags.StringSliceVar(&p.Clients, "client", nil, "only these clients; default: all that the incident hits")
	flags.StringSliceVar(&p.Except, "except", nil, "not these clients or contacts")
	flags.BoolVar(&confirm, "confirm", false, "the message must be confirmed: the ladder goes on to the call")
	return cmd
}

func printPlan(out io.Writer, p records.Plan) error {
	fmt.Fprintf(out, "%s of %s\n", count(p.Contacts, "contact"), count(p.Clients, "client"))
	if p.Unreachable > 0 {
		fmt.Fprintf(out, "%s cannot be reached by any channel that works: somebody must tell them by hand\n", count(p.Unreachable, "contact"))
	}
	if p.Quiet > 0 {
		fmt.Fprintf(out, "%s in quiet hours now, without a channel that makes no noise\n", count(p.Quiet, "contact"))
	}
	if len(p.Lines) == 0 {
		return nil
	}
	openings := slices.Clone(p.Openings)
	slices.SortStableFunc(openings, func(a, b ledger.Rung) int {
		if timed, other := a.Before > 0, b.Before > 0; timed != other { // by the beginning: those come last
			return cmp.Compare(a.Before, b.Before)
		}
		return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(b.Before, a.Before))
	})
	for _, r := range openings {
		switch {
		case r.Before > 0:
			fmt.Fprintf(out, "%s %s before it begins, for whoever has not confirmed by then\n", r.Channel, postmortem.Span(r.Before))
		case r.After > 0:
			fmt.Fprintf(out, "%s after %s, for whoever has not confirmed by then\n", r.Channel, postmortem.Span(r.After))
		default:
			fmt.Fprintf(out, "%s at once\n", r.Channel)
		}
	}
	t := newTable(out, "RUNG", "CHANNEL", "CONTACTS", "RATE", "TAKES", "FOR")
	for _, l := range p.Lines {
		rate, takes, who := "no provider", "", "everybody who has it first"
		if l.PerSecond > 0 {
			rate, takes = fmt.Sprintf("%g/s", l.PerSecond), "under 1 s"
			if l.Takes >= time.Second {
				takes = postmortem.Span(l.Takes)
			}
		}
		if l.Rung > 0 {
			who = "whoever is not reached before, at most"
		}
		t.row(fmt.Sprint(l.Rung+1), string(l.Channel), fmt.Sprint(l.Contacts), rate, takes, who)
	}
	return t.flush()
}

func newBroadcastProgressCommand(a *app) *cobra.Command {
	var inc, work, step string
	revision := -1
	var watch bool
	cmd := &cobra.Command{
		Use:     "progress",
		Short:   "See how far the messages about an incident or planned work are, by rung and channel",
		Example: "  vakhta broadcast progress --incident inc-7 --watch",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			subject, err := subjectOf(inc, work)
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				for {
					p, err := progressOf(cmd, st, subject, step, revision)
					if err != nil {
						return err
					}
					if a.json {
						err = printJSON(cmd.OutOrStdout(), p)
					} else {
						err = printProgress(cmd.OutOrStdout(), p)
					}
					if err != nil || !watch || p.done() {
						return err
					}
					select {
					case <-cmd.Context().Done():
						return nil
					case <-time.After(time.Second):
					}
				}
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&inc, "incident", "", "the incident that the messages are about")
	flags.StringVar(&work, "work", "", "the planned work that they are about")
	flags.StringVar(&step, "step", "", "which sending, such as update; default: the last one")
	flags.IntVar(&revision, "revision", -1, "its revision; default: the last one")
	flags.BoolVar(&watch, "watch", false, "again each second until everything is settled")
	return cmd
}

// subjectOf is what messages are about, as the ledger names it.
func subjectOf(incident, work string) (string, error) {
	switch {
	case (incident == "") == (work == ""):
		return "", usageError("--incident or --work: give one; say what the messages are about")
	case incident != "":
		return "incident/" + incident, nil
	default:
		return "maintenance/" + work, nil
	}
}

// broadcastProgress is one sending with its counts.
type broadcastProgress struct {
	store.Sending

	Lines []store.ChannelTally `json:"lines"`
}

// done says that nothing more is expected of the senders.
func (p broadcastProgress) done() bool {
	for _, l := range p.Lines {
		if waiting(l) > 0 {
			return false
		}
	}
	return true
}

// waiting counts what has not left, or of which nobody knows whether it has.
func waiting(l store.ChannelTally) int {
	return l.ByState[ledger.Queued] + l.ByState[ledger.Retry] + l.ByState[ledger.Intent] + l.ByState[ledger.Unknown]
}

// progressOf reads the last sending that is meant.
func progressOf(cmd *cobra.Command, st *store.Store, subject, step string, revision int) (broadcastProgress, error) {
	all, err := st.Sendings(cmd.Context(), subject)
	if err != nil {
		return broadcastProgress{}, unavailable("read the messages: %w", err)
	}
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i]
		if step != "" && s.Step != step || revision >= 0 && s.Revision != revision {
			continue
		}
		lines, err := st.Tallies(cmd.Context(), subject, s.Step, s.Revision)
		if err != nil {
			return broadcastProgress{}, unavailable("read the messages: %w", err)
		}
		return broadcastProgress{Sending: s, Lines: nonNil(lines)}, nil
	}
	return broadcastProgress{}, notFound("nothing like that was sent about %s; list it with vakhta notifications --subject %s", subject, subject)
}

func printProgress(out io.Writer, p broadcastProgress) error {
	fmt.Fprintf(out, "%s (%s), revision %d, since %s: %s\n", p.Step, p.Event, p.Revision, local(p.At), count(p.Total, "message"))
	t := newTable(out, "RUNG", "CHANNEL", "MESSAGES", "SENT", "PROGRESS", "ARRIVED", "READ IT", "REFUSED", "DROPPED", "UNKNOWN")
	for _, l := range p.Lines {
		sent := l.Total - waiting(l)
		t.row(fmt.Sprint(l.Rung+1), string(l.Channel), fmt.Sprint(l.Total), fmt.Sprint(sent), progressBar(sent, l.Total), fmt.Sprint(l.Reached()),
			fmt.Sprint(l.Acknowledged), fmt.Sprint(l.ByState[ledger.Refused]), fmt.Sprint(l.ByState[ledger.Dropped]), fmt.Sprint(l.ByState[ledger.Unknown]))
	}
	return t.flush()
}

// progressBar draws how much of a whole is done, 20 characters wide.
func progressBar(done, of int) string {
	const width = 20
	full := done * width / max(of, 1)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}
