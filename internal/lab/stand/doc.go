// Package stand puts the whole of Vakhta up on one machine: the embedded
// Temporal server, the simulated estate, the provider sandbox, and the real
// worker and gateway as processes of their own, which it restarts when they
// die. The demo, `vakhta dev` and the tests of the whole system live in it.
//
//	h, err := stand.Open(ctx, stand.Options{Dir: dir})
//	defer h.Close()
//	h.Estate.SetFault("msk-r1-k01-pdu-a", estate.Fault{Mode: estate.Down})
//	h.Sandbox.WriteTelegram(chat, "у меня лежит сервер")
package stand

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/devtemporal"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/seal"
	"vakhta/internal/store"
)

// Options say how to put the stand up. Only Dir is required.
type Options struct {
	Dir string // everything is kept here: databases, configuration, logs
	// Worker and Gateway are the binaries; empty: they stand beside the running
	// one, or in .bin of the repository.
	Worker, Gateway string
	// Store is the address of the database; empty: SQLite in Dir.
	Store string
	// Inventory replaces the estate's, for what needs no machine; nil: the estate's.
	Inventory *inventory.Document
	// Rates are the accounts' messages per second; 1000 where none is given.
	Rates map[inventory.Channel]float64
	// Defaults leaves the time-outs of sending as an operator has them.
	Defaults bool
	// Inputs replace inputs of the runbooks, for example {"updateEvery": "20s"}.
	Inputs map[string]string
	// Ports to begin looking from, so that a person finds the same addresses
	// again; 0 takes any free one.
	GatewayPort, SandboxPort, EstatePort, TemporalPort, UIPort int
	Seed                                                       int64
	BootDelay                                                  time.Duration // of a server of the estate
	Bare                                                       []string      // racks of the estate without management
	Vantages                                                   []string      // that the worker has; nil: all of the estate
	Rooms                                                      bool          // the teams work in rooms: Telegram, Slack, Mattermost
	Timing                                                     sandbox.Timing
	// Profile is a folder for processor profiles of gateway and worker; empty: none.
	Profile string
	// Say is told what is going on, one line each; nil drops it.
	Say func(string)
	// Died is told when a process ended by itself and is started again; nil drops it.
	Died func(process, how string)
}

// Stand is everything, running.
type Stand struct {
	Temporal *devtemporal.Server // nil when the environment names a real cluster
	Client   client.Client
	Estate   *estate.Lab
	Sandbox  *sandbox.Sandbox
	Store    *store.Store
	Worker   *Process
	Gateway  *Process

	Config                            string // path of the configuration file
	GatewayURL, SandboxURL, EstateURL string
	WorkerURL                         string // of its health and metrics
	IntakeToken                       string
	dataKey                           []byte
	Address, Namespace                string // of Temporal

	opts    Options
	closing []func()
	once    sync.Once
}

// Open puts the stand up and returns when everything answers. When ctx ends
// before that, what was started is stopped.
func Open(ctx context.Context, opts Options) (*Stand, error) {
	h := &Stand{opts: opts}
	if opts.Say == nil {
		h.opts.Say = func(string) {}
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the stand: %w", err)
	}
	for _, step := range []func(context.Context) error{
		h.openTemporal, h.openEstate, h.openSandbox, h.configure, h.openStore, h.startProcesses,
	} {
		if err := step(ctx); err != nil {
			h.Close()
			return nil, err
		}
	}
	return h, nil
}

// Close stops everything, in the reverse order of its start.
func (h *Stand) Close() {
	h.once.Do(func() {
		for i := len(h.closing) - 1; i >= 0; i-- {
			h.closing[i]()
		}
	})
}

func (h *Stand) onClose(f func()) { h.closing = append(h.closing, f) }

func (h *Stand) openTemporal(ctx context.Context) error {
	options, named, err := devtemporal.FromEnvironment()
	if err != nil {
		return err
	}
	if !named {
		h.opts.Say("starting the embedded Temporal server")
		h.Temporal, err = devtemporal.Start(ctx, devtemporal.Options{
			DB: filepath.Join(h.opts.Dir, "temporal.db"), Port: freeFrom(h.opts.TemporalPort), UIPort: freeFrom(h.opts.UIPort),
			Progress: progress(h.opts.Say),
		})
		if err != nil {
			return err
		}
		h.onClose(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_ = h.Temporal.Stop(ctx)
		})
		options = h.Temporal.ClientOptions()
	}
	options.Logger = quiet{}
	h.Address, h.Namespace = options.HostPort, options.Namespace
	if h.Client, err = client.DialContext(ctx, options); err != nil {
		return fmt.Errorf("reach Temporal at %s: %w", options.HostPort, err)
	}
	h.onClose(h.Client.Close)
	return nil
}

