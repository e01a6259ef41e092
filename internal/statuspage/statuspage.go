// Package statuspage shows everybody who asks what is going on: which sites are
// well, what has failed there, what is planned. It names sites and rooms and how
// many machines are concerned, and no client, no machine and nothing of the
// inventory below a room.
package statuspage

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
)

// Source is what the page reads: the store.
type Source interface {
	Incidents(ctx context.Context, f store.IncidentFilter) ([]incident.Incident, error)
	// Maintenances lists works whose windows touch the span.
	Maintenances(ctx context.Context, from, to time.Time) ([]maintenance.Work, error)
}

const (
	// freshFor is how long what was read is shown: however many look, the store
	// is asked once in that time.
	freshFor = 10 * time.Second
	// readWithin is how long the store may take; after it what was read last is shown.
	readWithin = 5 * time.Second
	// ahead is how far planned work is shown, past how long what is over.
	ahead = 14 * 24 * time.Hour
	past  = 7 * 24 * time.Hour
	// pastShown is how many incidents that are over are looked through.
	pastShown = 50
)

// Page is the status page.
type Page struct {
	Source    Source
	Inventory *inventory.Inventory
	Name      string // whose page it is: the provider's name
	Now       func() time.Time
	Log       zerolog.Logger

	mu   sync.Mutex
	last Status
}

// Register adds the page's routes.
func (p *Page) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /status", p.page)
	mux.HandleFunc("GET /status.json", p.machine)
}

// Status is what is going on. Its JSON is what GET /status.json answers.
type Status struct {
	At     time.Time `json:"at"` // when it was read
	Sites  []Site    `json:"sites"`
	Events []Event   `json:"incidents"` // open ones first, then those of the last days
	Works  []Work    `json:"works"`     // running ones and those to come
}

// Site is one site and how it is.
type Site struct {
	ID    string         `json:"id"`
	Name  inventory.Text `json:"name"`
	State State          `json:"state"`
}

// State is how a site is, the worst thing that is so.
type State string

// The states, from the best to the worst.
const (
	Well     State = "well"
	AtWork   State = "planned-work"
	Degraded State = "degraded" // something has failed there
	Down     State = "down"     // all of it
)

// Event is an incident as everybody may know it.
type Event struct {
	Site       string          `json:"site"`
	Room       string          `json:"room,omitempty"`
	What       Trouble         `json:"what"`
	Status     incident.Status `json:"status"`
	Servers    int             `json:"servers"`  // how many machines it took down
	Restored   int             `json:"restored"` // and how many of these answer again
	Since      time.Time       `json:"since"`
	ETA        time.Time       `json:"eta,omitzero"` // when it is expected to be over
	ResolvedAt time.Time       `json:"resolvedAt,omitzero"`

	roomName inventory.Text
}

// Trouble is what has failed, by kind.
type Trouble string

// What can have failed.
const (
	WholeSite Trouble = "site"
	WholeRoom Trouble = "room"
	Rack      Trouble = "rack"
	Power     Trouble = "power"
	Network   Trouble = "network"
	Uplink    Trouble = "uplink"
	Host      Trouble = "hypervisor"
	Unknown   Trouble = "unknown" // being looked for
)

var troubleOf = map[inventory.Kind]Trouble{
	inventory.KindSite: WholeSite, inventory.KindRoom: WholeRoom, inventory.KindRack: Rack,
	inventory.KindFeed: Power, inventory.KindPDU: Power, inventory.KindPhase: Power,
	inventory.KindSwitch: Network, inventory.KindCard: Network, inventory.KindUplink: Uplink, inventory.KindHypervisor: Host,
}

// Work is planned work as everybody may know it.
type Work struct {
	Sites    []string       `json:"sites"`
	Title    inventory.Text `json:"title"`
	StartsAt time.Time      `json:"startsAt"`
	EndsAt   time.Time      `json:"endsAt"`
	Running  bool           `json:"running"`
}

// status is what was read last, or now if that is old. An error means that
// nothing was ever read.
func (p *Page) status(ctx context.Context) (Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now().UTC()
	if age := now.Sub(p.last.At); !p.last.At.IsZero() && age >= 0 && age < freshFor {
		return p.last, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readWithin)
	defer cancel()
	s, err := p.read(ctx, now)
	if err != nil {
		p.Log.Error().Err(err).Msg("the status page could not be read anew")
		if p.last.At.IsZero() {
			return s, err
		}
		return p.last, nil
	}
	p.last = s
	return s, nil
}

func (p *Page) read(ctx context.Context, now time.Time) (Status, error) {
	open, err := p.Source.Incidents(ctx, store.IncidentFilter{Open: true})
	if err != nil {
		return Status{}, err
	}
	recent, err := p.Source.Incidents(ctx, store.IncidentFilter{Limit: pastShown})
	if err != nil {
		return Status{}, err
	}
	works, err := p.Source.Maintenances(ctx, now, now.Add(ahead))
	if err != nil {
		return Status{}, err
	}
	inv := p.Inventory
	s := Status{At: now, Sites: []Site{}, Events: []Event{}, Works: []Work{}}
	for i := range open {
		if e, ok := publicEvent(inv, &open[i]); ok {
			s.Events = append(s.Events, e)
		}
	}
	for i := range recent {
		if e, ok := publicEvent(inv, &recent[i]); ok && !e.ResolvedAt.IsZero() && now.Sub(e.ResolvedAt) < past {
			s.Events = append(s.Events, e)
		}
	}
	for i := range works {
		if w, ok := publicWork(inv, &works[i], now); ok {
			s.Works = append(s.Works, w)
		}
	}
	slices.SortStableFunc(s.Works, func(a, b Work) int { return a.StartsAt.Compare(b.StartsAt) })
	for _, site := range inv.Sites() {
		s.Sites = append(s.Sites, Site{ID: site.ID, Name: namesOf(inv, site.ID), State: s.stateOf(site.ID)})
	}
	return s, nil
}

