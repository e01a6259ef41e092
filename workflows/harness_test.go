package workflows

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

// asleep is a vantage that takes a minute to answer.
const asleep = "asleep"

// lookFor is how long one watch activity looks in the tests.
const lookFor = 10 * time.Minute

// world is everything outside a workflow, on a clock that skips: it answers
// the activities and remembers, in the order of time, what was asked of them.
type world struct {
	*testsuite.TestWorkflowEnvironment
	t     *testing.T
	start time.Time

	mu       sync.Mutex
	lines    []incident.Entry
	saved    []incident.Incident
	pages    []paged
	tasks    []records.TaskParams
	composed []composed
	replies  []records.ReplyParams
	rungs    []records.NextRungParams
	drops    []records.DropParams
	sent     []string
	closed   []records.CloseReportParams
	linked   []records.LinkAlertsParams
	sweeps   []probe.ShardParams
	postSave []records.SavePostmortemParams
	missed   []records.UnreachedParams
	// unreached is what the store holds of those whom no channel reached.
	unreached records.Unreached

	// What the world is like; a test sets it before it runs.
	record  incident.Incident
	book    runbooks.Runbook
	team    inventory.Team
	teams   []string             // others, with the same people
	refuse  func(id string) bool // a notification that its provider refuses
	ledger  func(records.PageStateParams) records.PageState
	next    func(records.NextRungParams) records.Composed
	compose func(records.ComposeParams) records.Composed
	// refuseCompose is a message that can't be written.
	refuseCompose func(records.ComposeParams) error
	noAddress     []string // contacts without an address by any channel of a page
	watch         func(call int) (probe.WatchResult, error)
	watched       int
	watchedBy     []probe.WatchParams
	condition     func(records.ConditionParams) (bool, error)
	reporter      records.Reporter
	explain       records.Explanation
	replyable     func(records.ReplyParams) bool
	plan          records.SweepPlan
	sweep         func(probe.ShardParams) (probe.ShardResult, error)
	inferences    []records.InferParams
	infer         func(call int) records.Inferred
	inferred      int

	postmortems int // begun by an incident
	asked       int // updates

	open  func(records.OpenIncidentParams) (records.Opened, error)
	scope func(ids []string) (records.TriageScope, error)
	draft incident.Postmortem

	settle     func(records.SettleRaisedParams) records.SettledRaised
	settled    []records.SettleRaisedParams
	alertsOver bool

	refuseSave func(incident.Incident) error

	floor
}

type paged struct {
	records.PageParams
	at time.Duration
}

type composed struct {
	records.ComposeParams
	at time.Duration
}

func newWorld(t *testing.T) *world {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	w := &world{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t}
	w.start = w.Now()
	w.SetTestTimeout(20 * time.Second)
	Register(w)
	w.defaults()
	w.answer()
	return w
}

func (w *world) defaults() {
	w.record = incident.Incident{
		ID: "i1", Component: "pdu-a", Site: "msk", Title: "PDU pdu-a has failed", Severity: incident.Sev2, Status: incident.Identified,
		Servers: []string{"s1", "s2"}, Clients: []string{"acme"}, Restored: []string{},
	}
	w.team = inventory.Team{ID: "emergency", Name: "Emergency", Levels: []inventory.Level{
		{Members: []string{"ivan", "petr"}, AckWithinSeconds: 300}, {Members: []string{"boss"}, AckWithinSeconds: 300},
	}, Fallback: []string{"boss"}, Members: []inventory.Contact{{ID: "ivan"}, {ID: "petr"}, {ID: "boss"}}}
	w.watch = func(int) (probe.WatchResult, error) {
		return probe.WatchResult{Up: []string{"s1", "s2"}, Changed: true}, nil
	}
	w.reporter = records.Reporter{Known: true, Client: "acme", Contact: "anna", Servers: 3, Sites: []records.SiteCount{{Site: "msk", Servers: 2}, {Site: "spb", Servers: 1}}}
	w.plan = records.SweepPlan{Total: 3, Sites: []records.SiteCount{{Site: "msk", Servers: 2}, {Site: "spb", Servers: 1}}, Shards: []records.ShardRef{
		shardAt("msk", 0, 2), shardAt("spb", 1, 1),
	}}
	w.onSite()
	w.draft = incident.Postmortem{Incident: "i1", Title: "PDU pdu-a has failed", Status: "draft", Revision: 1, Sections: map[string]string{"summary": "It failed", "lessons": ""}}
}

