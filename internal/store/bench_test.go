package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
	"vakhta/internal/topology"
)

const (
	batchSize = 400
	senders   = 200 // that settle side by side, as the deliveries of a broadcast do
)

func onBothBench(b *testing.B, bench func(b *testing.B, st *Store)) {
	for _, database := range []struct {
		name string
		dsn  func(testing.TB) string
	}{{"sqlite", sqliteDSN}, {"postgres", postgresDSN}} {
		b.Run(database.name, func(b *testing.B) {
			st := opener(b, database.dsn(b))()
			require.NoError(b, st.Migrate(b.Context()))
			bench(b, st)
		})
	}
}

// BenchmarkLedgerCycle takes batches of 100 notifications through the ledger:
// queued, claimed, settled one by one, delivered by callback.
func BenchmarkLedgerCycle(b *testing.B) {
	onBothBench(b, func(b *testing.B, st *Store) {
		ctx := b.Context()
		for round := 0; b.Loop(); round++ {
			ns := make([]ledger.Notification, batchSize)
			for i := range ns {
				ns[i] = message(fmt.Sprintf("%d-%d", round, i))
			}
			ids, err := st.Enqueue(ctx, ns, t0)
			require.NoError(b, err)
			claims, err := st.Claim(ctx, ids, time.Minute, t0)
			require.NoError(b, err)
			require.Len(b, claims.Claimed, batchSize)
			var group errgroup.Group
			group.SetLimit(senders)
			for _, n := range claims.Claimed {
				group.Go(func() error { return st.Settle(ctx, n.ID, n.LeaseToken, accepted("SM"+n.ID), t0) })
			}
			require.NoError(b, group.Wait())
			for _, n := range claims.Claimed {
				group.Go(func() error {
					_, _, err := st.ApplyEvent(ctx, ledger.Event{Provider: "twilio", Key: n.ID, ProviderID: "SM" + n.ID, State: ledger.Delivered}, t0)
					return err
				})
			}
			require.NoError(b, group.Wait())
		}
		seconds := b.Elapsed().Seconds()
		b.ReportMetric(float64(b.N*batchSize)/seconds, "notifications/s")
		b.ReportMetric(float64(b.N*batchSize*4)/seconds, "transitions/s")
	})
}

// BenchmarkObservations keeps and reads a sweep of 5,000 observations.
func BenchmarkObservations(b *testing.B) {
	onBothBench(b, func(b *testing.B, st *Store) {
		obs := make([]topology.Observation, 5000)
		for i := range obs {
			obs[i] = topology.Observation{Component: fmt.Sprintf("srv-%05d", i), Probe: topology.ProbeTCP, Vantage: "msk", At: t0, Result: topology.Up}
		}
		for round := 0; b.Loop(); round++ {
			sweep := fmt.Sprint("sweep-", round)
			require.NoError(b, st.PutObservations(b.Context(), sweep, 1, obs))
			got, err := st.Observations(b.Context(), sweep)
			require.NoError(b, err)
			require.Len(b, got, len(obs))
		}
		b.ReportMetric(float64(b.N*len(obs))/b.Elapsed().Seconds(), "observations/s")
	})
}
