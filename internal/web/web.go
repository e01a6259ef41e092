// Package web draws the pages: for engineers the open incidents, one incident
// with its evidence, its timeline and who was told, and its postmortem; for
// anybody who holds a link, the page on which a message is acknowledged. Pages
// are complete in themselves: no script, nothing from outside, one style sheet
// inside.
//
// Nothing imports this package but the mains.
package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"vakhta/internal/incident"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/postmortem"
	"vakhta/internal/roster"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// Reader is what the engineers' pages read.
type Reader interface {
	Incident(ctx context.Context, id string) (incident.Incident, error)
	Incidents(ctx context.Context, f store.IncidentFilter) ([]incident.Incident, error)
	Timeline(ctx context.Context, subject string, afterSeq int64, limit int) ([]incident.Entry, error)
	Notifications(ctx context.Context, f store.NotificationFilter) ([]ledger.Notification, error)
	Postmortem(ctx context.Context, incident string) (incident.Postmortem, error)
	Questions(ctx context.Context, f store.QuestionFilter) ([]incident.Question, error)
	Maintenance(ctx context.Context, id string) (maintenance.Work, error)
	Maintenances(ctx context.Context, from, to time.Time) ([]maintenance.Work, error)
	MaintenanceCounts(ctx context.Context, works []maintenance.Work) (map[string]store.WorkCount, error)
	Confirmations(ctx context.Context, work string, revision int, client string) (map[string]store.Confirmation, error)
	MaintenanceBare(ctx context.Context, id string) (maintenance.Work, error)
}

// Names are the words for ids. None of them gives away an address.
type Names interface {
	postmortem.Names
	Place(component string) string
	ClientOf(server string) string // client id, or ""
	Finding(f topology.Finding) string
	Question(q incident.Question) string // what to look at, where, and the one question
}

// Options tune the pages.
type Options struct {
	// Who may see the engineers' pages. People have passwords of their own, and a
	// Proxy says who calls: both prove a name. The Password is everybody's (HTTP
	// Basic, any user name) and proves none; where there are People it opens
	// nothing. Without any of them the pages answer only requests from this
	// machine that no proxy forwarded: they name clients.
	People   People
	Proxy    *Proxy
	Password string
	// PublicURL is where browsers find the pages, should a proxy change the Host.
	PublicURL string
	Now       func() time.Time // nil: time.Now
	Log       zerolog.Logger
	// OnCall reads the turns of everybody for the calendar; nil: there is no such page.
	OnCall func(ctx context.Context, from, to time.Time) ([]roster.Turn, error)
	Desk   Desk                       // of planned work
	Watch  Watch                      // of incidents
	Key    func() string              // makes the keys of forms; nil: by chance
	Clock  func(person string) string // the time zone by which somebody's times are read; nil: UTC
	Teams  []string                   // ids, that may own a work
}

// Pages are the engineers' pages.
type Pages struct {
	store Reader
	names Names
	opts  Options
	forms *http.CrossOriginProtection
}

// New returns the pages over a store.
func New(r Reader, names Names, o Options) *Pages {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Key == nil {
		o.Key = rand.Text
	}
	p := &Pages{store: r, names: names, opts: o, forms: http.NewCrossOriginProtection()}
	if o.PublicURL != "" {
		if err := p.forms.AddTrustedOrigin(o.PublicURL); err != nil {
			o.Log.Warn().Err(err).Msg("publicUrl is no origin: forms by way of a proxy that changes the Host are refused to old browsers")
		}
	}
	return p
}

// Register adds the pages' routes.
func (p *Pages) Register(mux *http.ServeMux) {
	mux.Handle("GET /{$}", p.guarded(p.index))
	mux.Handle("GET /incidents/{id}", p.guarded(p.incident))
	mux.Handle("GET /incidents/{id}/{act}", p.guarded(p.incidentAct))
	mux.Handle("POST /incidents/{id}/{act}", p.posted(p.doIncidentAct))
	mux.Handle("GET /postmortems/{id}", p.guarded(p.postmortem))
	mux.Handle("GET /works", p.guarded(p.works))
	mux.Handle("GET /works/{id}", p.guarded(p.work))
	mux.Handle("GET /works/new", p.guarded(p.newWork))
	mux.Handle("POST /works/new", p.posted(p.planWork))
	mux.Handle("GET /works/{id}/{act}", p.guarded(p.act))
	mux.Handle("POST /works/{id}/{act}", p.posted(p.doAct))
	if p.opts.OnCall != nil {
		mux.Handle("GET /oncall", p.guarded(p.oncall))
	}
}

