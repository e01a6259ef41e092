package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// updateWithin is how long an update may take to be accepted and done.
const updateWithin = 15 * time.Second

func newIncidentCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "incident",
		Short: "See and work on incidents",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newIncidentListCommand(a), newIncidentShowCommand(a), newIncidentObservationsCommand(a))
	cmd.AddCommand(newIncidentActCommands(a)...)
	return cmd
}

func newIncidentListCommand(a *app) *cobra.Command {
	var f store.IncidentFilter
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List open incidents",
		Example: "  vakhta incident list --all --client romashka",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Open = !all
			return a.withStore(cmd.Context(), func(st *store.Store) error {
				list, err := st.Incidents(cmd.Context(), f)
				if err != nil {
					return unavailable("read the incidents: %w", err)
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), nonNil(list))
				}
				return printIncidents(cmd.OutOrStdout(), list, time.Now())
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&all, "all", false, "resolved ones too")
	flags.StringVar(&f.Client, "client", "", "only those that affect this client")
	flags.StringVar(&f.Site, "site", "", "only those of this site")
	flags.StringVar(&f.Component, "component", "", "only those of this point of failure")
	flags.IntVar(&f.Limit, "limit", 50, "at most so many")
	return cmd
}

// shownIncident is what `incident show --json` prints.
type shownIncident struct {
	workflows.IncidentStatus
	Timeline []incident.Entry `json:"timeline,omitempty"`
}

func newIncidentShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show INCIDENT",
		Short: "Show an incident: status, steps, teams, timeline",
		Long: `Show an incident: status, steps of its runbook, teams, timeline. The steps come
from its workflow, the timeline from the store; what is away is left out, and said.`,
		Args: exactArgs(1, "INCIDENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			shown, err := a.readIncident(cmd.Context(), args[0], func(note string) { fmt.Fprintln(cmd.ErrOrStderr(), "vakhta: "+note) })
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), shown)
			}
			return printIncident(cmd.OutOrStdout(), shown, a.configured(), time.Now())
		},
	}
}

// readIncident takes the live state from the workflow and the record from the
// store; either may be away, not both.
func (a *app) readIncident(ctx context.Context, id string, note func(string)) (shownIncident, error) {
	var shown shownIncident
	liveErr := a.withTemporal(ctx, func(c client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, updateWithin)
		defer cancel()
		value, err := c.QueryWorkflow(ctx, workflows.IncidentID(id), "", workflows.QueryStatus)
		if err != nil {
			return a.explain("incident "+id, err)
		}
		return value.Get(&shown.IncidentStatus)
	})
	if a.configPath == "" {
		if liveErr == nil {
			note("no --config: the timeline is not shown")
		}
		return shown, liveErr
	}
	err := a.withStore(ctx, func(st *store.Store) error {
		if liveErr != nil {
			stored, err := st.Incident(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				return notFound("incident %s: not found; see `vakhta incident list --all`", id)
			}
			if err != nil {
				return errors.Join(liveErr, err)
			}
			note("its workflow does not answer, this is the stored record: " + liveErr.Error())
			shown.Incident = stored
		}
		var err error
		shown.Timeline, err = st.Timeline(ctx, "incident/"+id, 0, 0)
		return err
	})
	if err != nil && liveErr == nil {
		note("the timeline is not shown: " + err.Error())
		return shown, nil
	}
	return shown, err
}

// actSpec is one command that is an update of an incident's workflow.
type actSpec struct {
	use, short, example string
	update              string
	args                []string // names of the arguments, the incident first
	// of makes the workflow's id of all arguments, where it isn't the first one's.
	of    func(args []string) string
	flags func(cmd *cobra.Command)
	build func(act workflows.Act, args []string) (any, error)
}

// showState prints the state that an update answers with.
type showState func(ctx context.Context, cmd *cobra.Command, handle client.WorkflowUpdateHandle) error

// command makes the cobra command of an update; id makes the workflow's id of
// the first argument.
func (s actSpec) command(a *app, thing string, id func(string) string, show showState) *cobra.Command {
	cmd := &cobra.Command{
		Use:     s.use,
		Short:   s.short,
		Example: s.example,
		Args:    exactArgs(len(s.args), s.args...),
		RunE: func(cmd *cobra.Command, args []string) error {
			arg, err := s.build(a.act(), args)
			if err != nil {
				return err
			}
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				ctx, cancel := context.WithTimeout(cmd.Context(), updateWithin)
				defer cancel()
				handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
					WorkflowID: s.workflow(id, args), UpdateName: s.update, Args: []any{arg},
					WaitForStage: client.WorkflowUpdateStageCompleted,
				})
				if err != nil {
					return a.explain(thing+" "+args[0], err)
				}
				if err := show(ctx, cmd, handle); err != nil {
					return a.explain(thing+" "+args[0], err)
				}
				return nil
			})
		},
	}
	if s.flags != nil {
		s.flags(cmd)
	}
	return cmd
}

func (s actSpec) workflow(id func(string) string, args []string) string {
	if s.of != nil {
		return s.of(args)
	}
	return id(args[0])
}

// printIncidentState prints the state that an incident's update answers with.
func (a *app) printIncidentState(ctx context.Context, cmd *cobra.Command, handle client.WorkflowUpdateHandle) error {
	var state workflows.IncidentStatus
	if err := handle.Get(ctx, &state); err != nil {
		return err
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), state)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), incidentLine(state))
	return err
}

// incidentLine says an incident's state in one line.
func incidentLine(s workflows.IncidentStatus) string {
	parts := []string{string(s.Incident.Severity), string(s.Incident.Status)}
	if n := s.Incident.Affected(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d machines back", len(s.Incident.Restored), n))
	}
	for _, team := range sortedNames(s.Teams) {
		t := s.Teams[team]
		if t.AcknowledgedBy != "" {
			parts = append(parts, team+" taken by "+t.AcknowledgedBy)
		}
	}
	if !s.Incident.ETA.IsZero() {
		parts = append(parts, "expected back "+s.Incident.ETA.Local().Format("02 Jan 15:04 MST"))
	}
	return s.Incident.ID + ": " + strings.Join(parts, ", ")
}
