package workflows

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"vakhta/activities/notify"
	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/store/storetest"
	"vakhta/runbooks"
	"vakhta/runbooks/messages"
)

// life is one planned work over a real store, on a clock that skips: only the
// providers and the probes are the test's.
type life struct {
	*testsuite.TestWorkflowEnvironment
	t     *testing.T
	store *store.Store
	acts  *records.Activities
	in    MaintenanceInput
	rng   *rand.Rand

	mu   sync.Mutex
	told []telling
}

// telling is a message that reached a contact.
type telling struct {
	ledger.Notification
	at time.Time
}

// deliver is every provider at once.
func (l *life) deliver(ctx context.Context, p notify.SendBatchParams) (notify.DeliverResult, error) {
	var out notify.DeliverResult
	claims, err := l.store.Claim(ctx, p.IDs, time.Minute, l.Now())
	if err != nil {
		return out, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range claims.Claimed {
		o := ledger.Outcome{State: ledger.Accepted, Provider: "test", ProviderID: n.ID, Wrote: true}
		if n.Client != "" && l.rng.IntN(8) == 0 { // a dead address
			o = ledger.Outcome{State: ledger.Refused, Class: ledger.ClassNext, Provider: "test", Wrote: true}
			out.Refused++
		} else {
			out.Accepted++
			l.told = append(l.told, telling{n, l.Now()})
		}
		if err := l.store.Settle(ctx, n.ID, n.LeaseToken, o, l.Now()); err != nil {
			return out, err
		}
	}
	out.Dropped = len(claims.Done)
	return out, nil
}

// blind is a prober that sees nothing.
func blind(context.Context, probe.ShardParams) (probe.ShardResult, error) {
	return probe.ShardResult{}, nil
}

// affected are the clients of the crowd that the work takes down; slowed the
// one whose machine works worse; all others must hear nothing.
var (
	affected = []string{"c00000", "c00001", "c00002", "c00003"}
	slowed   = "c00004"
)

func newLife(t *testing.T, start time.Time, seed uint64) *life {
	t.Helper()
	inv, err := inventory.Load(crowd.Document(crowd.Options{Clients: 8, Ladder: func(i int) []inventory.Channel {
		return [][]inventory.Channel{{inventory.Email, inventory.SMS, inventory.Call}, {inventory.Telegram, inventory.Call}, {inventory.SMS, inventory.Email}}[i%3]
	}}))
	if err != nil {
		t.Fatal(err)
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	l := &life{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), t: t, store: storetest.Open(t), rng: rand.New(rand.NewPCG(seed, 1))}
	l.SetStartTime(start)
	l.SetTestTimeout(time.Minute)
	render, err := message.New(messages.FS())
	if err != nil {
		t.Fatal(err)
	}
	l.acts = records.New(l.store, inv, render, nil, nil, records.Options{PublicURL: "https://v.example", Now: l.Now})
	Register(l)
	l.RegisterActivity(l.acts)
	l.RegisterActivityWithOptions(l.deliver, activity.RegisterOptions{Name: "Deliver"})
	l.RegisterActivityWithOptions(blind, activity.RegisterOptions{Name: "SweepShard"})
	begins := start.Add(14 * 24 * time.Hour)
	l.in = MaintenanceInput{Act: Act{By: "ivan", Via: "cli"}, Work: maintenance.Work{
		ID: "w", Title: map[string]string{"ru": "Замена", "en": "Replacement"}, Owner: crowd.Team, StartsAt: begins, EndsAt: begins.Add(3 * time.Hour),
		Components: []string{"srv-00000", "srv-00001", "srv-00002", "srv-00003", "srv-00004"}, Impacts: map[string]maintenance.Impact{"srv-00004": maintenance.Degraded},
	}}
	return l
}

// later gives an update; whether it is taken is the work's business.
func (l *life) later(after time.Duration, name string, arg any) {
	l.RegisterDelayedCallback(func() {
		l.UpdateWorkflow(name, fmt.Sprintf("%s/%s", name, after), &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(error) {}, OnComplete: func(any, error) {},
		}, arg)
	}, after)
}

// confirms has a client confirm the last message that he got, if he got one.
func (l *life) confirms(after time.Duration, client string) {
	l.RegisterDelayedCallback(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, n := range slices.Backward(l.told) {
			if n.Client == client && message.WantsAck(n.Event) {
				if _, _, err := l.store.Acknowledge(l.t.Context(), n.ID, "page", l.Now()); err != nil {
					l.t.Error(err)
				}
				return
			}
		}
	}, after)
}

func (l *life) live() maintenance.Work {
	l.t.Helper()
	l.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: MaintenanceID("w"), TaskQueue: QueueRunbooks})
	l.ExecuteWorkflow(Maintenance, l.in)
	if err := l.GetWorkflowError(); !l.IsWorkflowCompleted() || err != nil {
		l.t.Fatalf("the life has no good end: completed %v, %v", l.IsWorkflowCompleted(), err)
	}
	w, err := l.store.Maintenance(l.t.Context(), "w")
	if err != nil {
		l.t.Fatal(err)
	}
	return w
}

