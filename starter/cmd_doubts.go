package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

const doubtsLong = `Say where the inventory seems to be wrong, and what says so.

The evidence is what led to the stored incidents: a machine that answered while
its rack, PDU or switch was dead; one that went down with another rack's; an
address that answers and that the inventory doesn't know. With --observations it
is these files instead, one sweep each, in the format of ` + "`localize replay`" + `.`

func newInventoryDoubtsCommand(a *app) *cobra.Command {
	var files, inventories []string
	var limit int
	cmd := &cobra.Command{
		Use:   "doubts",
		Short: "Say where the inventory seems to be wrong, with the evidence",
		Long:  doubtsLong,
		Example: `  vakhta inventory doubts
  vakhta inventory doubts --observations monday.jsonl --observations friday.jsonl --inventory estate.yaml --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			inv, err := a.replayInventory(inventories)
			if err != nil {
				return err
			}
			g := topology.New(inv)
			cases, err := a.doubtCases(cmd.Context(), g, inv, files, limit)
			if err != nil {
				return err
			}
			doubts := nonNil(g.Doubts(cases))
			if a.json {
				return printJSON(cmd.OutOrStdout(), doubts)
			}
			return printDoubts(cmd.OutOrStdout(), doubts, len(cases))
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&files, "observations", nil, "a sweep's observations (repeat for several), instead of the store's")
	flags.StringArrayVar(&inventories, "inventory", nil, "inventory document (repeat for several); default: the configuration's")
	flags.IntVar(&limit, "limit", 200, "at most so many of the latest incidents")
	return cmd
}

// doubtCases infers once more from each sweep: of the files, else of the stored incidents.
func (a *app) doubtCases(ctx context.Context, g *topology.Graph, inv *inventory.Inventory, files []string, limit int) ([]topology.Case, error) {
	var cases []topology.Case
	add := func(name string, obs []topology.Observation) {
		sifted := g.Sift(obs, nil)
		sifted.HabitsKnown = len(files) == 0
		cases = append(cases, topology.Case{Name: name, Observations: obs, Inference: g.InferSifted(&sifted)})
	}
	for _, file := range files {
		obs, err := readObservations(file)
		if err != nil {
			return nil, err
		}
		add(file, obs)
	}
	if len(files) > 0 {
		return cases, nil
	}
	return cases, a.withStore(ctx, func(st *store.Store) error {
		list, err := st.Incidents(ctx, store.IncidentFilter{Limit: limit})
		if err != nil {
			return unavailable("read the incidents: %w", err)
		}
		had := map[string]bool{} // a sweep may have led to several
		for _, in := range list {
			if in.Sweep == "" || in.Drill || had[in.Sweep] {
				continue
			}
			had[in.Sweep] = true
			obs, err := st.Observations(ctx, in.Sweep)
			if err != nil {
				return unavailable("read the observations of incident %s: %w", in.ID, err)
			}
			if obs, err = records.News(ctx, st, inv, g, in.OpenedAt, obs); err != nil {
				return unavailable("read what was so before incident %s: %w", in.ID, err)
			}
			if len(obs) > 0 {
				add(in.ID, obs)
			}
		}
		return nil
	})
}

func printDoubts(out io.Writer, doubts []topology.Doubt, cases int) error {
	if len(doubts) == 0 {
		_, err := fmt.Fprintf(out, "no doubt: nothing contradicts the inventory; sweeps: %d\n", cases)
		return err
	}
	t := newTable(out, "COMPONENT", "KIND", "DOUBT", "BY THE INVENTORY ON", "LIKELIER ON", "WHY", "SEEN IN")
	for _, d := range doubts {
		strength := "weak"
		if d.Strong {
			strength = "strong"
		}
		t.row(d.Component, string(d.Kind), strength, d.Of, d.Likelier, d.Text, someOf(d.Cases, len(d.Cases)))
	}
	if err := t.flush(); err != nil {
		return fmt.Errorf("print the doubts: %w", err)
	}
	strong := 0
	for _, d := range doubts {
		if d.Strong {
			strong++
		}
	}
	_, err := fmt.Fprintf(out, "\ndoubts: %d, of which strong: %d; sweeps: %d. Have somebody look, then mend the inventory.\n", len(doubts), strong, cases)
	return err
}
