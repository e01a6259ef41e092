package labtest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/runbooks"
	"vakhta/workflows"
)

const (
	escalations = 12
	workerKills = 4
	serverKills = 2
)

// tower is a random team, and the climb that its escalation has to make.
type tower struct {
	id       string
	levels   [][]string
	repeat   int
	answered time.Duration // when somebody acknowledges; 0: nobody
	incident string
}

func drawTower(dice *rand.Rand, n int) tower {
	t := tower{id: fmt.Sprintf("team-%02d", n), repeat: dice.IntN(2)}
	for level := range 1 + dice.IntN(3) {
		var people []string
		for p := range 1 + dice.IntN(2) {
			people = append(people, fmt.Sprintf("p-%02d-%d-%d", n, level, p))
		}
		t.levels = append(t.levels, people)
	}
	if dice.IntN(3) > 0 {
		t.answered = time.Duration(1000+dice.IntN(15_000)) * time.Millisecond
	}
	return t
}

func (t tower) yaml(b *strings.Builder, phone *int) {
	var members, levels []string
	for _, people := range t.levels {
		for _, id := range people {
			*phone++
			members = append(members, fmt.Sprintf("{id: %s, language: en, timezone: UTC, addresses: {sms: \"+7900%07d\"}}", id, *phone))
		}
		levels = append(levels, fmt.Sprintf("{members: [%s], ackWithin: 3s}", strings.Join(people, ", ")))
	}
	fmt.Fprintf(b, "  - {id: %s, members: [%s], levels: [%s], repeat: %d}\n", t.id, strings.Join(members, ", "), strings.Join(levels, ", "), t.repeat)
}

// climb are the steps that an escalation makes until it comes to the fallback,
// in order; each level has two rungs.
func (t tower) climb() []string {
	var out []string
	for round := 1; round <= t.repeat+1; round++ {
		for level := range t.levels {
			for rung := range 2 {
				out = append(out, fmt.Sprintf("page/%s/%d.%d.%d", t.id, round, level+1, rung))
			}
		}
	}
	return out
}

