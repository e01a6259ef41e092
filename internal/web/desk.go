package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
)

// Desk does to planned work what an engineer asks for on a page. Its errors are
// shown to him as they are.
type Desk interface {
	// Waiting are those who have not confirmed a work, and what comes next for each.
	Waiting(ctx context.Context, w maintenance.Work) ([]maintenance.Waiting, error)
	// NextRung is when the announcement climbs; zero: it doesn't, or nobody could say.
	NextRung(ctx context.Context, w maintenance.Work) time.Time
	// Measure computes what a work would be, and keeps nothing.
	Measure(ctx context.Context, f WorkForm) (Measured, error)
	// Plan keeps a work for a second person's approval and returns its id.
	Plan(ctx context.Context, f WorkForm, by string) (id string, err error)
	// Do does an act.
	Do(ctx context.Context, a WorkAct) error
}

// Measured is what a work would be.
type Measured struct {
	Clients, Servers, Degraded, Reduced int
	Conflicts                           []maintenance.Conflict
	Contacts, Told, Unreachable         int // contacts of the announcement, clients that they belong to, contacts without a channel
	Rungs                               []MeasuredRung
}

// MeasuredRung is one channel of the announcement.
type MeasuredRung struct {
	Rung     int // from 1
	Channel  inventory.Channel
	Contacts int
	Takes    time.Duration
	Known    bool // there is a provider
}

// WorkForm is a work as it is written into the form: text, not checked yet.
type WorkForm struct {
	ID         string
	Components string // ids, apart by spaces, commas or lines; pdu-12=degraded where one differs
	Impact     string
	Start, End string // by the clock of TimeZone, or RFC 3339
	TimeZone   string // IANA name; empty: that of the first component's site
	Owner      string // team
	TitleRu    string
	TitleEn    string
	TextRu     string
	TextEn     string
	Notices    string // 14d, 72h, 1h; empty: by impact
	Override   string
}

// WorkAct is an act as it is written into its form.
type WorkAct struct {
	Work, Act, By string
	Client        string // of told
	Start, End    string // of reschedule; of extend the end, or for how long
	TimeZone      string
	Override      string
}

// told is what a person does who has told a client himself.
const told maintenance.Act = "told"

// actForm is how an act looks on its page.
type actForm struct {
	Act    maintenance.Act
	Button string
	Means  string // what it does
	Grave  bool   // it can't be taken back
}

// actForms are the acts in the order in which they are offered.
var actForms = []actForm{
	{maintenance.Approve, "Approve", "Its clients are told when the notice policy says so. A second person does this, not who has planned it.", false},
	{maintenance.Begin, "Begin now", "The window opens before its time: everything that the work touches is swept, and its clients are told.", false},
	{maintenance.Extend, "Extend", "The end moves, and its clients are told.", false},
	{maintenance.Complete, "Complete", "The work is done: everything that it touched is swept, what did not come back is an incident, and everybody else is told that it is over.", false},
	{maintenance.RollBack, "Roll back", "The work is broken off and all is as before: swept, and told.", true},
	{maintenance.Reschedule, "Reschedule", "A new date is a new revision: what was confirmed before counts no more, and everybody is told the old date and the new one.", false},
	{maintenance.Cancel, "Cancel", "The work will not be done, and whoever was told of it is told.", true},
}

var toldForm = actForm{told, "He has been told", "You have told him yourself: it counts as his confirmation, and nobody calls him for it any more.", false}

// possible are the acts that a work allows now.
func possible(w *maintenance.Work) []actForm {
	var out []actForm
	for _, f := range actForms {
		if w.May(f.Act) == nil {
			out = append(out, f)
		}
	}
	return out
}

func formOf(w *maintenance.Work, act string) (actForm, bool) {
	if act == string(told) {
		return toldForm, !w.Status.Over()
	}
	for _, f := range possible(w) {
		if string(f.Act) == act {
			return f, true
		}
	}
	return actForm{}, false
}

// maxForm is how long a form may be, in bytes.
const maxForm = 256 << 10

// posted lets a form through that one of our own pages has sent, by somebody
// who says who he is.
func (p *Pages) posted(next func(w http.ResponseWriter, r *http.Request, by string)) http.Handler {
	return p.forms.Handler(p.guarded(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			show(w, p.opts.Log, http.StatusBadRequest, "message", page{Title: "Not understood", Content: "The form was cut off, or is too long. Go back and send it again."})
			return
		}
		next(w, r, actor(r))
	}))
}

// actor is who acts: whoever the page knows, else what he wrote into the form.
func actor(r *http.Request) string {
	if c := callerOf(r); c.Name != "" {
		return c.Name
	}
	return strings.TrimSpace(r.PostFormValue("by"))
}

