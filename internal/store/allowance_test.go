package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
)

func TestWorkersShareOneRate(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		r := ledger.Rate{PerSecond: 100, Burst: 50}
		require.NoError(t, open().Migrate(t.Context()))
		var total [8]int
		var group errgroup.Group
		for worker := range total {
			st := open()
			group.Go(func() error {
				for range 5 {
					g, err := st.Allow(t.Context(), "twilio/sms", r, 7, false, 100*time.Millisecond, t0)
					if err != nil {
						return err
					}
					total[worker] += g.N
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
		sum := 0
		for _, n := range total {
			sum += n
		}
		require.Equal(t, 45+10, sum, "the burst, less what is kept for urgent messages, and 100 ms of the rate")

		g, err := open().Allow(t.Context(), "twilio/sms", r, 1, true, 0, t0)
		require.NoError(t, err)
		require.Equal(t, ledger.Grant{N: 1, First: t0}, g, "an urgent message leaves at once")

		g, err = open().Allow(t.Context(), "sendgrid/email", r, 7, false, 0, t0)
		require.NoError(t, err)
		require.Equal(t, 7, g.N, "another account has a rate of its own")
	})
}
