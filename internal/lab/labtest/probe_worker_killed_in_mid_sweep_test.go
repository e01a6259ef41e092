package labtest_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// patientProbe keeps the shard with silent machines in flight long after the
// others are done.
const patientProbe = 5 * time.Second

// The worker that probes dies with kill -9 in the middle of a sweep: the answer
// is the same, and only the shards that were in flight are asked again.
func TestKillingTheProbesInMidSweepAsksOnlyWhatWasInFlightAgain(t *testing.T) {
	s := labtest.Open(t)
	ctx := t.Context()
	require.Empty(t, localize(t, s, "well", 0).result(t).Findings)
	pdu, err := estate.Scenario("pdu")
	require.NoError(t, err)
	require.NoError(t, s.Estate.SetFault(pdu, estate.Fault{Mode: estate.Silent}))
	want := localize(t, s, "undisturbed", patientProbe).result(t) // a busy machine must not tell the two apart
	require.Len(t, want.Findings, 1)
	require.Equal(t, pdu, want.Findings[0].Component)

	sweep := localize(t, s, "killed", patientProbe)
	var before shards
	s.Await(t, "one shard to be done and another to be in flight", func() (bool, error) {
		before, err = sweep.shards(ctx)
		return len(before.done) > 0 && before.open > 0 && before.started == before.open, err
	})
	s.Await(t, "the worker to be counted at each vantage that is asked yet, whose limits it may have to share", func() (bool, error) {
		counted := 0
		for _, v := range estate.Vantages {
			probers, err := s.Store.Probers(ctx, v)
			if err != nil {
				return false, err
			}
			counted += len(probers)
		}
		return counted >= before.open, nil
	})
	killed := time.Now()
	require.NoError(t, s.KillWorker(ctx))
	got := sweep.result(t)

	require.Equal(t, 2, s.Worker.Starts())
	require.Len(t, got.Findings, 1)
	require.Equal(t, pdu, got.Findings[0].Component)
	require.Equal(t, want.Findings[0].Explains, got.Findings[0].Explains)
	require.Equal(t, want.Unexplained, got.Unexplained)
	require.Equal(t, want.Progress, got.Progress)
	after, err := sweep.shards(ctx)
	require.NoError(t, err)
	again := 0
	for id, attempt := range after.done {
		if had, done := before.done[id]; done {
			require.Equal(t, had, attempt, "attempts of a shard that was done")
		} else if attempt > 1 {
			again++
		}
	}
	require.NotZero(t, again, "nothing was in flight when the worker was killed")
	require.LessOrEqual(t, again, before.open)
	require.Equal(t, before.open, sweep.vantagesAsked(t, s.Store, killed), "vantages that asked in the first round after the kill")
}

// localization is a sweep.
type localization struct {
	client.WorkflowRun
	c client.Client
}

func localize(t *testing.T, s *labtest.Lab, name string, timeout time.Duration) localization {
	t.Helper()
	return localizeIn(t, s, name, workflows.LocalizeInput{All: true, TimeoutMillis: int(timeout.Milliseconds())})
}

func localizeIn(t *testing.T, s *labtest.Lab, name string, in workflows.LocalizeInput) localization {
	t.Helper()
	run, err := s.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: workflows.LocalizeID("test", name), TaskQueue: workflows.QueueRunbooks,
	}, workflows.TypeLocalize, in)
	require.NoError(t, err)
	return localization{run, s.Client}
}

func (l localization) result(t *testing.T) (r workflows.LocalizeResult) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), labtest.Patience)
	defer cancel()
	require.NoError(t, l.Get(ctx, &r))
	return r
}

// shards are those of a sweep: the attempts that each of those that are done
// took, by the id of its activity, how many are not done, and how many of these
// a worker is at.
type shards struct {
	done          map[string]int32
	open, started int
}

func (l localization) shards(ctx context.Context) (shards, error) {
	out := shards{done: map[string]int32{}}
	id, attempts := map[int64]string{}, map[int64]int32{} // by the event that scheduled it
	events := l.c.GetWorkflowHistory(ctx, l.GetID(), l.GetRunID(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return out, err
		}
		if a := e.GetActivityTaskScheduledEventAttributes(); a.GetActivityType().GetName() == "SweepShard" {
			id[e.GetEventId()] = a.GetActivityId()
		}
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
			attempts[a.GetScheduledEventId()] = a.GetAttempt()
		}
		if a := e.GetActivityTaskCompletedEventAttributes(); a != nil && id[a.GetScheduledEventId()] != "" {
			out.done[id[a.GetScheduledEventId()]] = attempts[a.GetScheduledEventId()]
		}
	}
	out.open = len(id) - len(out.done)
	d, err := l.c.DescribeWorkflowExecution(ctx, l.GetID(), l.GetRunID())
	if err != nil {
		return out, err
	}
	for _, a := range d.GetPendingActivities() { // what has ended since, or was scheduled since, is not counted as open
		if slices.Contains(slices.Collect(maps.Values(id)), a.GetActivityId()) && a.GetState() == enums.PENDING_ACTIVITY_STATE_STARTED {
			out.started++
		}
	}
	return out, nil
}

// vantagesAsked counts the vantages whose answers of the first round are from
// after an instant: a shard that is asked again has the times of its repeat.
func (l localization) vantagesAsked(t *testing.T, s *store.Store, after time.Time) int {
	t.Helper()
	_, rounds, err := s.Rounds(t.Context(), l.GetRunID())
	require.NoError(t, err)
	require.NotEmpty(t, rounds)
	var vantages []string
	for _, o := range rounds[0] {
		if o.At.After(after) && !slices.Contains(vantages, o.Vantage) {
			vantages = append(vantages, o.Vantage)
		}
	}
	return len(vantages)
}
