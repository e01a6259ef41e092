package notify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/ledger"
)

func TestTwoRequestsForManyThatFailInARowAreAnOutage(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	lost := ledger.Outcome{State: ledger.Unknown, Class: ledger.ClassAmbiguous, Wrote: true}
	closed := func(h *health) bool { return h.closedFor(now) == 0 }

	h := &health{breaker: Breaker{}.withDefaults()}
	h.noteTogether(lost, 200, now)
	require.True(t, closed(h), "one may be chance")
	h.noteTogether(ledger.Outcome{State: ledger.Accepted}, 200, now)
	h.noteTogether(lost, 200, now)
	require.True(t, closed(h), "not in a row")
	h.noteTogether(lost, 200, now)
	require.False(t, closed(h))

	h = &health{breaker: Breaker{}.withDefaults()}
	for range 4 {
		h.noteTogether(lost, 1, now)
	}
	require.True(t, closed(h), "a request for one weighs as one")
}
