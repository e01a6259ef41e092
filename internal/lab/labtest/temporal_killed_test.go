package labtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/internal/lab/labtest"
)

// Temporal's server dies with kill -9 in mid-outage and comes back with its
// file: the outage ends the same.
func TestKillingTemporalInMidOutageChangesNothing(t *testing.T) {
	dice := labtest.Dice(t)
	s := labtest.Open(t, labtest.WithRooms())
	if s.Temporal == nil {
		t.Skip("TEMPORAL_ADDRESS names a real cluster, which is not ours to kill; unset it")
	}
	ctx := t.Context()
	outage := s.SeparateOutages(1, dice)[0]
	require.NoError(t, outage.Break(ctx))
	require.NoError(t, outage.Cry(ctx))
	require.NoError(t, outage.AwaitAnswer(ctx))
	require.NoError(t, outage.AwaitFinding(ctx))

	require.NoError(t, s.Temporal.Kill())
	require.NoError(t, s.Temporal.Restart(ctx))

	require.NoError(t, outage.AwaitAcknowledged(ctx))
	require.NoError(t, outage.Repair(ctx))
	require.NoError(t, outage.AwaitResolved(ctx))
	require.NoError(t, outage.AwaitPostmortem(ctx))
	require.NoError(t, outage.CheckUndisturbed(ctx))
	require.NoError(t, outage.CheckRooms(ctx, "emergency"))
	require.NoError(t, outage.CheckSettled(ctx))
	require.NoError(t, s.Audit(ctx))
}
