package ledger

import (
	"math"
	"time"
)

// Rate is what a provider's account allows.
type Rate struct {
	PerSecond float64 `json:"perSecond"` // messages; 0: no limit of ours
	Burst     int     `json:"burst"`     // messages at once; 0: one second's worth, at least 1
}

// Limited says that there is a limit.
func (r Rate) Limited() bool { return r.PerSecond > 0 }

// Gap is the time between two messages at the full rate.
func (r Rate) Gap() time.Duration {
	return time.Duration(float64(time.Second) / r.PerSecond)
}

// AtOnce is how many messages that aren't urgent may leave at once.
func (r Rate) AtOnce() int { return r.burst() - r.burst()/10 }

func (r Rate) burst() int {
	if r.Burst > 0 {
		return r.Burst
	}
	return max(1, int(math.Ceil(r.PerSecond)))
}

// Grant is permission for N messages: the first at First, then one every Gap.
type Grant struct {
	N     int
	First time.Time
	Gap   time.Duration
}

// Slot is when the i-th message of the grant may leave.
func (g Grant) Slot(i int) time.Time { return g.First.Add(time.Duration(i) * g.Gap) }

// Take grants up to n messages of a rate of which everything before free is
// taken, none later than now+horizon, and returns what is free then. It is the
// generic cell rate algorithm (ITU-T I.371) with slots that are given out ahead.
//
// Urgent messages leave at once: they take the slots that all others would
// have got next, and those of a tenth of the burst, which is theirs alone. So a
// page does not wait for a broadcast, and the account's rate is kept on average.
func (r Rate) Take(free time.Time, n int, urgent bool, horizon time.Duration, now time.Time) (Grant, time.Time) {
	gap := r.Gap()
	burst := r.burst()
	if !urgent {
		burst = r.AtOnce()
	}
	if oldest := now.Add(-time.Duration(burst-1) * gap); free.Before(oldest) {
		free = oldest
	}
	if urgent {
		return Grant{N: n, First: now}, free.Add(time.Duration(n) * gap)
	}
	room := int(now.Add(horizon).Sub(free)/gap) + 1
	if n = min(n, max(room, 0)); n == 0 {
		return Grant{First: free, Gap: gap}, free
	}
	return Grant{N: n, First: free, Gap: gap}, free.Add(time.Duration(n) * gap)
}
