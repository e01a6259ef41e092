package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/topology"
)

func TestHabitsAreLearnedOncePerSweep(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		see := func(result topology.Result, after time.Duration, rtt int64) topology.Observation {
			return topology.Observation{Component: "h1", Probe: topology.ProbeICMP, Vantage: "msk", At: t0.Add(after), Result: result, RTTMicros: rtt}
		}
		for range 2 { // an activity that runs twice
			require.NoError(t, st.LearnHabits(ctx, "s1", t0, []topology.Observation{see(topology.Down, 0, 0), see(topology.Up, time.Second, 1000)}))
		}
		require.NoError(t, st.LearnHabits(ctx, "s2", t0, []topology.Observation{see(topology.Up, time.Minute, 2000)}))
		require.NoError(t, st.LearnHabits(ctx, "s3", t0, []topology.Observation{see(topology.Down, 2*time.Minute, 0)}))
		got, err := st.Habits(ctx, []string{"h1", "h2"})
		require.NoError(t, err)
		require.Len(t, got, 1)
		h := got[0]
		require.Equal(t, []int{3, 2, 1}, []int{h.Asked, h.Answered, h.Silent}, "its last answer within a sweep counts")
		require.Equal(t, 1200*time.Microsecond, h.RTT)
		require.Equal(t, 600*time.Microsecond, h.Deviation, "half the first, then a fifth of the way to the difference of 1 ms")
		require.Equal(t, []time.Time{t0.Add(time.Second), t0.Add(time.Minute), t0.Add(2 * time.Minute)}, []time.Time{h.FirstAt, h.LastUp, h.LastAt})
		require.Equal(t, t0.Add(2*time.Minute), h.SilentAt)
		require.NoError(t, st.LearnHabits(ctx, "s4", t0, []topology.Observation{see(topology.Down, 3*time.Minute, 0)}))
		got, err = st.Habits(ctx, []string{"h1"})
		require.NoError(t, err)
		require.Equal(t, t0.Add(2*time.Minute), got[0].SilentAt, "its first silence counts")
		require.NoError(t, st.LearnHabits(ctx, "s5", t0, []topology.Observation{see(topology.Up, 4*time.Minute, 1000)}))
		got, err = st.Habits(ctx, []string{"h1"})
		require.NoError(t, err)
		require.Equal(t, t0.Add(2*time.Minute), got[0].SilentAt, "it is back, and when it last fell is known")
		fell, err := st.FellSince(ctx, t0.Add(2*time.Minute), []string{"h1", "h2"})
		require.NoError(t, err)
		require.Equal(t, []string{"h1"}, fell)
		fell, err = st.FellSince(ctx, t0.Add(3*time.Minute), []string{"h1", "h2"})
		require.NoError(t, err)
		require.Empty(t, fell)
	})
}

// A batch of a sweep that was cut short is learned again by the repeat, and
// counts once.
func TestALessonThatWasCutShortCountsOnce(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		obs := []topology.Observation{{Component: "h1", Probe: topology.ProbeICMP, Vantage: "msk", At: t0, Result: topology.Up, RTTMicros: 10}}
		require.NoError(t, st.LearnHabits(t.Context(), "s1", t0, obs))
		_, err := st.writer.ExecContext(t.Context(), `DELETE FROM habit_sweep`)
		require.NoError(t, err)
		require.NoError(t, st.LearnHabits(t.Context(), "s1", t0, obs))
		got, err := st.Habits(t.Context(), []string{"h1"})
		require.NoError(t, err)
		require.Equal(t, 1, got[0].Asked)
	})
}

func TestUsualRoundTripsAreOfTheSlowerAnswersOfThoseWhoAnswer(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		for i := range 4 {
			at := t0.Add(time.Duration(i) * time.Minute)
			obs := []topology.Observation{
				{Component: "near", Probe: topology.ProbeICMP, Vantage: "msk", At: at, Result: topology.Up, RTTMicros: 200},
				{Component: "near", Probe: topology.ProbeTCP, Vantage: "msk", At: at, Result: topology.Up, RTTMicros: 900},
				{Component: "near", Probe: topology.ProbePower, Vantage: "msk", At: at, Result: topology.Up, RTTMicros: 900_000},
				{Component: "near", Probe: topology.ProbeICMP, Vantage: "spb", At: at, Result: topology.Up, RTTMicros: 20_000},
				{Component: "mute", Probe: topology.ProbeICMP, Vantage: "msk", At: at, Result: topology.Down},
			}
			if i == 0 {
				obs = append(obs, topology.Observation{Component: "new", Probe: topology.ProbeICMP, Vantage: "msk", At: at, Result: topology.Up, RTTMicros: 200})
			}
			require.NoError(t, st.LearnHabits(ctx, at.String(), at, obs))
		}
		got, err := st.UsualRTTs(ctx, "msk", []string{"near", "mute", "new"})
		require.NoError(t, err)
		require.Len(t, got, 1, "who never or seldom answers has no usual round trip")
		require.InDelta(t, float64(900*time.Microsecond), float64(got["near"]), float64(500*time.Microsecond))
		require.Greater(t, got["near"], 900*time.Microsecond)
	})
}

func TestAForgottenSweepLeavesItsLesson(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		obs := []topology.Observation{{Component: "h1", Probe: topology.ProbeICMP, Vantage: "msk", At: t0, Result: topology.Up, RTTMicros: 10}}
		require.NoError(t, st.PutObservations(ctx, "s1", 1, obs))
		require.NoError(t, st.PutShards(ctx, "s1", 1, t0, []topology.Shard{{Vantage: "msk", Asks: []topology.Ask{{Components: []string{"h1"}}}}}))
		require.NoError(t, st.LearnHabits(ctx, "s1", t0, obs))
		require.NoError(t, st.ForgetSweep(ctx, "s1"))
		left, err := st.Observations(ctx, "s1")
		require.NoError(t, err)
		require.Empty(t, left)
		_, err = st.Shard(ctx, "s1", 1, 0)
		require.ErrorIs(t, err, ErrNotFound)
		got, err := st.Habits(ctx, []string{"h1"})
		require.NoError(t, err)
		require.Len(t, got, 1)
	})
}

func TestAPlanMadeAgainReplacesTheFirst(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		shard := func(ids ...string) topology.Shard {
			return topology.Shard{Vantage: "msk", Asks: []topology.Ask{{Components: ids, Probes: []topology.Probe{topology.ProbePower}, First: true}}}
		}
		require.NoError(t, st.PutShards(ctx, "s1", 1, t0, []topology.Shard{shard("a"), shard("b")}))
		require.NoError(t, st.PutShards(ctx, "s1", 2, t0, []topology.Shard{shard("c")}))
		require.NoError(t, st.PutShards(ctx, "s1", 1, t0, []topology.Shard{shard("d", "e")}))
		got, err := st.Shard(ctx, "s1", 1, 0)
		require.NoError(t, err)
		require.Equal(t, shard("d", "e"), got)
		_, err = st.Shard(ctx, "s1", 1, 1)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = st.PruneObservations(ctx, t0.Add(time.Second))
		require.NoError(t, err)
		_, err = st.Shard(ctx, "s1", 2, 0)
		require.ErrorIs(t, err, ErrNotFound)
	})
}
