package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"vakhta/internal/ledger"
)

// The ledger is held against a model that fits on a page. Senders that die are
// claims that nobody settles; callbacks come early, late, twice, out of order.
func TestLedgerBehavesLikeItsModel(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			w := newWorld(t.Context(), rt, st, run)
			rt.Repeat(map[string]func(*rapid.T){
				"":        w.compare,
				"clock":   w.clock,
				"claim":   w.claim,
				"settle":  w.settle,
				"event":   w.event,
				"resolve": w.resolve,
				"ack":     w.acknowledge,
			})
		})
	})
}

// page is the model of one notification.
type page struct {
	state      ledger.State
	token      int64
	leaseUntil time.Time
	retryAt    time.Time
	critical   bool
	repeat     bool
	acked      bool
	early      map[string][]told // by provider id that nobody has claimed yet
	known      map[string]bool   // provider ids that are ours

	mayHaveSent int // attempts of which bytes may have left
}

type told struct {
	state ledger.State
	acked bool
}

type claimed struct {
	id    string
	token int64
}

// world is the store under test, the model, and the hands that hold claims.
type world struct {
	subject string
	ctx     context.Context
	st      *Store
	now     time.Time
	ids     []string
	codes   map[string]string
	pages   map[string]*page
	claims  []claimed
	events  int
}

func newWorld(ctx context.Context, t *rapid.T, st *Store, run int) *world {
	w := &world{subject: fmt.Sprintf("incident/model-%d", run), ctx: ctx, st: st, now: t0, codes: map[string]string{}, pages: map[string]*page{}}
	var ns []ledger.Notification
	for i := range 3 {
		n := message(fmt.Sprint(i))
		n.Subject, n.Critical = w.subject, i > 0
		ns = append(ns, n)
	}
	var err error
	w.ids, err = st.Enqueue(ctx, ns, w.now)
	require.NoError(t, err)
	for i, id := range w.ids {
		w.pages[id] = &page{state: ledger.Queued, critical: ns[i].Critical, early: map[string][]told{}, known: map[string]bool{}}
		n, err := st.Notification(ctx, id)
		require.NoError(t, err)
		w.codes[id] = n.AckCode
	}
	return w
}

func (w *world) compare(t *rapid.T) {
	all, err := w.st.Notifications(w.ctx, NotificationFilter{Subject: w.subject})
	require.NoError(t, err)
	require.Len(t, all, len(w.ids))
	for _, n := range all {
		id, p := n.ID, w.pages[n.ID]
		require.Equal(t, p.state, n.State, id)
		require.Equal(t, p.token, n.LeaseToken, id)
		require.Equal(t, p.repeat, n.Repeat, id)
		require.Equal(t, p.acked, !n.AcknowledgedAt.IsZero(), id)
		require.Equal(t, w.codes[id], n.AckCode, "a repeat keeps its code")
		most := 1
		if p.critical {
			most = 2
		}
		require.LessOrEqual(t, p.mayHaveSent, most, "sent again without leave: %s", id)
	}
}

func (w *world) clock(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
}

func (w *world) claim(t *rapid.T) {
	ids := rapid.SliceOfN(rapid.SampledFrom(w.ids), 1, 4).Draw(t, "ids")
	got, err := w.st.Claim(w.ctx, ids, time.Minute, w.now)
	require.NoError(t, err)
	want := map[string]bool{}
	for _, id := range unique(ids) {
		p := w.pages[id]
		switch {
		case p.state.Sendable() && p.acked:
			p.state = ledger.Dropped
		case p.state.Sendable() && !p.retryAt.After(w.now):
			p.state, p.leaseUntil = ledger.Intent, w.now.Add(time.Minute)
			p.token++
			p.mayHaveSent++
			want[id] = true
		case p.state == ledger.Intent && !p.leaseUntil.After(w.now):
			p.state = ledger.Unknown
		}
	}
	require.Len(t, got.Claimed, len(want))
	for _, n := range got.Claimed {
		require.True(t, want[n.ID], n.ID)
		w.claims = append(w.claims, claimed{n.ID, n.LeaseToken})
	}
	require.Equal(t, len(unique(ids)), len(got.Claimed)+len(got.Unknown)+len(got.Waiting)+len(got.Done), "every id is accounted for once")
}

func (w *world) pick(t *rapid.T) (claimed, string) {
	if len(w.claims) == 0 {
		t.Skip("nothing was claimed yet")
	}
	c := rapid.SampledFrom(w.claims).Draw(t, "claim")
	return c, fmt.Sprintf("SM-%s-%d", c.id, c.token)
}

