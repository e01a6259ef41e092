package labtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/crowd"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// crowdSize is how many clients are told.
func crowdSize() int {
	if os.Getenv(longVariable) != "" {
		return 18_000
	}
	return 600
}

// halved is for a second run in the tests that CI makes.
func halved(n int) int {
	if testing.Short() && n < 1000 {
		return n / 2
	}
	return n
}

// manyWays is the ladder of a crowd that is told by every channel.
func manyWays(i int) []inventory.Channel {
	if i%10 == 7 {
		return []inventory.Channel{inventory.Call}
	}
	return crowd.Mixed(i)
}

// A mass message, while every provider fails now and then in each of its ways
// and everything of ours is killed: nobody is told twice, and whoever was not
// told is named. The counts are the sandbox's, which knows nothing of the ledger.
func TestAMassMessageUnderChaosReachesEverybodyOnce(t *testing.T) {
	dsn, crash := labtest.FragilePostgres(t)
	underChaos(t, crowdSize(), dsn, map[string]func(context.Context) error{"PostgreSQL": crash})
}

// The same on SQLite, which has no server of its own to be killed: it dies with
// whoever writes.
func TestAMassMessageUnderChaosReachesEverybodyOnceOnSQLite(t *testing.T) {
	underChaos(t, halved(crowdSize()), "", nil)
}

func underChaos(t *testing.T, n int, dsn string, crash map[string]func(context.Context) error) {
	dice := labtest.Dice(t)
	doc := crowd.Document(crowd.Options{Clients: n, Ladder: manyWays})
	s := labtest.Open(t, labtest.OnStore(dsn), labtest.Crowd(doc, float64(n)/20))
	if s.Temporal == nil {
		t.Skip("TEMPORAL_ADDRESS names a real cluster, which is not ours to kill; unset it")
	}
	unreliable(t, s)
	inv, err := inventory.Load(doc)
	require.NoError(t, err)
	opened, err := records.New(s.Store, inv, nil, nil, nil, records.Options{}).OpenIncident(t.Context(), records.OpenIncidentParams{
		RequestKey: "chaos", Finding: topology.Finding{Component: crowd.Component, Confidence: .99, Explains: topology.New(inv).Blast(crowd.Component).Servers},
	})
	require.NoError(t, err)
	id := workflows.BroadcastID("incident/"+opened.Incident.ID, "update", 1)
	_, err = s.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueRunbooks},
		workflows.Broadcast, workflows.BroadcastInput{Incident: opened.Incident.ID, Event: "incident.update", Step: "update", Revision: 1})
	require.NoError(t, err)

	over := make(chan struct{})
	struck := make(chan map[string]int, 1)
	go func() { struck <- havoc(t, s, dice, crash, over) }()
	told, err := outcome(t.Context(), s.Client, id)
	close(over)
	strikes := <-struck
	require.NoError(t, err)

	missed, err := s.Store.Unreached(t.Context(), "incident/"+opened.Incident.ID, "update", 1)
	require.NoError(t, err)
	require.Len(t, missed, told.UnreachableTotal)
	handed := map[string]bool{} // to a person, by name
	for _, u := range missed {
		handed[u.Contact] = true
	}
	got := map[string]int{} // by channel and address
	for _, it := range s.Sandbox.Inbox(sandbox.Query{}) {
		got[it.Channel+" "+it.To]++
	}
	var doubled, lost []string
	for i := range n {
		reached := 0
		for _, ch := range manyWays(i) {
			at := string(ch) + " " + crowd.Address(i, ch)
			if reached += got[at]; got[at] > 1 {
				doubled = append(doubled, fmt.Sprintf("%s: %d times", at, got[at]))
			}
		}
		if contact := fmt.Sprintf("c%05d-duty", i); reached == 0 && !handed[contact] {
			lost = append(lost, contact)
		}
	}
	t.Logf("%d clients, struck %v: %d accepted, %d refused by one channel, %d handed to a person", n, strikes, told.Accepted, told.Refused, len(handed))
	require.Empty(t, doubled)
	require.Empty(t, lost)
	require.Less(t, len(handed), n/10, "most are reached, else this shows nothing")
	require.Equal(t, 2, strikes["Temporal"])
	require.Equal(t, len(crash), strikes["PostgreSQL"])
	require.GreaterOrEqual(t, strikes["worker"], 2)
	lookUps := 0
	for _, f := range s.Sandbox.Faults() {
		if f.Op == sandbox.OpLookup {
			lookUps += f.Hits
		}
	}
	t.Logf("%d look-ups failed", lookUps)
	if os.Getenv(longVariable) != "" {
		require.Positive(t, lookUps, "no look-up was struck")
	}
}

