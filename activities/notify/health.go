package notify

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// Breaker says when a provider is taken for down, and how often it is tried
// meanwhile. The zero value works.
type Breaker struct {
	// Failures in a row that say that the provider is down; 0: 5.
	Failures int
	// Pause is how long nothing is sent to it before one message is tried; each
	// trial that fails doubles it, up to MaxPause. 0: 5 s and 1 min.
	Pause, MaxPause time.Duration
	// Storm is for how long a provider may answer every attempt with its rate
	// limit before that is taken for an outage; 0: 1 min.
	Storm time.Duration
}

func (b Breaker) withDefaults() Breaker {
	if b.Failures <= 0 {
		b.Failures = 5
	}
	if b.Pause <= 0 {
		b.Pause = 5 * time.Second
	}
	if b.MaxPause <= 0 {
		b.MaxPause = time.Minute
	}
	b.MaxPause = max(b.MaxPause, b.Pause)
	if b.Storm <= 0 {
		b.Storm = time.Minute
	}
	return b
}

// Health is how a provider does on one channel, as this process sees it.
type Health struct {
	Channel  inventory.Channel `json:"channel"`
	Provider string            `json:"provider"`
	Up       bool              `json:"up"`
	Failures int               `json:"failures,omitempty"` // in a row
	Reason   string            `json:"reason,omitempty"`   // of the last of them
	TryAt    time.Time         `json:"tryAt,omitzero"`     // of one that is down: the next trial
	BusyTill time.Time         `json:"busyTill,omitzero"`  // by its own rate limit
}

// health is the circuit breaker of one provider on one channel: closed while
// the provider works, open after some failures in a row, and half open, for one
// message at a time, when its pause is over.
type health struct {
	breaker Breaker

	mu       sync.Mutex
	failures int
	reason   string
	pause    time.Duration // 0: closed
	tryAt    time.Time     // while it is open: when a trial may begin
	trialEnd time.Time     // of the trial under way: when it is given up
	limited  time.Time     // since when every answer was the rate limit
	busyTill time.Time
}

// verdict is what an attempt tells of the provider's health.
type verdict int

const (
	saysNothing verdict = iota
	saysUp
	saysLimited
	saysDown
)

// judge reads an outcome. An answer to the message is a sign of life, whatever
// it says; a refusal of our account is none: nobody's message leaves by it.
func judge(o ledger.Outcome) verdict {
	switch {
	case o.State == ledger.Accepted:
		return saysUp
	case refusesAccount(o):
		return saysDown
	case o.State == ledger.Refused && o.HTTPStatus == 0 && !o.Wrote:
		return saysNothing // it wasn't even asked
	case o.State == ledger.Refused:
		return saysUp
	case o.State == ledger.Unknown:
		return saysDown
	case o.State == ledger.Retry && o.Wrote:
		return saysLimited
	case o.State == ledger.Retry:
		return saysDown
	default:
		return saysNothing
	}
}

// AccountRefused is the code of an outcome by which a provider that doesn't
// speak HTTP says that it refuses our account, not the message.
const AccountRefused = "account"

// refusesAccount: a certain refusal that any message of ours would get, for a
// wrong key or for want of money. Another account may take the message.
func refusesAccount(o ledger.Outcome) bool {
	return o.State == ledger.Refused && o.Class == ledger.ClassConfig &&
		(o.HTTPStatus == http.StatusUnauthorized || o.HTTPStatus == http.StatusPaymentRequired || o.Code == AccountRefused)
}

// begin asks for an attempt. While the provider is down, one trial at a time is
// let through when its pause is over; else wait says when to ask again.
func (h *health) begin(now time.Time, within time.Duration) (trial bool, wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if wait = h.closedFor(now); wait > 0 || h.pause == 0 {
		return false, wait
	}
	h.trialEnd = now.Add(within)
	return true, 0
}

// closedFor is how long nothing may be sent; 0: an attempt may begin.
func (h *health) closedFor(now time.Time) time.Duration {
	switch {
	case h.pause == 0:
		return 0
	case now.Before(h.tryAt):
		return h.tryAt.Sub(now)
	case now.Before(h.trialEnd):
		return min(h.trialEnd.Sub(now), time.Second) // it will be known by then, or soon
	default:
		return 0
	}
}

// usable says whether an attempt could begin, and whether the provider's own
// rate limit lets it.
func (h *health) usable(now time.Time) (open, room bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closedFor(now) == 0, !now.Before(h.busyTill)
}

// abandon ends a trial of which nothing was sent.
func (h *health) abandon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trialEnd = time.Time{}
}

// note takes what an attempt came to.
func (h *health) note(o ledger.Outcome, trial bool, now time.Time) {
	h.take(o, 1, trial, now)
}

// noteTogether takes what one request for many messages came to. One that
// fails weighs as much as half of the failures that say that the provider is
// down: its fate is that of hundreds, and a single one may be chance.
func (h *health) noteTogether(o ledger.Outcome, messages int, now time.Time) {
	h.take(o, max(1, min(messages, (h.breaker.Failures+1)/2)), false, now)
}

func (h *health) take(o ledger.Outcome, weight int, trial bool, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if trial {
		h.trialEnd = time.Time{}
	}
	switch judge(o) {
	case saysNothing:
	case saysUp:
		h.failures, h.reason, h.pause = 0, "", 0
		h.tryAt, h.limited = time.Time{}, time.Time{}
	case saysLimited:
		if until := now.Add(o.RetryAfter); until.After(h.busyTill) {
			h.busyTill = until
		}
		if h.limited.IsZero() {
			h.limited = now
		}
		if trial || now.Sub(h.limited) >= h.breaker.Storm {
			h.fail(o, weight, trial, true, now)
		}
	case saysDown:
		h.fail(o, weight, trial, false, now)
	}
}

// fail counts a failure. Attempts that were under way when the breaker opened
// fail late, and only tell what is known.
func (h *health) fail(o ledger.Outcome, weight int, trial, storm bool, now time.Time) {
	h.failures += weight
	h.reason = reason(o)
	switch {
	case trial && h.pause > 0:
		h.pause = min(2*h.pause, h.breaker.MaxPause)
	case h.pause == 0 && (storm || h.failures >= h.breaker.Failures):
		h.pause = h.breaker.Pause
	default:
		return
	}
	h.tryAt = now.Add(h.pause)
}

func reason(o ledger.Outcome) string {
	switch {
	case o.Message != "":
		return o.Message
	case o.HTTPStatus != 0:
		return "the provider answered " + strconv.Itoa(o.HTTPStatus)
	default:
		return "no answer"
	}
}

// report is the health as it is told; channel and provider are the caller's to fill.
func (h *health) report(now time.Time) Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := Health{Up: h.pause == 0, Failures: h.failures, Reason: h.reason, TryAt: h.tryAt}
	if now.Before(h.busyTill) {
		r.BusyTill = h.busyTill
	}
	return r
}
