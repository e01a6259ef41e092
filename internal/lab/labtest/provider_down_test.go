package labtest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/lab/labtest"
	"vakhta/internal/lab/sandbox"
)

// longVariable makes the tests of faults last as long as the issue says.
const longVariable = "VAKHTA_LONG"

// downFor is how long every provider is down.
func downFor() time.Duration {
	if os.Getenv(longVariable) != "" {
		return 2 * time.Minute
	}
	return 6 * time.Second
}

// Providers are down, each in its own way, while outages run: it costs time
// and nothing else.
func TestAProviderThatIsDownCostsOnlyTime(t *testing.T) {
	dice := labtest.Dice(t)
	s := labtest.Open(t)
	faults := []sandbox.Fault{
		{Provider: sandbox.Twilio, Kind: sandbox.FaultRefuse},      // not a byte is written
		{Provider: sandbox.Telegram, Kind: sandbox.FaultRateLimit}, // 429
		{Provider: sandbox.SendGrid, Kind: sandbox.FaultRefuse},    //
		{Provider: sandbox.Telegram, Kind: sandbox.FaultRefuse},    //
		{Provider: sandbox.SendGrid, Kind: sandbox.FaultRateLimit}, //
		{Provider: sandbox.Twilio, Kind: sandbox.FaultRateLimit},   //
	}
	outages := s.SeparateOutages(2, dice)
	var group errgroup.Group
	for i, outage := range outages {
		group.Go(func() error { return outage.Play(t.Context()) })
		if i == 0 {
			group.Go(func() error { return failInTurn(t.Context(), s, faults) })
		}
	}
	require.NoError(t, group.Wait())
	for _, outage := range outages {
		require.NoError(t, outage.CheckUndisturbed(t.Context()))
	}
	require.NoError(t, s.Audit(t.Context()))
	t.Logf("providers were down for %s, slowest answer %s", downFor(), slowest(outages))
}

// failInTurn has three providers down at once, in one way and then in another.
func failInTurn(ctx context.Context, s *labtest.Lab, faults []sandbox.Fault) error {
	half := len(faults) / 2
	for _, now := range [][]sandbox.Fault{faults[:half], faults[half:]} {
		var ids []string
		for _, f := range now {
			f.For = sandbox.Duration(downFor() / 2)
			id, err := s.Sandbox.AddFault(f)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		end := time.Now().Add(downFor() / 2)
		if err := labtest.Until(ctx, "the providers to be back", func() (bool, error) { return time.Now().After(end), nil }); err != nil {
			return err
		}
		for _, id := range ids {
			s.Sandbox.RemoveFault(id)
		}
	}
	return nil
}

// A provider takes messages and answers with an error, or not at all: nobody
// knows whether they were sent. What is critical comes once more, marked as a
// repeat; what is not, never twice.
func TestAnAmbiguousAnswerNeverDoublesAMessage(t *testing.T) {
	dice := labtest.Dice(t)
	s := labtest.Open(t)
	for _, f := range []sandbox.Fault{
		{Provider: sandbox.Telegram, Kind: sandbox.FaultReset, Probability: 0.5},
		{Provider: sandbox.SendGrid, Kind: sandbox.FaultLostError, Probability: 0.5},
		{Provider: sandbox.Twilio, Kind: sandbox.FaultReset, Probability: 0.3},
		{Kind: sandbox.FaultDuplicate, Probability: 0.3},
		{Kind: sandbox.FaultReorder, Probability: 0.3},
	} {
		_, err := s.Sandbox.AddFault(f)
		require.NoError(t, err)
	}
	outages := s.SeparateOutages(3, dice)
	var group errgroup.Group
	for _, outage := range outages {
		group.Go(func() error { return outage.Play(t.Context()) })
	}
	require.NoError(t, group.Wait())
	for _, outage := range outages {
		require.NoError(t, outage.CheckSettled(t.Context()))
		require.NoError(t, outage.CheckOneIncident(t.Context()))
	}
	require.NoError(t, s.Audit(t.Context()))
}
