package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/ledger"
	"vakhta/internal/postmortem"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// What a page shows at most.
const (
	timelineShown      = 2000
	notificationsRead  = 5000
	notificationsShown = 300
	serversShown       = 24 // of one client
)

// incidentView is the page of one incident.
type incidentView struct {
	incident.Incident
	Now           time.Time
	Finding       string
	Evidence      []string
	Confidence    int // percent
	Ambiguous     []string
	Questions     []questionView
	Clients       []clientView
	Timeline      []entryView
	Notifications []notificationView
	States        []stateCount
	Earlier       int // notifications that the table leaves out
	HasPostmortem bool
}

type clientView struct {
	Name     string
	Total    int
	Restored int
	Servers  []serverView
	More     int
}

type serverView struct {
	ID, Place string
	Up        bool
}

// questionView is what people on site were asked to look at.
type questionView struct {
	incident.Question
	Text, Of, Who string
}

type entryView struct {
	incident.Entry
	Who string
}

type notificationView struct {
	ledger.Notification
	Who, Of string
}

type stateCount struct {
	State ledger.State
	Count int
}

func (p *Pages) incident(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	inc, err := p.store.Incident(r.Context(), id)
	if err != nil {
		p.fail(w, "incident "+id, err)
		return
	}
	subject := "incident/" + id
	entries, err := p.store.Timeline(r.Context(), subject, 0, timelineShown)
	if err != nil {
		p.fail(w, "timeline of incident "+id, err)
		return
	}
	sent, err := p.store.Notifications(r.Context(), store.NotificationFilter{Subject: subject, Limit: notificationsRead})
	if err != nil {
		p.fail(w, "list of notifications", err)
		return
	}
	_, err = p.store.Postmortem(r.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		p.fail(w, "postmortem", err)
		return
	}
	questions, err := p.store.Questions(r.Context(), store.QuestionFilter{Incident: id})
	if err != nil {
		p.fail(w, "list of questions", err)
		return
	}
	v := p.viewIncident(inc, entries, sent)
	for _, q := range slices.Backward(questions) {
		v.Questions = append(v.Questions, questionView{q, p.names.Question(q), cmp.Or(q.Team, "an engineer"), p.names.Person(q.AnsweredBy)})
	}
	v.HasPostmortem = err == nil
	frame := page{Title: inc.Title, OnCall: p.opts.OnCall != nil, Content: v}
	if inc.Status != incident.Resolved {
		frame.Refresh = 5
	}
	show(w, p.opts.Log, http.StatusOK, "incident", frame)
}

func (p *Pages) viewIncident(inc incident.Incident, entries []incident.Entry, sent []ledger.Notification) incidentView {
	v := incidentView{Incident: inc, Now: p.opts.Now(), Clients: p.viewClients(inc)}
	f := inc.Finding
	if f.Component != "" && !inc.Provisional {
		v.Finding = p.names.Finding(f)
		v.Confidence = topology.Percent(f.Itself())
	}
	for _, e := range f.Evidence {
		v.Evidence = append(v.Evidence, e.Text)
	}
	for _, id := range f.AmbiguousWith {
		v.Ambiguous = append(v.Ambiguous, p.names.Component(id))
	}
	for _, e := range slices.Backward(entries) { // news first
		who := ""
		if e.Actor != "" {
			who = p.names.Person(e.Actor)
		}
		v.Timeline = append(v.Timeline, entryView{e, who})
	}
	v.Notifications, v.States = p.viewNotifications(sent)
	if v.Earlier = len(v.Notifications) - notificationsShown; v.Earlier > 0 {
		v.Notifications = v.Notifications[:notificationsShown]
	}
	return v
}

// viewClients groups the affected machines by client, the most affected first.
func (p *Pages) viewClients(inc incident.Incident) []clientView {
	up := map[string]bool{}
	for _, id := range inc.Restored {
		up[id] = true
	}
	by := map[string]*clientView{}
	for _, id := range inc.Clients {
		by[id] = &clientView{Name: p.names.Client(id)}
	}
	for _, id := range inc.Servers {
		owner := p.names.ClientOf(id)
		c, ok := by[owner]
		if !ok {
			c = &clientView{Name: p.names.Client(owner)}
			if owner == "" {
				c.Name = "no client"
			}
			by[owner] = c
		}
		c.Total++
		if up[id] {
			c.Restored++
		}
		if len(c.Servers) < serversShown {
			c.Servers = append(c.Servers, serverView{ID: id, Place: p.names.Place(id), Up: up[id]})
		} else {
			c.More++
		}
	}
	all := make([]clientView, 0, len(by))
	for _, c := range by {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b clientView) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), strings.Compare(a.Name, b.Name))
	})
	return all
}

func (p *Pages) viewNotifications(sent []ledger.Notification) (views []notificationView, states []stateCount) {
	counts := map[ledger.State]int{}
	for _, n := range sent {
		of := n.Team
		if n.Client != "" {
			of = p.names.Client(n.Client)
		}
		views = append(views, notificationView{n, p.names.Person(n.Contact), of})
		counts[n.State]++
	}
	slices.SortStableFunc(views, func(a, b notificationView) int { return b.CreatedAt.Compare(a.CreatedAt) })
	for state, n := range counts {
		states = append(states, stateCount{state, n})
	}
	slices.SortFunc(states, func(a, b stateCount) int { return strings.Compare(string(a.State), string(b.State)) })
	return views, states
}

// rowsView is a table of incidents.
type rowsView struct {
	Rows []incident.Incident
	Now  time.Time
}

// functions are what the templates may call.
var functions = map[string]any{
	"rows":  func(rows []incident.Incident, now time.Time) any { return rowsView{rows, now} },
	"span":  postmortem.Span,
	"field": func(t string) string { return strings.Replace(t, " ", "T", 1) }, // as a browser's field of a time wants it
	"lane":  func(kind string) string { return string(postmortem.LaneOf(kind)) },
	"clock": func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"since": func(now, t time.Time) string { return postmortem.Span(max(now.Sub(t), 0).Round(time.Second)) },
	"sub":   func(a, b time.Time) string { return postmortem.Span(max(a.Sub(b), 0)) },
}
