package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/dutyfile"
	"vakhta/internal/inventory"
	"vakhta/internal/roster"
)

func newOncallImportCommand(a *app) *cobra.Command {
	var team string
	var dry bool
	cmd := &cobra.Command{
		Use:   "import FILE --team TEAM[/ROTATION]",
		Short: "Take over schedules of PagerDuty or Opsgenie, or the turns of a calendar (.ics)",
		Long: `Take over who is on call from another system.

A schedule that PagerDuty (GET /schedules/ID) or Opsgenie (GET
/v2/schedules?expand=rotation) exports as JSON is written to standard output as
a team for teams.yaml: look at it, add what is missing, and check it with
oncall lint. The turns of an iCalendar file become overrides of a rotation, each
once, however often the file is imported. People are known by their mail
address, else by id or name. What can't be taken over is said, and makes exit code 4.`,
		Example: "  vakhta oncall import schedule.json --team network >> teams.yaml\n  vakhta oncall import holidays.ics --team network/primary --dry-run",
		Args:    exactArgs(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if errors.Is(err, os.ErrNotExist) {
				return notFound("%w", err)
			}
			if err != nil {
				return err
			}
			s, err := dutyfile.Read(text)
			if err != nil {
				return refused("%s: %w", args[0], err)
			}
			if err := a.importDuty(cmd, s, team, dry); err != nil {
				return err
			}
			for _, l := range s.Lost {
				fmt.Fprintln(cmd.ErrOrStderr(), "not taken over:", l)
			}
			if len(s.Lost) > 0 {
				return refused("%d parts of %s could not be taken over", len(s.Lost), args[0])
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&team, "team", "", "the team, and for a calendar the rotation (required)")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "of a calendar: show the overrides, keep none")
	return cmd
}

func (a *app) importDuty(cmd *cobra.Command, s dutyfile.Schedule, name string, dry bool) error {
	team, rotation, _ := strings.Cut(name, "/")
	if team == "" {
		return usageError("--team names the team; see %s --help", cmd.CommandPath())
	}
	cfg, err := a.loadConfig(false)
	if err != nil {
		return err
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return err
	}
	if len(s.Rotations) > 0 {
		return printTeam(cmd.OutOrStdout(), inv, team, s)
	}
	if len(s.Turns) == 0 {
		return nil
	}
	t, ok := inv.Team(team)
	if !ok || rotation == "" {
		return refused("--team: a calendar is of a rotation; write TEAM/ROTATION, of a team that the inventory has")
	}
	var list []roster.Override
	for _, turn := range s.Turns {
		who, ok := memberOf(t, turn.Person)
		if !ok {
			return refused("%s, from %s: nobody of team %s is known by this name or mail address", turn.Person.Name, local(turn.From), team)
		}
		list = append(list, roster.Override{
			ID: importedID(name, who, turn), Team: team, Rotation: rotation, Person: who, From: turn.From, To: turn.To,
			Author: a.act().By, Reason: "imported from a calendar", MadeAt: time.Now(),
		})
	}
	if dry {
		return a.showOverrides(cmd.OutOrStdout(), list)
	}
	return a.putOverrides(cmd, name, list...)
}

// importedID is the same for the same turn: a calendar may be imported again.
func importedID(name, who string, t dutyfile.Turn) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{name, who, t.From.UTC().Format(time.RFC3339), t.To.UTC().Format(time.RFC3339)}, "\x00")))
	return "i" + hex.EncodeToString(sum[:6])
}

// memberOf finds who of a team is meant: by mail, else by id or name; in a
// calendar's title he may stand among other words.
func memberOf(t *inventory.Team, p dutyfile.Person) (string, bool) {
	for _, m := range t.Members {
		if p.Mail != "" && strings.EqualFold(m.Addresses[inventory.Email], p.Mail) {
			return m.ID, true
		}
	}
	var found []string
	for _, m := range t.Members {
		if strings.EqualFold(m.ID, p.Name) || strings.EqualFold(m.Name, p.Name) {
			return m.ID, true
		}
		if m.Name != "" && m.Name != m.ID && strings.Contains(strings.ToLower(p.Name), strings.ToLower(m.Name)) {
			found = append(found, m.ID)
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}

var noID = regexp.MustCompile(`[^a-z0-9]+`)

// idOf makes an id of a name.
func idOf(name, fallback string) string {
	id := strings.Trim(noID.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if id == "" || id[0] >= '0' && id[0] <= '9' {
		return fallback
	}
	return id
}

// printTeam writes rotations as a team of teams.yaml. Who the inventory knows
// keeps his id; the others stand under members, with what is known of them.
func printTeam(w io.Writer, inv *inventory.Inventory, team string, s dutyfile.Schedule) error {
	known, ok := inv.Team(team)
	if !ok {
		known = &inventory.Team{}
	}
	ids := map[dutyfile.Person]string{}
	var strangers []dutyfile.Person
	for _, r := range s.Rotations {
		for _, l := range r.Layers {
			for _, p := range l.People {
				if ids[p] != "" {
					continue
				}
				id, ok := memberOf(known, p)
				if !ok {
					first, _, _ := strings.Cut(p.Mail, "@")
					id = idOf(first, idOf(p.Name, fmt.Sprintf("person-%d", len(strangers)+1)))
					strangers = append(strangers, p)
				}
				ids[p] = id
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Taken over from %s. Check it with: vakhta oncall lint\nversion: 1\nteams:\n  - id: %s\n", s.Source, team)
	if ok {
		b.WriteString("    # Members and levels of this team stand in the inventory already: put these rotations there.\n")
	}
	if len(strangers) > 0 {
		b.WriteString("    members: # add how a page reaches each: telegram, sms, call\n")
	}
	for _, p := range strangers {
		addresses := "{}"
		if p.Mail != "" {
			addresses = fmt.Sprintf("{email: %q}", p.Mail)
		}
		fmt.Fprintf(&b, "      - {id: %s, name: %q, addresses: %s}\n", ids[p], p.Name, addresses)
	}
	b.WriteString("    rotations:\n")
	var rotations []string
	for i, r := range s.Rotations {
		id := idOf(r.Name, fmt.Sprintf("rotation-%d", i+1))
		if slices.Contains(rotations, id) {
			id = fmt.Sprintf("%s-%d", id, i+1)
		}
		rotations = append(rotations, id)
		fmt.Fprintf(&b, "      - id: %s\n        name: %q\n        timezone: %s\n        layers:\n", id, r.Name, r.Zone)
		for _, l := range r.Layers {
			b.WriteString(layerLine(l, ids))
		}
	}
	if !ok {
		fmt.Fprintf(&b, "    levels: # whom to page first, and for how long\n      - {rotations: [%s], ackWithin: 5m}\n      - {everyone: true, ackWithin: 10m}\n", strings.Join(rotations, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func layerLine(l dutyfile.Layer, ids map[dutyfile.Person]string) string {
	people := make([]string, len(l.People))
	for i, p := range l.People {
		people[i] = ids[p]
	}
	line := fmt.Sprintf("          - {every: %s, from: %s, people: [%s]", l.Every, l.From, strings.Join(people, ", "))
	if l.Until != "" {
		line += ", until: " + l.Until
	}
	if len(l.During) > 0 {
		line += fmt.Sprintf(", during: [%q]", strings.Join(l.During, `", "`))
		line = strings.ReplaceAll(line, `\"`, `"`)
	}
	return line + "}\n"
}
