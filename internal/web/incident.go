package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
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
	Live          Live
	Away          bool // the workflows don't say where it stands
	Teams         []teamView
	Acts          []incidentForm
	Forbidden     string // why the caller only looks
	Who           Caller
	Key           string // of the buttons that need no form
}

// teamView is a team's paging as the page says it.
type teamView struct {
	LiveTeam
	Who    string // has it
	Paging []string
	Rungs  []string // "call → Ivan Petrov"
	RungAt time.Time
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
	v, ok := p.readIncident(w, r)
	if !ok {
		return
	}
	frame := p.frame(r, v.Title, v)
	if v.Status != incident.Resolved {
		frame.Refresh = 5
	}
	show(w, p.opts.Log, http.StatusOK, "incident", frame)
}

// readIncident reads all that is known of an incident; where it can't, it has answered.
func (p *Pages) readIncident(w http.ResponseWriter, r *http.Request) (*incidentView, bool) {
	id := r.PathValue("id")
	inc, err := p.store.Incident(r.Context(), id)
	if err != nil {
		p.fail(w, "incident "+id, err)
		return nil, false
	}
	subject := "incident/" + id
	entries, err := p.store.Timeline(r.Context(), subject, 0, timelineShown)
	if err != nil {
		p.fail(w, "timeline of incident "+id, err)
		return nil, false
	}
	sent, err := p.store.Notifications(r.Context(), store.NotificationFilter{Subject: subject, Limit: notificationsRead})
	if err != nil {
		p.fail(w, "list of notifications", err)
		return nil, false
	}
	_, err = p.store.Postmortem(r.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		p.fail(w, "postmortem", err)
		return nil, false
	}
	written := err == nil
	questions, err := p.store.Questions(r.Context(), store.QuestionFilter{Incident: id})
	if err != nil {
		p.fail(w, "list of questions", err)
		return nil, false
	}
	// What a room was told stands on the timeline.
	sent = slices.DeleteFunc(sent, func(n ledger.Notification) bool { return message.InRoom(n.Event) })
	v := p.viewIncident(inc, entries, sent)
	v.HasPostmortem = written
	for _, q := range slices.Backward(questions) {
		v.Questions = append(v.Questions, questionView{q, p.names.Question(q), cmp.Or(q.Team, "an engineer"), p.names.Person(q.AnsweredBy)})
	}
	p.viewLive(r, &v)
	return &v, true
}

// viewLive adds what the workflows say, and what the caller may do.
func (p *Pages) viewLive(r *http.Request, v *incidentView) {
	v.Who, v.Key = callerOf(r), p.opts.Key()
	if v.Status != incident.Resolved {
		live, err := p.opts.Watch.Live(r.Context(), v.ID)
		v.Live, v.Away = live, err != nil
	}
	for _, t := range v.Live.Teams {
		row := teamView{LiveTeam: t, Who: p.names.Person(t.HasIt)}
		for _, id := range t.Paged {
			row.Paging = append(row.Paging, p.names.Person(id))
		}
		for _, n := range t.Next {
			if n.At.Equal(t.Next[0].At) {
				row.RungAt = n.At
				row.Rungs = append(row.Rungs, string(n.Channel)+" → "+p.names.Person(n.Contact))
			}
		}
		v.Teams = append(v.Teams, row)
	}
	if v.Who.Name != "" {
		if err := p.opts.Watch.May(v.Who.Name, actNote); err != nil {
			v.Forbidden = err.Error()
			return
		}
	}
	for _, f := range incidentForms {
		if slices.Contains(general, f.Act) && f.when(v) {
			v.Acts = append(v.Acts, f)
		}
	}
}

// take is the button by which a team's page is taken: at once by who is known,
// by a form that asks for a name by others.
type take struct {
	Incident, Team, Button, Key string
	Who                         bool
}

// Take is that button; the empty team is all of them.
func (v incidentView) Take(team, button string) take {
	return take{v.ID, team, button, v.Key + "-" + team, v.Who.Name != ""}
}

// TakesAll says whether several teams are paged, or nobody knows which.
func (v incidentView) TakesAll() bool {
	paged := 0
	for _, t := range v.Live.Teams {
		if t.State == "paging" {
			paged++
		}
	}
	return paged > 1 || v.Away
}

// Waits are the steps of the runbook that wait for a person.
func (v incidentView) Waits() []LiveStep {
	if v.Status == incident.Resolved {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.Live.Steps), func(s LiveStep) bool { return !s.Asks })
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
	v.Ambiguous = p.rivals(f)
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

// rivals name what may have failed in the finding's place; what only failed together in one.
func (p *Pages) rivals(f topology.Finding) []string {
	class := f.Alternatives
	if len(class) == 0 {
		for _, id := range f.AmbiguousWith {
			class = append(class, topology.Alternative{Components: []string{id}})
		}
	}
	out := make([]string, 0, len(class))
	for _, a := range class {
		names := make([]string, 0, len(a.Components))
		for _, id := range a.Components {
			names = append(names, p.names.Component(id))
		}
		text := strings.Join(names, " and ")
		if len(names) > 1 {
			text += " together"
		}
		if a.Probability > 0 {
			text += fmt.Sprintf(", %d%%", topology.Percent(a.Probability))
		}
		out = append(out, text)
	}
	return out
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
	"rows": func(rows []incident.Incident, now time.Time) any { return rowsView{rows, now} },
	"signed": func(who Caller, by string, required bool) any {
		return struct {
			Who      Caller
			By       string
			Required bool
		}{who, by, required}
	},
	"span":  postmortem.Span,
	"field": func(t string) string { return strings.Replace(t, " ", "T", 1) }, // as a browser's field of a time wants it
	"lane":  func(kind string) string { return string(postmortem.LaneOf(kind)) },
	"clock": func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"since": func(now, t time.Time) string { return postmortem.Span(max(now.Sub(t), 0).Round(time.Second)) },
	"count": counted,
	"sub":   func(a, b time.Time) string { return postmortem.Span(max(a.Sub(b), 0)) },
}

// counted is a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
