package workflows

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"vakhta/activities/notify"
	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/slack"
	"vakhta/activities/notify/telegram"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/internal/store/storetest"
	"vakhta/internal/topology"
)

const roomEstate = `version: 1
sites:
  - {id: msk, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow, vantages: [msk]}
components:
  - {id: k1, kind: rack, in: msk}
  - {id: s1, kind: server, in: k1, unit: 1, client: acme, probe: {address: 127.10.1.1, tcp: [22]}}
clients:
  - {id: acme, name: Acme, language: en, timezone: Europe/Moscow, contacts: [{id: acme-duty, name: John Doe, addresses: {email: duty@acme.example}}]}
teams:
  - id: network
    timezone: Europe/Moscow
    members: [{id: olga, name: Olga, addresses: {call: "+79000000011"}}]
    levels: [{members: [olga], ackWithin: 2m}]
    room: {%s}
`

// room is an incident's thread in a sandbox's messenger, over a real store and
// the real sender, on a clock that skips.
type room struct {
	*testsuite.TestWorkflowEnvironment
	t        *testing.T
	inv      *inventory.Inventory
	store    *store.Store
	acts     *records.Activities
	box      *sandbox.Sandbox
	provider sandbox.Provider
	in       incident.Incident
	rng      *rand.Rand
	lost     float64 // how often an activity's answer is
	lines    []string
}

var roomsOf = map[sandbox.Provider]string{
	sandbox.Telegram: `telegram: "-1001", topics: true`, sandbox.Slack: `slack: C0123456789`, sandbox.Mattermost: `mattermost: m0123456789`,
}

func courierTo(t *testing.T, box *sandbox.Sandbox, p sandbox.Provider) notify.Channel {
	t.Helper()
	var c notify.Channel
	var err error
	switch p {
	case sandbox.Slack:
		c, err = slack.New(slack.Config{URL: box.URL(p), Token: "t"})
	case sandbox.Mattermost:
		c, err = mattermost.New(mattermost.Config{URL: box.URL(p), Token: "t", ActionSecret: "s"})
	default:
		c, err = telegram.New(telegram.Config{URL: box.URL(p), Token: "1:t"})
	}
	require.NoError(t, err)
	return c
}

func newRoom(t *testing.T, p sandbox.Provider, seed uint64) *room {
	t.Helper()
	box, err := sandbox.New(sandbox.Config{TelegramToken: "1:t", SlackToken: "t", MattermostToken: "t", Seed: seed})
	require.NoError(t, err)
	t.Cleanup(box.Close)
	require.NoError(t, box.Listen("127.0.0.1:0"))
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: fmt.Appendf(nil, roomEstate, roomsOf[p])})
	require.NoError(t, err)
	r := &room{t: t, inv: inv, store: storetest.Open(t), box: box, provider: p, rng: rand.New(rand.NewPCG(seed, 7))}
	r.begin(time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC))
	r.in, _, err = r.store.OpenIncident(t.Context(), "k", incident.Incident{
		Component: "k1", Site: "msk", Severity: incident.Sev2, Status: incident.Identified, Finding: topology.Finding{Component: "k1", Kind: inventory.KindRack},
		Servers: []string{"s1"}, Clients: []string{"acme"}, Restored: []string{}, OpenedAt: r.Now(), Title: "Rack k1 has failed",
	})
	require.NoError(t, err)
	return r
}

