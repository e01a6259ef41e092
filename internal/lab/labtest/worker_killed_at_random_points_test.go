package labtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/lab/labtest"
	"vakhta/internal/lab/sandbox"
)

const (
	kills = 10
	// lanes are how many outages run at once: each suffers its neighbours' kills, too.
	lanes = 4
	// undisturbed is about how long an outage takes when nobody is killed; each
	// kill falls somewhere into it.
	undisturbed = 6 * time.Second
	// messages is how many an outage of one machine sends, more or less.
	messages = 8
)

// The worker is killed at ten random moments of ten outages. Each ends as if
// nothing had happened: resolved, with a postmortem, everybody told, no
// message lost, none doubled.
func TestKillingTheWorkerAtAnyMomentLosesAndDoublesNothing(t *testing.T) {
	t.Parallel() // it waits more than it works
	dice := labtest.Dice(t)
	s := labtest.Open(t)
	outages := s.SeparateOutages(kills, dice)
	require.Len(t, outages, kills)

	began := time.Now()
	var group errgroup.Group
	group.SetLimit(lanes)
	for i, outage := range outages {
		// Half of them die the moment a message has reached its provider, which
		// is when the outcome is hardest to know.
		if k := 1 + dice.IntN(messages); i%2 == 0 {
			group.Go(func() error { return playAndKill(t.Context(), s, outage, afterMessages(s, k)) })
			continue
		}
		after := time.Duration(dice.Int64N(int64(undisturbed)))
		group.Go(func() error { return playAndKill(t.Context(), s, outage, afterTime(after)) })
	}
	require.NoError(t, group.Wait())
	cut := 0
	for _, outage := range outages {
		require.NoError(t, outage.CheckUndisturbed(t.Context()))
		if outage.CutShort {
			cut++
		}
	}
	require.Less(t, cut, kills/2, "most outages last until their first update is written, else this shows nothing of updates")
	require.NoError(t, s.Audit(t.Context()))
	require.Equal(t, 1+kills, s.Worker.Starts())
	t.Logf("%d kills in %s; slowest answer %s", kills, time.Since(began).Round(time.Millisecond), slowest(outages))
}

// moment waits until the worker is to be killed.
type moment func(ctx context.Context) error

func afterTime(d time.Duration) moment {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// afterMessages waits until the sandbox has taken k more messages.
func afterMessages(s *labtest.Lab, k int) moment {
	return func(ctx context.Context) error {
		last := func() int64 { // counts what people write, too: that is as good a moment
			if items := s.Sandbox.Inbox(sandbox.Query{Limit: 1}); len(items) > 0 {
				return items[0].Seq
			}
			return 0
		}
		until := last() + int64(k)
		var seen int64
		for last() < until {
			events, changed := s.Sandbox.Events(seen, 0)
			if len(events) > 0 {
				seen = events[len(events)-1].N
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}
}

// playAndKill plays an outage and kills the worker at a moment of it.
func playAndKill(ctx context.Context, s *labtest.Lab, outage *labtest.Outage, when moment) error {
	killed := make(chan error, 1)
	go func() {
		err := when(ctx)
		if err == nil {
			err = s.KillWorker(ctx)
		}
		killed <- err
	}()
	if err := outage.Play(ctx); err != nil {
		return err
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