// unreliable makes one in a hundred requests and callbacks fail in each way,
// and the look-ups for what that leaves unknown one in three.
func unreliable(t *testing.T, s *labtest.Lab) {
	for _, kind := range []sandbox.FaultKind{
		sandbox.FaultRateLimit, sandbox.FaultError, sandbox.FaultHang, sandbox.FaultReset,
		sandbox.FaultLate, sandbox.FaultDuplicate, sandbox.FaultReorder,
	} {
		_, err := s.Sandbox.AddFault(sandbox.Fault{Kind: kind, Probability: .01})
		require.NoError(t, err)
	}
	for _, kind := range []sandbox.FaultKind{sandbox.FaultRateLimit, sandbox.FaultError, sandbox.FaultBadGateway} {
		_, err := s.Sandbox.AddFault(sandbox.Fault{Provider: sandbox.Twilio, Op: sandbox.OpLookup, Kind: kind, Probability: .1})
		require.NoError(t, err)
	}
	// Else a callback nearly always comes before anybody has to ask.
	for _, channel := range []string{sandbox.ChannelSMS, sandbox.ChannelCall} {
		_, err := s.Sandbox.AddFault(sandbox.Fault{Provider: sandbox.Twilio, Channel: channel, Kind: sandbox.FaultLose, Probability: .3})
		require.NoError(t, err)
	}
}

// havoc kills what is ours, each time after some messages have come through,
// until the broadcast is over. It counts the kills.
func havoc(t *testing.T, s *labtest.Lab, dice *rand.Rand, crash map[string]func(context.Context) error, over <-chan struct{}) map[string]int {
	ctx, struck := t.Context(), map[string]int{}
	arrived := func() int { return len(s.Sandbox.Inbox(sandbox.Query{})) }
	first := []string{"worker", "PostgreSQL", "Temporal", "worker", "Temporal"}
	if crash == nil {
		first = slices.Delete(first, 1, 2)
	}
	for {
		enough := arrived() + 1 + dice.IntN(crowdSize()/20)
		pause := time.After(time.Duration(500+dice.IntN(1500)) * time.Millisecond)
		done := false
		err := labtest.Until(ctx, "messages to come through", func() (bool, error) {
			select {
			case <-over:
				done = true
			default:
			}
			return done || arrived() >= enough, nil
		})
		if done || err != nil {
			return struck
		}
		select {
		case <-over:
			return struck
		case <-pause:
		}
		what := "worker"
		if len(first) > 0 {
			what, first = first[0], first[1:]
		}
		switch what {
		case "worker":
			err = s.KillWorker(ctx)
		case "PostgreSQL":
			err = crash[what](ctx)
		case "Temporal":
			err = errors.Join(s.Temporal.Kill(), s.Temporal.Restart(ctx))
		}
		if err != nil {
			t.Errorf("kill %s: %v", what, err)
			return struck
		}
		struck[what]++
	}
}

// outcome is what the broadcast came to, whatever becomes of the connection meanwhile.
func outcome(ctx context.Context, c client.Client, id string) (told workflows.BroadcastProgress, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*labtest.Patience)
	defer cancel()
	for {
		err = c.GetWorkflow(ctx, id, "").Get(ctx, &told)
		var failed *temporal.WorkflowExecutionError
		if err == nil || errors.As(err, &failed) || ctx.Err() != nil {
			return told, err
		}
	}
}
