package notify

import (
	"math"

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
