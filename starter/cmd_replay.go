package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const replayLong = `Run inference once more, on stored observations.

FILE, or standard input where it is -, holds JSON lines: component, probe, peer, vantage, at (RFC 3339), result
(up, down, unknown), detail. --incident reads those of an incident from the store. Findings go to stdout as JSON;
what was left out is counted on stderr. The order of the lines does not matter.
docs/observations.md describes both formats.`

// replaySource is what the flags of localize replay say.
type replaySource struct {
	inventories        []string
	before, incidentID string
	explain            bool
}

func newReplayCommand(a *app) *cobra.Command {
	var from replaySource
	cmd := &cobra.Command{
		Use:   "replay FILE | --incident INCIDENT",
		Short: "Infer the point of failure from stored observations",
		Long:  replayLong,
		Example: `  vakhta localize replay sweep.jsonl --inventory estate.yaml
  vakhta localize replay sweep.jsonl --inventory estate.yaml --before yesterday.jsonl --explain
  vakhta localize replay --incident msk-r1-k01-pdu-a-1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if from.incidentID != "" {
				return exactArgs(0)(cmd, args)
			}
			if from.before == fromStdin && len(args) == 1 && args[0] == fromStdin {
				return usageError("FILE and --before are both -; only one of them can be read from standard input")
			}
			return exactArgs(1, "FILE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return untilInterrupted(cmd.Context(), func() error { return a.replay(cmd, args, &from) })
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&from.inventories, "inventory", nil, "inventory document (repeat for several); default: the configuration's")
	flags.StringVar(&from.incidentID, "incident", "", "replay the stored observations that led to this incident, instead of FILE")
	flags.StringVar(&from.before, "before", "", "an earlier sweep: what was so then is not news")
	flags.BoolVar(&from.explain, "explain", false, "print the score table to stderr")
	return cmd
}

// untilInterrupted ends with the context, whatever the work does: inference looks at no context, and a read of a terminal
// waits for its end. The work is left behind, for the process to end with.
func untilInterrupted(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replay infers from stored observations, and prints what failed.
func (a *app) replay(cmd *cobra.Command, args []string, from *replaySource) error {
	inv, err := a.replayInventory(from.inventories)
	if err != nil {
		return err
	}
	g := topology.New(inv)
	var obs, past []topology.Observation
	if from.incidentID != "" {
		var left int
		obs, past, left, err = a.incidentObservations(cmd.Context(), g, inv, from.incidentID, false)
		printNoNews(cmd.ErrOrStderr(), left)
	} else {
		obs, err = observationsOf(args[0], cmd.InOrStdin())
	}
	if err != nil {
		return err
	}
	var earlier []topology.Observation
	if from.before != "" {
		if earlier, err = observationsOf(from.before, cmd.InOrStdin()); err != nil {
			return err
		}
	}
	if swapped(obs, earlier) {
		fmt.Fprintf(cmd.ErrOrStderr(), "the earlier sweep, %s, goes on after the end of what is replayed: are they swapped? What had failed in it is no news\n", from.before)
	}
	sifted := g.Sift(obs, earlier)
	sifted.HabitsKnown = from.incidentID != ""
	sifted.Remember(past)
	printSifted(cmd.ErrOrStderr(), len(obs), sifted)
	inf := g.InferSifted(&sifted)
	if from.explain {
		if err := printScores(cmd.ErrOrStderr(), inf); err != nil {
			return err
		}
	}
	return printJSON(cmd.OutOrStdout(), toldInference{tell(inv, inf.Findings), inf, nothingKnown(&sifted)})
}

// replayInventory loads the named documents, or else the configured ones.
func (a *app) replayInventory(paths []string) (*inventory.Inventory, error) {
	if len(paths) == 0 {
		cfg, err := a.loadConfig(false)
		if err != nil {
			return nil, fmt.Errorf("no --inventory: %w", err)
		}
		return loadInventory(cfg)
	}
	inv, err := inventory.LoadFiles(paths...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound("%w", err)
	}
	if err != nil {
		return nil, &exitError{exitRefused, err}
	}
	return inv, nil
}

// swapped says that the last row of the earlier sweep is later than that of the sweep.
func swapped(obs, earlier []topology.Observation) bool {
	last := func(rows []topology.Observation) (at time.Time) {
		for i := range rows {
			if rows[i].At.After(at) {
				at = rows[i].At
			}
		}
		return at
	}
	return len(obs) > 0 && last(earlier).After(last(obs))
}

// nothingKnown says that no observation was left, so that it is not known that all is well.
func nothingKnown(s *topology.Sifted) bool { return len(s.Observations) == 0 && s.WasSo == 0 }

// fromStdin is the path of standard input.
const fromStdin = "-"

func observationsOf(path string, stdin io.Reader) ([]topology.Observation, error) {
	if path == fromStdin {
		return parseObservations("standard input", stdin)
	}
	return readObservations(path)
}

func readObservations(path string) ([]topology.Observation, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound("read observations: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read observations: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, refused("%s is a directory; name a file of JSON lines", path)
	}
	obs, err := parseObservations(path, f)
	if err != nil {
		return nil, err
	}
	return obs, nil
}

const longestLine = 1 << 20

// parseObservations reads JSON lines; the first wrong one ends it.
func parseObservations(name string, r io.Reader) ([]topology.Observation, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), longestLine)
	var out []topology.Observation
	number := 0
	for lines.Scan() {
		number++
		text := bytes.TrimSpace(lines.Bytes())
		if number == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if len(text) == 0 {
			continue
		}
		o, err := parseObservation(text)
		if err != nil {
			return nil, refused("%s:%d: %w", name, number, err)
		}
		out = append(out, o)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, refused("%s:%d: the line is longer than %d KiB; write one observation a line, and a shorter detail", name, number+1, longestLine>>10)
	} else if err != nil {
		return nil, refused("%s:%d: %w", name, number+1, err)
	}
	return out, nil
}

func parseObservation(text []byte) (topology.Observation, error) {
	var row struct {
		Component string          `json:"component"`
		Probe     string          `json:"probe"`
		Peer      string          `json:"peer"`
		Vantage   string          `json:"vantage"`
		At        *string         `json:"at"`
		Result    string          `json:"result"`
		Detail    json.RawMessage `json:"detail"`
		RTTMicros int64           `json:"rttMicros"`
	}
	if string(text) == "null" {
		return topology.Observation{}, errors.New("not an observation but a JSON null; write one JSON object a line")
	}
	if err := json.Unmarshal(text, &row); err != nil {
		return topology.Observation{}, notAnObservation(err)
	}
	switch {
	case row.Component == "":
		return topology.Observation{}, errors.New("component is missing; name what was asked by its id in the inventory")
	case row.Probe == "":
		return topology.Observation{}, errors.New("probe is missing; say what was asked of it, such as tcp, icmp or power")
	case row.At == nil:
		return topology.Observation{}, errors.New("at is missing; write the time as RFC 3339")
	}
	at, err := timeOf(*row.At)
	if err != nil {
		return topology.Observation{}, fmt.Errorf("at is %q; write the time as RFC 3339, such as 2026-03-01T12:00:00Z", *row.At)
	}
	result := topology.Result(strings.ToLower(row.Result))
	if was, isPower := map[topology.Result]topology.Result{"on": topology.Up, "off": topology.Down}[result]; isPower && probeOf(row.Probe) == topology.ProbePower {
		result = was
	}
	switch result {
	case topology.Up, topology.Down, topology.Unknown:
	case "":
		return topology.Observation{}, errors.New("result is missing; use up, down or unknown")
	default:
		return topology.Observation{}, fmt.Errorf("result is %q; use up, down or unknown", row.Result)
	}
	return topology.Observation{
		Component: row.Component, Probe: probeOf(row.Probe), Peer: row.Peer, Vantage: row.Vantage,
		At: at.UTC(), Result: result, Detail: detailOf(row.Detail), RTTMicros: row.RTTMicros,
	}, nil
}

// timeOf reads RFC 3339, as other programs write it, too: its t and z may be small, a blank may stand for the t, and the
// offset may be +0300 or +03. A time without a zone is refused: nobody could say when it was.
func timeOf(text string) (at time.Time, err error) {
	text = strings.ToUpper(text)
	if date := len(time.DateOnly); len(text) > date && text[date] == ' ' {
		text = text[:date] + "T" + text[date+1:]
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07"} {
		if at, err = time.Parse(form, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, err
}

// otherNames are probes as other programs call them.
var otherNames = map[string]topology.Probe{
	"ping": topology.ProbeICMP, "bmc": topology.ProbePower, "ipmi": topology.ProbePower, "redfish": topology.ProbePower, "https": topology.ProbeHTTP,
}

func probeOf(name string) topology.Probe {
	name = strings.ToLower(name)
	if p, known := otherNames[name]; known {
		return p
	}
	return topology.Probe(name)
}

// detailOf is for people only, so that it may be anything: other JSON is kept as it is written.
func detailOf(text json.RawMessage) string {
	var s string
	if len(text) > 0 && json.Unmarshal(text, &s) != nil {
		return string(text)
	}
	return s
}

// notAnObservation says what is wrong with a line in words of the format.
func notAnObservation(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("not an observation but a JSON %s; write one JSON object a line", kind.Value)
	case errors.As(err, &kind) && kind.Field == "rttMicros":
		return fmt.Errorf("rttMicros is a JSON %s; write a whole number of microseconds", kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("%s is a JSON %s; write it as text in quotes", kind.Field, kind.Value)
	}
	return fmt.Errorf("not an observation: %w; write one JSON object a line", err)
}

// printSifted says how much of the input counted, and why the rest did not.
func printSifted(w io.Writer, read int, s topology.Sifted) {
	fmt.Fprintf(w, "%d observations read, %d used\n", read, len(s.Observations))
	for _, left := range []struct {
		n   int
		why string
	}{
		{s.Strangers, "about components that the inventory does not know"},
		{s.Unreadable, "that say nothing: of an unknown probe, or about a peer that is not given"},
		{s.Doubled, "doubled"},
		{s.Stale, "stale"},
		{s.WasSo, "as in the earlier sweep, so no news"},
	} {
		if left.n > 0 {
			fmt.Fprintf(w, "  left out: %d %s\n", left.n, left.why)
		}
	}
	if nothingKnown(&s) {
		fmt.Fprintln(w, "no observation is left, so that nothing is known: not that all is well")
	}
}
