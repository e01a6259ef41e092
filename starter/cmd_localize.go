package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

func newLocalizeCommand(a *app) *cobra.Command {
	var in workflows.LocalizeInput
	var watch bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "localize",
		Short: "Sweep machines and name the point of failure",
		Example: `  vakhta localize --client romashka --watch
  vakhta localize --component msk-r1-k01,msk-r1-k02
  vakhta localize --all --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			scope, err := localizeScope(in)
			if err != nil {
				return err
			}
			in.TimeoutMillis = int(timeout.Milliseconds())
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				result, err := a.localize(cmd.Context(), c, scope, in, watch, cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				if a.json {
					return printJSON(cmd.OutOrStdout(), result)
				}
				return printFindings(cmd.OutOrStdout(), result, a.describe())
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Client, "client", "", "all machines of this client")
	flags.StringVar(&in.Site, "site", "", "all machines of this site")
	flags.StringSliceVar(&in.Components, "component", nil, "these components and what hangs on them")
	flags.BoolVar(&in.All, "all", false, "the whole estate")
	flags.BoolVar(&watch, "watch", false, "show the sweep as it runs")
	flags.DurationVar(&timeout, "timeout", 0, "budget of one probe; default: the worker's")
	cmd.AddCommand(newReplayCommand(a))
	return cmd
}

// localizeScope names the one scope that was asked for.
func localizeScope(in workflows.LocalizeInput) (string, error) {
	var scopes []string
	if in.Client != "" {
		scopes = append(scopes, in.Client)
	}
	if in.Site != "" {
		scopes = append(scopes, in.Site)
	}
	if len(in.Components) > 0 {
		scopes = append(scopes, strings.Join(in.Components, "+"))
	}
	if in.All {
		scopes = append(scopes, "all")
	}
	if len(scopes) != 1 {
		return "", usageError("say what to localize: exactly one of --client, --site, --component, --all")
	}
	return clip(scopes[0], 200), nil
}

const (
	progressEvery        = 200 * time.Millisecond
	workerExpectedWithin = 5 * time.Second
)

// localize starts the workflow and waits for its result, showing progress.
func (a *app) localize(ctx context.Context, c client.Client, scope string, in workflows.LocalizeInput, watch bool, show io.Writer) (workflows.LocalizeResult, error) {
	var result workflows.LocalizeResult
	id := workflows.LocalizeID(scope, newID(""))
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueRunbooks, StaticSummary: "Localize " + scope + ", asked by " + a.act().By,
	}, workflows.TypeLocalize, in)
	if err != nil {
		return result, a.explain("localize "+scope, err)
	}
	done := make(chan error, 1)
	go func() { done <- run.Get(ctx, &result) }()
	progress := newProgress(show)
	silence := time.NewTimer(workerExpectedWithin)
	defer silence.Stop()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			if err == nil && watch {
				progress.show(result.Progress)
			}
			return result, a.explain("localize "+scope, err)
		case <-silence.C:
			if progress.last == "" {
				fmt.Fprintln(show, "vakhta: still waiting for a worker on queue runbooks (`vakhta dev` starts one); Ctrl-C stops waiting, "+id+" goes on")
			}
		case <-ticker.C:
			if !watch {
				continue
			}
			var p workflows.LocalizeProgress
			// The first task may not be done yet, or no worker is there: the next tick asks again.
			if value, err := queryBriefly(ctx, c, id, run.GetRunID()); err == nil && value.Get(&p) == nil {
				progress.show(p)
			}
		}
	}
}

// queryBriefly asks for progress; a query that no worker answers would hold
// the picture up until its own time-out.
func queryBriefly(ctx context.Context, c client.Client, id, run string) (converter.EncodedValue, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.QueryWorkflow(ctx, id, run, workflows.QueryProgress)
}

// describe says findings in words, with the inventory if the configuration names one.
func (a *app) describe() func(topology.Finding) string {
	plain := func(f topology.Finding) string { return fmt.Sprintf("%s %s has failed", f.Kind, f.Component) }
	if a.configPath == "" {
		return plain
	}
	cfg, err := a.loadConfig(false)
	if err != nil {
		return plain
	}
	inv, err := loadInventory(cfg)
	if err != nil {
		return plain
	}
	return func(f topology.Finding) string { return topology.Sentence(inv, f, inventory.English) }
}

const idsShown = 10

// printFindings draws findings as a tree with their evidence.
func printFindings(out io.Writer, r workflows.LocalizeResult, describe func(topology.Finding) string) error {
	p := r.Progress
	fmt.Fprintf(out, "%d of %d machines checked, %d down\n", p.Checked, p.Total, p.Down)
	if len(p.Absent) > 0 {
		fmt.Fprintf(out, "no answer from vantage %s: what only it sees is not judged\n", strings.Join(p.Absent, ", "))
	}
	if len(r.Findings) == 0 && len(r.Unexplained) == 0 {
		_, err := fmt.Fprintln(out, "nothing is wrong that a probe can see")
		return err
	}
	for _, f := range r.Findings {
		fmt.Fprintf(out, "\n● %s\n", describe(f))
		var leaves []string
		leaves = append(leaves, fmt.Sprintf("component %s (%s), confidence %d %%, log-odds %.1f", f.Component, f.Kind, topology.Percent(f.Confidence), f.LogOdds))
		for _, e := range f.Evidence {
			leaves = append(leaves, e.Text)
		}
		if len(f.Explains) > 0 {
			leaves = append(leaves, fmt.Sprintf("explains %d down: %s", len(f.Explains), someOf(f.Explains)))
		}
		if len(f.Contradicts) > 0 {
			leaves = append(leaves, fmt.Sprintf("contradicted by %d up: %s", len(f.Contradicts), someOf(f.Contradicts)))
		}
		if len(f.AmbiguousWith) > 0 {
			leaves = append(leaves, "can't be told from "+someOf(f.AmbiguousWith))
		}
		for i, leaf := range leaves {
			branch := "├─ "
			if i == len(leaves)-1 {
				branch = "└─ "
			}
			fmt.Fprintln(out, "  "+branch+leaf)
		}
	}
	if len(r.Unexplained) > 0 {
		fmt.Fprintf(out, "\n? %d down that nothing explains: %s\n", len(r.Unexplained), someOf(r.Unexplained))
	}
	return nil
}

func someOf(ids []string) string {
	if len(ids) <= idsShown {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:idsShown], ", "), len(ids)-idsShown)
}