// Worker and Temporal's server are killed at random moments of a dozen
// escalations of random teams. Each climbs its levels in order, none skipped
// and none twice; nobody is paged once somebody has acknowledged; and no page is
// lost, none doubled.
func TestEscalationsClimbOnceWhoeverIsKilled(t *testing.T) {
	t.Parallel() // it waits more than it works
	dice := labtest.Dice(t)
	var teams, machines strings.Builder
	towers, phone := make([]tower, escalations), 0
	for i := range towers {
		towers[i] = drawTower(dice, i)
		towers[i].yaml(&teams, &phone)
		fmt.Fprintf(&machines, "  - {id: srv-%02d, kind: server, in: r1, client: c1}\n", i)
	}
	doc := inventory.Document{Name: "towers.yaml", Data: []byte("version: 1\nsites: [{id: msk, timezone: Europe/Moscow, vantages: [msk]}]\ncomponents:\n  - {id: r1, kind: room, in: msk}\n" +
		machines.String() + "clients: [{id: c1, language: ru, timezone: Europe/Moscow, contacts: [{id: c1-duty, addresses: {email: duty@c1.example}}]}]\nteams:\n" + teams.String())}
	s := labtest.Open(t, labtest.Crowd(doc, 1000))
	ctx := t.Context()
	begin(ctx, t, s, towers)

	var group errgroup.Group
	for range workerKills {
		at := time.Duration(dice.IntN(20_000)) * time.Millisecond
		group.Go(func() error {
			if err := afterTime(at)(ctx); err != nil {
				return err
			}
			return s.KillWorker(ctx)
		})
	}
	group.Go(func() error {
		for range serverKills {
			if err := afterTime(8 * time.Second)(ctx); err != nil {
				return err
			}
			if err := s.Temporal.Kill(); err != nil {
				return err
			}
			if err := s.Temporal.Restart(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, tw := range towers {
		if tw.answered > 0 {
			group.Go(func() error { return acknowledge(ctx, s, tw) })
		}
	}
	require.NoError(t, group.Wait())
	for _, tw := range towers {
		check(ctx, t, s, tw)
	}
	audit(t, s)
}

func begin(ctx context.Context, t *testing.T, s *labtest.Lab, towers []tower) {
	t.Helper()
	second := runbooks.Duration(time.Second)
	for i := range towers {
		machine := fmt.Sprintf("srv-%02d", i)
		in, _, err := s.Store.OpenIncident(ctx, machine, incident.Incident{
			Component: machine, Site: "msk", Severity: incident.Sev2, Finding: topology.Finding{Component: machine}, Title: machine + " is off",
			Servers: []string{machine}, Clients: []string{}, Restored: []string{}, OpenedAt: time.Now(),
		})
		require.NoError(t, err)
		towers[i].incident = in.ID
		_, err = s.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: workflows.EscalateID(in.ID, towers[i].id), TaskQueue: workflows.QueueRunbooks},
			workflows.Escalate, workflows.EscalateInput{Incident: in.ID, Team: towers[i].id, Ladder: []runbooks.Rung{{Channel: "sms", Wait: second}, {Channel: "sms", Wait: second}}})
		require.NoError(t, err)
	}
}

// acknowledge has somebody of the first level take it; while the server is
// dead he tries again, as a gateway's caller does.
func acknowledge(ctx context.Context, s *labtest.Lab, tw tower) error {
	if err := afterTime(tw.answered)(ctx); err != nil {
		return err
	}
	return labtest.Until(ctx, "an acknowledgement of "+tw.id, func() (bool, error) {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		err := s.Client.SignalWorkflow(short, workflows.EscalateID(tw.incident, tw.id), "", workflows.SignalAcknowledged, workflows.PageAnswer{Contact: tw.levels[0][0], Via: "sms"})
		return err == nil, err
	})
}

// check holds the ledger's pages of an escalation against its climb.
func check(ctx context.Context, t *testing.T, s *labtest.Lab, tw tower) {
	t.Helper()
	var status workflows.EscalateStatus
	s.Await(t, "the climb of "+tw.id, func() (bool, error) {
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		v, err := s.Client.QueryWorkflow(short, workflows.EscalateID(tw.incident, tw.id), "", workflows.QueryStatus)
		if err != nil {
			return false, err
		}
		if err := v.Get(&status); err != nil {
			return false, err
		}
		steps, _ := pagesOf(ctx, t, s, tw)
		return status.State == "acknowledged" || tw.answered == 0 && len(steps) >= len(tw.climb()), nil
	})
	steps, pages := pagesOf(ctx, t, s, tw)
	want := tw.climb()
	for i, step := range steps[:min(len(steps), len(want))] {
		require.Equal(t, want[i], step, "%s climbs in order, each once: %v", tw.id, steps)
	}
	if tw.answered == 0 {
		require.GreaterOrEqual(t, len(steps), len(want))
		return
	}
	for _, n := range pages {
		require.False(t, n.CreatedAt.After(status.AcknowledgedAt), "%s is paged at %s, though %s acknowledged at %s", n.Contact, n.CreatedAt, status.AcknowledgedBy, status.AcknowledgedAt)
	}
}

// pagesOf are an escalation's steps, as they were written, and its pages.
func pagesOf(ctx context.Context, t *testing.T, s *labtest.Lab, tw tower) (steps []string, pages []ledger.Notification) {
	t.Helper()
	pages, err := s.Store.Notifications(ctx, store.NotificationFilter{Subject: "incident/" + tw.incident, Event: "page"})
	require.NoError(t, err)
	slices.SortStableFunc(pages, func(a, b ledger.Notification) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, n := range pages {
		if !slices.Contains(steps, n.Step) {
			steps = append(steps, n.Step)
		}
	}
	return steps, pages
}

// audit waits until every page that was not taken back has arrived, and finds
// none of them twice.
func audit(t *testing.T, s *labtest.Lab) {
	t.Helper()
	s.Await(t, "every page to be settled", func() (bool, error) {
		all, err := s.Store.Notifications(t.Context(), store.NotificationFilter{Event: "page", Since: time.Time{}})
		for _, n := range all {
			if n.State != ledger.Dropped && n.State != ledger.Delivered && n.State != ledger.Sent && n.State != ledger.Accepted && time.Since(n.CreatedAt) < time.Minute {
				return false, err
			}
		}
		return err == nil, err
	})
	seen := map[string]int{}
	for _, it := range s.Sandbox.Inbox(sandbox.Query{}) {
		if !it.Inbound && !strings.Contains(it.Text, "repeat") {
			seen[it.To+"\x00"+it.Text]++
		}
	}
	require.NotEmpty(t, seen)
	for what, n := range seen {
		require.Equal(t, 1, n, "came %d times: %q", n, what)
	}
}
