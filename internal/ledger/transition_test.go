package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAdvance(t *testing.T) {
	for _, c := range []struct {
		from, to, want State
		moved          bool
		why            string
	}{
		{Unknown, Delivered, Delivered, true, "a callback settles an unknown"},
		{Unknown, Refused, Refused, true, "a callback settles an unknown the other way"},
		{Intent, Accepted, Accepted, true, "a callback before our own commit"},
		{Queued, Delivered, Delivered, true, "the first attempt arrived; its repeat is spared"},
		{Accepted, Refused, Refused, true, "refused after it was taken: a bounce"},
		{Delivered, Refused, Delivered, false, "what arrived can't be refused any more"},
		{Refused, Delivered, Delivered, true, "the provider gave up too early"},
		{Refused, Sent, Refused, false, "a late receipt of less"},
		{Read, Delivered, Read, false, "late receipt"},
		{Delivered, Delivered, Delivered, false, "twice"},
		{Accepted, Queued, Accepted, false, "no provider attests our own states"},
		{Queued, Intent, Queued, false, "no provider attests our own states"},
		{Queued, Unknown, Queued, false, "no provider attests our own states"},
		{Queued, Dropped, Queued, false, "no provider attests our own states"},
		{Sent, "", Sent, false, "an acknowledgement alone"},
		{Sent, "on-fire", Sent, false, "no such state"},
	} {
		got, moved := Advance(c.from, c.to)
		require.Equal(t, c.want, got, c.why)
		require.Equal(t, c.moved, moved, c.why)
	}
}

func TestCallbacksInAnyOrderEndInTheSameState(t *testing.T) {
	state := rapid.SampledFrom(States())
	rapid.Check(t, func(t *rapid.T) {
		from := state.Draw(t, "from")
		events := rapid.SliceOf(state).Draw(t, "events")
		want := follow(t, from, events)
		shuffled := rapid.Permutation(events).Draw(t, "order")
		if len(events) > 0 {
			shuffled = append(shuffled, rapid.SliceOf(rapid.SampledFrom(events)).Draw(t, "again")...)
		}
		if got := follow(t, from, shuffled); got != want {
			t.Fatalf("from %s: %v ends in %s, %v in %s", from, events, want, shuffled, got)
		}
	})
}

func follow(t *rapid.T, state State, events []State) State {
	for _, e := range events {
		next, moved := Advance(state, e)
		if next.Rank() < state.Rank() || moved != (next != state) {
			t.Fatalf("%s after %s: %s, moved %v", e, state, next, moved)
		}
		state = next
	}
	return state
}

func TestEveryStateHasAPlace(t *testing.T) {
	require.Len(t, ranks, len(States()))
	for i, s := range States() {
		require.Equal(t, i, s.Rank(), s)
		require.False(t, s.Sendable() && s.Terminal(), s)
	}
	require.Equal(t, -1, State("on-fire").Rank())
}

func TestTallyCountsWhatIsOpen(t *testing.T) {
	tally := Tally{Total: 10, ByState: map[State]int{Queued: 1, Unknown: 2, Accepted: 1, Delivered: 3, Read: 1, Refused: 1, Dropped: 1}}
	require.Equal(t, 4, tally.Open())
	require.Equal(t, 4, tally.Reached())
}
