package notify_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"vakhta/activities/notify"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// pair is a desk whose SMS leave by one of two providers.
type pair struct {
	*desk
	first, second *provider
}

func newPair(t *testing.T, opts notify.Options) *pair {
	t.Helper()
	d := newDesk(t, opts)
	p := &pair{desk: d, first: d.sms, second: &provider{}}
	p.open(opts)
	return p
}

func (p *pair) open(opts notify.Options) {
	if opts.Now == nil {
		opts.Now = p.clock.now
	}
	p.acts = notify.New(p.store, directory{}, notify.Routes{
		inventory.SMS: {{Name: "first", Channel: p.first}, {Name: "second", Channel: p.second}},
	}, opts)
	p.env = new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	p.env.RegisterActivity(p.acts)
}

// say makes a provider answer everybody with an outcome; nil: it works.
func say(p *provider, o *ledger.Outcome, contacts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = nil
	if o == nil {
		return
	}
	p.answers = map[string]ledger.Outcome{}
	for _, c := range contacts {
		p.answers["sms:"+c] = *o
	}
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, bodies := range p.got {
		n += len(bodies)
	}
	return n
}

var (
	refusedDial = &ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, Message: "connection refused"}
	fiveHundred = &ledger.Outcome{State: ledger.Unknown, Class: ledger.ClassAmbiguous, HTTPStatus: 503, Wrote: true}
	tooMany     = &ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, HTTPStatus: 429, RetryAfter: 30 * time.Second, Wrote: true}
	badKey      = &ledger.Outcome{State: ledger.Refused, Class: ledger.ClassConfig, HTTPStatus: 401, Wrote: true}
)

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("c%02d", i)
	}
	return out
}

func (p *pair) want(first, second int) {
	p.t.Helper()
	if f, s := p.first.count(), p.second.count(); f != first || s != second {
		p.t.Errorf("the first provider got %d and the second %d, want %d and %d", f, s, first, second)
	}
}

func (p *pair) up(first, second bool) {
	p.t.Helper()
	h := notify.HealthOf(p.acts)
	if len(h) != 2 || h[0].Provider != "first" || h[0].Up != first || h[1].Up != second {
		p.t.Errorf("health %+v, want up %v and %v", h, first, second)
	}
}

func TestTheFirstProviderHasEverythingWhileItWorks(t *testing.T) {
	p := newPair(t, notify.Options{})
	if r := p.send(p.queue(nil, names(20)...)...); r.Accepted != 20 {
		t.Errorf("%+v", r)
	}
	p.want(20, 0)
}

func TestWhatOneProviderCertainlyDidNotTakeAnotherGetsAtOnce(t *testing.T) {
	for name, o := range map[string]*ledger.Outcome{"no connection": refusedDial, "rate limit": tooMany, "our account": badKey} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, notify.Options{})
			say(p.first, o, "anna")
			ids := p.queue(nil, "anna")
			if r := p.send(ids...); r.Accepted != 1 {
				t.Errorf("%+v, want it accepted in the same batch", r)
			}
			p.want(1, 1)
			if n := p.read(ids[0]); n.Provider != "second" || n.State != ledger.Accepted {
				t.Errorf("%s by %s", n.State, n.Provider)
			}
		})
	}
}

func TestAnUnknownIsNeverSentByAnotherBeforeItIsSettled(t *testing.T) {
	p := newPair(t, notify.Options{})
	say(p.first, fiveHundred, names(30)...)
	ids := p.queue(nil, names(30)...)
	r := p.send(ids...)
	if r.Accepted+len(r.Unknown) != 30 || len(r.Unknown) < 5 {
		t.Fatalf("%+v", r)
	}
	p.up(false, true)
	again := p.send(ids...)
	if again.Accepted != r.Accepted || len(again.Unknown) != len(r.Unknown) {
		t.Errorf("%+v after %+v: an unknown was sent again", again, r)
	}
	for _, c := range names(30) {
		if got := len(p.first.got["sms:"+c]) + len(p.second.got["sms:"+c]); got != 1 {
			t.Errorf("%s was sent %d times", c, got)
		}
	}
}

