package workflows

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.temporal.io/sdk/worker"
	"pgregory.net/rapid"

	"vakhta/activities/notify"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/skipping"
	"vakhta/runbooks"
)

// row is a page as the ledger holds it: written once under its key, sent once,
// however often it is asked for; taken back as long as it has not been sent.
type row struct {
	records.PageParams
	contact string
	at      time.Time // written, for the last time
	order   int
	asked   bool // to be sent: what a worker wrote who died is nobody's until it is written again
	sent    time.Time
	dropped bool
}

// mortal is a script that is played by workers that die, with its ledger.
type mortal struct {
	script
	*skipping.Server
	rows   map[string]*row
	writes int
	acks   []records.PageState
	lines  map[string]string // of the timeline, by key
	wrong  []string
}

func (m *mortal) composePage(_ context.Context, p records.PageParams) (records.Composed, error) {
	out := records.Composed{Contacts: len(p.Contacts)}
	m.writes++
	for _, c := range p.Contacts {
		id := fmt.Sprintf("%s %d.%d.%d %s %s", p.Event, p.Round, p.Level, p.Rung, p.Channel, c)
		r := m.rows[id]
		if r == nil {
			r = &row{PageParams: p, contact: c}
			m.rows[id] = r
		}
		r.at, r.order = m.Now(), m.writes
		out.Batches = append(out.Batches, []string{id})
	}
	return out, nil
}

func (m *mortal) deliver(_ context.Context, p notify.SendBatchParams) (notify.DeliverResult, error) {
	var out notify.DeliverResult
	for _, id := range p.IDs {
		r := m.rows[id]
		if r.dropped {
			out.Dropped++
			continue
		}
		if r.sent.IsZero() {
			r.sent = m.Now()
		}
		if slices.ContainsFunc(m.refused, func(s string) bool { return len(id) >= len(s) && id[len(id)-len(s):] == s }) {
			out.Refused++
		} else {
			out.Accepted++
		}
	}
	return out, nil
}

func (m *mortal) drop(context.Context, records.DropParams) (n int, err error) {
	for _, r := range m.rows {
		if r.Event == "page" && r.sent.IsZero() && !r.dropped {
			r.dropped = true
			n++
		}
	}
	return n, nil
}

func (m *mortal) acknowledged(_ context.Context, p records.PageStateParams) (records.PageState, error) {
	for _, a := range m.acks {
		if a.At.After(p.Since) {
			return a, nil
		}
	}
	return records.PageState{}, nil
}

func (m *mortal) appendLines(_ context.Context, all []incident.Entry) error {
	for _, e := range all {
		if was, ok := m.lines[e.Key]; ok && was != e.Text && e.Kind != "page" { // a page's line may gain who was paged later
			m.wrong = append(m.wrong, fmt.Sprintf("line %s says %q, and then %q", e.Key, was, e.Text))
		}
		m.lines[e.Key] = e.Text
	}
	return nil
}

// live plays the script: who acknowledges does so at the gateway, which writes it
// into the ledger, takes back what has not left, and tells the workflow if it can.
func (m *mortal) live(rng *rand.Rand) (skipping.Played, error) {
	l := skipping.Life{
		Workflow: TypeEscalate, ID: EscalateID("i1", "emergency"), Rand: rng, Deaths: .2, Renewals: .3,
		Input: EscalateInput{Incident: "i1", Team: "emergency", Ladder: ladder, Quiet: runbooks.Duration(m.quiet)},
	}
	l.Scheduled = func(_ string, input func(any) error) {
		var p notify.SendBatchParams
		if err := input(&p); err != nil {
			m.wrong = append(m.wrong, err.Error())
		}
		for _, id := range p.IDs {
			m.rows[id].asked = true
		}
	}
	for _, a := range m.acts {
		l.Signals = append(l.Signals, skipping.Signal{At: a.at, Name: a.signal, Arg: PageAnswer{Contact: a.who, Via: "call"}})
	}
	if m.taken > 0 {
		ack := skipping.Signal{At: m.taken, Name: SignalAcknowledged, Arg: PageAnswer{Contact: m.by, Via: "call"}, Before: m.answered}
		if m.ledger {
			ack.Name = "" // the gateway could not tell it
		}
		l.Signals = append(l.Signals, ack)
	}
	l.Signals = append(l.Signals, skipping.Signal{At: m.stop, Name: SignalStop, Arg: StopSignal{Why: "resolved"}})
	return m.Play(l)
}

// answered: he answers a page of his. Who was not paged can't, and takes it by
// another way, which is a signal alone.
func (m *mortal) answered() {
	if !slices.ContainsFunc(m.pages(), func(r *row) bool { return r.contact == m.by && !r.sent.IsZero() }) {
		if m.ledger {
			m.taken = 0
		}
		return
	}
	m.acks = append(m.acks, records.PageState{AcknowledgedBy: m.by, Via: "call", At: m.Now()})
	_, _ = m.drop(context.Background(), records.DropParams{})
}

// pages are those that were to be sent, in the order in which they were written.
func (m *mortal) pages() (out []*row) {
	for _, r := range m.rows {
		if r.Event == "page" && r.asked {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *row) int { return a.order - b.order })
	return out
}

