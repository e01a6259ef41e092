package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/inventory"
	"vakhta/internal/roster"
	"vakhta/internal/store"
)

func newOncallCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "oncall",
		Aliases: []string{"on-call"},
		Short:   "Who is on call: check, look up, stand in, swap, import and export",
		Args:    aCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newOncallLintCommand(a), newOncallNowCommand(a), newOncallNextCommand(a), newOncallCalendarCommand(a),
		newOncallOverrideCommand(a), newOncallSwapCommand(a), newOncallFeedCommand(a), newOncallImportCommand(a),
		newOncallLinkCommand(a), newOncallLinksCommand(a), newOncallUnlinkCommand(a))
	return cmd
}

// duties are the inventory and the overrides that hold since an instant.
func (a *app) duties(ctx context.Context, since time.Time) (*inventory.Inventory, roster.Overrides, error) {
	cfg, err := a.loadConfig(false)
	if err != nil {
		return nil, nil, err
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return nil, nil, err
	}
	var o roster.Overrides
	err = a.withStore(ctx, func(st *store.Store) error {
		if o, err = st.Overrides(ctx, since); err != nil {
			return unavailable("%w", err)
		}
		return nil
	})
	return inv, o, err
}

func newOncallLintCommand(a *app) *cobra.Command {
	var days int
	var from string
	cmd := &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Check the teams: syntax, gaps, people whom no page reaches",
		Long: `Check the teams' calendars: problems are file:line:column. Without files those of
the configuration are checked, with the overrides that hold.`,
		Example: "  vakhta oncall lint estate.yaml teams.yaml\n  vakhta oncall lint --days 90",
		RunE: func(cmd *cobra.Command, args []string) error {
			begin, err := instantOr(from, time.Now())
			if err != nil {
				return err
			}
			end := begin.AddDate(0, 0, days)
			inv, o, err := a.lintedInventory(cmd.Context(), args, begin)
			var wrong *inventory.Error
			switch {
			case errors.As(err, &wrong):
			case errors.Is(err, os.ErrNotExist):
				return notFound("%w", err)
			case err != nil:
				return err
			default:
				wrong = &inventory.Error{Problems: roster.Lint(inv, o, begin, end)}
			}
			return a.showProblems(cmd.OutOrStdout(), inv, wrong, days)
		},
	}
	cmd.Flags().IntVar(&days, "days", 365, "look for gaps so far ahead")
	cmd.Flags().StringVar(&from, "from", "", "from this instant, instead of now: 2026-12-31 or RFC 3339")
	return cmd
}

func (a *app) lintedInventory(ctx context.Context, files []string, since time.Time) (*inventory.Inventory, roster.Overrides, error) {
	if len(files) > 0 {
		inv, err := inventory.LoadFiles(files...)
		return inv, nil, err
	}
	return a.duties(ctx, since)
}

func (a *app) showProblems(out io.Writer, inv *inventory.Inventory, wrong *inventory.Error, days int) error {
	if a.json {
		if wrong.Problems == nil {
			wrong.Problems = []inventory.Problem{}
		}
		if err := printJSON(out, wrong); err != nil {
			return err
		}
	}
	if n := len(wrong.Problems) + wrong.More; n > 0 {
		if a.json {
			return refused("%d problem(s) with who is on call", n)
		}
		for _, p := range wrong.Problems {
			fmt.Fprintln(out, p)
		}
		return refused("%d problem(s) with who is on call", n)
	}
	if a.json {
		return nil
	}
	rotations := 0
	for _, t := range inv.Teams() {
		rotations += len(t.Duty.Rotations)
	}
	_, err := fmt.Fprintf(out, "in order for %d days: %d teams, %d rotations\n", days, len(inv.Teams()), rotations)
	return err
}

// onDuty is what `oncall now --json` prints for a level.
type onDuty struct {
	Team   string   `json:"team"`
	Policy string   `json:"policy,omitempty"`
	Level  int      `json:"level"`
	People []string `json:"people"`
	// Fallback: nobody is on call, and these would be paged.
	Fallback bool `json:"fallback,omitempty"`
}

