package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
)

// readyWithin is how long the server may take from start to answering its first request. Measured: 0.7 s when the
// machine is idle, several times that when compilers run beside it.
const readyWithin = time.Minute

// errRefused marks what the caller can mend: the process exits with 2 instead of 1.
var errRefused = errors.New("refused to start")

func isRefusal(err error) bool { return errors.Is(err, errRefused) }

// refusal reports a reason why the server doesn't start, with its remedy.
func refusal(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errRefused, fmt.Errorf(format, args...))
}

// options are the command line.
type options struct {
	port           int
	uiPort         int
	db             string
	namespace      string
	retention      time.Duration
	codec          string
	logLevel       string
	exitWithParent bool
}

// ready is the line printed on standard output once requests are answered.
type ready struct {
	Ready     bool   `json:"ready"`
	Address   string `json:"address"`
	UI        string `json:"ui,omitempty"`
	Namespace string `json:"namespace"`
	PID       int    `json:"pid"`
	ReadyMs   int64  `json:"readyMs"`
}

func main() {
	err := serve(os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case isRefusal(err):
		fmt.Fprintf(os.Stderr, "vakhta-devserver: %v\n", err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "vakhta-devserver: %v\n", err)
		os.Exit(1)
	}
}

// serve runs the server that args describe until a signal comes.
func serve(args []string) error {
	o, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return run(ctx, o, os.Stdout)
}

// parse reads the command line and checks what can be checked without touching the machine.
func parse(args []string, out io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("vakhta-devserver", flag.ContinueOnError)
	f.SetOutput(out)
	f.IntVar(&o.port, "port", 7233, "gRPC port; 0 chooses a free one")
	f.IntVar(&o.uiPort, "ui-port", 8233, "web UI port; 0 chooses a free one, -1 turns the UI off")
	f.StringVar(&o.db, "db", "", "SQLite `file`; empty keeps everything in memory")
	f.StringVar(&o.namespace, "namespace", "default", "namespace to create")
	f.DurationVar(&o.retention, "retention", 30*24*time.Hour, "how long a new namespace keeps closed workflows")
	f.StringVar(&o.codec, "codec", "", "`URL` of a codec server that the UI decodes payloads with")
	f.StringVar(&o.logLevel, "log-level", "error", "debug, info, warn, error or fatal")
	f.BoolVar(&o.exitWithParent, "exit-with-parent", false, "stop when the process that started this one is gone")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, refusal("%w", err)
	}
	err := o.validate(f.Args())
	return o, err
}

func (o *options) validate(rest []string) error {
	if len(rest) > 0 {
		return refusal("unexpected argument %q: everything is a flag, see --help", rest[0])
	}
	if o.port < 0 || o.port > 65535 {
		return refusal("--port %d: give 0 (choose a free one) to 65535", o.port)
	}
	if o.uiPort < -1 || o.uiPort > 65535 {
		return refusal("--ui-port %d: give -1 (no UI), 0 (choose a free one) to 65535", o.uiPort)
	}
	if o.port != 0 && o.port == o.uiPort {
		return refusal("--port and --ui-port are both %d: give each its own", o.port)
	}
	if strings.TrimSpace(o.namespace) == "" {
		return refusal("--namespace is empty: leave it out for \"default\"")
	}
	if o.retention < time.Hour {
		return refusal("--retention %v: Temporal keeps closed workflows for 1h at least", o.retention)
	}
	switch o.logLevel {
	case "debug", "info", "warn", "error", "fatal":
	default:
		return refusal("--log-level %q: give debug, info, warn, error or fatal", o.logLevel)
	}
	if o.db == "" {
		return nil
	}
	if strings.ContainsAny(o.db, "?#%") {
		return refusal("--db %s: the path goes into a URI and can't hold any of ? # %%; choose another", o.db)
	}
	abs, err := filepath.Abs(o.db)
	if err != nil {
		return refusal("--db %s: %w", o.db, err)
	}
	o.db = abs
	return nil
}

// run serves until ctx is done.
func run(ctx context.Context, o options, stdout io.Writer) error {
	started := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.exitWithParent {
		go cancelWithParent(ctx, os.Getppid(), cancel)
	}
	ports, err := choosePorts(ctx, o)
	if err != nil {
		return err
	}
	unlock, err := lockDatabase(o.db)
	if err != nil {
		return err
	}
	defer unlock()
	store, err := openStore(o)
	if err != nil {
		return err
	}
	srv, err := newServer(o, ports, store)
	if err != nil {
		return err
	}
	if err := srv.Start(); err != nil {
		return fmt.Errorf("start Temporal server: %w", err)
	}
	defer func() { _ = srv.Stop() }()

	if o.uiPort >= 0 {
		ui := newUI(o, ports)
		go func() { _ = ui.Start() }()
		defer ui.Stop()
	}
	if err := awaitReady(ctx, o, ports); err != nil {
		if ctx.Err() != nil {
			return nil // stopped while starting: nothing was promised
		}
		return err
	}
	line := ready{
		Ready: true, Address: hostPort(ports.frontend), Namespace: o.namespace,
		PID: os.Getpid(), ReadyMs: time.Since(started).Milliseconds(),
	}
	if o.uiPort >= 0 {
		line.UI = "http://" + hostPort(ports.ui)
	}
	if err := json.NewEncoder(stdout).Encode(line); err != nil {
		return fmt.Errorf("print ready line: %w", err)
	}
	<-ctx.Done()
	return nil
}

// cancelWithParent calls cancel once the process with id parent is no longer our parent. It polls, because the
// kernel's parent-death signal follows the thread that forked us: a parent in Go may lose that one and live on.
func cancelWithParent(ctx context.Context, parent int, cancel context.CancelFunc) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	cancel()
}

func newUI(o options, p ports) *uiserver.Server {
	return uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host:                loopback,
		Port:                p.ui,
		TemporalGRPCAddress: hostPort(p.frontend),
		DefaultNamespace:    o.namespace,
		EnableUI:            true,
		Codec:               uiconfig.Codec{Endpoint: o.codec},
		CORS:                uiconfig.CORS{CookieInsecure: true}, // plain http on the loopback address
		HideLogs:            true,
		DisableNewsFetch:    true,
	}))
}