// audit holds what was told against what must be.
func (l *life) audit(w maintenance.Work) {
	l.t.Helper()
	told, latest, once := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, n := range l.told {
		if n.Client == "" {
			continue
		}
		told[n.Client] = true
		latest[n.Client] = latest[n.Client] || n.Revision == w.Revision
		if !slices.Contains(affected, n.Client) && n.Client != slowed {
			l.t.Errorf("%s is not affected and was told %s", n.Client, n.Event)
		}
		if key := strings.Join([]string{n.Contact, string(n.Channel), n.Event, n.Step, fmt.Sprint(n.Revision)}, " "); once[key] {
			l.t.Errorf("told twice: %s", key)
		} else {
			once[key] = true
		}
		known, err := l.store.Confirmations(l.t.Context(), "w", n.Revision, n.Client)
		if err != nil {
			l.t.Fatal(err)
		}
		if c, ok := known[n.Client]; ok && c.At.Before(n.at) && (n.Channel == inventory.Call && message.WantsAck(n.Event) || n.Event == "maintenance.reminder") {
			l.t.Errorf("%s confirmed revision %d at %s and got %s by %s at %s", n.Client, n.Revision, c.At, n.Event, n.Channel, n.at)
		}
	}
	if w.Announced.IsZero() {
		if len(told) > 0 {
			l.t.Errorf("never announced, and told to %v", told)
		}
		return
	}
	for _, c := range affected {
		if !latest[c] && !l.handed(c) { // of an older date only: as good as not at all
			l.t.Errorf("%s is affected, was told nothing of revision %d, and nobody has the task", c, w.Revision)
		}
	}
}

// handed says whether a person was given the task to tell a client.
func (l *life) handed(client string) bool {
	return slices.ContainsFunc(l.told, func(n telling) bool { return n.Event == "task.engineer" && strings.Contains(n.Body, client) })
}

// A hundred lives: approved or not, moved, begun early, extended, overrun,
// completed, rolled back or cancelled, with dead addresses, and clients who
// confirm at any time or never.
func TestAHundredLivesOfPlannedWork(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			l := newLife(t, time.Date(2026, 10, 13, 1, 0, 0, 0, time.UTC), seed)
			hour := func(most int) time.Duration { return time.Duration(l.rng.IntN(most*60)) * time.Minute }
			petr := Act{By: "petr", Via: "cli"}
			if l.rng.IntN(10) > 0 {
				l.later(hour(14*24), UpdateApprove, WorkUpdate{petr})
			}
			for range l.rng.IntN(4) {
				begins := l.in.Work.StartsAt.Add(hour(72) - 36*time.Hour)
				l.later(hour(14*24), UpdateReschedule, RescheduleUpdate{Act: petr, StartsAt: begins, EndsAt: begins.Add(time.Hour + hour(4))})
			}
			switch l.rng.IntN(5) {
			case 0:
				l.later(hour(14*24), UpdateCancel, WorkUpdate{petr})
			case 1:
				l.later(hour(14*24), UpdateBegin, WorkUpdate{petr})
			case 2:
				l.later(14*24*time.Hour+hour(4), UpdateExtend, ExtendUpdate{Act: petr, For: runbooks.Duration(time.Minute + hour(6))})
			}
			for _, c := range append([]string{slowed}, affected...) {
				for range l.rng.IntN(3) {
					l.confirms(hour(15*24), c)
				}
			}
			if l.rng.IntN(2) == 0 {
				l.later(hour(14*24), UpdateTold, ToldUpdate{petr, affected[l.rng.IntN(len(affected))]})
			}
			end := UpdateComplete
			if l.rng.IntN(4) == 0 {
				end = UpdateRollBack
			}
			for n := range 16 { // refused until it runs
				l.later(l.in.Work.StartsAt.Sub(l.Now())-48*time.Hour+time.Duration(n)*7*time.Hour, end, WorkUpdate{petr})
			}
			w := l.live()
			l.audit(w)
			if !w.Status.Over() {
				t.Errorf("it is %s in the end", w.Status)
			}
		})
	}
}

// Fourteen days over the end of summer time, moved once: each is told his own
// hour, in his own zone, by the policy.
func TestFourteenDaysOverTheEndOfSummerTime(t *testing.T) {
	l := newLife(t, time.Date(2026, 10, 13, 1, 0, 0, 0, time.UTC), 7)
	l.rng = rand.New(rand.NewPCG(1, 2))
	var err error
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if l.in.Work.StartsAt, err = maintenance.Instant("2026-10-24 02:00", zone); err != nil {
		t.Fatal(err)
	}
	l.in.Work.EndsAt = l.in.Work.StartsAt.Add(2 * time.Hour)
	moved, err := maintenance.Instant("2026-10-26 02:00", zone)
	if err != nil {
		t.Fatal(err)
	}
	if moved.Sub(l.in.Work.StartsAt) != 49*time.Hour {
		t.Fatalf("two days later by the clock are %s", moved.Sub(l.in.Work.StartsAt))
	}
	petr := Act{By: "petr", Via: "cli"}
	l.later(time.Hour, UpdateApprove, WorkUpdate{petr})
	l.later(24*time.Hour, UpdateReschedule, RescheduleUpdate{Act: petr, StartsAt: moved, EndsAt: moved.Add(2 * time.Hour)})
	l.later(moved.Sub(time.Date(2026, 10, 13, 1, 0, 0, 0, time.UTC))+3*time.Hour, UpdateComplete, WorkUpdate{petr})
	w := l.live()
	l.audit(w)
	at := map[string]time.Time{}
	for _, n := range l.told {
		if n.Client == affected[0] || n.Client == affected[1] {
			if _, first := at[n.Event]; !first {
				at[n.Event] = n.at
			}
		}
	}
	if got := at["maintenance.begun"]; !got.Equal(moved) {
		t.Errorf("begun at %s, want %s", got, moved)
	}
	if got := at["maintenance.reminder"]; !got.Equal(moved.Add(-72 * time.Hour)) {
		t.Errorf("first reminded at %s, want three days before %s", got, moved)
	}
	if got := at["maintenance.delayed"]; got.IsZero() || got.Before(moved.Add(2*time.Hour)) {
		t.Errorf("told of the delay at %s, want at the end", got)
	}
}
