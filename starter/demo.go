package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/stand"
)

// demoInputs are the runbooks' inputs in the demo and in `vakhta dev`: an
// outage in half a minute.
var demoInputs = map[string]string{
	"updateEvery": "10s", "lookEvery": "1s", "messenger": "3s", "call": "20s", "quiet": "30m", "reopenWithin": "1h",
}

// demoOptions are the flags of `demo` and `dev`.
type demoOptions struct {
	scenario string
	keep     bool
	dir      string
}

func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play one outage, or planned work, from its first word to the postmortem",
		Long: `Play one story on this machine: the embedded Temporal server, 1,200 simulated
servers at two sites, and a sandbox in place of the paid providers. Nothing
leaves this machine. Scenarios: ` + strings.Join(demoScenarios(), ", ") + `;
the last one is planned work, from its plan to what did not come back after it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(demoScenarios(), o.scenario) {
				return usageError("--scenario: %q is none of %s", o.scenario, strings.Join(demoScenarios(), ", "))
			}
			return playDemo(cmd, o)
		},
	}
	cmd.Flags().StringVar(&o.scenario, "scenario", "server", "what is played: "+strings.Join(demoScenarios(), ", "))
	cmd.Flags().BoolVar(&o.keep, "keep", false, "leave everything running afterwards, until Ctrl-C")
	cmd.Flags().StringVar(&o.dir, "dir", "", "folder for databases and logs (default: .demo here; begun anew each time)")
	return cmd
}

// scenarioWork is planned work in place of an outage.
const scenarioWork = "maintenance"

func demoScenarios() []string { return append(slices.Clone(estate.Scenarios), scenarioWork) }

func newDevCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine, with the lab in place of the world",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := newScreen(cmd.OutOrStdout())
			return withStand(cmd.Context(), s, o, func(ctx context.Context, h *stand.Stand) error {
				s.places(h)
				s.commands(h)
				s.line("ready", "everything runs; Ctrl-C stops it", styleGood)
				<-ctx.Done()
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&o.dir, "dir", "", "folder for databases and logs (default: .demo here; begun anew each time)")
	return cmd
}

func playDemo(cmd *cobra.Command, o demoOptions) error {
	s := newScreen(cmd.OutOrStdout())
	return withStand(cmd.Context(), s, o, func(ctx context.Context, h *stand.Stand) error {
		st := newStory(h, s, o.scenario)
		tell := st.play
		if o.scenario == scenarioWork {
			tell = (&workStory{story: st}).play
		}
		play, cancel := context.WithTimeout(ctx, 3*time.Minute)
		defer cancel()
		if err := tell(play); err != nil {
			s.line("failed", err.Error(), styleBad)
			s.places(h)
			if !o.keep {
				return fmt.Errorf("demo %s: %w; logs are in %s", o.scenario, err, demoDir(o))
			}
		}
		s.end(h, st)
		if o.keep {
			s.commands(h)
			s.line("running", "everything is left running; Ctrl-C stops it", styleGood)
			<-ctx.Done()
		}
		return nil
	})
}

func demoDir(o demoOptions) string {
	if o.dir != "" {
		return o.dir
	}
	return ".demo"
}

// withStand puts the lab up, runs do, and takes it down, on Ctrl-C too.
func withStand(ctx context.Context, s *screen, o demoOptions, do func(context.Context, *stand.Stand) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dir, err := filepath.Abs(demoDir(o))
	if err != nil {
		return fmt.Errorf("find the demo's folder: %w", err)
	}
	if err := clearDemo(dir); err != nil {
		return err
	}
	h, err := stand.Open(ctx, stand.Options{
		Dir: dir, Inputs: demoInputs, Seed: 1, Rooms: true, BootDelay: 2 * time.Second,
		GatewayPort: 8080, SandboxPort: 8090, EstatePort: 8095, TemporalPort: 7233, UIPort: 8233,
		Say:  func(text string) { s.line("start", strings.TrimSpace(text), styleDim) },
		Died: func(process, how string) { s.line("process", process+" died ("+how+"); starting it again", styleBad) },
	})
	if err != nil {
		return err
	}
	defer h.Close()
	return do(ctx, h)
}

// clearDemo empties a folder that an earlier demo made, and no other.
func clearDemo(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) || (err == nil && len(entries) == 0) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "vakhta.yaml")); err != nil {
		return refused("%s is not empty and not a demo's folder: choose another with --dir", dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty %s: %w", dir, err)
	}
	return nil
}
