package records_test

import (
	"slices"
	"strings"
	"testing"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func TestAComponentHasOneOpenIncident(t *testing.T) {
	r := newRig(t)
	pdu := r.scenario("pdu")
	ask := func(key string) records.Opened {
		t.Helper()
		return must[records.Opened](t)(r.OpenIncident(t.Context(), records.OpenIncidentParams{
			RequestKey: key, Finding: topology.Finding{Component: pdu, Evidence: []topology.Evidence{{Text: "24 of 24 servers do not answer"}}},
		}))
	}
	first := ask("report/r1")
	if !first.Created || first.Incident.Status != incident.Identified {
		t.Fatalf("%+v", first)
	}
	if retry := ask("report/r1"); !retry.Created || retry.Incident.ID != first.Incident.ID {
		t.Errorf("a retry: %v %s, want the same answer", retry.Created, retry.Incident.ID)
	}
	if other := ask("report/r2"); other.Created || other.Incident.ID != first.Incident.ID {
		t.Errorf("another report: %v %s, want the one that is open", other.Created, other.Incident.ID)
	}
	if told := r.timeline("incident/" + first.Incident.ID); len(told) != 2 || !strings.Contains(told[1], "24 of 24 servers do not answer") {
		t.Errorf("timeline %q, want it opened and found, once", told)
	}
	done := first.Incident
	done.Status, done.ResolvedAt = incident.Resolved, r.now
	r.save(done)
	if again := ask("report/r3"); !again.Created || again.Incident.ID == first.Incident.ID {
		t.Errorf("after it was resolved: %v %s, want a new one", again.Created, again.Incident.ID)
	}
}

func TestSeverityAndClientsFollowFromWhatIsHit(t *testing.T) {
	r := newRig(t)
	for scenario, want := range map[string]struct {
		severity         incident.Severity
		servers, clients int // 0: more than one
	}{
		"server": {incident.Sev3, 1, 1}, "pdu": {incident.Sev2, 24, 9}, "switch": {incident.Sev2, 40, 0},
		"room": {incident.Sev1, 240, 0}, "uplink": {incident.Sev1, 0, 0},
	} {
		in := must[incident.Incident](t)(r.store.Incident(t.Context(), r.open(r.scenario(scenario)).ID))
		if in.Severity != want.severity || (want.servers > 0 && len(in.Servers) != want.servers) || (want.clients > 0 && len(in.Clients) != want.clients) {
			t.Errorf("%s: %s, %d servers, %d clients; want %+v", scenario, in.Severity, len(in.Servers), len(in.Clients), want)
		}
		for _, id := range in.Servers {
			if c, _ := r.inv.Component(id); !slices.Contains(in.Clients, c.Client) {
				t.Errorf("%s: %s of %s is hit, and he is not among the clients", scenario, id, c.Client)
			}
		}
		if in.Title == "" || in.Site == "" || in.Restored == nil {
			t.Errorf("%s: %+v", scenario, in)
		}
	}
	many := r.inv.ServersAt("spb")[:101]
	opened := must[records.Opened](t)(r.OpenIncident(t.Context(), records.OpenIncidentParams{
		RequestKey: "k", Finding: topology.Finding{Component: "spb-r1-k01-sw", Explains: many},
	}))
	if opened.Incident.Severity != incident.Sev1 || opened.Incident.Status != incident.Investigating || opened.Incident.Finding.Kind != inventory.KindSwitch {
		t.Errorf("101 servers, no evidence: %s, %s, %s", opened.Incident.Severity, opened.Incident.Status, opened.Incident.Finding.Kind)
	}
	set := must[records.Opened](t)(r.OpenIncident(t.Context(), records.OpenIncidentParams{
		RequestKey: "k2", Severity: incident.Sev1, Title: "Smoke", Finding: topology.Finding{Component: "m1-0101"},
	}))
	if set.Incident.Severity != incident.Sev1 || set.Incident.Title != "Smoke" || !slices.Equal(set.Incident.Servers, []string{"m1-0101"}) {
		t.Errorf("what an engineer sets stands: %+v", set.Incident)
	}
}

func TestAnIncidentThatCannotBeOpenedOrReadSaysWhy(t *testing.T) {
	r := newRig(t)
	_, err := r.OpenIncident(t.Context(), records.OpenIncidentParams{RequestKey: "k", Finding: topology.Finding{Component: "m9-9999"}})
	r.wantInvalid(err, records.TypeInvalid, "component", "m9-9999")
	_, err = r.Incident(t.Context(), "i-none")
	r.wantInvalid(err, records.TypeNotFound, "i-none")
	err = r.SaveIncident(t.Context(), records.SaveIncidentParams{Incident: incident.Incident{ID: "i-none"}})
	r.wantInvalid(err, records.TypeNotFound, "i-none")
}

func (r *rig) alert(key, component string, firing bool) string {
	r.t.Helper()
	kept, err := r.store.PutAlerts(r.t.Context(), []incident.Alert{{
		Source: "alertmanager", Key: key, Component: component, Summary: "HostDown", Firing: firing, StartsAt: r.now, ReceivedAt: r.now,
	}})
	if err != nil || len(kept) != 1 {
		r.t.Fatalf("%v, %v", kept, err)
	}
	return kept[0].ID
}

func TestAlertsAreScopedAndTiedToWhatExplainsThem(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	mine, twice := r.alert("a", in.Servers[0], true), r.alert("b", in.Servers[0], true)
	elsewhere, over := r.alert("c", "s1-0101", true), r.alert("d", in.Servers[1], false)
	nobody := r.alert("e", "", true)
	ids := []string{mine, twice, elsewhere, over, nobody}

	scope := must[records.TriageScope](t)(r.ScopeAlerts(t.Context(), ids))
	want := []string{in.Servers[0], "s1-0101"}
	slices.Sort(want)
	if !slices.Equal(scope.Components, want) || !slices.Equal(scope.Unknown, []string{nobody}) {
		t.Errorf("%+v, want %v and the one that names nothing", scope, want)
	}

	p := records.LinkAlertsParams{IDs: ids, Incident: in.ID, Servers: in.Servers}
	if n := must[int](t)(r.LinkAlerts(t.Context(), p)); n != 3 {
		t.Errorf("%d tied, want the three about its machines", n)
	}
	if n := must[int](t)(r.LinkAlerts(t.Context(), p)); n != 0 {
		t.Errorf("%d tied again", n)
	}
	alerts := 0
	for _, line := range r.timeline("incident/" + in.ID) {
		if strings.HasPrefix(line, "alert: ") {
			alerts++
		}
	}
	if alerts != 3 {
		t.Errorf("%d alerts on the timeline, want 3", alerts)
	}
	if scope := must[records.TriageScope](t)(r.ScopeAlerts(t.Context(), ids)); !slices.Equal(scope.Components, []string{"s1-0101"}) {
		t.Errorf("%+v: what an incident explains is not looked for again", scope)
	}
}

func TestADraftIsDrawnOnceAndEachRevisionIsSavedOnce(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	first := must[incident.Postmortem](t)(r.DraftPostmortem(t.Context(), in.ID))
	if first.Status != "draft" || first.Revision != 1 || len(first.Sections) == 0 || !first.CreatedAt.Equal(r.now) {
		t.Fatalf("%+v", first)
	}
	edit := first
	edit.Sections = map[string]string{"summary": "Мы вынули не тот шнур."}
	p := records.SavePostmortemParams{Postmortem: edit, Entry: incident.Entry{
		Key: "pm/2", Subject: "incident/" + in.ID, Kind: "postmortem", Actor: "ivan", Text: "Edited the summary",
	}}
	for range 2 { // the second is a retry whose answer was lost
		if got := must[incident.Postmortem](t)(r.SavePostmortem(t.Context(), p)); got.Revision != 2 || got.Sections["summary"] != "Мы вынули не тот шнур." {
			t.Fatalf("%+v", got)
		}
	}
	if again := must[incident.Postmortem](t)(r.DraftPostmortem(t.Context(), in.ID)); again.Revision != 2 {
		t.Errorf("drafting again overwrote revision 2: %+v", again)
	}
	if told := r.timeline("incident/" + in.ID); len(told) != 3 {
		t.Errorf("timeline %q", told)
	}
	_, err := r.DraftPostmortem(t.Context(), "i-none")
	r.wantInvalid(err, records.TypeNotFound, "i-none")
}

func TestARunbookIsPinnedByItsConditionOrItsName(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	byFinding, err := r.PinRunbook(t.Context(), records.PinParams{Incident: in})
	if err != nil || byFinding.Name != "server-down" || byFinding.Revision == "" {
		t.Errorf("%+v, %v", byFinding, err)
	}
	byName, err := r.PinRunbook(t.Context(), records.PinParams{Name: "server-down"})
	if err != nil || byName.Revision != byFinding.Revision {
		t.Errorf("%+v, %v", byName, err)
	}
	_, err = r.PinRunbook(t.Context(), records.PinParams{Name: "meteorite"})
	r.wantInvalid(err, records.TypeInvalid, "meteorite")
	facts := records.RunbookFacts(in)
	if ok, err := r.Condition(t.Context(), records.ConditionParams{Expression: `incident.severity != "sev3"`, Facts: facts}); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	_, err = r.Condition(t.Context(), records.ConditionParams{Expression: `incident.severity !`, Facts: facts})
	r.wantInvalid(err, records.TypeInvalid, "if")
}
