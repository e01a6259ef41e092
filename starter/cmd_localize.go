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
	"vakhta/workflows"
)

func newLocalizeCommand(a *app) *cobra.Command {
	var in workflows.LocalizeInput
	var watch, explain bool
	var timeout time.Duration
	var language string
	cmd := &cobra.Command{
		Use:   "localize",
		Short: "Sweep machines and name the point of failure",
		Example: `  vakhta localize --client romashka --watch
  vakhta localize --client romashka --language ru
  vakhta localize --component msk-r1-k01,msk-r1-k02
  vakhta localize --all --json
  vakhta localize --all --full`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			scope, err := localizeScope(in)
			if err != nil {
				return err
			}
			if language != string(inventory.Russian) && language != string(inventory.English) {
				return usageError("--language %q: use ru or en", language)
			}
			if cmd.Flags().Changed("timeout") && (timeout < leastTimeout || timeout > mostTimeout) {
				return usageError("--timeout is %v; give %v to %v", timeout, leastTimeout, mostTimeout)
			}
			in.TimeoutMillis = int(timeout.Milliseconds())
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				result, err := a.localize(cmd.Context(), c, scope, in, watch, cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				if result, err = a.wholeResult(cmd.Context(), result, cmd.ErrOrStderr()); err != nil {
					return err
				}
				if explain {
					if err := a.explainSweep(cmd.Context(), cmd.ErrOrStderr(), result.Sweep); err != nil {
						return err
					}
				}
				inv := a.configured()
				if a.json {
					return printJSON(cmd.OutOrStdout(), toldResult{tell(inv, result.Findings), result})
				}
				return printFindings(cmd.OutOrStdout(), result, inv, inventory.Language(language))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Client, "client", "", "all machines of this client")
	flags.StringVar(&in.Site, "site", "", "all machines of this site")
	flags.StringSliceVar(&in.Components, "component", nil, "these components and what hangs on them")
	flags.BoolVar(&in.All, "all", false, "the whole estate")
	flags.BoolVar(&in.Full, "full", false, "with --all: ask everything of every machine, not of some of each failure domain")
	flags.BoolVar(&watch, "watch", false, "show the sweep as it runs")
	flags.BoolVar(&explain, "explain", false, "print the score table to stderr; needs the configuration")
	flags.StringVar(&language, "language", string(inventory.English), "of the findings' sentences: ru, en; needs the configuration")
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
	if in.Full && !in.All {
		return "", usageError("--full goes with --all; of a smaller scope everything is asked anyway")
	}
	if len(scopes) != 1 {
		return "", usageError("say what to localize: exactly one of --client, --site, --component, --all")
	}
	return clip(scopes[0], 200), nil
}

const (
	progressEvery        = 200 * time.Millisecond
	workerExpectedWithin = 5 * time.Second
	// leastTimeout and mostTimeout bound what one probe may be given.
	leastTimeout = 10 * time.Millisecond
	mostTimeout  = 30 * time.Second
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
			if ctx.Err() != nil {
				cancelLocalize(context.WithoutCancel(ctx), c, run, show)
				return result, ctx.Err()
			}
			if err == nil && watch {
				progress.show(result.Progress)
			}
			return result, a.explain("localize "+scope, err)
		case <-silence.C:
			var p workflows.LocalizeProgress
			if progress.last != "" {
				continue
			}
			if value, err := queryBriefly(ctx, c, id, run.GetRunID()); err != nil || value.Get(&p) != nil {
				fmt.Fprintln(show, "vakhta: still waiting for a worker on queue runbooks (`vakhta dev` starts one); Ctrl-C cancels "+id)
				continue
			}
			fmt.Fprintln(show, headline(p)+"; --watch shows more, Ctrl-C cancels "+id)
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

// cancelWithin is how long Temporal gets to take the cancellation.
const cancelWithin = 3 * time.Second

// cancelLocalize ends a sweep that whoever began it no longer waits for: its probes would go on.
func cancelLocalize(ctx context.Context, c client.Client, run client.WorkflowRun, show io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, cancelWithin)
	defer cancel()
	if err := c.CancelWorkflow(ctx, run.GetID(), run.GetRunID()); err != nil {
		fmt.Fprintln(show, "vakhta: "+run.GetID()+" could not be cancelled and goes on; cancel it in Temporal")
		return
	}
	fmt.Fprintln(show, "vakhta: "+run.GetID()+" is cancelled; its probes end within a second")
}

// queryBriefly asks for progress; a query that no worker answers would hold
// the picture up until its own time-out.
func queryBriefly(ctx context.Context, c client.Client, id, run string) (converter.EncodedValue, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.QueryWorkflow(ctx, id, run, workflows.QueryProgress)
}
