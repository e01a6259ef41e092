package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// incidentForm is how an act on an incident looks.
type incidentForm struct {
	Act    string
	Button string
	Means  string // what it does
	Grave  bool   // clients are told, or pages stop
	when   func(*incidentView) bool
}

func open(v *incidentView) bool   { return v.Status != incident.Resolved }
func always(*incidentView) bool   { return true }
func paging(v *incidentView) bool { return open(v) && (v.Away || v.anyTeam("paging")) }
func held(v *incidentView) bool   { return open(v) && v.anyTeam("acknowledged") }

// incidentForms are the acts on an incident, those of a team first, then those
// that every night needs.
var incidentForms = []incidentForm{
	{actAcknowledge, "Take it", "You take it: nobody is paged any more, and the others are told that you have it.", false, paging},
	{actDecline, "I can't", "The next are paged at once.", false, paging},
	{actHandOver, "Hand over", "Your colleague has it from now on, and is told so by a page.", false, held},
	{actAssign, "Assign", "He is paged and must take it; if he does not, the team is paged.", false, func(v *incidentView) bool { return open(v) && len(v.Live.Teams) > 0 }},
	{actNote, "Note", "A line of the timeline.", false, always},
	{actChecked, "Checked", "What you looked at and what you found.", false, always},
	{actETA, "Back at", "Clients are told when the rest will be back.", false, open},
	{actRestored, "Repaired", "What should be back. Clients hear that it is when the probes have seen it.", false, open},
	{actTask, "Done", "The runbook goes on.", false, func(v *incidentView) bool { return v.asks("task") }},
	{actApprove, "Decide", "A gate of the runbook: it goes on when you let it.", false, func(v *incidentView) bool { return v.asks("approve") }},
	{actSeverity, "Severity", "How bad it is.", false, open},
	{actAsk, "Ask on site", "People at the site go and look at one thing.", false, open},
	{actAnswer, "Answer", "Somebody has looked and told you what he saw.", false, func(v *incidentView) bool {
		return slices.ContainsFunc(v.Questions, func(q questionView) bool { return q.Open() })
	}},
	{actResolve, "Resolve", "It is over: pages stop, and everybody who was told of it is told that it is back. When the probes see all machines again it resolves itself.", true, open},
	{actReopen, "Reopen", "It is not over: its runbook runs again, and its team is paged.", true, func(v *incidentView) bool { return !open(v) }},
}

// general are the acts that need nothing but the incident: what a team's row, a
// step or a question offers stands there.
var general = []string{actNote, actChecked, actETA, actRestored, actSeverity, actAsk, actResolve, actReopen}

func formNamed(act string) (incidentForm, bool) {
	i := slices.IndexFunc(incidentForms, func(f incidentForm) bool { return f.Act == act })
	if i < 0 {
		return incidentForm{}, false
	}
	return incidentForms[i], true
}

func (v *incidentView) anyTeam(state string) bool {
	return slices.ContainsFunc(v.Live.Teams, func(t LiveTeam) bool { return t.State == state })
}

func (v *incidentView) asks(kind string) bool {
	return open(v) && slices.ContainsFunc(v.Live.Steps, func(s LiveStep) bool { return s.Asks && s.Kind == kind })
}

// incidentActView is the page of an act.
type incidentActView struct {
	incidentView
	Form   incidentForm
	Fields IncidentAct
	Error  string
	Who    Caller
	Offers []string // components that may be meant
	Clock  string   // by which times of a day are read
	HasIt  string   // who has the team's page, by name
	Since  time.Time
	To     []personView // who may be given it
}

// personView is somebody who can be chosen.
type personView struct{ ID, Name string }

// The choices of a form.
var (
	severities = []incident.Severity{incident.Sev1, incident.Sev2, incident.Sev3}
	onSite     = []topology.Probe{topology.ProbePower, topology.ProbePSU, topology.ProbePort, topology.ProbeOutlet, topology.ProbeFeed}
)

// Severities are what an incident may be.
func (incidentActView) Severities() []incident.Severity { return severities }

// Probes are what people on site can be asked.
func (incidentActView) Probes() []topology.Probe { return onSite }

// Answers are what they may have said.
func (incidentActView) Answers() []incident.Answer { return incident.Answers }

