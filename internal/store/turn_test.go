package store

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each of two processes' broadcasts waits in the line of its own kind.
func TestAPageWaitsForOneWriteOfABroadcastAtMost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vakhta.db")
	var turns [2]turn
	for i := range turns {
		s := &Store{}
		require.NoError(t, s.lineUp(path))
		turns[i] = s.turn
		t.Cleanup(func() { require.NoError(t, s.turn.close()) })
	}
	ctx := t.Context()
	order := make(chan string, 4)
	write := func(tr turn, bulk bool, name string) {
		end := tr.take(ctx, bulk)
		order <- name
		end()
	}
	own, common := turns[0].bulk.pass(ctx), turns[0].all.pass(ctx) // a broadcast writes
	done := make(chan struct{})
	go func() { defer close(done); write(turns[1], true, "the other's broadcast") }()
	waits := func(g gate) func() bool { return func() bool { return len(g.tokens) == 0 } }
	require.Eventually(t, waits(turns[1].bulk), time.Second, time.Millisecond)
	require.Len(t, turns[1].all.tokens, 1, "it doesn't stand in the common line yet")
	paged := make(chan struct{})
	go func() { defer close(paged); write(turns[1], false, "page") }()
	require.Eventually(t, waits(turns[1].all), time.Second, time.Millisecond)
	common()
	<-paged // while the second broadcast still waits in its own line
	own()
	<-done
	require.Equal(t, "page", <-order)
	require.Equal(t, "the other's broadcast", <-order)
}

func TestNobodyWaitsForATurnForEver(t *testing.T) {
	s := &Store{}
	require.NoError(t, s.lineUp(filepath.Join(t.TempDir(), "vakhta.db")))
	t.Cleanup(func() { require.NoError(t, s.turn.close()) })
	end := s.turn.take(t.Context(), false)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	s.turn.take(ctx, true)() // returns
	end()
	s.turn.take(t.Context(), true)()
	require.Len(t, s.turn.all.tokens, 1)
	require.Len(t, s.turn.bulk.tokens, 1)
}
