package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/workflows"
)

// newIncidentActCommands are the commands that change an incident: each is an
// update of its workflow, which validates it.
func newIncidentActCommands(a *app) []*cobra.Command {
	specs := append(workActs(), closingActs()...)
	var commands []*cobra.Command
	for _, spec := range specs {
		commands = append(commands, spec.command(a, "incident", workflows.IncidentID, a.printIncidentState))
	}
	for _, spec := range pageActs() {
		commands = append(commands, spec.command(a, "escalation", nil, a.printEscalation))
	}
	return commands
}

// pageActs say who of a team has an incident.
func pageActs() []actSpec {
	of := func(args []string) string { return workflows.EscalateID(args[0], args[1]) }
	to := func(act workflows.Act, args []string) (any, error) {
		return workflows.HandOverUpdate{Act: act, To: args[2]}, nil
	}
	return []actSpec{
		{
			use: "assign INCIDENT TEAM PERSON", short: "Give it to a member of a team: he is paged, and must take it", update: workflows.UpdateAssign,
			example: "  vakhta incident assign msk-17 network olga", args: []string{"INCIDENT", "TEAM", "PERSON"}, of: of, build: to,
		},
		{
			use: "hand-over INCIDENT TEAM PERSON", short: "Hand what you have over to a colleague: he has it, and is told", update: workflows.UpdateHandOver,
			example: "  vakhta incident hand-over msk-17 emergency petr", args: []string{"INCIDENT", "TEAM", "PERSON"}, of: of, build: to,
		},
		{
			use: "decline INCIDENT TEAM", short: "Say that you can't: the next are paged at once", update: workflows.UpdateDecline,
			example: "  vakhta incident decline msk-17 emergency --by ivan", args: []string{"INCIDENT", "TEAM"}, of: of,
			build: func(act workflows.Act, _ []string) (any, error) { return workflows.DeclineUpdate{Act: act}, nil },
		},
	}
}

// printEscalation prints where the paging of a team stands.
func (a *app) printEscalation(ctx context.Context, cmd *cobra.Command, handle client.WorkflowUpdateHandle) error {
	var s workflows.EscalateStatus
	if err := handle.Get(ctx, &s); err != nil {
		return err
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), s)
	}
	line := fmt.Sprintf("team %s: %s", s.Team, s.State)
	if s.AcknowledgedBy != "" {
		line += ", " + s.AcknowledgedBy + " has it"
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
	return err
}

// workActs are what people do while an incident runs.
func workActs() []actSpec {
	var team string
	var internal bool
	return []actSpec{
		{
			use: "ack INCIDENT", short: "Take an incident: stop paging", update: workflows.UpdateAcknowledge,
			example: "  vakhta incident ack inc-7 --team network", args: []string{"INCIDENT"},
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&team, "team", "", "for this team only; default: all that are paged")
			},
			build: func(act workflows.Act, _ []string) (any, error) {
				return workflows.AcknowledgeUpdate{Act: act, Team: team}, nil
			},
		},
		{
			use: "note INCIDENT TEXT", short: "Add a line to the timeline", update: workflows.UpdateNote,
			example: `  vakhta incident note inc-7 "PSU B is warm, replacing it"`, args: []string{"INCIDENT", "TEXT"},
			flags: func(cmd *cobra.Command) {
				cmd.Flags().BoolVar(&internal, "internal", false, "never shown to clients")
			},
			build: func(act workflows.Act, args []string) (any, error) {
				text, err := nonEmpty("TEXT", args[1])
				return workflows.NoteUpdate{Act: act, Text: text, Internal: internal}, err
			},
		},
		{
			use: "checked INCIDENT COMPONENT RESULT", short: "Say what you looked at and found", update: workflows.UpdateChecked,
			example: "  vakhta incident checked inc-7 sw-3 ok", args: []string{"INCIDENT", "COMPONENT", "RESULT"},
			build: func(act workflows.Act, args []string) (any, error) {
				return workflows.CheckedUpdate{Act: act, Component: args[1], Result: args[2]}, nil
			},
		},
		{
			use: "restored INCIDENT COMPONENTS", short: "Say which components should be back (comma-separated)", update: workflows.UpdateRestored,
			example: "  vakhta incident restored inc-7 msk-pdu-12", args: []string{"INCIDENT", "COMPONENTS"},
			build: func(act workflows.Act, args []string) (any, error) {
				return workflows.RestoredUpdate{Act: act, Components: splitList(args[1])}, nil
			},
		},
		{
			use: "eta INCIDENT TIME", short: "Set when the rest will be back", update: workflows.UpdateSetETA,
			example: "  vakhta incident eta inc-7 45m\n  vakhta incident eta inc-7 04:30\n  vakhta incident eta inc-7 2026-11-23T04:30:00+03:00",
			args:    []string{"INCIDENT", "TIME"},
			build: func(act workflows.Act, args []string) (any, error) {
				at, err := parseInstant(args[1], time.Now())
				return workflows.SetETAUpdate{Act: act, At: at}, err
			},
		},
		{
			use: "severity INCIDENT SEVERITY", short: "Change the severity: sev1, sev2, sev3", update: workflows.UpdateSetSeverity,
			args: []string{"INCIDENT", "SEVERITY"},
			build: func(act workflows.Act, args []string) (any, error) {
				return workflows.SetSeverityUpdate{Act: act, Severity: incident.Severity(args[1])}, nil
			},
		},
	}
}