// begin makes the world of one run.
func (r *room) begin(at time.Time) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	r.TestWorkflowEnvironment = suite.NewTestWorkflowEnvironment()
	r.SetStartTime(at)
	r.SetTestTimeout(2 * time.Minute)
	r.acts = records.New(r.store, r.inv, nil, nil, nil, records.Options{PublicURL: "https://v.example", Now: r.Now, News: func(context.Context, string, string) {
		r.SignalWorkflow(SignalNews, nil)
	}})
	sender := notify.New(r.store, records.NewDirectory(r.inv, r.store), notify.Routes{inventory.Channel(r.provider): {{Name: string(r.provider), Channel: courierTo(r.t, r.box, r.provider)}}},
		notify.Options{Now: r.Now, Thread: r.store.ThreadOf})
	Register(r)
	r.RegisterActivity(r.acts)
	r.RegisterActivity(sender)
	r.OnActivity(rec.TellRoom, mock.Anything, mock.Anything).Return(func(ctx context.Context, p records.RoomParams) (records.RoomNews, error) {
		news, err := r.acts.TellRoom(ctx, p)
		return news, r.lose(err)
	}).Maybe()
	r.OnActivity(send.Deliver, mock.Anything, mock.Anything).Return(func(ctx context.Context, p notify.SendBatchParams) (notify.DeliverResult, error) {
		out, err := sender.Deliver(ctx, p)
		return out, r.lose(err)
	}).Maybe()
}

// lose has a worker die between what it did and its answer.
func (r *room) lose(err error) error {
	if err == nil && r.rng.Float64() < r.lost {
		return errors.New("the worker died")
	}
	return err
}

// line writes a line of the timeline, some time after the start.
func (r *room) line(after time.Duration, kind, actor, text string) {
	n := len(r.lines)
	r.lines = append(r.lines, text)
	r.RegisterDelayedCallback(func() {
		subject := "incident/" + r.in.ID
		err := r.acts.Append(r.t.Context(), []incident.Entry{{Key: fmt.Sprintf("%s/%d", subject, n), Subject: subject, At: r.Now(), Kind: kind, Actor: actor, Text: text}})
		if err != nil {
			r.t.Error(err)
		}
	}, after)
}

func (r *room) save(after time.Duration, s incident.Status) {
	r.RegisterDelayedCallback(func() {
		r.in.Status, r.in.ResolvedAt = s, time.Time{}
		if s == incident.Resolved {
			r.in.ResolvedAt = r.Now()
		}
		if err := r.store.SaveIncident(r.t.Context(), r.in); err != nil {
			r.t.Error(err)
		}
	}, after)
}

// run lets the workflow live to its end and answers what it came to.
func (r *room) run() WarRoomStatus {
	r.t.Helper()
	r.ExecuteWorkflow(WarRoom, WarRoomInput{Incident: r.in.ID, Room: "network"})
	require.True(r.t, r.IsWorkflowCompleted())
	require.NoError(r.t, r.GetWorkflowError())
	var s WarRoomStatus
	require.NoError(r.t, r.GetWorkflowResult(&s))
	return s
}

// thread is what stands in the room, oldest first, without its topics.
func (r *room) thread() (topics, messages []sandbox.Item) {
	for _, it := range r.box.Inbox(sandbox.Query{}) {
		if it.Topic != nil {
			topics = append(topics, it)
		} else {
			messages = append(messages, it)
		}
	}
	return topics, messages
}

func inEveryMessenger(t *testing.T, f func(*testing.T, sandbox.Provider)) {
	for _, p := range []sandbox.Provider{sandbox.Telegram, sandbox.Slack, sandbox.Mattermost} {
		t.Run(string(p), func(t *testing.T) { f(t, p) })
	}
}

