package workflows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"vakhta/activities/notify"
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

// answer mocks the activities by their method values.
func (w *world) answer() {
	on(w, rec.Team, func(_ context.Context, id string) (inventory.Team, error) {
		if slices.Contains(w.teams, id) {
			other := w.team
			other.ID = id
			return other, nil
		}
		if id != w.team.ID {
			return inventory.Team{}, invalid("team: the inventory has no team %q", id)
		}
		return w.team, nil
	})
	on(w, rec.Roster, w.roster)
	on(w, rec.ComposePage, w.composePage)
	on(w, rec.PageAcknowledged, func(_ context.Context, p records.PageStateParams) (records.PageState, error) {
		if w.ledger == nil {
			return records.PageState{}, nil
		}
		return w.ledger(p), nil
	})
	on(w, rec.Drop, func(_ context.Context, p records.DropParams) (int, error) { return 0, keep(w, &w.drops, p) })
	on(w, rec.ComposeTask, func(_ context.Context, p records.TaskParams) (records.Composed, error) {
		return one("task/" + p.Key), keep(w, &w.tasks, p)
	})
	on(w, rec.ComposeUpdate, func(_ context.Context, p records.ComposeParams) (records.Composed, error) {
		if w.refuseCompose != nil {
			if err := w.refuseCompose(p); err != nil {
				return records.Composed{}, err
			}
		}
		_ = keep(w, &w.composed, composed{p, w.elapsed()})
		if w.compose != nil {
			return w.note(w.compose(p)), nil
		}
		return one(fmt.Sprintf("%s/%d", p.Step, p.Revision)), nil
	})
	on(w, rec.NextRung, func(_ context.Context, p records.NextRungParams) (records.Composed, error) {
		_ = keep(w, &w.rungs, p)
		if w.next == nil {
			return records.Composed{}, nil
		}
		return w.note(w.next(p)), nil
	})
	on(w, rec.StillUnreached, func(_ context.Context, p records.UnreachedParams) (records.Unreached, error) {
		return w.unreached, keep(w, &w.missed, p)
	})
	on(w, rec.Append, func(_ context.Context, e []incident.Entry) error {
		for _, line := range e {
			_ = keep(w, &w.lines, line)
		}
		return nil
	})
	on(w, send.Deliver, w.deliver)
	w.answerIncidents()
	w.answerHands()
	w.answerReports()
}

func (w *world) answerIncidents() {
	on(w, rec.Incident, func(_ context.Context, id string) (incident.Incident, error) {
		if id != w.record.ID {
			return incident.Incident{}, invalid("incident: there is no incident %q", id)
		}
		return w.record, nil
	})
	on(w, rec.PinRunbook, func(_ context.Context, _ records.PinParams) (runbooks.Runbook, error) {
		if w.book.Name == "" {
			return w.book, invalid("runbook: none is on this finding")
		}
		return w.book, nil
	})
	on(w, rec.SaveIncident, func(_ context.Context, p records.SaveIncidentParams) error {
		if w.refuseSave != nil {
			if err := w.refuseSave(p.Incident); err != nil {
				return err
			}
		}
		for _, line := range p.Entries {
			_ = keep(w, &w.lines, line)
		}
		return keep(w, &w.saved, p.Incident)
	})
	on(w, rec.Condition, func(_ context.Context, p records.ConditionParams) (bool, error) {
		if w.condition != nil {
			return w.condition(p)
		}
		return p.Expression == "true", nil
	})
	on(w, rec.WatchPlan, func(_ context.Context, in incident.Incident) ([]records.Watched, error) {
		if len(in.Servers) == 0 {
			return nil, nil
		}
		return []records.Watched{{Vantage: "msk", Components: in.Servers}}, nil
	})
	on(w, look.Watch, func(_ context.Context, _ probe.WatchParams) (probe.WatchResult, error) {
		w.mu.Lock()
		w.watched++
		n := w.watched
		w.mu.Unlock()
		return w.watch(n)
	}).After(lookFor)
	on(w, rec.DraftPostmortem, func(_ context.Context, _ string) (incident.Postmortem, error) { return w.draft, nil })
	on(w, rec.SavePostmortem, func(_ context.Context, p records.SavePostmortemParams) (incident.Postmortem, error) {
		p.Postmortem.Revision++
		_ = keep(w, &w.lines, p.Entry)
		return p.Postmortem, keep(w, &w.postSave, p)
	})
}