type actView struct {
	Work   maintenance.Work
	Form   actForm
	Fields WorkAct
	Client string // by name
	Error  string
	Who    Caller
}

// Zone is the time zone that a form suggests.
func (v actView) Zone() string { return zoneOr(v.Fields.TimeZone) }

func zoneOr(zone string) string {
	if zone == "" {
		return "Europe/Moscow"
	}
	return zone
}

// act shows the form of an act.
func (p *Pages) act(w http.ResponseWriter, r *http.Request) {
	p.showAct(w, r, WorkAct{Client: r.URL.Query().Get("client")}, http.StatusOK, "")
}

func (p *Pages) showAct(w http.ResponseWriter, r *http.Request, fields WorkAct, code int, wrong string) {
	work, err := p.store.MaintenanceBare(r.Context(), r.PathValue("id"))
	if err != nil {
		p.fail(w, "planned work "+r.PathValue("id"), err)
		return
	}
	form, ok := formOf(&work, r.PathValue("act"))
	if !ok {
		show(w, p.opts.Log, http.StatusConflict, "message", page{Title: "Not now", Content: fmt.Sprintf("%s is %s: this can't be done to it.", work.ID, work.Status)})
		return
	}
	v := actView{Work: work, Form: form, Fields: fields, Error: wrong, Who: callerOf(r)}
	if fields.Client != "" {
		v.Client = p.names.Client(fields.Client)
	}
	show(w, p.opts.Log, code, "act", p.frame(r, form.Button+": "+work.TitleIn("en"), &v))
}

// doAct does an act, and shows the work.
func (p *Pages) doAct(w http.ResponseWriter, r *http.Request, by string) {
	a := WorkAct{
		Work: r.PathValue("id"), Act: r.PathValue("act"), By: by, Client: r.PostFormValue("client"),
		Start: wall(r.PostFormValue("start")), End: wall(r.PostFormValue("end")), TimeZone: r.PostFormValue("timezone"), Override: r.PostFormValue("override"),
	}
	if by == "" {
		p.showAct(w, r, a, http.StatusUnprocessableEntity, "Say who you are: the timeline names you.")
		return
	}
	if err := p.opts.Desk.Do(r.Context(), a); err != nil {
		p.showAct(w, r, a, http.StatusUnprocessableEntity, err.Error())
		return
	}
	headers(w)
	http.Redirect(w, r, "/works/"+a.Work, http.StatusSeeOther)
}

// wall is a time as a browser's field writes it (2026-12-01T02:00), as people do.
func wall(text string) string {
	text = strings.TrimSpace(text)
	if len(text) == len("2026-12-01T02:00") {
		return strings.Replace(text, "T", " ", 1)
	}
	return text
}

type formView struct {
	Form     WorkForm
	By       string
	Who      Caller
	Error    string
	Measured *Measured
	Impacts  []maintenance.Impact
	Teams    []string
}

// newWork shows the form of a work.
func (p *Pages) newWork(w http.ResponseWriter, r *http.Request) {
	p.showForm(w, r, http.StatusOK, formView{})
}

func (p *Pages) showForm(w http.ResponseWriter, r *http.Request, code int, v formView) {
	v.Impacts, v.Who, v.Teams = maintenance.Impacts, callerOf(r), p.opts.Teams
	show(w, p.opts.Log, code, "plan", p.frame(r, "Plan work", v))
}

// planWork computes a work, or keeps it, as the button says.
func (p *Pages) planWork(w http.ResponseWriter, r *http.Request, by string) {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	v := formView{By: by, Form: WorkForm{
		ID: get("id"), Components: get("components"), Impact: get("impact"), Start: wall(get("start")), End: wall(get("end")), TimeZone: get("timezone"), Owner: get("owner"),
		TitleRu: get("title-ru"), TitleEn: get("title-en"), TextRu: get("text-ru"), TextEn: get("text-en"), Notices: get("notices"), Override: get("override"),
	}}
	if get("do") == "plan" {
		if by == "" {
			v.Error = "Say who you are: a second person approves it."
			p.showForm(w, r, http.StatusUnprocessableEntity, v)
			return
		}
		id, err := p.opts.Desk.Plan(r.Context(), v.Form, by)
		if err == nil {
			headers(w)
			http.Redirect(w, r, "/works/"+id, http.StatusSeeOther)
			return
		}
		v.Error = err.Error()
		p.showForm(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	m, err := p.opts.Desk.Measure(r.Context(), v.Form)
	if err != nil {
		v.Error = err.Error()
		p.showForm(w, r, http.StatusUnprocessableEntity, v)
		return
	}
	v.Measured = &m
	p.showForm(w, r, http.StatusOK, v)
}