func newOncallNowCommand(a *app) *cobra.Command {
	var at, severity string
	cmd := &cobra.Command{
		Use:     "now [TEAM]",
		Short:   "Show whom each level would page now",
		Example: "  vakhta oncall now network\n  vakhta oncall now --at 2027-01-01T03:00:00+03:00 --severity sev1",
		Args:    func(cmd *cobra.Command, args []string) error { return exactArgs(min(len(args), 1))(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := instantOr(at, time.Now())
			if err != nil {
				return err
			}
			inv, o, err := a.duties(cmd.Context(), when)
			if err != nil {
				return err
			}
			teams, err := teamsNamed(inv, args)
			if err != nil {
				return err
			}
			list := []onDuty{}
			for _, t := range teams {
				p := t.PolicyAt(severity, when)
				for i := range p.Levels {
					d := onDuty{Team: t.ID, Policy: p.ID, Level: i + 1, People: roster.People(t, &p.Levels[i], o, when)}
					if len(d.People) == 0 {
						d.People, d.Fallback = roster.Fallback(t), true
					}
					list = append(list, d)
				}
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), list)
			}
			tab := newTable(cmd.OutOrStdout(), "TEAM", "POLICY", "LEVEL", "ON CALL", "")
			for _, d := range list {
				note := ""
				if d.Fallback {
					note = "nobody is on call: the fallback"
				}
				tab.row(d.Team, cmp.Or(d.Policy, "-"), fmt.Sprint(d.Level), strings.Join(d.People, ", "), note)
			}
			return tab.flush()
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "at this instant, instead of now: 2026-12-31 or RFC 3339")
	cmd.Flags().StringVar(&severity, "severity", "sev2", "by the policy for this severity")
	return cmd
}

func newOncallNextCommand(a *app) *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use:     "next PERSON",
		Short:   "Show somebody's next turns",
		Example: "  vakhta oncall next vera --days 60",
		Args:    exactArgs(1, "PERSON"),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			inv, o, err := a.duties(cmd.Context(), now)
			if err != nil {
				return err
			}
			if c, ok := inv.Contact(args[0]); !ok || c.Client != "" {
				return notFound("%s is a member of no team", args[0])
			}
			return a.showTurns(cmd.OutOrStdout(), roster.OfPerson(roster.Turns(inv, o, now, now.AddDate(0, 0, days)), args[0]), args[0]+" has no turn in this time")
		},
	}
	cmd.Flags().IntVar(&days, "days", 30, "look so far ahead")
	return cmd
}

