package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"vakhta/internal/incident"
	"vakhta/internal/postmortem"
	"vakhta/internal/store"
	"vakhta/workflows"
)

func newPostmortemCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "postmortem",
		Short: "See, write and follow up postmortems",
		Args:  aCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPostmortemShowCommand(a))
	for _, spec := range postmortemActs() {
		cmd.AddCommand(spec.command(a, "postmortem of incident", workflows.PostmortemID, a.printPostmortemState))
	}
	return cmd
}

func newPostmortemShowCommand(a *app) *cobra.Command {
	var asHTML bool
	cmd := &cobra.Command{
		Use:   "show INCIDENT",
		Short: "Print a postmortem as Markdown (or --html, --json)",
		Args:  exactArgs(1, "INCIDENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, id, out := cmd.Context(), args[0], cmd.OutOrStdout()
			cfg, err := a.loadConfig(false)
			if err != nil {
				return err
			}
			inv, err := loadInventory(cfg)
			if err != nil {
				return err
			}
			return a.withStore(ctx, func(st *store.Store) error {
				pm, entries, err := readPostmortem(ctx, st, id)
				if err != nil {
					return err
				}
				if a.json {
					return printJSON(out, pm)
				}
				text := postmortem.Markdown(pm, entries, namesOf(inv))
				if asHTML {
					if text, err = postmortem.HTML(pm, entries, namesOf(inv)); err != nil {
						return err
					}
				}
				_, err = io.WriteString(out, text)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asHTML, "html", false, "print one self-contained HTML page, with the timeline as a picture")
	return cmd
}

func readPostmortem(ctx context.Context, st *store.Store, id string) (incident.Postmortem, []incident.Entry, error) {
	pm, err := st.Postmortem(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return pm, nil, notFound("incident %s has no postmortem (yet); it is drafted when the incident is resolved", id)
	}
	if err != nil {
		return pm, nil, unavailable("read the postmortem: %w", err)
	}
	entries, err := st.Timeline(ctx, "incident/"+id, 0, 0)
	if err != nil {
		return pm, nil, unavailable("read the timeline: %w", err)
	}
	return pm, entries, nil
}

// postmortemActs are the updates of a postmortem's workflow.
func postmortemActs() []actSpec {
	var file, owner, due, refusal string
	one := []string{"INCIDENT"}
	return []actSpec{
		{
			use: "edit INCIDENT SECTION [--file FILE]", short: "Replace a section by a file or standard input", update: workflows.UpdateEdit,
			example: "  vakhta postmortem edit inc-7 cause < cause.md", args: []string{"INCIDENT", "SECTION"},
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&file, "file", "-", "file with the Markdown; - is standard input")
			},
			build: func(act workflows.Act, args []string) (any, error) {
				if !slices.Contains(postmortem.Sections, args[1]) {
					return nil, usageError("there is no section %q; there are %s", args[1], strings.Join(postmortem.Sections, ", "))
				}
				text, err := readText(file)
				return workflows.EditUpdate{Act: act, Sections: map[string]string{args[1]: text}}, err
			},
		},
		{
			use: "add-action INCIDENT TEXT", short: "Add what must be done so that it never happens again", update: workflows.UpdateAddAction,
			example: `  vakhta postmortem add-action inc-7 "give rack 12 a second feed" --owner petrov --due 2026-12-31`, args: []string{"INCIDENT", "TEXT"},
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&owner, "owner", "", "who does it (required)")
				cmd.Flags().StringVar(&due, "due", "", "until when, YYYY-MM-DD")
			},
			build: func(act workflows.Act, args []string) (any, error) {
				u := workflows.AddActionUpdate{Act: act, Text: args[1], Owner: owner}
				if owner == "" {
					return nil, usageError("--owner is empty: an action without an owner is nobody's")
				}
				if due != "" {
					at, err := time.Parse(time.DateOnly, due)
					if err != nil {
						return nil, usageError("--due %q is not a date; write YYYY-MM-DD", due)
					}
					u.Due = at
				}
				return u, nil
			},
		},
		{
			use: "approve INCIDENT", short: "Approve the document, or refuse it", update: workflows.UpdateApprove, args: one,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().StringVar(&refusal, "refuse", "", "refuse it, for this reason")
			},
			build: func(act workflows.Act, _ []string) (any, error) {
				return workflows.ApproveUpdate{Act: act, Refuse: refusal != "", Reason: refusal}, nil
			},
		},
		{
			use: "publish INCIDENT", short: "Publish the approved document", update: workflows.UpdatePublish, args: one,
			build: func(act workflows.Act, _ []string) (any, error) { return act, nil },
		},
		{
			use: "complete-action INCIDENT ACTION", short: "Say that an action is done", update: workflows.UpdateCompleteAction,
			args: []string{"INCIDENT", "ACTION"}, build: actionUpdate,
		},
		{
			use: "verify-action INCIDENT ACTION", short: "Say that a done action was checked", update: workflows.UpdateVerifyAction,
			args: []string{"INCIDENT", "ACTION"}, build: actionUpdate,
		},
	}
}

func actionUpdate(act workflows.Act, args []string) (any, error) {
	return workflows.ActionUpdate{Act: act, Action: args[1]}, nil
}

// readText reads a section's text.
func readText(file string) (string, error) {
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(os.Stdin)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return "", fmt.Errorf("read the section's text: %w", err)
	}
	return nonEmpty("the section's text", string(text))
}

// printPostmortemState prints the document that an update answers with.
func (a *app) printPostmortemState(ctx context.Context, cmd *cobra.Command, handle client.WorkflowUpdateHandle) error {
	var pm incident.Postmortem
	if err := handle.Get(ctx, &pm); err != nil {
		return err
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), pm)
	}
	open := 0
	for _, action := range pm.Actions {
		if action.VerifiedAt.IsZero() {
			open++
		}
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "postmortem of %s: %s, revision %d, %d of %d actions not verified\n",
		pm.Incident, pm.Status, pm.Revision, open, len(pm.Actions))
	return err
}
