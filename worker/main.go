// Command vakhta-worker runs workflows and activities. Its roles say which:
// one process may have them all (development), or each its own machines
// (a probe worker stands inside a site, near what it probes).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"

	"vakhta/internal/config"
	"vakhta/internal/profile"
	"vakhta/workflows/dial"
)

// version is set when the binary is linked.
var version = "dev"

// The roles of a worker.
const (
	roleWorkflows = "workflows"
	roleRecords   = "records"
	roleNotify    = "notify"
	roleProbe     = "probe"
)

var allRoles = []string{roleWorkflows, roleRecords, roleNotify, roleProbe}

// flags are the command line.
type flags struct {
	config   string
	roles    []string
	vantages []string
	listen   string
	drain    time.Duration
	patience time.Duration
	version  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "vakhta-worker:", err)
		}
		os.Exit(1) //nolint:gocritic // the deferred stop has nothing left to do
	}
}

func parseFlags(args []string, out io.Writer) (flags, error) {
	var f flags
	var roles, vantages string
	set := flag.NewFlagSet("vakhta-worker", flag.ContinueOnError)
	set.SetOutput(out)
	set.StringVar(&f.config, "config", os.Getenv("VAKHTA_CONFIG"), "configuration file")
	set.StringVar(&roles, "roles", strings.Join(allRoles, ","), "comma-separated: "+strings.Join(allRoles, ", "))
	set.StringVar(&vantages, "vantage", "", "comma-separated vantages that this worker probes from (role probe)")
	set.StringVar(&f.listen, "listen", "127.0.0.1:9464", "address of /healthz, /readyz and /metrics; empty for none")
	set.DurationVar(&f.drain, "drain", 20*time.Second, "how long activities may finish after SIGTERM")
	set.DurationVar(&f.patience, "patience", 2*time.Minute, "how long to wait for Temporal to answer at the start")
	set.BoolVar(&f.version, "version", false, "print the version")
	if err := set.Parse(args); err != nil {
		return f, fmt.Errorf("read flags: %w", err)
	}
	f.roles, f.vantages = split(roles), split(vantages)
	return f, f.validate()
}

func split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func (f flags) validate() error {
	if f.version {
		return nil
	}
	if f.config == "" {
		return errors.New("--config: must be given, or VAKHTA_CONFIG set")
	}
	if len(f.roles) == 0 {
		return fmt.Errorf("--roles: give at least one of %s", strings.Join(allRoles, ", "))
	}
	for _, r := range f.roles {
		if !slices.Contains(allRoles, r) {
			return fmt.Errorf("--roles: %q is none of %s", r, strings.Join(allRoles, ", "))
		}
	}
	if f.has(roleProbe) && len(f.vantages) == 0 {
		return errors.New("--vantage: must be given with the role probe: the name of the place that this worker stands in")
	}
	return nil
}

func (f flags) has(role string) bool { return slices.Contains(f.roles, role) }

func run(ctx context.Context, args []string, stderr io.Writer) error {
	f, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if f.version {
		_, err := fmt.Fprintln(os.Stdout, "vakhta-worker", version)
		return err
	}
	cfg, err := config.Load(f.config)
	if err != nil {
		return err
	}
	stop, err := profile.Start()
	if err != nil {
		return err
	}
	defer stop()
	log := zerolog.New(stderr).With().Timestamp().Str("process", "worker").Logger()
	metrics, err := newMetrics()
	if err != nil {
		return err
	}
	options, err := dial.Options(cfg.Temporal, dial.Flags{})
	if err != nil {
		return err
	}
	options.Logger = dial.Logger(log.Level(zerolog.WarnLevel))
	options.MetricsHandler = metrics.handler
	c, err := reach(ctx, options, f.patience, log)
	if err != nil {
		return err
	}
	defer c.Close()
	restore := frugal()
	p, err := newParts(ctx, cfg, metrics)
	if err != nil {
		return err
	}
	defer p.store.Close()
	restore()
	return serve(ctx, f, c, p, metrics, log)
}

// How much garbage the collector lets gather, in percent of what lives.
const (
	whileReading = 20 // reading a large inventory makes far more garbage than it leaves behind
	least        = 40 // a sweep of 100,000 machines makes garbage faster than the default collects it
	most         = 200
	// ample is a heap that a worker may have without thinking of it: a small
	// one collects less often.
	ample = 128 << 20
)

// frugal trades processor time for memory while the inventory is read; the
// answer gives back what that took, and chooses by what lives from then on.
func frugal() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return debug.FreeOSMemory
	}
	debug.SetGCPercent(whileReading)
	return func() {
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		debug.SetGCPercent(max(least, min(most, int(ample*100/max(m.HeapAlloc, 1))-100)))
	}
}

// reach dials Temporal until it answers: after a power cut everything starts
// at once, and the worker may be first.
func reach(ctx context.Context, options client.Options, patience time.Duration, log zerolog.Logger) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, options)
		if err == nil {
			return c, nil
		}
		log.Warn().Str("address", options.HostPort).Msg("Temporal does not answer yet")
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("reach Temporal at %s: %w; start it with `vakhta dev`, or set TEMPORAL_ADDRESS", options.HostPort, err)
		case <-time.After(time.Second):
		}
	}
}
