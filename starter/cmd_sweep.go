package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vakhta/workflows"
)

// routineSweep is the scope of routine sweeps.
var routineSweep = workflows.LocalizeInput{All: true, Routine: true}

// Bounds of the time between two routine sweeps: one takes seconds, and what is
// usual is learned from three.
const (
	usualSweeps     = 10 * time.Minute
	leastSweepEvery = time.Minute
	mostSweepEvery  = 24 * time.Hour
)

func newSweepCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Routine sweeps, from which it is learned what is usual",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	schedule := &cobra.Command{
		Use:   "schedule",
		Short: "The schedule of routine sweeps of the whole estate",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	schedule.AddCommand(newScheduleCreateCommand(a), newScheduleShowCommand(a), newSchedulePauseCommand(a), newScheduleResumeCommand(a), newScheduleDeleteCommand(a))
	cmd.AddCommand(schedule)
	return cmd
}

// shownSchedule is what `sweep schedule show --json` prints.
type shownSchedule struct {
	EverySeconds int64       `json:"everySeconds"`
	Paused       bool        `json:"paused"`
	Note         string      `json:"note,omitempty"` // why it is paused or not
	Running      []string    `json:"running"`        // workflow ids
	Recent       []sweepRun  `json:"recent"`         // oldest first
	Next         []time.Time `json:"next"`
}

type sweepRun struct {
	At       time.Time `json:"at"`
	Workflow string    `json:"workflow"`
}

func newScheduleCreateCommand(a *app) *cobra.Command {
	var every time.Duration
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Sweep the whole estate again and again; once more changes how often",
		Example: "  vakhta sweep schedule create --every 10m",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every < leastSweepEvery || every > mostSweepEvery {
				return usageError("--every: %v must be between %v and %v", every, leastSweepEvery, mostSweepEvery)
			}
			return a.withSchedule(cmd.Context(), func(c client.ScheduleClient, h client.ScheduleHandle) error {
				if err := putSchedule(cmd.Context(), c, h, every); err != nil {
					return a.explain("create the schedule of sweeps", err)
				}
				return a.showSchedule(cmd.Context(), cmd.OutOrStdout(), h)
			})
		},
	}
	cmd.Flags().DurationVar(&every, "every", usualSweeps, "from the start of one sweep to the start of the next")
	return cmd
}

// putSchedule creates the schedule, or changes the one that is there; whether it
// is paused stays.
func putSchedule(ctx context.Context, c client.ScheduleClient, h client.ScheduleHandle, every time.Duration) error {
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
	action := &client.ScheduleWorkflowAction{
		ID: workflows.LocalizeID("all", "routine"), Workflow: workflows.TypeLocalize, Args: []any{routineSweep}, TaskQueue: workflows.QueueRunbooks,
		StaticSummary: "Routine sweep of the whole estate",
	}
	// One that takes longer than the interval is not overtaken by the next.
	_, err := c.Create(ctx, client.ScheduleOptions{ID: workflows.ScheduleSweep, Spec: spec, Action: action, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return h.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		s := in.Description.Schedule
		s.Spec, s.Action = &spec, action
		return &client.ScheduleUpdate{Schedule: &s}, nil
	}})
}

func newScheduleShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show how often it sweeps, and when it did and will",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSchedule(cmd.Context(), func(_ client.ScheduleClient, h client.ScheduleHandle) error {
				return a.showSchedule(cmd.Context(), cmd.OutOrStdout(), h)
			})
		},
	}
}

func newSchedulePauseCommand(a *app) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use:     "pause",
		Short:   "Sweep no more until it is resumed",
		Example: `  vakhta sweep schedule pause --note "the firewall is being replaced"`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.changeSchedule(cmd, func(ctx context.Context, h client.ScheduleHandle) error {
				return h.Pause(ctx, client.SchedulePauseOptions{Note: a.noted("paused", note)})
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "why")
	return cmd
}

func newScheduleResumeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "Go on sweeping",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.changeSchedule(cmd, func(ctx context.Context, h client.ScheduleHandle) error {
				return h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: a.noted("resumed", "")})
			})
		},
	}
}

func newScheduleDeleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "delete",
		Short: "Drop the schedule; a sweep that runs goes on",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSchedule(cmd.Context(), func(_ client.ScheduleClient, h client.ScheduleHandle) error {
				return a.explainSchedule(h.Delete(cmd.Context()))
			})
		},
	}
}

// explainSchedule is explain for the one schedule: one that was deleted is as
// one that never was.
func (a *app) explainSchedule(err error) error {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return notFound("there is no schedule of sweeps; `vakhta sweep schedule create` makes one")
	}
	return a.explain("the schedule of sweeps", err)
}

// noted says who did it, and why.
func (a *app) noted(what, why string) string {
	text := what + " by " + a.act().By
	if why != "" {
		text += ": " + why
	}
	return text
}

func (a *app) withSchedule(ctx context.Context, do func(client.ScheduleClient, client.ScheduleHandle) error) error {
	return a.withTemporal(ctx, func(c client.Client) error {
		schedules := c.ScheduleClient()
		return do(schedules, schedules.GetHandle(ctx, workflows.ScheduleSweep))
	})
}

func (a *app) changeSchedule(cmd *cobra.Command, change func(context.Context, client.ScheduleHandle) error) error {
	return a.withSchedule(cmd.Context(), func(_ client.ScheduleClient, h client.ScheduleHandle) error {
		if err := change(cmd.Context(), h); err != nil {
			return a.explainSchedule(err)
		}
		return a.showSchedule(cmd.Context(), cmd.OutOrStdout(), h)
	})
}

func (a *app) showSchedule(ctx context.Context, out io.Writer, h client.ScheduleHandle) error {
	d, err := h.Describe(ctx)
	if err != nil {
		return a.explainSchedule(err)
	}
	s := shownSchedule{Paused: d.Schedule.State.Paused, Note: d.Schedule.State.Note, Running: []string{}, Recent: []sweepRun{}, Next: nonNil(d.Info.NextActionTimes)}
	for _, i := range d.Schedule.Spec.Intervals {
		s.EverySeconds = int64(i.Every.Seconds())
	}
	for _, w := range d.Info.RunningWorkflows {
		s.Running = append(s.Running, w.WorkflowID)
	}
	for _, r := range d.Info.RecentActions {
		run := sweepRun{At: r.ActualTime}
		if r.StartWorkflowResult != nil {
			run.Workflow = r.StartWorkflowResult.WorkflowID
		}
		s.Recent = append(s.Recent, run)
	}
	if a.json {
		return printJSON(out, s)
	}
	return s.print(out)
}

func (s *shownSchedule) print(out io.Writer) error {
	state := "runs"
	if s.Paused {
		state = "is paused"
	}
	text := fmt.Sprintf("the whole estate is swept every %v; the schedule %s", time.Duration(s.EverySeconds)*time.Second, state)
	if s.Note != "" {
		text += " (" + s.Note + ")"
	}
	if n := len(s.Recent); n > 0 {
		text += "\nlast: " + s.Recent[n-1].At.UTC().Format(time.RFC3339) + ", " + s.Recent[n-1].Workflow
	}
	if len(s.Next) > 0 && !s.Paused {
		text += "\nnext: " + s.Next[0].UTC().Format(time.RFC3339)
	}
	_, err := fmt.Fprintln(out, text)
	return err
}
