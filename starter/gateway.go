package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"

	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/slack"
	"vakhta/activities/records"
	"vakhta/internal/acklink"
	"vakhta/internal/config"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/roster"
	"vakhta/internal/statuspage"
	"vakhta/internal/store"
	"vakhta/internal/web"
	"vakhta/workflows"
)

// facts is what the gateway needs of the store.
type facts interface {
	web.Reader
	Ping(ctx context.Context) error
	PutReport(ctx context.Context, r incident.Report) (created bool, err error)
	Report(ctx context.Context, id string) (incident.Report, error)
	PutAlerts(ctx context.Context, alerts []incident.Alert) ([]incident.Alert, error)
	Notification(ctx context.Context, id string) (ledger.Notification, error)
	NotificationByCode(ctx context.Context, code string) (ledger.Notification, error)
	ApplyEvents(ctx context.Context, events []ledger.Event, now time.Time) ([]ledger.Applied, error)
	IncidentOfThread(ctx context.Context, room string, ids []string) (string, error)
	PinCommand(ctx context.Context, id, incident string, at time.Time) (about string, answered bool, err error)
	CommandAnswered(ctx context.Context, id string, at time.Time) error
	AccountOf(ctx context.Context, ch inventory.Channel, name string) (string, error)
	LinkAccount(ctx context.Context, code string, ch inventory.Channel, name string, now time.Time) (contact string, err error)
	Hear(ctx context.Context, contact string, ch inventory.Channel, at time.Time) error
	Bar(ctx context.Context, all ...ledger.Barred) error
	Barred(ctx context.Context, contact string) ([]ledger.Barred, error)
	Unbar(ctx context.Context, contact string, ch inventory.Channel) (was bool, err error)
	Drop(ctx context.Context, subject, stepPrefix string, now time.Time) (int, error)
	Overrides(ctx context.Context, since time.Time) (roster.Overrides, error)
	Acknowledge(ctx context.Context, codeOrID, via string, at time.Time) (n ledger.Notification, first bool, err error)
	AnswerQuestion(ctx context.Context, id string, r incident.Reply) (q incident.Question, first bool, err error)
	Superseded(ctx context.Context, n ledger.Notification) (bool, error)
	Question(ctx context.Context, id string) (incident.Question, error)
	MaintenanceBare(ctx context.Context, id string) (maintenance.Work, error)
	MaintenancesFor(ctx context.Context, client string, from, to time.Time) ([]maintenance.Work, error)
}

// flows is what the gateway needs of Temporal; client.Client fulfils it.
type flows interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
		options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signalName string, arg any) error
	asker
	UpdateWorkflow(ctx context.Context, options client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error)
}

// deps are the outside things of a gateway.
type deps struct {
	Store     facts
	Flows     flows
	Inventory *inventory.Inventory
	Records   *records.Activities // computes planned work
	Pager     raiser              // nil: nothing is paged before Triage has looked for the cause
	Log       zerolog.Logger
	Now       func() time.Time // nil: time.Now
}

// raiser opens incidents for critical alerts, and pages for them.
type raiser interface {
	Raise(ctx context.Context, alerts []incident.Alert) ([]store.Raised, error)
	Page(ctx context.Context, in incident.Incident) error
}

// gateway is the HTTP side of the watch.
type gateway struct {
	cfg     config.Config
	deps    deps
	hooks   hooks
	metrics *metrics
	pages   *web.Pages
	ack     *web.AckPage
	optOut  *web.OptOutPage
	status  *statuspage.Page // nil: there is none
	signer  acklink.Signer
	log     zerolog.Logger
	now     func() time.Time
	paging  chan struct{} // a token for each incident whose first pages are being sent
	pagings sync.WaitGroup
	triage  triageLines
	obeying sync.WaitGroup // commands that are done while their sender's provider has its answer
}