func TestAnIncidentHasAThreadThatTellsIt(t *testing.T) {
	inEveryMessenger(t, func(t *testing.T, p sandbox.Provider) {
		r := newRoom(t, p, 1)
		r.line(0, "finding", "vakhta", "k1 has failed")
		r.line(80*time.Second, "note", "olga", "PSU B is warm, call +7 900 000-00-12 or john@acme.example")
		r.line(80*time.Second+100*time.Millisecond, "check", "olga", "k1: ok")
		r.line(80*time.Second+200*time.Millisecond, "eta", "olga", "Expected to be back by 2026-11-23T01:30:00Z")
		r.line(2*time.Minute, "runbook", "vakhta", "not for people")
		r.line(time.Hour, "resolved", "olga", "Resolved by hand: replaced")
		r.save(time.Hour, incident.Resolved)
		status := r.run()
		topics, all := r.thread()
		var texts []string
		for _, it := range all {
			texts = append(texts, it.Text)
			if want := all[0].ID[strings.LastIndexByte(all[0].ID, '/')+1:]; p != sandbox.Telegram && it.ID != all[0].ID && it.Thread != want || p == sandbox.Telegram && it.Thread != topics[0].Thread {
				t.Errorf("%q stands in thread %q", it.Text, it.Thread)
			}
		}
		require.Equal(t, []string{
			"04:00 k1 has failed",
			"04:01 Olga — PSU B is warm, call … or …\n04:01 Olga — checked k1: ok\n04:01 Olga — Expected to be back by 04:30",
			"05:00 Olga — Resolved by hand: replaced",
			"Resolved after 1 h 0 min.\nNothing more is told here, unless the incident is reopened.",
		}, texts[1:])
		require.Contains(t, texts[0], "SEV2 · incident k1-1")
		require.Equal(t, roomClosed, status.State)
		if p == sandbox.Telegram {
			require.Len(t, topics, 1)
			require.Equal(t, &sandbox.Topic{Name: "SEV2 k1-1: Moscow, rack k1 is down as a whole", Closed: true}, topics[0].Topic)
		}
	})
}

// A thread that was closed goes on where it ended, when its incident does.
func TestAReopenedIncidentGoesOnInItsThread(t *testing.T) {
	inEveryMessenger(t, func(t *testing.T, p sandbox.Provider) {
		r := newRoom(t, p, 1)
		r.line(time.Minute, "note", "olga", "one")
		r.save(time.Minute, incident.Resolved)
		r.run()
		r.begin(r.Now().Add(time.Hour))
		r.in.Status, r.in.ResolvedAt = incident.Identified, time.Time{}
		require.NoError(t, r.store.SaveIncident(t.Context(), r.in)) // then its escalation begins, which comes back to the thread
		r.line(time.Second, "reopened", "olga", "tripped again")
		r.line(10*time.Minute, "note", "olga", "two")
		r.save(20*time.Minute, incident.Resolved)
		r.run()
		topics, all := r.thread()
		var texts []string
		for _, it := range all[1:] {
			texts = append(texts, strings.Split(it.Text, "\n")[0])
		}
		require.Equal(t, []string{"04:01 Olga — one", "Resolved after 1 min.", "05:02 Olga — reopened: tripped again", "05:12 Olga — two", "Resolved after 1 h 22 min."}, texts)
		for _, topic := range topics {
			require.True(t, topic.Topic.Closed)
			var states []string
			for _, h := range topic.History {
				states = append(states, h.State)
			}
			require.Equal(t, []string{"sent", "closed", "reopened", "closed"}, states)
		}
	})
}

// Whatever dies or fails meanwhile, each line is told once and in order; what is
// told again is marked as a repeat; and of two topics the second one is.
func TestAThreadIsToldOnceWhateverFails(t *testing.T) {
	inEveryMessenger(t, func(t *testing.T, p sandbox.Provider) {
		for seed := range uint64(2) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { toldOnce(t, newRoom(t, p, seed)) })
		}
	})
}

