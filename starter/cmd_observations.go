package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

func newIncidentObservationsCommand(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "observations INCIDENT",
		Short: "Print the observations that led to an incident, as JSON lines",
		Long: `Print the observations that led to an incident, as JSON lines that ` + "`localize replay`" + ` reads.

What was no news then is left out, and counted on stderr: what never answers,
what had been down for days, and what was under planned work. What sweeps of the two hours before saw of the
same components comes first.`,
		Example: "  vakhta incident observations msk-r1-k01-pdu-a-1 > sweep.jsonl\n  vakhta localize replay sweep.jsonl --explain",
		Args:    exactArgs(1, "INCIDENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			inv, err := a.replayInventory(nil)
			if err != nil {
				return err
			}
			obs, past, left, err := a.incidentObservations(cmd.Context(), topology.New(inv), inv, args[0], all)
			if err != nil {
				return err
			}
			printNoNews(cmd.ErrOrStderr(), left)
			return writeObservations(cmd.OutOrStdout(), slices.Concat(past, obs))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "what was no news, too")
	return cmd
}

func printNoNews(w io.Writer, rows int) {
	if rows > 0 {
		fmt.Fprintf(w, "left out: %d that were no news: they were so before, or under planned work\n", rows)
	}
}

// incidentObservations reads what led to an incident from the store, and counts the rows that were no
// news when it was opened: they are left out, unless all are asked for. Past is what earlier sweeps saw.
func (a *app) incidentObservations(ctx context.Context, g *topology.Graph, inv *inventory.Inventory, id string, all bool) (obs, past []topology.Observation, left int, err error) {
	return obs, past, left, a.withStore(ctx, func(st *store.Store) error {
		in, err := st.Incident(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return notFound("incident %s: not found; see `vakhta incident list --all`", id)
		}
		if err != nil {
			return unavailable("read the incident: %w", err)
		}
		if in.Sweep == "" {
			return notFound("incident %s: no sweep led to it, or it is from before sweeps were noted", id)
		}
		if obs, err = st.Observations(ctx, in.Sweep); err != nil {
			return unavailable("read its observations: %w", err)
		}
		if len(obs) == 0 {
			return notFound("incident %s: the store holds no observations of its sweep %s", id, in.Sweep)
		}
		if past, err = st.Recalled(ctx, in.Sweep); err != nil {
			return unavailable("read what was observed before: %w", err)
		}
		if all {
			return nil
		}
		read := len(obs)
		if obs, err = records.News(ctx, st, inv, g, in.OpenedAt, obs); err != nil {
			return unavailable("read what was so before: %w", err)
		}
		left = read - len(obs)
		return nil
	})
}

// writeObservations writes JSON lines that `localize replay` reads.
func writeObservations(w io.Writer, obs []topology.Observation) error {
	out := json.NewEncoder(w)
	for i := range obs {
		if err := out.Encode(&obs[i]); err != nil {
			return fmt.Errorf("write observations: %w", err)
		}
	}
	return nil
}