func newOncallCalendarCommand(a *app) *cobra.Command {
	var days int
	var from, person string
	var ics bool
	cmd := &cobra.Command{
		Use:     "calendar [TEAM]",
		Short:   "Show who is on call when; --ics for calendar programs",
		Example: "  vakhta oncall calendar network --days 14\n  vakhta oncall calendar --person vera --ics > vera.ics",
		Args:    func(cmd *cobra.Command, args []string) error { return exactArgs(min(len(args), 1))(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			begin, err := instantOr(from, time.Now())
			if err != nil {
				return err
			}
			inv, o, err := a.duties(cmd.Context(), begin)
			if err != nil {
				return err
			}
			teams, err := teamsNamed(inv, args)
			if err != nil {
				return err
			}
			list := []roster.Turn{}
			for _, t := range teams {
				list = append(list, roster.TurnsOf(t, o, begin, begin.AddDate(0, 0, days))...)
			}
			if person != "" {
				list = roster.OfPerson(list, person)
			}
			if ics {
				_, err := cmd.OutOrStdout().Write(roster.ICS(roster.OfPerson(list, person), inv.Names().Person, time.Now()))
				return err
			}
			return a.showTurns(cmd.OutOrStdout(), list, "no rotation has a turn in this time; levels that name members page them whenever it is")
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&days, "days", 14, "so many days")
	flags.StringVar(&from, "from", "", "from this instant, instead of now: 2026-12-31 or RFC 3339")
	flags.StringVar(&person, "person", "", "only this person's turns")
	flags.BoolVar(&ics, "ics", false, "as iCalendar")
	return cmd
}

func (a *app) showTurns(out io.Writer, list []roster.Turn, none string) error {
	if a.json {
		return printJSON(out, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, none)
		return err
	}
	t := newTable(out, "TEAM", "ROTATION", "FROM", "TO", "ON CALL")
	for _, x := range list {
		t.row(x.Team, x.Rotation, x.From.Local().Format("Mon 2006-01-02 15:04"), x.To.Local().Format("Mon 2006-01-02 15:04"), cmp.Or(x.Person, "NOBODY"))
	}
	return t.flush()
}

// teamsNamed are the team that is named, or all.
func teamsNamed(inv *inventory.Inventory, args []string) ([]*inventory.Team, error) {
	if len(args) == 0 {
		return inv.Teams(), nil
	}
	t, ok := inv.Team(args[0])
	if !ok {
		return nil, notFound("the inventory has no team %q", args[0])
	}
	return []*inventory.Team{t}, nil
}

// instantOr reads a day, a day with an hour, or RFC 3339; the first two by this machine's clock.
func instantOr(s string, or time.Time) (time.Time, error) {
	if s == "" {
		return or, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	return or, usageError("%q is no instant; write 2026-12-31, 2026-12-31T09:00 or 2026-12-31T09:00:00+03:00", s)
}

func newOncallOverrideCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "override",
		Short: "Put somebody in for who would be on call",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newOverrideAddCommand(a), newOverrideListCommand(a), newOverrideRemoveCommand(a))
	return cmd
}

func newOverrideAddCommand(a *app) *cobra.Command {
	var from, to, person, reason string
	cmd := &cobra.Command{
		Use:     "add TEAM/ROTATION --person PERSON --from INSTANT --to INSTANT",
		Short:   "Put somebody in for a stretch of time",
		Example: `  vakhta oncall override add network/primary --person vera --from 2026-12-31T18:00 --to 2027-01-01T09:00 --reason "Oleg is ill"`,
		Args:    exactArgs(1, "TEAM/ROTATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := roster.Override{ID: overrideID(), Person: person, Author: a.act().By, Reason: reason, MadeAt: time.Now()}
			var err error
			if o.From, err = instantOr(from, time.Now()); err != nil {
				return err
			}
			if o.To, err = instantOr(to, time.Time{}); err != nil {
				return err
			}
			return a.putOverrides(cmd, args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&person, "person", "", "who stands in")
	flags.StringVar(&from, "from", "", "from when; now if not given")
	flags.StringVar(&to, "to", "", "until when")
	flags.StringVar(&reason, "reason", "", "why")
	return cmd
}

func newOncallSwapCommand(a *app) *cobra.Command {
	var with, at, reason string
	cmd := &cobra.Command{
		Use:   "swap TEAM/ROTATION --at INSTANT --with INSTANT",
		Short: "Let two people swap their turns",
		Long: `Let who has the turn at one instant swap it for the turn at another: each stands in
for the other for the whole of that turn.`,
		Example: "  vakhta oncall swap network/primary --at 2026-12-31 --with 2027-01-07",
		Args:    exactArgs(1, "TEAM/ROTATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if at == "" || with == "" {
				return usageError("--at and --with name the two turns; see %s --help", cmd.CommandPath())
			}
			t, err1 := instantOr(at, time.Time{})
			u, err2 := instantOr(with, time.Time{})
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			inv, o, err := a.duties(cmd.Context(), time.Time{})
			if err != nil {
				return err
			}
			mine, err := turnAt(inv, o, args[0], t)
			if err != nil {
				return err
			}
			theirs, err := turnAt(inv, o, args[0], u)
			if err != nil {
				return err
			}
			if mine.Person == theirs.Person {
				return refused("both turns are %s's; there is nothing to swap", mine.Person)
			}
			made := roster.Override{Author: a.act().By, Reason: cmp.Or(reason, "swap"), MadeAt: time.Now()}
			first, second := made, made
			first.ID, first.Person, first.From, first.To = overrideID(), theirs.Person, mine.From, mine.To
			second.ID, second.Person, second.From, second.To = overrideID(), mine.Person, theirs.From, theirs.To
			return a.putOverrides(cmd, args[0], first, second)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&at, "at", "", "an instant in the one turn")
	flags.StringVar(&with, "with", "", "an instant in the other")
	flags.StringVar(&reason, "reason", "", "why")
	return cmd
}

// turnAt finds the whole turn at an instant.
func turnAt(inv *inventory.Inventory, o roster.Overrides, name string, at time.Time) (roster.Turn, error) {
	team, rotation, _ := strings.Cut(name, "/")
	t, ok := inv.Team(team)
	if !ok {
		return roster.Turn{}, notFound("the inventory has no team %q", team)
	}
	for _, x := range roster.TurnsOf(t, o, at.AddDate(0, -3, 0), at.AddDate(0, 3, 0)) {
		if x.Rotation == rotation && !x.From.After(at) && x.To.After(at) {
			if x.Person == "" {
				return x, refused("nobody is on call in %s at %s; use override add", name, local(at))
			}
			return x, nil
		}
	}
	return roster.Turn{}, notFound("team %s has no rotation %q", team, rotation)
}

func (a *app) putOverrides(cmd *cobra.Command, name string, list ...roster.Override) error {
	team, rotation, _ := strings.Cut(name, "/")
	cfg, err := a.loadConfig(false)
	if err != nil {
		return err
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return err
	}
	if err := inv.May(a.act().By, inventory.Manager); err != nil {
		return refused("%w", err)
	}
	t, ok := inv.Team(team)
	if !ok {
		return notFound("the inventory has no team %q", team)
	}
	if _, ok := t.Rotation(rotation); !ok {
		return notFound("team %s has no rotation %q; write TEAM/ROTATION", team, rotation)
	}
	for i := range list {
		o := &list[i]
		if _, ok := t.Member(o.Person); !ok {
			return refused("--person: %q is no member of team %s", o.Person, team)
		}
		if !o.From.Before(o.To) {
			return refused("--to: must be after --from")
		}
		o.Team, o.Rotation = team, rotation
	}
	return a.withStore(cmd.Context(), func(st *store.Store) error {
		if err := st.PutOverrides(cmd.Context(), list...); err != nil {
			return unavailable("%w", err)
		}
		return a.showOverrides(cmd.OutOrStdout(), list)
	})
}

func newOverrideListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the overrides that hold or will",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, o, err := a.duties(cmd.Context(), time.Now())
			if err != nil {
				return err
			}
			return a.showOverrides(cmd.OutOrStdout(), o)
		},
	}
}

func (a *app) showOverrides(out io.Writer, list []roster.Override) error {
	if a.json {
		return printJSON(out, slices.Concat([]roster.Override{}, list))
	}
	t := newTable(out, "OVERRIDE", "ROTATION", "PERSON", "FROM", "TO", "BY", "REASON")
	for _, o := range list {
		t.row(o.ID, o.Team+"/"+o.Rotation, o.Person, local(o.From), local(o.To), o.Author, o.Reason)
	}
	return t.flush()
}

func newOverrideRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove OVERRIDE",
		Short: "Take an override back",
		Args:  exactArgs(1, "OVERRIDE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				err := st.RemoveOverride(cmd.Context(), args[0], a.act().By, time.Now())
				if errors.Is(err, store.ErrNotFound) {
					return notFound("no override %s holds; see vakhta oncall override list", args[0])
				}
				if err != nil {
					return unavailable("%w", err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "override %s is taken back\n", args[0])
				return err
			})
		},
	}
}

func overrideID() string {
	b := make([]byte, 5)
	_, _ = rand.Read(b) // never fails
	return "o" + hex.EncodeToString(b)
}