// publicEvent is an incident as everybody may know it. Drills, guesses, and what
// concerns one machine of one client, are nobody else's business.
func publicEvent(inv *inventory.Inventory, in *incident.Incident) (Event, bool) {
	if in.Drill || in.Provisional || len(in.Clients) == 0 || in.Finding.Kind == inventory.KindServer {
		return Event{}, false
	}
	e := Event{
		Site: in.Site, What: troubleOf[in.Finding.Kind], Status: in.Status, Servers: max(len(in.Servers), in.ServerCount), Restored: len(in.Restored),
		Since: in.OpenedAt, ETA: in.ETA, ResolvedAt: in.ResolvedAt,
	}
	if e.What == "" || in.Status == incident.Investigating {
		e.What = Unknown
	}
	if at := in.Finding.Since; !at.IsZero() && at.Before(e.Since) {
		e.Since = at
	}
	if c, ok := inv.Component(in.Finding.Component); ok && e.What != WholeSite && e.What != Uplink {
		room := c.Room
		if c.Kind == inventory.KindRoom {
			room = c.ID
		}
		if r, ok := inv.Component(room); ok {
			e.Room, e.roomName = r.ID, namesOf(inv, r.ID)
		}
	}
	return e, true
}

func namesOf(inv *inventory.Inventory, id string) inventory.Text {
	return inventory.Text{inventory.English: inv.Name(id, inventory.English), inventory.Russian: inv.Name(id, inventory.Russian)}
}

// publicWork is a work that clients were told of, and that is not over.
func publicWork(inv *inventory.Inventory, w *maintenance.Work, now time.Time) (Work, bool) {
	told := w.Status == maintenance.Running || w.Status == maintenance.Approved && !w.Announced.IsZero()
	if !told || w.Status == maintenance.Approved && w.EndsAt.Before(now) {
		return Work{}, false
	}
	out := Work{StartsAt: w.StartsAt, EndsAt: w.EndsAt, Running: w.Status == maintenance.Running, Sites: []string{}, Title: inventory.Text{}}
	for lang, title := range w.Title {
		out.Title[inventory.Language(lang)] = title
	}
	for _, id := range w.Components {
		c, ok := inv.Component(id)
		if !ok {
			continue
		}
		site := c.Site
		if c.Kind == inventory.KindSite {
			site = c.ID
		}
		if !slices.Contains(out.Sites, site) {
			out.Sites = append(out.Sites, site)
		}
	}
	return out, true
}

func (s *Status) stateOf(site string) State {
	state := Well
	for _, w := range s.Works {
		if w.Running && slices.Contains(w.Sites, site) {
			state = AtWork
		}
	}
	for _, e := range s.Events {
		switch {
		case e.Site != site || e.Status == incident.Resolved:
		case e.What == WholeSite:
			return Down
		default:
			state = Degraded
		}
	}
	return state
}

// machine answers for programs.
func (p *Page) machine(w http.ResponseWriter, r *http.Request) {
	s, err := p.status(r.Context())
	if err != nil {
		http.Error(w, `{"error":"the status can't be read now"}`, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Access-Control-Allow-Origin", "*") // nothing here is secret
	w.Header().Set("Cache-Control", "public, max-age=10")
	_ = json.NewEncoder(w).Encode(s)
}

//go:embed status.html
var source string

var pageTemplate = template.Must(template.New("status").Parse(source))

var errAway = errors.New("away")

// page answers for people, in Russian or English.
func (p *Page) page(w http.ResponseWriter, r *http.Request) {
	lang := language(r)
	s, err := p.status(r.Context())
	code := http.StatusOK
	if err != nil {
		code, err = http.StatusServiceUnavailable, errAway
	}
	var b bytes.Buffer
	if failed := pageTemplate.Execute(&b, p.view(s, lang, err)); failed != nil {
		p.Log.Error().Err(failed).Msg("the status page was not drawn")
		http.Error(w, "the page could not be drawn", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Language")
	h.Set("Cache-Control", "public, max-age=10")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the reader may have gone
}

// language is the one that is asked for, else the first of ours that the browser names.
func language(r *http.Request) inventory.Language {
	switch r.URL.Query().Get("lang") {
	case "ru":
		return inventory.Russian
	case "en":
		return inventory.English
	}
	for part := range strings.SplitSeq(strings.ToLower(r.Header.Get("Accept-Language")), ",") {
		switch tag, _, _ := strings.Cut(strings.TrimSpace(part), ";"); {
		case tag == "ru" || strings.HasPrefix(tag, "ru-"):
			return inventory.Russian
		case tag == "en" || strings.HasPrefix(tag, "en-"):
			return inventory.English
		}
	}
	return inventory.English
}