// check holds the invariants, from outside.
func (m *mortal) check(p skipping.Played) error {
	if len(m.wrong) > 0 {
		return fmt.Errorf("%v", m.wrong)
	}
	rested := p.Start.Add(m.stop)
	if m.taken > 0 && m.taken < m.stop {
		rested = p.Start.Add(m.taken)
	}
	woken := p.Start.Add(m.stop)
	if m.quiet > 0 && rested.Add(m.quiet).Before(woken) {
		woken = rested.Add(m.quiet)
	}
	last := p.Start
	for _, r := range m.pages() {
		if r.sent.IsZero() && !r.dropped {
			return fmt.Errorf("the page of %s of round %d, level %d, rung %d is lost", r.contact, r.Round, r.Level, r.Rung)
		}
		late := r.sent.Sub(rested)
		if len(m.acks) == 0 { // a signal is heard by who lives
			late -= p.Within(rested, r.sent)
		}
		if late > 0 && r.sent.Before(woken) {
			return fmt.Errorf("%s is paged at %s, though %s acknowledged at %s", r.contact, r.sent.Sub(p.Start), m.by, m.taken)
		}
		if r.at.After(rested) {
			continue
		}
		longest := m.longest
		if last.Equal(p.Start) {
			longest = 0 // the first page leaves at once
		}
		if gap := r.at.Sub(last) - p.Within(last, r.at); gap > longest {
			return fmt.Errorf("nobody is being reached for %s before %s", gap, r.at.Sub(p.Start))
		}
		last = r.at
	}
	if gap := rested.Sub(last) - p.Within(last, rested); gap > m.longest {
		return fmt.Errorf("nobody is being reached for %s before %s", gap, rested.Sub(p.Start))
	}
	return m.climbsOnce()
}

// climbsOnce: rounds and levels follow each other, and within a level everybody's
// ladder is climbed rung by rung, a rung once more only after a hang-up.
func (m *mortal) climbsOnce() error {
	type step struct{ round, level int }
	type at struct{ base, rung, redial int }
	type person struct {
		step
		contact string
	}
	var last step
	seen := map[person]at{}
	for _, r := range m.pages() {
		now := step{r.Round, r.Level}
		if now.round < last.round || now.round == last.round && now.level < last.level {
			return fmt.Errorf("round %d, level %d comes after round %d, level %d", now.round, now.level, last.round, last.level)
		}
		last = now
		to := at{r.Rung / 100, r.Rung % 50, r.Rung % 100 / 50}
		was, again := seen[person{now, r.contact}]
		switch {
		case !again && to.rung == 0 && to.redial == 0:
		case again && to.base == was.base && (to.rung == was.rung+1 && to.redial == was.redial || to.rung == was.rung && to.redial == was.redial+1):
		default:
			return fmt.Errorf("%s is at rung %+v of round %d, level %d after %+v", r.contact, to, now.round, now.level, was)
		}
		seen[person{now, r.contact}] = to
	}
	return nil
}

// lives are how many random lives are played, in CI and else.
const (
	shortLives = 10
	longLives  = 60
)

// Whatever a team does, and wherever the workers die: in a workflow task, of which
// only some effects are left, before an activity's effect, after it. The clock
// skips, each task replays everything from the start, and now and then the run
// is continued as a new one. VAKHTA_SEED plays one life again.
func TestWhereverWorkersDieEachClimbHappensOnce(t *testing.T) {
	var m *mortal
	s := skipping.Start(t, QueueRunbooks, func(r worker.Registry) { r.RegisterWorkflow(Escalate) })
	s.Activity("Team", func(context.Context, string) (inventory.Team, error) { return m.team, nil })
	s.Activity("Roster", func(_ context.Context, p records.RosterParams) (records.Roster, error) {
		return rosterOf(&m.team, p), nil
	})
	s.Activity("ComposePage", func(ctx context.Context, p records.PageParams) (records.Composed, error) {
		return m.composePage(ctx, p)
	})
	s.Activity("PageAcknowledged", func(ctx context.Context, p records.PageStateParams) (records.PageState, error) {
		return m.acknowledged(ctx, p)
	})
	s.Activity("Drop", func(ctx context.Context, p records.DropParams) (int, error) { return m.drop(ctx, p) })
	s.Activity("Append", func(ctx context.Context, e []incident.Entry) error { return m.appendLines(ctx, e) })
	s.Activity("Deliver", func(ctx context.Context, p notify.SendBatchParams) (notify.DeliverResult, error) {
		return m.deliver(ctx, p)
	})
	lives := longLives
	if testing.Short() {
		lives = shortLives
	}
	from := rand.IntN(1_000_000)
	to := from + lives
	if text := os.Getenv("VAKHTA_SEED"); text != "" {
		seed, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("VAKHTA_SEED: %v", err)
		}
		from, to = seed, seed+1
	}
	deaths, runs := 0, 0
	for seed := from; seed < to; seed++ {
		m = &mortal{script: rapid.Custom(drawScript).Example(seed), Server: s, rows: map[string]*row{}, lines: map[string]string{}}
		played, err := m.live(rand.New(rand.NewPCG(uint64(seed), 0)))
		if err == nil {
			err = m.check(played)
		}
		if err != nil {
			var all []string
			for _, r := range m.pages() {
				all = append(all, fmt.Sprintf("%s %d.%d.%d %s %s, sent %s", r.at.Sub(played.Start), r.Round, r.Level, r.Rung, r.Channel, r.contact, r.sent.Sub(played.Start)))
			}
			t.Fatalf("VAKHTA_SEED=%d: %v; %d deaths; pages: %q", seed, err, played.Killed, all)
		}
		deaths, runs = deaths+played.Killed, runs+played.Runs-1
	}
	if to-from > 1 && deaths < lives/3 {
		t.Errorf("only %d deaths in %d lives: they test nothing", deaths, lives)
	}
	t.Logf("seeds %d to %d: %d deaths, %d renewals", from, to-1, deaths, runs)
}
