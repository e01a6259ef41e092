package records_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

func (r *rig) critical(key, component string) incident.Alert {
	return incident.Alert{
		Source: "alertmanager", Key: key, Component: component, Summary: "host is down", Firing: true,
		Labels: map[string]string{"severity": "critical"}, StartsAt: r.now, ReceivedAt: r.now,
	}
}

// raise raises an alert; the incident is empty if there is none.
func (r *rig) raise(a incident.Alert) (incident.Alert, incident.Incident) {
	r.t.Helper()
	got, err := r.Raise(r.t.Context(), []incident.Alert{a})
	if err != nil {
		r.t.Fatal(err)
	}
	return got[0].Alert, got[0].Incident
}

// elsewhere is a machine that shares nothing with the other but, at most, its site.
func (r *rig) elsewhere(id string) string {
	r.t.Helper()
	c, _ := r.inv.Component(id)
	for _, s := range r.inv.Sites() {
		if s.ID != c.Site {
			return r.inv.ServersAt(s.ID)[0]
		}
	}
	r.t.Fatal("the estate has one site")
	return ""
}

func TestOnlyWhatIsCriticalIsRaised(t *testing.T) {
	r := newRig(t)
	r.with(records.Options{Together: 30 * time.Second})
	server := r.scenario("server")
	mild := r.critical("mild", server)
	mild.Labels["severity"] = "warning"
	if kept, in := r.raise(mild); in.ID != "" || kept.ID == "" {
		t.Errorf("a warning: %+v %+v, want it kept and nothing raised", kept, in)
	}
	if _, in := r.raise(r.critical("stranger", "no-such-machine")); in.ID != "" {
		t.Errorf("a stranger raised %+v", in)
	}
	kept, in := r.raise(r.critical("a", server))
	if !in.Provisional || in.Status != incident.Investigating || len(in.Servers)+len(in.Clients) > 0 || kept.Raised != in.ID {
		t.Errorf("raised %+v by %+v, want a provisional one that names no client", in, kept)
	}
	if _, other := r.raise(r.critical("b", r.elsewhere(server))); other.ID == in.ID || other.ID == "" {
		t.Errorf("a machine at the other site: %+v, want an incident of its own", other)
	}
	r.with(records.Options{})
	neighbour := ""
	for _, s := range r.inv.ServersAt("msk") {
		if s != server {
			neighbour = s
		}
	}
	if _, other := r.raise(r.critical("c", neighbour)); other.ID == in.ID || other.ID == "" {
		t.Errorf("not together: %+v, want one of its own", other)
	}
}

func TestPlannedWorkRaisesNothing(t *testing.T) {
	r := newRig(t)
	server := r.scenario("server")
	w := r.work("w1", server)
	must[records.PlannedWork](t)(r.PlanWork(t.Context(), records.PlanWorkParams{Work: w}))
	r.now = w.StartsAt.Add(time.Hour)
	if _, in := r.raise(r.critical("a", server)); in.ID != "" {
		t.Errorf("raised %+v, though work explains it", in)
	}
}

// The first pages stand under the keys that the escalation asks for: nobody is
// paged twice, whoever comes first.
func TestTheFirstPagesAreTheEscalations(t *testing.T) {
	r := newRig(t)
	_, in := r.raise(r.critical("a", r.scenario("server")))
	c := must[records.Composed](t)(r.FirstPagesOf(t.Context(), in))
	early := r.written(c)
	if len(early) == 0 {
		t.Fatal("nobody is paged")
	}
	library := must[*runbooks.Library](t)(runbooks.Load(runbooks.Builtin(), nil))
	book := must[*runbooks.Runbook](t)(library.For(records.RunbookFacts(in)))
	var later []string
	for _, s := range book.Steps {
		if s.Escalate == nil || s.If != "" {
			continue
		}
		for _, team := range s.Escalate.All() {
			roster := must[records.Roster](t)(r.Roster(t.Context(), records.RosterParams{Incident: in.ID, Team: team, Ladder: records.RungsOf(s.Escalate.Ladder)}))
			for _, p := range roster.People {
				got := must[records.Composed](t)(r.ComposePage(t.Context(), records.PageParams{
					Incident: in.ID, Team: team, Contacts: []string{p.Contact}, Channel: p.Ladder[0].Channel, Event: "page", Round: 1, Level: 1, Deadline: records.PageWithin,
				}))
				later = append(later, slices.Concat(got.Batches...)...)
			}
		}
	}
	var ids []string
	for _, n := range early {
		ids = append(ids, n.ID)
		if !strings.Contains(n.Body, "host is down") || strings.Contains(n.Body, "0 серверов") || n.State != ledger.Queued {
			t.Errorf("page %q", n.Body)
		}
	}
	slices.Sort(ids)
	slices.Sort(later)
	if !slices.Equal(ids, later) {
		t.Errorf("first pages %v, the escalation's %v", ids, later)
	}
}