// closingActs pass the runbook's gates and end or reopen an incident.
func closingActs() []actSpec {
	var result, refusal, why, again string
	return []actSpec{
		{
			use: "task INCIDENT STEP", short: "Complete a manual step of the runbook", update: workflows.UpdateCompleteTask,
			example: `  vakhta incident task inc-7 replace-psu --result "done, both lamps green"`, args: []string{"INCIDENT", "STEP"},
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&result, "result", "", "what came of it")
			},
			build: func(act workflows.Act, args []string) (any, error) {
				return workflows.CompleteTaskUpdate{Act: act, Step: args[1], Result: result}, nil
			},
		},
		{
			use: "approve INCIDENT STEP", short: "Pass, or refuse, a gate of the runbook", update: workflows.UpdateApprove,
			example: `  vakhta incident approve inc-7 power-cycle --refuse "the client wants to look first"`, args: []string{"INCIDENT", "STEP"},
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&refusal, "refuse", "", "refuse it, for this reason")
			},
			build: func(act workflows.Act, args []string) (any, error) {
				return workflows.ApproveUpdate{Act: act, Step: args[1], Refuse: refusal != "", Reason: refusal}, nil
			},
		},
		{
			use: "resolve INCIDENT", short: "Resolve an incident by hand", update: workflows.UpdateResolve, args: []string{"INCIDENT"},
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&why, "reason", "", "why it is over (required)")
			},
			build: func(act workflows.Act, _ []string) (any, error) {
				reason, err := nonEmpty("--reason", why)
				return workflows.ResolveUpdate{Act: act, Reason: reason}, err
			},
		},
		{
			use: "reopen INCIDENT", short: "Open a resolved incident again", update: workflows.UpdateReopen, args: []string{"INCIDENT"},
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&again, "reason", "", "why it is not over (required)")
			},
			build: func(act workflows.Act, _ []string) (any, error) {
				reason, err := nonEmpty("--reason", again)
				return workflows.ReopenUpdate{Act: act, Reason: reason}, err
			},
		},
	}
}

func nonEmpty(name, value string) (string, error) {
	if value = strings.TrimSpace(value); value == "" {
		return "", usageError("%s is empty", name)
	}
	return value, nil
}

func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// parseInstant reads a time as people give it: RFC 3339, HH:MM (the next one,
// local), or a duration from now.
func parseInstant(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), nil
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(text, "+")); err == nil && d > 0 {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	if hm, err := time.Parse("15:04", text); err == nil {
		local := now
		at := time.Date(local.Year(), local.Month(), local.Day(), hm.Hour(), hm.Minute(), 0, 0, local.Location())
		if !at.After(now) {
			at = time.Date(local.Year(), local.Month(), local.Day()+1, hm.Hour(), hm.Minute(), 0, 0, local.Location())
		}
		return at.UTC(), nil
	}
	return time.Time{}, usageError("time %q is not understood; write 45m, 04:30, or 2006-01-02T15:04:05+03:00", text)
}