func (w *world) answerReports() {
	on(w, rec.TakeReport, func(_ context.Context, p records.TakeReportParams) (records.Reporter, error) {
		r := w.reporter
		r.Report = p.Report
		return r, nil
	})
	on(w, rec.Explain, func(_ context.Context, _ string) (records.Explanation, error) { return w.explain, nil })
	on(w, rec.ComposeReply, func(_ context.Context, p records.ReplyParams) (records.Composed, error) {
		if w.replyable != nil && !w.replyable(p) {
			return records.Composed{Contacts: 1, Unreachable: []string{"anna"}}, nil
		}
		return one(fmt.Sprintf("%s %s rung %d", p.Step, p.Event, p.Rung)), keep(w, &w.replies, p)
	})
	on(w, rec.CloseReport, func(_ context.Context, p records.CloseReportParams) error { return keep(w, &w.closed, p) })
	on(w, rec.PlanSweep, func(_ context.Context, p records.PlanSweepParams) (records.SweepPlan, error) {
		if p.Scope.Client == "nobody" {
			return records.SweepPlan{}, invalid("client: the inventory has no client %q", p.Scope.Client)
		}
		return w.plan, nil
	})
	w.OnActivity(look.SweepShard, mock.Anything, mock.MatchedBy(func(p probe.ShardParams) bool { return p.Vantage == asleep })).
		Return(probe.ShardResult{}, nil).After(time.Minute).Maybe()
	on(w, look.SweepShard, func(_ context.Context, p probe.ShardParams) (probe.ShardResult, error) {
		_ = keep(w, &w.sweeps, p)
		if w.sweep != nil {
			return w.sweep(p)
		}
		if p.Round > 1 {
			return probe.ShardResult{}, nil // counted already
		}
		at, servers := w.shard(p.Shard)
		return counted(at, servers, 0), nil
	})
	on(w, rec.Infer, func(_ context.Context, p records.InferParams) (records.Inferred, error) {
		_ = keep(w, &w.inferences, p)
		w.mu.Lock()
		w.inferred++
		n := w.inferred
		w.mu.Unlock()
		if w.infer == nil {
			return records.Inferred{}, nil
		}
		return w.infer(n), nil
	})
	on(w, rec.OpenIncident, func(_ context.Context, p records.OpenIncidentParams) (records.Opened, error) {
		if w.open != nil {
			return w.open(p)
		}
		return records.Opened{Incident: w.record, Created: true}, nil
	})
	on(w, rec.ScopeAlerts, func(_ context.Context, ids []string) (records.TriageScope, error) {
		if w.scope == nil {
			return records.TriageScope{Components: []string{"s1"}}, nil
		}
		return w.scope(ids)
	})
	on(w, rec.SettleRaised, func(_ context.Context, p records.SettleRaisedParams) (records.SettledRaised, error) {
		_ = keep(w, &w.settled, p)
		if w.settle != nil {
			return w.settle(p), nil
		}
		return records.SettledRaised{Left: p.Unexplained}, nil
	})
	on(w, rec.AlertsOver, func(context.Context, string) (bool, error) { return w.alertsOver, nil })
	on(w, rec.LinkAlerts, func(_ context.Context, p records.LinkAlertsParams) (int, error) {
		return len(p.IDs), keep(w, &w.linked, p)
	})
}

// roster answers from the team's plain levels, as the calendar would.
func (w *world) roster(_ context.Context, p records.RosterParams) (records.Roster, error) {
	return rosterOf(&w.team, p), nil
}

func rosterOf(team *inventory.Team, p records.RosterParams) records.Roster {
	out := records.Roster{Levels: len(team.Levels), Repeat: team.Repeat, People: []records.OnCall{}}
	var people []string
	switch {
	case len(p.People) > 0:
		people = p.People
	case p.Fallback:
		people, out.AckWithinSeconds = team.Fallback, 300
	case p.Level < len(team.Levels):
		l := team.Levels[p.Level]
		people, out.AckWithinSeconds, out.Mode = l.Members, l.AckWithinSeconds, l.Mode
	}
	for _, id := range people {
		ladder := p.Ladder
		if m, ok := team.Member(id); ok && len(m.Pages) > 0 {
			ladder = m.Pages
		}
		out.People = append(out.People, records.OnCall{Contact: id, Ladder: ladder})
	}
	return out
}

func (w *world) composePage(_ context.Context, p records.PageParams) (records.Composed, error) {
	_ = keep(w, &w.pages, paged{p, w.elapsed()})
	out := records.Composed{Contacts: len(p.Contacts)}
	for _, c := range p.Contacts {
		if slices.Contains(w.noAddress, c) {
			out.Unreachable = append(out.Unreachable, c)
			continue
		}
		out.Batches = append(out.Batches, []string{fmt.Sprintf("%s %d.%d.%d %s %s", p.Event, p.Round, p.Level, p.Rung, p.Channel, c)})
	}
	return out, nil
}

// note keeps whom a composition could not reach, as the store does.
func (w *world) note(c records.Composed) records.Composed {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range c.Unreachable {
		if !slices.Contains(w.unreached.Names, id) {
			w.unreached.Names = append(w.unreached.Names, id)
		}
	}
	w.unreached.Total = max(len(w.unreached.Names), c.UnreachableTotal)
	w.unreached.Digest = "digest"
	return c
}

func (w *world) deliver(_ context.Context, p notify.SendBatchParams) (notify.DeliverResult, error) {
	var out notify.DeliverResult
	for _, id := range p.IDs {
		_ = keep(w, &w.sent, id)
		if w.refuse != nil && w.refuse(id) {
			out.Refused++
		} else {
			out.Accepted++
		}
	}
	return out, nil
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