func TestTheFindingGoesToTheIncidentThatTheAlertRaised(t *testing.T) {
	r := newRig(t)
	pdu := r.scenario("pdu")
	down := topology.New(r.inv).Blast(pdu).Servers
	first, in := r.raise(r.critical("a", down[0]))
	p := records.OpenIncidentParams{RequestKey: "triage/1", Finding: topology.Finding{
		Component: pdu, Confidence: .97, Explains: down, Evidence: []topology.Evidence{{Component: pdu, Text: "its management port is closed"}},
	}, Alerts: []string{first.ID}}
	for range 2 {
		o := must[records.Opened](t)(r.OpenIncident(t.Context(), p))
		if !o.Adopted || o.Created || o.Incident.ID != in.ID || o.Incident.Component != pdu || len(o.Incident.Clients) == 0 {
			t.Fatalf("opened %+v, want the finding in %s", o, in.ID)
		}
	}
	// A client's report finds the same: it joins.
	p.RequestKey, p.Alerts = "report/1", nil
	if o := must[records.Opened](t)(r.OpenIncident(t.Context(), p)); o.Adopted || o.Created || o.Incident.ID != in.ID {
		t.Errorf("a report: %+v, want it to join", o)
	}
	// One that is raised though its failure is known to an incident of another kind of name is merged.
	_, late := r.raise(r.critical("b", r.elsewhere(pdu)))
	other := p
	other.RequestKey, other.Alerts = "triage/2", []string{}
	other.Finding.Explains = append(slices.Clone(down), late.Component)
	if o := must[records.Opened](t)(r.OpenIncident(t.Context(), other)); o.Incident.ID != in.ID || len(o.Merged) != 0 {
		t.Errorf("not made from its alert: %+v", o)
	}
}

func TestCriticalAlertsThatNothingExplainsKeepTheirIncident(t *testing.T) {
	r := newRig(t)
	server := r.scenario("server")
	kept, in := r.raise(r.critical("a", server))
	mild := r.critical("m", r.elsewhere(server))
	mild.Labels["severity"] = "warning"
	plain, _ := r.raise(mild)
	s := must[records.SettledRaised](t)(r.SettleRaised(t.Context(), records.SettleRaisedParams{
		RequestKey: "k", IDs: []string{kept.ID, plain.ID}, Unexplained: []string{server, mild.Component},
	}))
	if !slices.Equal(s.Incidents, []string{in.ID}) || !slices.Equal(s.Left, []string{mild.Component}) || len(s.Opened) > 0 {
		t.Errorf("settled %+v", s)
	}
	if over := must[bool](t)(r.AlertsOver(t.Context(), in.ID)); over {
		t.Error("its alert still fires")
	}
	ended := r.critical("a", server)
	ended.Firing, ended.ReceivedAt = false, r.now.Add(time.Minute)
	r.raise(ended)
	if over := must[bool](t)(r.AlertsOver(t.Context(), in.ID)); !over {
		t.Error("none of its alerts fires any more")
	}
}

// An alert that joined the page of another failure has a page of its own as
// soon as it is known that it was another.
func TestAnAlertThatJoinedAnotherFailureIsRaisedByItself(t *testing.T) {
	r := newRig(t)
	r.with(records.Options{Together: 30 * time.Second})
	rack := ""
	var two []string
	for _, id := range r.inv.ServersAt("msk") {
		c, _ := r.inv.Component(id)
		if rack == "" {
			rack = c.Rack
		}
		if c.Rack == rack && c.Kind == inventory.KindServer {
			two = append(two, id)
		}
	}
	a, in := r.raise(r.critical("a", two[0]))
	b, joined := r.raise(r.critical("b", two[1]))
	if joined.ID != in.ID {
		t.Fatalf("%s raised %s, %s raised %s: one rack, one page", two[0], in.ID, two[1], joined.ID)
	}
	must[records.Opened](t)(r.OpenIncident(t.Context(), records.OpenIncidentParams{
		RequestKey: "f", Finding: topology.Finding{Component: two[0], Explains: two[:1]}, Alerts: []string{a.ID, b.ID},
	}))
	p := records.SettleRaisedParams{RequestKey: "k", IDs: []string{a.ID, b.ID}, Unexplained: two[1:2]}
	s := must[records.SettledRaised](t)(r.SettleRaised(t.Context(), p))
	if len(s.Opened) != 1 || s.Opened[0].Component != two[1] || s.Opened[0].ID == in.ID {
		t.Errorf("settled %+v, want an incident of %s", s, two[1])
	}
}