// about fills in what the form says of its team.
func (v *incidentActView) about(names Names) {
	for _, t := range v.Live.Teams {
		if t.Team != v.Fields.Team {
			continue
		}
		if t.HasIt != "" {
			v.HasIt, v.Since = names.Person(t.HasIt), t.Since
		}
		if v.Fields.From == "" {
			v.Fields.From = t.HasIt
		}
		for _, id := range t.Members {
			if id != t.HasIt {
				v.To = append(v.To, personView{id, names.Person(id)})
			}
		}
	}
}

// offered is how many components a form offers.
const offered = 300

// incidentAct shows the form of an act.
func (p *Pages) incidentAct(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.showIncidentAct(w, r, IncidentAct{
		Team: q.Get("team"), Step: q.Get("step"), Question: q.Get("question"), Key: p.opts.Key(),
	}, http.StatusOK, "")
}

func (p *Pages) showIncidentAct(w http.ResponseWriter, r *http.Request, fields IncidentAct, code int, wrong string) {
	v, ok := p.readIncident(w, r)
	if !ok {
		return
	}
	form, ok := formNamed(r.PathValue("act"))
	if !ok {
		p.fail(w, "act "+r.PathValue("act"), errNoAct)
		return
	}
	title := form.Button + ": " + v.Title
	if wrong == "" && !form.when(v) {
		wrong = fmt.Sprintf("%s is %s: this can't be done to it now.", v.ID, v.Status)
		show(w, p.opts.Log, http.StatusConflict, "notnow", p.frame(r, title, &incidentActView{incidentView: *v, Form: form, Error: wrong}))
		return
	}
	view := &incidentActView{incidentView: *v, Form: form, Fields: fields, Error: wrong, Who: callerOf(r), Clock: p.clock(callerOf(r))}
	view.about(p.names)
	for _, id := range append([]string{v.Component, v.Incident.Finding.Component}, v.Servers...) {
		if id != "" && !slices.Contains(view.Offers, id) && len(view.Offers) < offered {
			view.Offers = append(view.Offers, id)
		}
	}
	show(w, p.opts.Log, code, "incidentAct", p.frame(r, title, view))
}

func (p *Pages) clock(c Caller) string {
	if p.opts.Clock == nil {
		return "UTC"
	}
	return p.opts.Clock(c.Name)
}

var errNoAct = errors.New("there is no such act")

// doIncidentAct does an act, and shows the incident.
func (p *Pages) doIncidentAct(w http.ResponseWriter, r *http.Request, by string) {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	a := IncidentAct{
		Incident: r.PathValue("id"), Act: r.PathValue("act"), By: by, Key: get("key"),
		Team: get("team"), To: get("to"), From: get("from"), Text: get("text"), Internal: get("internal") != "",
		Component: get("component"), Result: get("result"), When: cmp.Or(get("quick"), get("when")), Severity: get("severity"),
		Step: get("step"), Refuse: get("refuse") != "", Reason: get("reason"), Probe: get("probe"), Peer: get("peer"),
		Question: get("question"), Answer: get("answer"),
	}
	if _, ok := formNamed(a.Act); !ok {
		p.fail(w, "act "+a.Act, errNoAct)
		return
	}
	if len(a.Key) > 200 || a.Key == "" {
		a.Key = p.opts.Key()
	}
	if by == "" {
		p.showIncidentAct(w, r, a, http.StatusUnprocessableEntity, "Say who you are: the timeline names you.")
		return
	}
	err := p.opts.Watch.Do(r.Context(), a)
	var forbidden *inventory.ForbiddenError
	switch {
	case err == nil:
		headers(w)
		http.Redirect(w, r, "/incidents/"+a.Incident, http.StatusSeeOther)
	case errors.Is(err, ErrNoAnswer):
		// The key stays: sent once more, it is still done once at most.
		p.showIncidentAct(w, r, a, http.StatusServiceUnavailable, "Nobody can say yet whether it was done: "+err.Error()+". Look at the timeline; pressing once more does it once at most.")
	case errors.As(err, &forbidden):
		p.showIncidentAct(w, r, a, http.StatusForbidden, err.Error())
	default:
		a.Key = p.opts.Key()
		p.showIncidentAct(w, r, a, http.StatusUnprocessableEntity, err.Error())
	}
}
