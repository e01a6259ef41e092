package labtest_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// A vantage without a worker doesn't hold the answer: another asks in its place,
// and the finding says who has seen nothing of it.
func TestAnAbsentVantageIsSaidInTheFindingAndDoesNotHoldTheAnswer(t *testing.T) {
	absent := estate.Vantages[0]
	s := labtest.Open(t, labtest.From(estate.Vantages[1:]...))
	pdu, err := estate.Scenario("pdu")
	require.NoError(t, err)
	s.Break(t, pdu)
	got := localizeIn(t, s, "absent", workflows.LocalizeInput{Client: estate.Romashka}).result(t)
	require.Equal(t, []string{absent}, got.Progress.Absent)
	require.Len(t, got.Findings, 1)
	f := got.Findings[0]
	require.Equal(t, pdu, f.Component)
	require.True(t, slices.ContainsFunc(f.Evidence, func(e topology.Evidence) bool { return strings.Contains(e.Text, "vantage "+absent+" did not answer") }), "evidence %+v", f.Evidence)
	require.Equal(t, got.Progress.Total, got.Progress.Checked)
	for _, site := range got.Progress.Sites {
		require.Zero(t, site.Unknown, "%s: another vantage has asked", site.Site)
	}
}

// A BMC that takes connections and tells nothing costs what it would have told:
// the others are asked, and both machines are named.
func TestABMCThatHangsCostsOnlyItself(t *testing.T) {
	s := labtest.Shared(t)
	const hangs, tells = "m1-0101", "m1-0205"
	require.NoError(t, s.Estate.SetFault(hangs, estate.Fault{Mode: estate.Down, Delay: time.Hour}))
	t.Cleanup(func() { s.Heal(t, hangs) })
	require.NoError(t, s.Estate.SetFault(tells, estate.Fault{Mode: estate.Off}))
	t.Cleanup(func() { s.Heal(t, tells) })
	sweep := localizeIn(t, s, "hanging BMC", workflows.LocalizeInput{Site: "msk"})
	got := sweep.result(t)
	require.True(t, slices.ContainsFunc(got.Findings, func(f topology.Finding) bool { return f.Component == hangs && !f.PowerOff }), "findings %+v", got.Findings)
	i := slices.IndexFunc(got.Findings, func(f topology.Finding) bool { return f.Component == tells })
	require.NotEqual(t, -1, i, "findings %+v", got.Findings)
	require.True(t, got.Findings[i].PowerOff)
	require.Equal(t, got.Progress.Total, got.Progress.Checked)

	power, input := map[string]topology.Observation{}, map[string]topology.Observation{}
	all, err := s.Store.Observations(t.Context(), got.Sweep)
	require.NoError(t, err)
	for _, o := range all {
		switch {
		case o.Probe == topology.ProbePower:
			power[o.Component] = o
		case o.Probe == topology.ProbePSU && o.Peer == "":
			input[o.Component] = o
		}
	}
	// It takes connections: the machine has input, and nothing is known of its power. A worker that was too
	// busy to connect within its time knows neither.
	told, took := input[hangs]
	if !took {
		told = power[hangs]
	}
	require.Equal(t, map[bool]topology.Result{true: topology.Up, false: topology.Unknown}[took], told.Result)
	require.Equal(t, "the BMC does not answer in time", told.Detail)
	require.Equal(t, topology.Down, power[tells].Result)
}

// Cancelling a sweep stops its probes, which would wait half a minute for
// machines that keep silent.
func TestCancellingASweepStopsItsProbes(t *testing.T) {
	s := labtest.Shared(t)
	ctx := t.Context()
	pdu, err := estate.Scenario("pdu")
	require.NoError(t, err)
	require.NoError(t, s.Estate.SetFault(pdu, estate.Fault{Mode: estate.Silent}))
	t.Cleanup(func() { s.Heal(t, pdu) })
	const budget = 30 * time.Second
	began := time.Now()
	sweep := localizeIn(t, s, "cancelled", workflows.LocalizeInput{All: true, TimeoutMillis: int(budget.Milliseconds())})
	s.Await(t, "the worker to wait for silent machines", func() (bool, error) {
		n, err := dialling(s.Worker.PID())
		return n > 0, err
	})
	cancelled := time.Now()
	require.NoError(t, s.Client.CancelWorkflow(ctx, sweep.GetID(), sweep.GetRunID()))
	var got workflows.LocalizeResult
	var stopped *temporal.CanceledError
	require.True(t, errors.As(sweep.Get(ctx, &got), &stopped))
	s.Await(t, "the worker's probes to stop", func() (bool, error) {
		n, err := dialling(s.Worker.PID())
		return n == 0, err
	})
	t.Logf("the probes stopped %v after the sweep was cancelled", time.Since(cancelled))
	require.Less(t, time.Since(began), budget, "the probes ended by themselves")
}

// dialling counts the connections that a process has begun and nobody has taken.
func dialling(pid int) (int, error) {
	mine := map[string]bool{}
	fds, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "fd", "*"))
	if err != nil {
		return 0, err
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:[") { // it may be closed by now
			mine[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	table, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "net", "tcp"))
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range strings.Lines(string(table)) {
		const synSent, state, inode = "02", 3, 9 // proc(5)
		if f := strings.Fields(line); len(f) > inode && f[state] == synSent && mine[f[inode]] {
			n++
		}
	}
	return n, nil
}
