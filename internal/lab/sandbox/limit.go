package sandbox

import (
	"math"
	"sync"
	"time"
)

// limiter is a token bucket per key, with a burst of one second's worth.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func (l *limiter) init() { l.buckets = make(map[string]*bucket) }

// take takes one token and returns 0, or returns how long until there is one.
func (l *limiter) take(key string, rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	full := math.Max(1, rate)
	b, ok := l.buckets[key]
	if !ok {
		b = &bucket{tokens: full, at: now}
		l.buckets[key] = b
	}
	b.tokens = math.Min(full, b.tokens+now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	return time.Duration((1 - b.tokens) / rate * float64(time.Second))
}
