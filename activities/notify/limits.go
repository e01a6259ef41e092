package notify

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"vakhta/internal/inventory"
)

// limits are the token buckets of this process, one per provider and channel
// ([limitKey]).
type limits map[string]*rate.Limiter

func newLimits(routes Routes, rates map[inventory.Channel]Rate) limits {
	l := limits{}
	for channel, providers := range routes {
		for _, p := range providers {
			r := p.Rate
			if r.PerSecond <= 0 {
				r = rates[channel]
			}
			if r.PerSecond <= 0 {
				continue
			}
			burst := r.Burst
			if burst <= 0 {
				burst = max(1, int(math.Ceil(r.PerSecond)))
			}
			l[limitKey(channel, p.Name)] = rate.NewLimiter(rate.Limit(r.PerSecond), burst)
		}
	}
	return l
}

// reserve takes a token and says how long to wait before using it. A wait that
// is longer than room is not reserved.
func (l limits) reserve(key string, room time.Duration) time.Duration {
	limiter := l[key]
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