//go:embed templates/*.html templates/page.css
var files embed.FS

// style is the one sheet of every page: the postmortem's and what pages add.
var style = func() string {
	own, err := files.ReadFile("templates/page.css")
	if err != nil {
		panic(err) // embedded: can't be missing
	}
	return postmortem.Style + string(own)
}()

// policy lets a page use its own style sheet and nothing else.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

var templates = template.Must(template.New("").Funcs(functions).ParseFS(files, "templates/*.html"))

// page is what the frame around every page needs.
type page struct {
	Language string
	Title    string
	Refresh  int // seconds; 0: never
	Bare     bool
	OnCall   bool // there is a calendar to go to
	Who      Caller
	Content  any
}

// frame is the page for whoever asks.
func (p *Pages) frame(r *http.Request, title string, content any) page {
	return page{Title: title, OnCall: p.opts.OnCall != nil, Who: callerOf(r), Content: content}
}

// refreshed is the page that loads itself anew.
func (f page) refreshed(seconds int) page {
	f.Refresh = seconds
	return f
}

// Style is the sheet, trusted: it is ours.
func (page) Style() template.CSS { return template.CSS(style) }

// show renders a page completely before it answers.
func show(w http.ResponseWriter, log zerolog.Logger, code int, name string, p page) {
	if p.Language == "" {
		p.Language = "en"
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, p); err != nil {
		log.Error().Err(err).Str("page", name).Msg("page not rendered")
		http.Error(w, "the page could not be drawn", http.StatusInternalServerError)
		return
	}
	headers(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the reader may have gone
}

func headers(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // a link's token stays with its holder
	h.Set("Cache-Control", "no-store")
}

// fail answers an error of the store's as a page.
func (p *Pages) fail(w http.ResponseWriter, what string, err error) {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, errNoAct) {
		show(w, p.opts.Log, http.StatusNotFound, "message", page{Title: "Not found", Content: "There is no " + what + "."})
		return
	}
	p.opts.Log.Error().Err(err).Str("what", what).Msg("page not read")
	show(w, p.opts.Log, http.StatusServiceUnavailable, "message",
		page{Title: "Unavailable", Refresh: 5, Content: "The store does not answer. This page tries again."})
}

// incidentsShown is how many closed incidents the first page lists.
const incidentsShown = 30

type indexView struct {
	Open, Recent []incident.Incident
	Now          time.Time
}

func (p *Pages) index(w http.ResponseWriter, r *http.Request) {
	all, err := p.store.Incidents(r.Context(), store.IncidentFilter{Limit: 200})
	if err != nil {
		p.fail(w, "list of incidents", err)
		return
	}
	v := indexView{Now: p.opts.Now()}
	for _, inc := range all {
		switch {
		case inc.Status != incident.Resolved:
			v.Open = append(v.Open, inc)
		case len(v.Recent) < incidentsShown:
			v.Recent = append(v.Recent, inc)
		}
	}
	show(w, p.opts.Log, http.StatusOK, "index", p.frame(r, "Incidents", v).refreshed(10))
}

func (p *Pages) postmortem(w http.ResponseWriter, r *http.Request) {
	id, asMarkdown := strings.CutSuffix(r.PathValue("id"), ".md")
	pm, err := p.store.Postmortem(r.Context(), id)
	if err != nil {
		p.fail(w, "postmortem of incident "+id, err)
		return
	}
	entries, err := p.store.Timeline(r.Context(), "incident/"+id, 0, timelineShown)
	if err != nil {
		p.fail(w, "timeline of incident "+id, err)
		return
	}
	if asMarkdown {
		headers(w)
		w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
		_, _ = w.Write([]byte(postmortem.Markdown(pm, entries, p.names)))
		return
	}
	body, err := postmortem.Body(pm, entries, p.names)
	if err != nil {
		p.fail(w, "postmortem", err)
		return
	}
	show(w, p.opts.Log, http.StatusOK, "postmortem",
		p.frame(r, "Postmortem: "+pm.Title, postmortemView{Incident: id, Body: template.HTML(body)})) // rendered by our own templates
}

type postmortemView struct {
	Incident string
	Body     template.HTML
}
