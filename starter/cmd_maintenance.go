package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/postmortem"
	"vakhta/internal/store"
	"vakhta/workflows"
)

func newMaintenanceCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "maintenance",
		Short: "Plan work, announce it, and see who has not read it",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMaintenancePlanCommand(a), newMaintenanceListCommand(a), newMaintenanceShowCommand(a), newMaintenanceUnreadCommand(a), newMaintenanceToldCommand(a), newMaintenanceImportCommand(a), newMaintenanceCalendarCommand(a))
	for _, spec := range maintenanceActs() {
		cmd.AddCommand(spec.command(a, "maintenance", workflows.MaintenanceID, a.printMaintenanceState))
	}
	return cmd
}

func readWork(file string, inv *inventory.Inventory) (maintenance.Work, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return maintenance.Work{}, notFound("%w", err)
	}
	if err != nil {
		return maintenance.Work{}, err
	}
	w, err := maintenance.Read(filepath.Base(file), text, inv)
	if err != nil {
		return w, refused("%w", err)
	}
	return w, nil
}

// startWork begins the life of a work; one of its name must not run yet.
func startWork(ctx context.Context, f starting, in workflows.MaintenanceInput) error {
	_, err := f.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.MaintenanceID(in.Work.ID), TaskQueue: workflows.QueueRunbooks, StaticSummary: in.Work.TitleIn("en"), WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflows.TypeMaintenance, in)
	return err
}

// starting starts workflows; client.Client fulfils it.
type starting interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
}

func (a *app) startMaintenance(ctx context.Context, out io.Writer, w maintenance.Work, alone bool) error {
	return a.withTemporal(ctx, func(c client.Client) error {
		if err := startWork(ctx, c, workflows.MaintenanceInput{Act: a.act(), Work: w, Alone: alone}); err != nil {
			return a.explain("maintenance "+w.ID, err)
		}
		state, err := a.maintenanceState(ctx, c, w.ID)
		if err != nil {
			return err
		}
		if a.json {
			return printJSON(out, state)
		}
		if err := printMaintenance(out, state, nil); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "\nanother person approves it: vakhta maintenance approve %s\n", w.ID)
		return err
	})
}

// asker asks workflows where they stand; client.Client fulfils it.
type asker interface {
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	GetWorkflow(ctx context.Context, workflowID, runID string) client.WorkflowRun
}

// maintenanceState asks the workflow where a work stands; one that is refused
// says why.
func (a *app) maintenanceState(ctx context.Context, c asker, work string) (workflows.MaintenanceStatus, error) {
	state, err := workState(ctx, c, work)
	return state, a.explain("maintenance "+work, err)
}

