package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"vakhta/internal/maintenance"
	"vakhta/runbooks"
	"vakhta/workflows"
)

// maintenanceActs are what people do to a planned work: each is an update of
// its workflow, which validates it.
func maintenanceActs() []actSpec {
	var start, end, zone, override string
	plain := func(act workflows.Act, _ []string) (any, error) {
		return workflows.WorkUpdate{Act: act}, nil
	}
	return []actSpec{
		{use: "approve WORK", short: "Approve a work: its clients are told", update: workflows.UpdateApprove, args: []string{"WORK"}, build: plain},
		{use: "begin WORK", short: "Begin before the window does", update: workflows.UpdateBegin, args: []string{"WORK"}, build: plain},
		{
			use: "extend WORK TIME", short: "Move the end of a running work; its clients are told", update: workflows.UpdateExtend,
			example: "  vakhta maintenance extend feed-b 45m\n  vakhta maintenance extend feed-b 06:30", args: []string{"WORK", "TIME"},
			build: func(act workflows.Act, args []string) (any, error) {
				return extension(act, args[1], time.Now())
			},
		},
		{use: "complete WORK", short: "The work is done: everything that it touched is swept", update: workflows.UpdateComplete, args: []string{"WORK"}, build: plain},
		{use: "rollback WORK", short: "The work is broken off and all is as before: swept, and told", update: workflows.UpdateRollBack, args: []string{"WORK"}, build: plain},
		{use: "cancel WORK", short: "The work will not be done; whoever was told is told", update: workflows.UpdateCancel, args: []string{"WORK"}, build: plain},
		{
			use: "reschedule WORK", short: "Move a work that has not begun; everybody confirms anew", update: workflows.UpdateReschedule, args: []string{"WORK"},
			example: "  vakhta maintenance reschedule feed-b --start '2026-12-02 02:00' --end '2026-12-02 05:00' --timezone Europe/Moscow",
			flags: func(cmd *cobra.Command) {
				flags := cmd.Flags()
				flags.StringVar(&start, "start", "", "new beginning, by the clock of --timezone or RFC 3339")
				flags.StringVar(&end, "end", "", "new end")
				flags.StringVar(&zone, "timezone", "Europe/Moscow", "IANA name")
				flags.StringVar(&override, "override", "", "why it may run although it breaks a redundancy")
			},
			build: func(act workflows.Act, _ []string) (any, error) { return reschedule(act, start, end, zone, override) },
		},
	}
}

// extension moves an end: by so long, or to a time.
func extension(act workflows.Act, text string, now time.Time) (any, error) {
	if d, err := time.ParseDuration(strings.TrimPrefix(text, "+")); err == nil && d > 0 {
		return workflows.ExtendUpdate{Act: act, For: runbooks.Duration(d)}, nil
	}
	at, err := parseInstant(text, now)
	return workflows.ExtendUpdate{Act: act, EndsAt: at}, err
}

func reschedule(act workflows.Act, start, end, zone, override string) (any, error) {
	at, err := time.LoadLocation(zone)
	if err != nil {
		return nil, usageError("timezone: %q is none; write it as Europe/Moscow", zone)
	}
	u := workflows.RescheduleUpdate{Act: act, Override: override}
	if u.StartsAt, err = maintenance.Instant(start, at); err != nil {
		return nil, usageError("start: %w", err)
	}
	if u.EndsAt, err = maintenance.Instant(end, at); err != nil {
		return nil, usageError("end: %w", err)
	}
	return u, nil
}

// printMaintenanceState prints the state that a work's update answers with.
func (a *app) printMaintenanceState(ctx context.Context, cmd *cobra.Command, handle client.WorkflowUpdateHandle) error {
	var state workflows.MaintenanceStatus
	if err := handle.Get(ctx, &state); err != nil {
		return err
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), state)
	}
	return printMaintenance(cmd.OutOrStdout(), state, nil)
}

func isRunning(d *workflowservice.DescribeWorkflowExecutionResponse) bool {
	return d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}