func toldOnce(t *testing.T, r *room) {
	r.lost = 0.15
	kinds := []sandbox.FaultKind{sandbox.FaultError, sandbox.FaultBadGateway, sandbox.FaultRateLimit, sandbox.FaultReset, sandbox.FaultLostError, sandbox.FaultRefuse}
	strike := func() {
		if !slices.ContainsFunc(r.box.Faults(), func(f sandbox.Fault) bool { return f.Hits < f.Count }) { // never twice at the same message
			kind := kinds[r.rng.IntN(len(kinds))]
			if kind == sandbox.FaultRefuse {
				kind = sandbox.FaultUnavailable
			}
			if _, err := r.box.AddFault(sandbox.Fault{Provider: r.provider, Kind: kind, Count: 1}); err != nil {
				t.Error(err)
			}
		}
	}
	if r.rng.IntN(2) == 0 {
		strike() // at what opens the thread
	}
	at := time.Duration(0)
	for i := range 25 {
		at += time.Duration(r.rng.IntN(180)) * time.Second
		r.line(at, "note", "olga", fmt.Sprintf("line %02d", i))
		if r.rng.IntN(3) == 0 {
			r.RegisterDelayedCallback(strike, at)
		}
	}
	r.save(at, incident.Resolved)
	r.run()
	topics, all := r.thread()
	var told []string
	for _, it := range all {
		if strings.HasPrefix(it.Text, "Repeat. ") {
			continue
		}
		for _, line := range strings.Split(it.Text, "\n") {
			if _, text, note := strings.Cut(line, "Olga — "); note {
				told = append(told, text)
			}
		}
	}
	require.True(t, slices.IsSorted(told), "out of order: %v", told)
	require.Len(t, slices.Compact(slices.Clone(told)), len(told), "told twice: %v", told)
	for _, line := range r.lines {
		require.True(t, slices.ContainsFunc(all, func(it sandbox.Item) bool { return strings.Contains(it.Text, line) }), "%s was never told", line)
	}
	if len(topics) > 1 {
		require.Len(t, topics, 2)
		require.NotContains(t, topics[0].Text, "Repeat. ")
		require.Contains(t, topics[1].Text, "Repeat. ")
	}
	require.Contains(t, all[len(all)-1].Text, "Resolved after")
}

// A messenger that refuses is said so once, and holds nothing up.
func TestARoomThatIsGoneIsSaidSoOnce(t *testing.T) {
	inEveryMessenger(t, func(t *testing.T, p sandbox.Provider) {
		r := newRoom(t, p, 1)
		r.box.SetDefaults(sandbox.Persona{Room: &sandbox.Room{Gone: true}, Telegram: &sandbox.Chat{NoTopics: true}})
		r.line(time.Minute, "note", "olga", "one")
		require.Equal(t, roomLost, r.run().State)
		lines, err := r.store.Timeline(t.Context(), "incident/"+r.in.ID, 0, 0)
		require.NoError(t, err)
		require.Len(t, slices.DeleteFunc(lines, func(e incident.Entry) bool { return e.Kind != "room" }), 1)
	})
}

// A messenger that was away is told all of it in few messages when it is back.
func TestAMessengerThatComesBackIsToldEverything(t *testing.T) {
	inEveryMessenger(t, func(t *testing.T, p sandbox.Provider) {
		r := newRoom(t, p, 1)
		id := ""
		r.RegisterDelayedCallback(func() { id, _ = r.box.AddFault(sandbox.Fault{Provider: p, Kind: sandbox.FaultRefuse}) }, time.Minute)
		for i := range 30 {
			r.line(2*time.Minute+time.Duration(i)*5*time.Second, "note", "olga", fmt.Sprintf("line %02d", i))
		}
		r.RegisterDelayedCallback(func() { r.box.RemoveFault(id) }, 5*time.Minute)
		r.save(time.Hour, incident.Resolved)
		r.run()
		_, all := r.thread()
		var texts strings.Builder
		for _, it := range all {
			texts.WriteString(it.Text + "\n")
		}
		for _, line := range r.lines {
			require.Equal(t, 1, strings.Count(texts.String(), line), line)
		}
		require.Less(t, len(all), 8)
		rows, err := r.store.Notifications(t.Context(), store.NotificationFilter{Subject: "incident/" + r.in.ID})
		require.NoError(t, err)
		require.False(t, slices.ContainsFunc(rows, func(n ledger.Notification) bool { return n.State != ledger.Accepted }))
	})
}