func (w *world) settle(t *rapid.T) {
	c, pid := w.pick(t)
	p := w.pages[c.id]
	o := ledger.Outcome{Provider: "twilio", State: rapid.SampledFrom([]ledger.State{ledger.Accepted, ledger.Refused, ledger.Retry, ledger.Unknown}).Draw(t, "outcome")}
	if o.State == ledger.Accepted {
		o.ProviderID = pid
	}
	if o.State == ledger.Retry {
		o.RetryAfter = 30 * time.Second
	}
	err := w.settleAs(rapid.Bool().Draw(t, "together"), c, o)
	held, ok := p.token == c.token, true
	switch {
	case !held:
		ok = false
	case p.state == ledger.Intent:
		p.state = o.State
		if o.State == ledger.Retry {
			p.retryAt = w.now.Add(o.RetryAfter)
			p.mayHaveSent-- // it is certain that nothing left
		}
	case p.state == ledger.Unknown && (o.State == ledger.Accepted || o.State == ledger.Refused):
		p.state = o.State
	case o.State == ledger.Accepted || p.state.Rank() >= ledger.Accepted.Rank():
		p.state, _ = ledger.Advance(p.state, o.State)
	default:
		ok = false
	}
	if ok {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, ErrFenced)
	}
	if o.ProviderID != "" {
		w.own(c.id, pid)
	}
}

// settleAs settles alone, or as one of a request with others, of which the
// first is nobody's.
func (w *world) settleAs(together bool, c claimed, o ledger.Outcome) error {
	if !together {
		return w.st.Settle(w.ctx, c.id, c.token, o, w.now)
	}
	verdicts, err := w.st.SettleAll(w.ctx, []ledger.Settlement{{ID: "nnobody", Token: 1, Outcome: ledger.Outcome{State: ledger.Unknown}}, {ID: c.id, Token: c.token, Outcome: o}}, w.now)
	if err != nil {
		return err
	}
	if !errors.Is(verdicts[0], ErrNotFound) {
		return fmt.Errorf("settled what is not there: %w", verdicts[0])
	}
	return verdicts[1]
}

// own tells the model that a provider's id is known to be a notification's.
func (w *world) own(id, pid string) {
	w.pages[id].known[pid] = true
	w.pages[id].hearEarly(pid)
}

func (p *page) hearEarly(pid string) {
	for _, e := range p.early[pid] {
		p.hear(e)
	}
	delete(p.early, pid)
}

func (p *page) hear(e told) {
	p.state, _ = ledger.Advance(p.state, e.state)
	if e.acked {
		p.acked = true
		p.state, _ = ledger.Advance(p.state, ledger.Delivered)
	}
}

func (w *world) event(t *rapid.T) {
	c, pid := w.pick(t)
	w.events++
	e := ledger.Event{
		Provider: "twilio", Key: fmt.Sprintf("%s/%d", pid, w.events), ProviderID: pid, At: w.now,
		State:        rapid.SampledFrom([]ledger.State{"", ledger.Accepted, ledger.Sent, ledger.Delivered, ledger.Read, ledger.Refused}).Draw(t, "state"),
		Acknowledged: rapid.IntRange(0, 4).Draw(t, "ack") == 0,
	}
	if rapid.Bool().Draw(t, "carries our id") {
		e.Notification = c.id
	}
	repeats := rapid.IntRange(1, 2).Draw(t, "times")
	for i := range repeats {
		n, fresh, err := w.st.ApplyEvent(w.ctx, e, w.now)
		require.NoError(t, err)
		require.Equal(t, i == 0, fresh)
		p := w.pages[c.id]
		matched := e.Notification != "" || p.known[pid]
		require.Equal(t, matched, n.ID == c.id)
		heard := told{e.State, e.Acknowledged}
		switch {
		case matched && i == 0:
			p.hear(heard)
			w.own(c.id, pid)
		case !matched && i == 0:
			p.early[pid] = append(p.early[pid], heard)
		}
	}
}

func (w *world) resolve(t *rapid.T) {
	c, pid := w.pick(t)
	p := w.pages[c.id]
	r := rapid.SampledFrom([]ledger.Resolution{ledger.Found, ledger.Resend, ledger.GiveUp}).Draw(t, "resolution")
	if r != ledger.Found {
		pid = ""
	}
	before := *p
	state, err := w.st.ResolveUnknown(w.ctx, c.id, r, "", pid, w.now)
	if before.state == ledger.Unknown && !before.acked && r == ledger.Resend && (!before.critical || before.repeat) {
		require.True(t, errors.Is(err, ErrConflict), "%v", err)
		return
	}
	require.NoError(t, err)
	if before.state == ledger.Unknown {
		switch {
		case r == ledger.Found:
			p.state = ledger.Accepted
		case p.acked:
			p.state = ledger.Delivered
		case r == ledger.Resend:
			p.state, p.repeat, p.retryAt = ledger.Queued, true, time.Time{}
		default:
			p.state = ledger.Refused
		}
	}
	if r == ledger.Found {
		w.own(c.id, pid)
	}
	require.Equal(t, p.state, state)
}

func (w *world) acknowledge(t *rapid.T) {
	id := rapid.SampledFrom(w.ids).Draw(t, "id")
	p := w.pages[id]
	_, first, err := w.st.Acknowledge(w.ctx, w.codes[id], "desk", w.now)
	require.NoError(t, err)
	require.Equal(t, !p.acked, first)
	if !p.acked && (p.state == ledger.Intent || p.state == ledger.Unknown || p.state == ledger.Accepted || p.state == ledger.Sent) {
		p.state = ledger.Delivered
	}
	p.acked = true
}
