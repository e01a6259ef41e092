package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vakhta/internal/store"
	"vakhta/internal/topology"
)

func newIncidentObservationsCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "observations INCIDENT",
		Short:   "Print the observations that led to an incident, as JSON lines",
		Example: "  vakhta incident observations msk-r1-k01-pdu-a-1 > sweep.jsonl\n  vakhta localize replay sweep.jsonl --explain",
		Args:    exactArgs(1, "INCIDENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			obs, err := a.incidentObservations(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return writeObservations(cmd.OutOrStdout(), obs)
		},
	}
}

// incidentObservations reads what led to an incident from the store.
func (a *app) incidentObservations(ctx context.Context, id string) (obs []topology.Observation, err error) {
	return obs, a.withStore(ctx, func(st *store.Store) error {
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
