package labtest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/lab/labtest"
)

const (
	kills = 10
	// lanes are how many outages run at once: each suffers its neighbours' kills, too.
	lanes = 4
	// undisturbed is about how long an outage takes when nobody is killed; each
	// kill falls somewhere into it.
	undisturbed = 6 * time.Second
)

// The worker is killed at ten random moments of ten outages. Each ends as if
// nothing had happened: resolved, with a postmortem, everybody told, no
// message lost, none doubled.
func TestKillingTheWorkerAtAnyMomentLosesAndDoublesNothing(t *testing.T) {
	dice := labtest.Dice(t)
	s := labtest.Open(t)
	outages := s.SeparateOutages(kills, dice)
	require.Len(t, outages, kills)

	began := time.Now()
	var group errgroup.Group
	group.SetLimit(lanes)
	for _, outage := range outages {
		after := time.Duration(dice.Int64N(int64(undisturbed)))
		group.Go(func() error { return playAndKill(t.Context(), s, outage, after) })
	}
	require.NoError(t, group.Wait())
	for _, outage := range outages {
		require.NoError(t, outage.CheckUndisturbed(t.Context()))
	}
	require.NoError(t, s.Audit(t.Context()))
	require.Equal(t, 1+kills, s.Worker.Starts())
	t.Logf("%d kills in %s; slowest answer %s", kills, time.Since(began).Round(time.Millisecond), slowest(outages))
}

// playAndKill plays an outage and kills the worker so long after the cry.
func playAndKill(ctx context.Context, s *labtest.Lab, outage *labtest.Outage, after time.Duration) error {
	killed := make(chan error, 1)
	timer := time.AfterFunc(after, func() { killed <- s.KillWorker(ctx) })
	defer timer.Stop()
	if err := outage.Play(ctx); err != nil {
		return fmt.Errorf("killed %s after the cry: %w", after, err)
	}
	return <-killed
}

func slowest(outages []*labtest.Outage) time.Duration {
	var most time.Duration
	for _, o := range outages {
		most = max(most, o.Answered)
	}
	return most.Round(time.Millisecond)
}