func TestALookUpAsksTheProviderOfTheAttempt(t *testing.T) {
	p := newPair(t, notify.Options{})
	say(p.first, fiveHundred, "anna")
	ids := p.queue(nil, "anna")
	p.send(ids...)
	p.second.lookErr = errors.New("asked the wrong one")
	p.first.seen = map[string]string{ids[0]: "F1"}
	if r := p.settle(notify.SettleUnknownParams{IDs: ids}); len(r.Found) != 1 {
		t.Errorf("%+v", r)
	}
	if n := p.read(ids[0]); n.Provider != "first" || n.ProviderID != "F1" {
		t.Errorf("%s %s", n.Provider, n.ProviderID)
	}
}

// A worker that dies between intent and outcome leaves no word by which
// provider: that one of them lost it says nothing.
func TestALookUpAfterACrashAsksThemAll(t *testing.T) {
	crash := func(t *testing.T) (*pair, []string) {
		p := newPair(t, notify.Options{Lease: time.Minute})
		ids := p.queue(critical, "anna")
		if _, err := p.store.Claim(t.Context(), ids, time.Minute, p.clock.now()); err != nil {
			t.Fatal(err)
		}
		p.clock.advance(2 * time.Minute)
		if r := p.send(ids...); len(r.Unknown) != 1 {
			t.Fatalf("%+v", r)
		}
		return p, ids
	}
	t.Run("the second has it", func(t *testing.T) {
		p, ids := crash(t)
		p.second.seen = map[string]string{ids[0]: "S1"}
		if r := p.settle(notify.SettleUnknownParams{IDs: ids}); len(r.Found) != 1 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("one can't answer now", func(t *testing.T) {
		p, ids := crash(t)
		p.second.lookErr = errors.New("connection refused")
		if r := p.settle(notify.SettleUnknownParams{IDs: ids}); len(r.Open) != 1 {
			t.Errorf("%+v, want it open", r)
		}
	})
	t.Run("nobody has it", func(t *testing.T) {
		p, ids := crash(t)
		p.second.lookErr = notify.ErrNoLookUp
		if r := p.settle(notify.SettleUnknownParams{IDs: ids}); len(r.Resend) != 1 {
			t.Errorf("%+v, want it sent once more", r)
		}
	})
}

func TestAnOutageMovesTheTrafficAndBack(t *testing.T) {
	p := newPair(t, notify.Options{Concurrency: 1, Breaker: notify.Breaker{Failures: 3, Pause: 10 * time.Second, MaxPause: 15 * time.Second}})
	round := 0
	send := func(n int) {
		t.Helper()
		contacts := names(n)
		for i := range contacts {
			contacts[i] = fmt.Sprintf("r%d-%s", round, contacts[i])
		}
		round++
		if p.first.answers != nil {
			say(p.first, refusedDial, contacts...)
		}
		if r := p.send(p.queue(nil, contacts...)...); r.Accepted != n {
			t.Fatalf("%+v, want %d accepted", r, n)
		}
	}
	say(p.first, refusedDial, "x")
	send(10)
	p.want(3, 10) // three to see that it is down
	p.up(false, true)
	send(10)
	p.want(3, 20)

	p.clock.advance(10 * time.Second)
	send(10)
	p.want(4, 30) // one trial, in vain
	p.clock.advance(10 * time.Second)
	send(5)
	p.want(4, 35) // the pause has grown
	p.clock.advance(5 * time.Second)
	say(p.first, nil)
	send(10)
	p.want(14, 35) // the trial went well: back
	p.up(true, true)
}

func TestOneRateLimitIsNoOutageAndAStormIs(t *testing.T) {
	p := newPair(t, notify.Options{Concurrency: 1, Breaker: notify.Breaker{Storm: time.Minute}})
	limit := *tooMany
	limit.RetryAfter = time.Second
	for i := range 13 {
		contact := fmt.Sprintf("s%d", i)
		say(p.first, &limit, contact)
		if r := p.send(p.queue(nil, contact)...); r.Accepted != 1 {
			t.Fatalf("%+v", r)
		}
		p.up(i < 12, true) // 12 × 5 s
		p.clock.advance(5 * time.Second)
	}
}

func TestWhileItsRateLimitLastsAnotherIsPreferred(t *testing.T) {
	p := newPair(t, notify.Options{Concurrency: 1})
	say(p.first, tooMany, "anna")
	p.send(p.queue(nil, "anna")...)
	p.send(p.queue(nil, "boris", "clara")...)
	p.want(1, 3)
	p.clock.advance(31 * time.Second)
	p.send(p.queue(nil, "dmitri")...)
	p.want(2, 3)
}

func TestWithoutAnotherProviderItsOwnTimeHolds(t *testing.T) {
	p := newPair(t, notify.Options{})
	say(p.first, tooMany, "anna")
	say(p.second, refusedDial, "anna")
	ids := p.queue(nil, "anna")
	r := p.send(ids...)
	if len(r.Retry) != 1 {
		t.Fatalf("%+v", r)
	}
	p.want(1, 1) // each once, and then a pause
	if pause := r.NextAt.Sub(p.clock.now()); pause < time.Second || pause > time.Minute {
		t.Errorf("next try in %s", pause)
	}
}

func TestWhileAllAreDownNothingIsSentButTrials(t *testing.T) {
	p := newPair(t, notify.Options{Concurrency: 1, Breaker: notify.Breaker{Failures: 1, Pause: 10 * time.Second}})
	say(p.first, refusedDial, names(20)...)
	say(p.second, refusedDial, names(20)...)
	ids := p.queue(nil, names(20)...)
	r := p.send(ids...)
	if len(r.Retry) != 20 {
		t.Fatalf("%+v", r)
	}
	p.want(1, 1)
	p.up(false, false)
	if in := r.NextAt.Sub(p.clock.now()); in > 10*time.Second {
		t.Errorf("next try in %s", in)
	}
	say(p.first, nil)
	say(p.second, nil)
	p.clock.advance(11 * time.Second)
	if r = p.send(ids...); r.Accepted != 20 {
		t.Errorf("%+v", r)
	}
}

func TestWhatCanOnlyInformCarriesNothingCritical(t *testing.T) {
	p := newPair(t, notify.Options{})
	p.first.can.InformOnly = true
	p.open(notify.Options{})
	p.send(p.queue(critical, "anna")...)
	p.want(0, 1)
	p.send(p.queue(nil, "boris")...)
	p.want(1, 1)

	p.second.can.InformOnly = true
	ids := p.queue(critical, "clara")
	if r := p.send(ids...); len(r.Refused) != 1 {
		t.Errorf("%+v", r)
	}
	if n := p.read(ids[0]); n.Class != ledger.ClassConfig {
		t.Errorf("class %s", n.Class)
	}
}

func TestEachProviderHasItsOwnRate(t *testing.T) {
	d := newDesk(t, notify.Options{})
	second := &provider{}
	acts := notify.New(d.store, directory{}, notify.Routes{inventory.SMS: {
		{Name: "first", Channel: d.sms, Rate: notify.Rate{PerSecond: 0.001, Burst: 2}},
		{Name: "second", Channel: second, Rate: notify.Rate{PerSecond: 1000, Burst: 1000}},
	}}, notify.Options{Now: d.clock.now})
	ids := d.queue(nil, names(10)...)
	r, err := acts.SendBatch(t.Context(), notify.SendBatchParams{IDs: ids})
	if err != nil || r.Accepted != 10 || d.sms.count() != 2 || second.count() != 8 {
		t.Errorf("%+v, %v; %d and %d", r, err, d.sms.count(), second.count())
	}
}
