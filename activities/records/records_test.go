package records_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/store/storetest"
	"vakhta/internal/topology"
	"vakhta/runbooks"
	"vakhta/runbooks/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// theEstate is the lab's inventory: it never changes, so the tests share it.
var theEstate = sync.OnceValues(func() (*inventory.Inventory, error) {
	return inventory.Load(estate.Generate(estate.Options{Seed: 1}))
})

type links struct{}

func (links) Feed(client string) string { return "https://v.example/c/" + client + ".ics" }

func (links) Ack(notification, _ string) string { return "https://v.example/a/" + notification }

// rig is the activities over a real store, the lab's estate, and a clock.
type rig struct {
	*records.Activities
	t     *testing.T
	inv   *inventory.Inventory
	store *store.Store
	now   time.Time
	make  func(records.Options) *records.Activities
}

// with makes the activities anew, with an operator's options.
func (r *rig) with(o records.Options) { r.Activities = r.make(o) }

func newRig(t *testing.T) *rig {
	t.Helper()
	inv, err := theEstate()
	if err != nil {
		t.Fatal(err)
	}
	return newRigOf(t, inv)
}

func newRigOf(t *testing.T, inv *inventory.Inventory) *rig {
	t.Helper()
	st := storetest.Open(t)
	render, err := message.New(messages.FS())
	if err != nil {
		t.Fatal(err)
	}
	library, err := runbooks.Load(runbooks.Builtin(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, inv: inv, store: st, now: time.Date(2026, 3, 14, 3, 0, 0, 0, time.UTC)}
	r.make = func(o records.Options) *records.Activities {
		o.PublicURL, o.Now = "https://v.example", func() time.Time { return r.now }
		o.Rates = map[inventory.Channel]float64{inventory.Email: 1000, inventory.Telegram: 30, inventory.SMS: 1, inventory.Call: 1}
		return records.New(st, inv, render, library, links{}, o)
	}
	r.with(records.Options{})
	return r
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantInvalid checks that an error is not retried and says what is wrong.
func (r *rig) wantInvalid(err error, class string, says ...string) {
	r.t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Type() != class || !app.NonRetryable() {
		r.t.Fatalf("%v, want a permanent error of type %s", err, class)
	}
	for _, s := range says {
		if !strings.Contains(app.Error(), s) {
			r.t.Errorf("%q does not say %q", app.Error(), s)
		}
	}
}

// scenario is the component that a scenario of the lab fails.
func (r *rig) scenario(name string) string {
	r.t.Helper()
	return must[string](r.t)(estate.Scenario(name))
}

// open opens an incident of the component that takes down all it can.
func (r *rig) open(component string) incident.Incident {
	r.t.Helper()
	servers := topology.New(r.inv).Blast(component).Servers
	opened := must[records.Opened](r.t)(r.OpenIncident(r.t.Context(), records.OpenIncidentParams{
		RequestKey: "test/" + component, Finding: topology.Finding{
			Component: component, Confidence: .97, Explains: servers,
			Evidence: []topology.Evidence{{Component: component, Text: "its management port is closed"}},
		},
	}))
	return opened.Incident
}

func (r *rig) save(in incident.Incident) {
	r.t.Helper()
	if err := r.SaveIncident(r.t.Context(), records.SaveIncidentParams{Incident: in}); err != nil {
		r.t.Fatal(err)
	}
}

// written reads the notifications that were composed.
func (r *rig) written(c records.Composed) []ledger.Notification {
	r.t.Helper()
	var out []ledger.Notification
	for _, id := range slices.Concat(c.Batches...) {
		out = append(out, must[ledger.Notification](r.t)(r.store.Notification(r.t.Context(), id)))
	}
	return out
}

// becomes moves a notification to where an attempt would have brought it.
func (r *rig) becomes(id string, state ledger.State) {
	r.t.Helper()
	claims := must[ledger.Claims](r.t)(r.store.Claim(r.t.Context(), []string{id}, time.Minute, r.now))
	if len(claims.Claimed) != 1 {
		r.t.Fatalf("%s can't be claimed: %+v", id, claims)
	}
	o := ledger.Outcome{State: state, Provider: "twilio", Wrote: true}
	if state == ledger.Refused {
		o.Class = ledger.ClassDead
	}
	if err := r.store.Settle(r.t.Context(), id, claims.Claimed[0].LeaseToken, o, r.now); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) timeline(subject string) (texts []string) {
	r.t.Helper()
	for _, e := range must[[]incident.Entry](r.t)(r.store.Timeline(r.t.Context(), subject, 0, 0)) {
		texts = append(texts, e.Kind+": "+e.Text)
	}
	return texts
}

func contacts(ns []ledger.Notification) (ids []string) {
	for _, n := range ns {
		ids = append(ids, n.Contact)
	}
	slices.Sort(ids)
	return ids
}