// workState waits until a work that was just planned is computed.
func workState(ctx context.Context, c asker, work string) (state workflows.MaintenanceStatus, err error) {
	id := workflows.MaintenanceID(work)
	deadline := time.Now().Add(updateWithin)
	for {
		value, err := c.QueryWorkflow(ctx, id, "", workflows.QueryStatus)
		if err == nil {
			err = value.Get(&state)
		}
		if err != nil || state.Next != "" || state.Work.Status.Over() || time.Now().After(deadline) {
			return state, err
		}
		described, err := c.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return state, err
		}
		if !isRunning(described) {
			err = c.GetWorkflow(ctx, id, "").Get(ctx, &state)
			return state, err
		}
		select {
		case <-ctx.Done():
			return state, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func printMeasured(out io.Writer, p records.MeasuredWork) error {
	w := p.Work
	fmt.Fprintf(out, "%s  %s\n%s to %s\n", w.ID, w.TitleIn("en"), local(w.StartsAt), local(w.EndsAt))
	fmt.Fprintln(out, impactLine(p.Servers, p.Clients, p.Degraded, p.Slowed, p.Reduced))
	for _, i := range w.Told() {
		fmt.Fprintf(out, "told at %s: whom it means %s\n", local(w.AnnounceAt(i)), i)
	}
	for _, c := range p.Conflicts {
		fmt.Fprintf(out, "conflict: together with %s it takes down %s, which would survive either\n", c.With, strings.Join(c.Servers, ", "))
	}
	fmt.Fprintln(out, "\nthe announcement:")
	return printPlan(out, p.Announcement)
}

// impactLine says whom a work touches, and how.
func impactLine(servers, clients, degraded, slowed, reduced int) string {
	line := fmt.Sprintf("outage: %s of %s", count(servers, "machine"), count(clients, "client"))
	if degraded > 0 {
		line += fmt.Sprintf("; degraded: %s, %s with nothing worse", count(degraded, "machine"), count(slowed, "client"))
	}
	return line + "; reduced redundancy: " + count(reduced, "machine")
}

func newMaintenanceListCommand(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List planned work, with how many have confirmed",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return a.withStore(ctx, func(st *store.Store) error {
				from := time.Now()
				if all {
					from = time.Time{}
				}
				works, err := st.Maintenances(ctx, from, time.Time{})
				if err != nil {
					return unavailable("%w", err)
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), nonNil(works))
				}
				if len(works) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "no work is planned")
					return err
				}
				counts, err := st.MaintenanceCounts(ctx, works)
				if err != nil {
					return unavailable("%w", err)
				}
				t := newTable(cmd.OutOrStdout(), "WORK", "STATUS", "REV", "BEGINS", "ENDS", "CLIENTS", "CONFIRMED", "TITLE")
				for i := range works {
					w := &works[i]
					c := counts[w.ID]
					t.row(w.ID, string(w.Status), fmt.Sprint(w.Revision), local(w.StartsAt), local(w.EndsAt), fmt.Sprint(c.Clients), fmt.Sprint(c.Confirmed), w.TitleIn("en"))
				}
				return t.flush()
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also what is over")
	return cmd
}

func newMaintenanceShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show WORK",
		Short: "Show where a work stands, and what happens next",
		Args:  exactArgs(1, "WORK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withStore(ctx, func(st *store.Store) error {
				w, err := st.MaintenanceBare(ctx, args[0])
				if errors.Is(err, store.ErrNotFound) {
					return notFound("there is no planned work %q; vakhta maintenance list shows them", args[0])
				}
				if err != nil {
					return unavailable("%w", err)
				}
				counts, err := st.MaintenanceCounts(ctx, []maintenance.Work{w})
				if err != nil {
					return unavailable("%w", err)
				}
				u := counts[w.ID]
				return a.withTemporal(ctx, func(c client.Client) error {
					state, err := a.maintenanceState(ctx, c, args[0])
					if err != nil {
						return err
					}
					if a.json {
						return printJSON(cmd.OutOrStdout(), map[string]any{"state": state, "counts": u})
					}
					return printMaintenance(cmd.OutOrStdout(), state, &u)
				})
			})
		},
	}
}

func printMaintenance(out io.Writer, s workflows.MaintenanceStatus, u *store.WorkCount) error {
	w := s.Work
	fmt.Fprintf(out, "%s  %s\n", w.ID, w.TitleIn("en"))
	fmt.Fprintf(out, "%s, revision %d; planned by %s, approved by %s\n", w.Status, w.Revision, cmp.Or(w.PlannedBy, "nobody"), cmp.Or(w.ApprovedBy, "nobody yet"))
	fmt.Fprintf(out, "%s to %s; switches off %s\n", local(w.StartsAt), local(w.EndsAt), someOf(w.Components, len(w.Components)))
	fmt.Fprintln(out, impactLine(s.Servers, s.Clients, s.Degraded, s.Slowed, s.Reduced))
	for _, c := range s.Conflicts {
		fmt.Fprintf(out, "overridden (%s): together with %s it takes down %s\n", w.Override, c.With, strings.Join(c.Servers, ", "))
	}
	if u != nil {
		fmt.Fprintf(out, "confirmed: %d of %d clients\n", u.Confirmed, u.Clients)
	}
	if len(s.Incidents) > 0 {
		fmt.Fprintf(out, "did not come back: incidents %s\n", strings.Join(s.Incidents, ", "))
	}
	if s.Next == "" {
		return nil
	}
	_, err := fmt.Fprintf(out, "next: %s, %s (in %s)\n", s.Next, local(s.NextAt), postmortem.Span(time.Until(s.NextAt).Round(time.Second)))
	return err
}
