package records_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/maintnote"
)

// work is a work that takes everybody of the crowd down.
func (r *rig) work(id string, components ...string) maintenance.Work {
	if len(components) == 0 {
		components = []string{crowd.Component}
	}
	return maintenance.Work{
		ID: id, Title: map[string]string{"ru": "Замена ввода", "en": "Replacement of a feed"}, Components: components, Status: maintenance.Approved,
		StartsAt: r.now.Add(48 * time.Hour), EndsAt: r.now.Add(51 * time.Hour), Revision: 1,
	}
}

func (r *rig) waiting(work string) []maintenance.Waiting {
	r.t.Helper()
	return must[[]maintenance.Waiting](r.t)(r.WorkWaiting(r.t.Context(), must[maintenance.Work](r.t)(r.store.Maintenance(r.t.Context(), work))))
}

func TestAWorkIsToldToWhoLosesServiceUntilHeConfirms(t *testing.T) {
	r := wayward(t, 3, "", inventory.Email, inventory.SMS)
	p := must[records.PlannedWork](t)(r.PlanWork(t.Context(), records.PlanWorkParams{Work: r.work("feed")}))
	if p.Clients != 3 || p.Servers != 3 || len(p.Work.ByClient) != 0 {
		t.Errorf("%+v, want three clients, and no machines in a history", p)
	}
	about := records.ComposeParams{Work: "feed", Event: "maintenance.announced", Step: records.StepAnnounce(maintenance.Outage), Revision: 1}
	told := byContact(r.written(must[records.Composed](t)(r.ComposeUpdate(t.Context(), about))))
	n := told["c00001-duty"]
	if len(told) != 3 || n.Subject != "maintenance/feed" || !strings.Contains(n.Body, "srv-00001") || strings.Contains(n.Body, "srv-00002") {
		t.Fatalf("%d told, one of them %+v; want each about his own machine", len(told), n)
	}
	notices, err := maintnote.Read([]byte(n.Calendar))
	if err != nil || len(notices) != 1 || notices[0].Account != "c00001" || notices[0].Maintenance != "feed" || !slices.Equal(notices[0].Objects, []string{"srv-00001"}) ||
		notices[0].Status != maintnote.Confirmed || notices[0].Impact != maintnote.Outage {
		t.Errorf("the calendar: %+v, %v", notices, err)
	}
	if !strings.Contains(n.Body, "https://v.example/c/c00001.ics") {
		t.Errorf("no link to his calendar in %s", n.Body)
	}
	for _, n := range told {
		r.becomes(n.ID, ledger.Accepted)
	}
	if _, _, err := r.store.Acknowledge(t.Context(), told["c00001-duty"].ID, "page", r.now); err != nil {
		t.Fatal(err)
	}
	if err := r.TellWork(t.Context(), records.ToldParams{Work: "feed", Client: "c00002", By: "petrov"}); err != nil {
		t.Fatal(err)
	}
	if u := r.waiting("feed"); len(u) != 1 || u[0].Client != "c00000" || u[0].Machines != 1 || u[0].Rung() != inventory.Email ||
		!slices.Equal(u[0].Next, []maintenance.Ahead{{Contact: "c00000-duty", Channel: inventory.SMS}}) {
		t.Errorf("%+v, want c00000 unread, told by email, SMS next", u)
	}
	climb := must[records.Composed](t)(r.NextRung(t.Context(), records.NextRungParams{Compose: about, Unacknowledged: true}))
	if rows := r.written(climb); len(rows) != 1 || rows[0].Client != "c00000" || rows[0].Channel != inventory.SMS {
		t.Errorf("%+v, want one SMS to c00000", rows)
	}
	again := about
	again.Event, again.Step, again.Unconfirmed = "maintenance.reminder", "reminder/1", true
	if rows := r.written(must[records.Composed](t)(r.ComposeUpdate(t.Context(), again))); len(rows) != 1 || rows[0].Client != "c00000" {
		t.Errorf("%+v, want only c00000 reminded", rows)
	}

	// A new revision: what was confirmed before counts no more.
	moved := r.work("feed")
	moved.Revision, moved.MovedFrom, moved.StartsAt, moved.EndsAt = 2, moved.StartsAt, r.now.Add(72*time.Hour), r.now.Add(75*time.Hour)
	must[records.PlannedWork](t)(r.PlanWork(t.Context(), records.PlanWorkParams{Work: moved}))
	if u := r.waiting("feed"); len(u) != 3 || u[0].Rung() != "" {
		t.Errorf("%+v, want nobody to have heard of revision 2", u)
	}
	if err := r.TellWork(t.Context(), records.ToldParams{Work: "feed", Client: "c00002", By: "petrov"}); err != nil {
		t.Error("a client without a message was told by hand:", err)
	}
	if u := r.waiting("feed"); len(u) != 2 {
		t.Errorf("%+v, want the one who was told by hand", u)
	}
	r.wantInvalid(r.TellWork(t.Context(), records.ToldParams{Work: "feed", Client: "nobody", By: "petrov"}), records.TypeInvalid, "nothing of")
	r.wantInvalid(r.SaveWork(t.Context(), records.SaveWorkParams{Work: maintenance.Work{ID: "nowhere"}}), records.TypeNotFound, "nowhere")
}

