package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// Provider is one account by which messages of a channel leave.
type Provider struct {
	Name    string // in the ledger and in metrics: "twilio"
	Channel Channel
	Rate    Rate // of the account on this channel; zero: Options.Rates of the channel
}

// Routes are the providers of each channel, the preferred one first.
type Routes map[inventory.Channel][]Provider

// route is a channel's providers with their health.
type route []*lane

// lane is one provider of one channel.
type lane struct {
	Provider
	health health
	limit  string // the key of its token bucket
	// together holds a token for each request of many messages that is under
	// way; nil: the provider takes one message at a time.
	together chan struct{}
}

func newRoutes(routes Routes, breaker Breaker) map[inventory.Channel]route {
	out := make(map[inventory.Channel]route, len(routes))
	for channel, providers := range routes {
		r := make(route, 0, len(providers))
		for _, p := range providers {
			l := &lane{Provider: p, health: health{breaker: breaker}, limit: limitKey(channel, p.Name)}
			if _, ok := p.Channel.(Batcher); ok {
				l.together = make(chan struct{}, togetherAtOnce)
			}
			r = append(r, l)
		}
		out[channel] = r
	}
	return out
}

// limitKey names the token bucket of a provider on a channel.
func limitKey(channel inventory.Channel, provider string) string {
	return provider + "/" + string(channel)
}

// carries says whether the provider may have the message at all: what can only
// inform must not carry what somebody has to answer.
func (l *lane) carries(n ledger.Notification) bool {
	return !n.Critical || !l.Channel.Capabilities().InformOnly
}

// candidates are the lanes that may carry the message, the best first: one that
// did not fail it the last time and whose own rate limit leaves room, then by
// the configured order. Those that are down come last; whether one of them is
// due for a trial is for its breaker to say.
func (r route) candidates(n ledger.Notification, now time.Time) []*lane {
	var out []*lane
	rank := map[*lane]int{}
	for _, l := range r {
		if !l.carries(n) {
			continue
		}
		open, room := l.health.usable(now)
		switch {
		case !open:
			rank[l] = 3
		case n.Provider == l.Name:
			rank[l] = 2
		case !room:
			rank[l] = 1
		}
		out = append(out, l)
	}
	slices.SortStableFunc(out, func(a, b *lane) int { return cmp.Compare(rank[a], rank[b]) })
	return out
}

// turn is an attempt's permission to use a lane.
type turn struct {
	*lane
	trial bool
	wait  time.Duration // until its token is good
}

// place is a token of a lane's rate that was taken beforehand; the zero value is none.
type place struct {
	lane *lane
	at   time.Time
}

// choose takes the best lane that works now and has a token within room. If
// there is none, wait says when there will be, and own that only our own rate
// is in the way.
func (a *Activities) choose(ctx context.Context, r route, n ledger.Notification, room time.Duration, how passage) (t turn, wait time.Duration, own bool) {
	now := a.opts.Now()
	for _, l := range r.candidates(n, now) {
		trial, down := l.health.begin(now, a.opts.SendTimeout)
		if down > 0 {
			if wait == 0 || !own && down < wait {
				wait = down
			}
			continue
		}
		token, err := a.token(ctx, l, room, how)
		if err != nil {
			log(ctx).Warn("the shared rate of a provider can't be taken", "provider", l.Name, "error", err.Error())
			token = max(room, 0) + time.Second
		}
		if token <= room {
			return turn{lane: l, trial: trial, wait: token}, 0, false
		}
		if trial {
			l.health.abandon()
		}
		if !own || token < wait {
			wait, own = token, true
		}
	}
	return turn{}, wait, own
}

// token takes a token of the lane's rate, or the one that was taken for this lane.
func (a *Activities) token(ctx context.Context, l *lane, room time.Duration, how passage) (time.Duration, error) {
	if how.place.lane == l {
		return max(how.place.at.Sub(a.opts.Now()), 0), nil
	}
	return a.limits.reserve(ctx, l.limit, how.urgent, room)
}

// elsewhere says whether another provider than l could take the message now.
func (r route) elsewhere(n ledger.Notification, l *lane, now time.Time) bool {
	return slices.ContainsFunc(r, func(other *lane) bool {
		open, room := other.health.usable(now)
		return other != l && open && room && other.carries(n)
	})
}

// failOver lets another provider have what this one certainly did not take: at
// once, or, where another one failed before, after a growing pause. Where there
// is no other, the provider's own time holds. An outcome that is not certain is
// never touched.
func (r route) failOver(o ledger.Outcome, n ledger.Notification, l *lane, now time.Time) (changed ledger.Outcome, over bool) {
	certain := o.State == ledger.Retry || refusesAccount(o)
	if !certain || !r.elsewhere(n, l, now) {
		return o, false
	}
	o.State, o.Class = ledger.Retry, ledger.ClassRetry
	if n.Provider == "" || n.Provider == l.Name {
		o.RetryAfter = 0
		return o, true
	}
	pause := backoff(n.Attempts)
	if o.RetryAfter <= 0 || pause < o.RetryAfter {
		o.RetryAfter = pause
	}
	return o, false
}

// lookUp asks the provider that got the last attempt. Whoever died before his
// outcome left no word which one that was: then all that can be asked are. It
// names the provider that has the message, none if all of them say no.
func (a *Activities) lookUp(ctx context.Context, n ledger.Notification) (provider, providerID string, err error) {
	r, to, refusal := a.address(n)
	if refusal.State != "" {
		// The address has left the inventory since: nobody can be asked.
		return "", "", ErrNoLookUp
	}
	if n, refusal = a.threaded(ctx, n); refusal.State != "" {
		return "", "", errors.New("look up a room's message: " + refusal.Message)
	}
	lanes, err := a.suspects(ctx, r, n)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(ctx, a.opts.SendTimeout)
	defer cancel()
	failure := ErrNoLookUp
	for _, l := range lanes {
		id, seen, err := l.Channel.LookUp(ctx, n, to)
		switch {
		case err == nil && seen:
			return l.Name, id, nil
		case err == nil:
			if errors.Is(failure, ErrNoLookUp) {
				failure = nil
			}
		case !errors.Is(err, ErrNoLookUp):
			failure = err
		}
	}
	return "", "", failure
}

// suspects are the lanes that may have got the attempt of which nobody knows.
func (a *Activities) suspects(ctx context.Context, r route, n ledger.Notification) ([]*lane, error) {
	if len(r) < 2 {
		return r, nil
	}
	attempts, err := a.store.Attempts(ctx, n.ID)
	if err != nil {
		return nil, fmt.Errorf("read attempts of notification %s: %w", n.ID, err)
	}
	last := ""
	if len(attempts) > 0 {
		last = attempts[len(attempts)-1].Provider
	}
	if last == "" {
		return r, nil
	}
	return slices.DeleteFunc(slices.Clone(r), func(l *lane) bool { return l.Name != last }), nil
}

// HealthOf tells how the providers do, in the order of channels and of
// preference. It is no method: those of Activities are Temporal's to call.
func HealthOf(a *Activities) []Health {
	now := a.opts.Now()
	channels := make([]inventory.Channel, 0, len(a.routes))
	for ch := range a.routes {
		channels = append(channels, ch)
	}
	slices.Sort(channels)
	var out []Health
	for _, ch := range channels {
		for _, l := range a.routes[ch] {
			h := l.health.report(now)
			h.Channel, h.Provider = ch, l.Name
			out = append(out, h)
		}
	}
	return out
}