// on mocks an activity of one parameter, whatever it is asked.
func on(w *world, activity, answer any) *testsuite.MockCallWrapper {
	return w.OnActivity(activity, mock.Anything, mock.Anything).Return(answer).Maybe()
}

func keep[T any](w *world, list *[]T, v T) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	*list = append(*list, v)
	return nil
}

// shardAt is a shard of so many machines of a site, from its own vantage.
func shardAt(site string, number, servers int) records.ShardRef {
	return records.ShardRef{Number: number, Vantages: []string{site}, Components: servers, Sites: []records.SiteCount{{Site: site, Servers: servers}}}
}

// shard is where the plan's n-th shard is, and how many machines it holds; a
// shard of a later round counts nobody anew.
func (w *world) shard(n int) (site string, servers int) {
	if n >= len(w.plan.Shards) || len(w.plan.Shards[n].Sites) == 0 {
		return "", 0
	}
	return w.plan.Shards[n].Sites[0].Site, w.plan.Shards[n].Sites[0].Servers
}

// counted is what a shard comes to of which so many machines are up and down.
func counted(site string, up, down int) probe.ShardResult {
	return probe.ShardResult{BySite: []probe.SiteCount{{Site: site, Up: up, Down: down}}}
}

func one(id string) records.Composed {
	return records.Composed{Batches: [][]string{{id}}, Contacts: 1}
}

func (w *world) elapsed() time.Duration { return w.Now().Sub(w.start) }

// play runs a workflow under an id to its end.
func (w *world) play(id string, workflow any, in any) {
	w.t.Helper()
	w.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id, TaskQueue: QueueRunbooks})
	w.ExecuteWorkflow(workflow, in)
	if !w.IsWorkflowCompleted() {
		w.t.Fatalf("%s has not come to its end", id)
	}
}

// must fails the test if the workflow failed, and decodes its result.
func must[T any](w *world) T {
	w.t.Helper()
	var out T
	if err := w.GetWorkflowError(); err != nil {
		w.t.Fatalf("the workflow failed: %v", err)
	}
	if err := w.GetWorkflowResult(&out); err != nil {
		w.t.Fatalf("its result: %v", err)
	}
	return out
}

func (w *world) after(d time.Duration, do func()) { w.RegisterDelayedCallback(do, d) }

// kinds are the kinds of the timeline's lines, in order.
func (w *world) kinds() []string {
	out := make([]string, 0, len(w.lines))
	for _, l := range w.lines {
		out = append(out, l.Kind)
	}
	return out
}

func (w *world) count(kind string) int {
	n := 0
	for _, k := range w.kinds() {
		if k == kind {
			n++
		}
	}
	return n
}

func (w *world) mustKeyOnce() {
	w.t.Helper()
	seen := map[string]string{}
	for _, l := range w.lines {
		if was, ok := seen[l.Key]; ok {
			w.t.Errorf("two lines have the key %s, the second is lost: %q, %q", l.Key, was, l.Text)
		}
		seen[l.Key] = l.Text
	}
}

// updates are the updates to clients that were composed.
func (w *world) updatesOf(event string) []composed {
	var out []composed
	for _, c := range w.composed {
		if c.Event == event {
			out = append(out, c)
		}
	}
	return out
}

func (w *world) taskKeys() []string {
	out := make([]string, 0, len(w.tasks))
	for _, p := range w.tasks {
		out = append(out, p.Key)
	}
	return out
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func mustBeInvalid(t *testing.T, err error, naming string) {
	t.Helper()
	var app *temporal.ApplicationError
	switch {
	case err == nil:
		t.Fatalf("it was taken; want a refusal that names %q", naming)
	case !errors.As(err, &app) || !app.NonRetryable():
		t.Errorf("%v is to be tried again; want it final", err)
	case !strings.Contains(err.Error(), naming):
		t.Errorf("%v does not name %q", err, naming)
	}
}

func seconds(n int) runbooks.Duration { return runbooks.Duration(time.Duration(n) * time.Second) }
func minutes(n int) runbooks.Duration { return seconds(60 * n) }

// pduDown is a finding that takes down s1 and s2.
func pduDown() topology.Finding {
	return topology.Finding{Component: "pdu-a", Kind: inventory.KindPDU, Confidence: 0.97, Explains: []string{"s1", "s2"}}
}

// quiet drops what the SDK logs.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
