package notify

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"vakhta/internal/inventory"
)

// limits are the token buckets of this process, one per channel.
type limits map[inventory.Channel]*rate.Limiter

func newLimits(rates map[inventory.Channel]Rate) limits {
	l := make(limits, len(rates))
	for channel, r := range rates {
		if r.PerSecond <= 0 {
			continue
		}
		burst := r.Burst
		if burst <= 0 {
			burst = max(1, int(math.Ceil(r.PerSecond)))
		}
		l[channel] = rate.NewLimiter(rate.Limit(r.PerSecond), burst)
	}
	return l
}

// reserve takes a token and says how long to wait before using it. A wait that
// is longer than room is not reserved.
func (l limits) reserve(channel inventory.Channel, room time.Duration) time.Duration {
	limiter := l[channel]
	if limiter == nil {
		return 0
	}
	r := limiter.Reserve()
	wait := r.Delay()
	if wait > max(room, 0) {
		r.Cancel()
	}
	return wait
}