func TestAWorkThatBreaksARedundancyNeedsAReason(t *testing.T) {
	r := newRig(t)
	a, ok := strings.CutSuffix(r.scenario("pdu"), "-a")
	if !ok {
		t.Fatal("the lab's PDU has no twin")
	}
	must[records.PlannedWork](t)(r.PlanWork(t.Context(), records.PlanWorkParams{Work: r.work("a", a+"-a")}))
	b := r.work("b", a+"-b")
	_, err := r.PlanWork(t.Context(), records.PlanWorkParams{Work: b})
	r.wantInvalid(err, records.TypeInvalid, "maintenance/a", "override", "m2-0425")
	if _, err := r.store.Maintenance(t.Context(), "b"); err == nil {
		t.Error("a work that was refused is kept")
	}
	measured, err := r.MeasureWork(t.Context(), b)
	if err != nil || len(measured.Conflicts) != 1 || len(measured.Conflicts[0].Servers) != 8 {
		t.Errorf("%+v, %v; want eight machines that lean on both", measured.Conflicts, err)
	}
	b.Override = "the client has moved away"
	if p := must[records.PlannedWork](t)(r.PlanWork(t.Context(), records.PlanWorkParams{Work: b})); len(p.Conflicts) != 1 {
		t.Errorf("%+v, want the conflict to be known", p)
	}
	later := r.work("later", a+"-b")
	later.StartsAt, later.EndsAt = later.EndsAt, later.EndsAt.Add(time.Hour)
	if p := must[records.PlannedWork](t)(r.PlanWork(t.Context(), records.PlanWorkParams{Work: later})); len(p.Conflicts) != 0 {
		t.Errorf("%+v, want none an hour later", p.Conflicts)
	}
	r.open(a + "-a")
	_, err = r.PlanWork(t.Context(), records.PlanWorkParams{Work: later})
	r.wantInvalid(err, records.TypeInvalid, "incident/")
}

func TestWhatTouchesNobodyIsNoWork(t *testing.T) {
	r := wayward(t, 1, "", inventory.Email)
	_, err := r.PlanWork(t.Context(), records.PlanWorkParams{Work: r.work("x", "nothing")})
	r.wantInvalid(err, records.TypeInvalid, "no client's machine")
}

// Where roles hold, a work is begun and people on site are asked by who has the
// role, however the workflow was started.
func TestBeginningAWorkTakesARole(t *testing.T) {
	inv, err := inventory.Load(crowd.Document(crowd.Options{Clients: 3, Ladder: func(int) []inventory.Channel { return []inventory.Channel{inventory.Email} }}), inventory.Document{Name: "teams.yaml", Data: []byte(teamWithRoles)})
	if err != nil {
		t.Fatal(err)
	}
	r := newRigOf(t, inv)
	asked := func(by string) error {
		_, err := r.PlanWork(t.Context(), records.PlanWorkParams{Work: r.work("feed"), AskedBy: by})
		return err
	}
	for _, by := range []string{"guest", "stranger"} {
		r.wantInvalid(asked(by), records.TypeForbidden, "responder")
		_, err := r.AskQuestion(t.Context(), records.AskParams{Incident: "i", Number: 1, By: by})
		r.wantInvalid(err, records.TypeForbidden, "responder")
	}
	if _, err := r.store.Maintenance(t.Context(), "feed"); err == nil {
		t.Error("a refused work is kept")
	}
	for _, by := range []string{"vera", "chief", inventory.Itself, ""} {
		if err := asked(by); err != nil {
			t.Errorf("%q: %v", by, err)
		}
	}
}

const teamWithRoles = `version: 1
teams:
  - id: network
    members:
      - {id: vera, addresses: {call: "+79001234567"}}
      - {id: chief, role: manager, addresses: {call: "+79001234568"}}
      - {id: guest, role: viewer, addresses: {call: "+79001234569"}}
    levels: [{members: [vera], ackWithin: 2m}]
`