func (h *Stand) openEstate(ctx context.Context) error {
	h.opts.Say("switching on 1,200 servers at two sites")
	var err error
	h.Estate, err = estate.Open(ctx, estate.Options{Seed: h.opts.Seed, BootDelay: h.opts.BootDelay, Bare: h.opts.Bare, Rooms: h.opts.Rooms})
	if err != nil {
		return err
	}
	h.onClose(func() { _ = h.Estate.Close() })
	h.EstateURL, err = h.serve(h.opts.EstatePort, h.Estate.Handler())
	return err
}

// openSandbox begins with its address: the callbacks need the gateway's.
func (h *Stand) openSandbox(context.Context) error {
	h.GatewayURL = fmt.Sprintf("http://127.0.0.1:%d", freeFrom(h.opts.GatewayPort))
	var err error
	h.Sandbox, err = sandbox.New(sandbox.Config{
		SlackToken: slackToken, SlackSecret: slackSecret, SlackActionURL: h.GatewayURL + "/callbacks/slack",
		SlackEventURL: h.GatewayURL + "/callbacks/slack/events", SlackCommandURL: h.GatewayURL + "/callbacks/slack/commands",
		MattermostToken: mattermostToken, MattermostCommandURL: h.GatewayURL + "/callbacks/mattermost/commands", MattermostCommandToken: mattermostCommand,
		SendGridKey: sendgridKey, TwilioSID: twilioSID, TwilioToken: twilioToken, TelegramToken: telegramToken,
		SendGridEventURL: h.GatewayURL + "/callbacks/sendgrid", TelegramWebhookURL: h.GatewayURL + "/callbacks/telegram",
		TelegramSecret: telegramSecret, Seed: uint64(h.opts.Seed), Timing: h.opts.Timing,
	})
	if err != nil {
		return fmt.Errorf("open the provider sandbox: %w", err)
	}
	h.onClose(h.Sandbox.Close)
	if err := h.Sandbox.Listen(fmt.Sprintf("127.0.0.1:%d", freeFrom(h.opts.SandboxPort))); err != nil {
		return err
	}
	h.SandboxURL = h.Sandbox.URL("")
	h.waitOnSite()
	return nil
}

// waitOnSite has the sites' people say nothing until they are told what they
// see: who presses 1 on every call would swear that all lamps are lit.
func (h *Stand) waitOnSite() {
	inv := h.Estate.Inventory()
	for _, s := range inv.Sites() {
		team, _ := inv.Team(s.Support)
		for _, m := range team.Members {
			h.Sandbox.SetPersona(m.Addresses[inventory.Call], sandbox.Persona{Phone: &sandbox.Phone{Answer: sandbox.AnswerNever}})
		}
	}
}

func (h *Stand) openStore(ctx context.Context) error {
	ring, err := seal.New(base64.StdEncoding.EncodeToString(h.dataKey))
	if err != nil {
		return err
	}
	if h.Store, err = store.Open(ctx, h.storeDSN(), store.Sealed(ring)); err != nil {
		return err
	}
	h.onClose(func() { _ = h.Store.Close() })
	return h.Store.Migrate(ctx)
}

func (h *Stand) storeDSN() string {
	if h.opts.Store != "" {
		return h.opts.Store
	}
	return "sqlite:" + filepath.Join(h.opts.Dir, "vakhta.db")
}

// serve serves a handler on loopback until the stand closes.
func (h *Stand) serve(port int, handler http.Handler) (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", freeFrom(port)))
	if err != nil {
		return "", fmt.Errorf("listen on loopback: %w", err)
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			h.opts.Say("a server of the lab ended: " + err.Error())
		}
	}()
	h.onClose(func() {
		_ = srv.Close()
		<-done
	})
	return "http://" + l.Addr().String(), nil
}

// freeFrom is the first free port from the wanted one up, any if that is 0.
// Between here and its use somebody may take it: the user of the port says so.
func freeFrom(port int) int {
	for try := range 100 {
		at := port
		if port != 0 {
			at += try
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", at))
		if err != nil {
			continue
		}
		at = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		return at
	}
	return port
}

type progress func(string)

func (p progress) Write(b []byte) (int, error) {
	p(string(b))
	return len(b), nil
}

// quiet drops what the SDK logs: the processes keep logs of their own.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