// newGateway builds the gateway of a configuration. It connects to nothing itself.
func newGateway(cfg config.Config, d deps) (*gateway, error) {
	if !cfg.IntakeToken.Set() {
		return nil, refused("intakeToken: missing in the configuration; reports and alerts can't be authenticated without it")
	}
	signer, err := acklink.NewSigner(cfg.LinkSecret.Reveal())
	if err != nil {
		return nil, refused("linkSecret: %w", err)
	}
	g := &gateway{cfg: cfg, deps: d, metrics: newMetrics(), signer: signer, log: d.Log, now: d.Now, paging: make(chan struct{}, pagesAtOnce)}
	g.triage.tell = func(ctx context.Context, region string, ids []string) error {
		return signalTriage(ctx, d.Flows, region, ids)
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.hooks, err = newHooks(cfg, g.now); err != nil {
		return nil, err
	}
	if g.pages, err = g.newPages(); err != nil {
		return nil, err
	}
	g.ack = &web.AckPage{
		Store: d.Store, Signer: signer, Now: g.now, Log: d.Log,
		Acknowledged: func(ctx context.Context, n ledger.Notification) {
			g.pageAnswered(ctx, n, workflows.SignalAcknowledged, "page", "")
		},
		Answered: func(ctx context.Context, n ledger.Notification, answer incident.Answer) error {
			_, err := g.questionAnswered(ctx, n, answer, "page") // the page reads what became of it
			return err
		},
	}
	if s := cfg.StatusPage; s != nil {
		g.status = &statuspage.Page{Source: d.Store, Inventory: d.Inventory, Name: s.Name, Now: g.now, Log: d.Log}
	}
	g.optOut = &web.OptOutPage{Notification: d.Store.Notification, Out: g.optedOut, Wants: g.wantsMails, Signer: signer, Log: d.Log}
	return g, nil
}

// How long Temporal is waited for before a sender is told to come again, and
// before an escalation is left to read the ledger by itself (Twilio waits 15 s
// for the next words of a call).
const (
	startWithin = 8 * time.Second
	tellWithin  = 3 * time.Second
)

// Limits of what a request may bring.
const (
	maxReportBytes   = 64 << 10
	maxAlertBytes    = 8 << 20 // a group of thousands of alerts
	maxNoticeBytes   = 8 << 20 // a mail with its attachments
	maxPagerBytes    = 512_000 // PagerDuty's own limit
	maxCallbackBytes = 4 << 20
	maxCommandBytes  = 256 << 10
)

// Handler routes everything.
func (g *gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", g.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))

	mux.Handle("POST /v1/reports", g.authenticated(maxReportBytes, g.takeReport))
	mux.Handle("GET /v1/reports/{id}", g.authenticated(0, g.answerReport))
	mux.Handle("POST /v1/alerts/alertmanager", g.authenticated(maxAlertBytes, g.takeAlertmanager))
	mux.Handle("POST /v1/maintnotes", g.authenticated(maxNoticeBytes, g.takeNotices))
	mux.HandleFunc("GET /c/{token}", g.feed)
	mux.Handle("POST /v2/enqueue", limited(maxPagerBytes, g.takePagerDuty))

	mux.Handle("POST /callbacks/sendgrid", limited(maxCallbackBytes, g.sendgridCallback))
	mux.Handle("POST /callbacks/twilio/status", limited(maxCallbackBytes, g.twilioStatus))
	mux.Handle("POST /callbacks/http/{name}", limited(maxCallbackBytes, g.describedCallback))
	mux.Handle("GET /callbacks/http/{name}", limited(maxCallbackBytes, g.describedCallback))
	mux.Handle("POST /callbacks/twilio/inbound", limited(maxCallbackBytes, g.twilioInbound))
	mux.Handle("POST /callbacks/twilio/gather", limited(maxCallbackBytes, g.twilioGather))
	mux.Handle("POST "+slack.ActionPath, limited(maxCallbackBytes, g.slackAction))
	mux.Handle("POST "+slack.CommandPath, limited(maxCommandBytes, g.slackCommand))
	mux.Handle("POST "+slack.EventPath, limited(maxCommandBytes, g.slackEvent))
	mux.Handle("POST "+mattermost.CommandPath, limited(maxCommandBytes, g.mattermostCommand))
	mux.Handle("POST "+mattermost.ActionPath, limited(maxCallbackBytes, g.mattermostAction))
	mux.Handle("POST /callbacks/telegram", limited(maxCallbackBytes, g.telegramUpdate))

	mux.HandleFunc("GET /oncall/{token}", g.oncallFeed)
	g.ack.Register(mux)
	g.optOut.Register(mux)
	if g.status != nil {
		g.status.Register(mux)
	}
	g.pages.Register(mux)
	return g.observed(mux)
}

// ready answers 200 while the store answers. Temporal's absence is told but
// is no reason to turn callbacks away: their facts go into the ledger.
func (g *gateway) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	state := map[string]string{"store": "ok"}
	code := http.StatusOK
	if err := g.deps.Store.Ping(ctx); err != nil {
		state["store"] = "away"
		code = http.StatusServiceUnavailable
	}
	if checker, ok := g.deps.Flows.(interface {
		CheckHealth(context.Context, *client.CheckHealthRequest) (*client.CheckHealthResponse, error)
	}); ok {
		// Whoever asks waits a second, as a rule: leave him time for the answer.
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		state["temporal"] = "ok"
		if _, err := checker.CheckHealth(ctx, nil); err != nil {
			state["temporal"] = "away"
		}
	}
	writeJSON(w, code, state)
}

// shutdownWithin is how long requests under way may take after a stop.
const shutdownWithin = 10 * time.Second

// Serve answers on a listener until the context ends, then lets requests finish.
func (g *gateway) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           g.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	g.log.Info().Str("listen", listener.Addr().String()).Str("publicUrl", g.cfg.PublicURL).Msg("gateway listens")
	select {
	case err := <-failed:
		return fmt.Errorf("serve the gateway: %w", err)
	case <-ctx.Done():
	}
	// The parent is over: the grace needs a context of its own.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWithin)
	defer cancel()
	err := server.Shutdown(grace)
	g.obeying.Wait()
	g.triage.Wait()
	g.pagings.Wait() // an attempt that has begun is carried to its end; each is bounded
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	g.log.Info().Msg("gateway stopped")
	return err
}
