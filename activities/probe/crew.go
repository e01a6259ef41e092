package probe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"vakhta/activities/probe/pace"
)

// Crew knows which workers probe from a vantage just now. Its beats grow while
// a worker lives.
type Crew interface {
	// Attend notes the worker's beat, then returns those of all who probe there.
	Attend(ctx context.Context, vantage, worker string, beat int64) (map[string]int64, error)
	Probers(ctx context.Context, vantage string) (map[string]int64, error)
	Leave(ctx context.Context, vantage string, workers ...string) error
}

const (
	// lookEvery is how late at most a worker learns that another one has begun.
	lookEvery = 250 * time.Millisecond
	// beatEvery is how often it says that it lives, and beatsMissed of others how
	// many make one dead. No clock but its own is believed.
	beatEvery   = time.Second
	beatsMissed = 4
	// lingers is how long it counts after its last probe: no second sees both that
	// and what the others may send without it. The next round mostly begins sooner.
	lingers = 2 * time.Second
	// crewWithin bounds one question to the store.
	crewWithin = 2 * time.Second
)

// share keeps this worker's part of the limits of its vantage, which all workers
// that probe from there have together. Who has nothing to do takes no part.
type share struct {
	crew    Crew
	vantage string
	worker  string
	pace    *pace.Pacer

	mu      sync.Mutex
	busy    int           // activities under way
	last    time.Time     // when there was none any more
	joined  chan struct{} // closed when the share is known; nil: nobody attends
	trouble error         // why it isn't known better
	quit    chan struct{} // closed by close
	closed  bool
	running sync.WaitGroup

	// The attendant's.
	beat   int64
	beaten time.Time // when the last beat was noted
	seen   map[string]seen
	n      int
}

// seen is another worker's last beat, and since when it stands.
type seen struct {
	beat  int64
	since time.Time
}

func newShare(crew Crew, vantage string, p *pace.Pacer) *share {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return &share{crew: crew, vantage: vantage, worker: hex.EncodeToString(id[:]), pace: p, quit: make(chan struct{})}
}

// join says that an activity begins to probe and waits until its worker's share
// is known; call leave when it is over. Where the store doesn't tell, the worker
// goes on with the share that it had.
func (s *share) join(ctx context.Context) (leave func()) {
	if s.crew == nil {
		return func() {}
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return func() {}
	}
	s.busy++
	if s.joined == nil {
		s.joined = make(chan struct{})
		s.running.Go(s.attend)
	}
	joined := s.joined
	s.mu.Unlock()
	select {
	case <-joined:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble != nil && activity.IsActivity(ctx) {
		activity.GetLogger(ctx).Warn("The store does not tell who else probes from this vantage: its limits may be exceeded", "vantage", s.vantage, "error", s.trouble)
	}
	return s.leave
}

func (s *share) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.busy == 0 {
		s.last = time.Now()
	}
}

// close leaves the crew.
func (s *share) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
	}
	s.mu.Unlock()
	s.running.Wait()
}

// attend counts this worker among those who probe, as long as it does.
func (s *share) attend() {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		s.seen, s.n = map[string]seen{}, 0
		s.look(true)
		s.mu.Lock()
		close(s.joined)
		s.mu.Unlock()
		for !s.over() {
			select {
			case <-look.C:
				s.look(time.Since(s.beaten) >= beatEvery)
			case <-s.quit:
			}
		}
		s.ask(func(ctx context.Context) error { return s.crew.Leave(ctx, s.vantage, s.worker) })
		s.mu.Lock()
		if s.busy == 0 || s.closed {
			close(s.joined)
			s.joined = nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// over says that nothing has been probed for a while, or that the worker ends.
// Whoever begins from then on waits until it attends again.
func (s *share) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := s.closed || s.busy == 0 && time.Since(s.last) >= lingers
	if over {
		s.joined = make(chan struct{})
	}
	return over
}

// look counts who probes, and says that this worker does, too, if beat is set.
func (s *share) look(beat bool) {
	var beats map[string]int64
	s.ask(func(ctx context.Context) (err error) {
		if !beat {
			beats, err = s.crew.Probers(ctx, s.vantage)
			return err
		}
		s.beat++
		beats, err = s.crew.Attend(ctx, s.vantage, s.worker, s.beat)
		if err != nil {
			return err
		}
		if time.Since(s.beaten) > 2*beatEvery { // the store took nobody's beats: that of no other is late
			s.seen = nil
		}
		s.beaten = time.Now()
		return nil
	})
	if beats == nil {
		return
	}
	if _, counted := beats[s.worker]; !counted { // others took us for dead
		s.beaten = time.Time{}
	}
	n := 1 + s.others(beats)
	if n != s.n {
		s.pace.Share(n, s.n == 0)
		s.n = n
	}
}

// others counts the other workers that live. One whose beat no longer grows died
// without leaving.
func (s *share) others(beats map[string]int64) (alive int) {
	now := time.Now()
	var dead []string
	known := make(map[string]seen, len(beats))
	for worker, beat := range beats {
		if worker == s.worker {
			continue
		}
		was, before := s.seen[worker]
		if !before || was.beat != beat {
			was = seen{beat, now}
		}
		if now.Sub(was.since) > beatsMissed*beatEvery {
			dead = append(dead, worker)
			continue
		}
		known[worker] = was
	}
	s.seen = known
	if len(dead) > 0 {
		s.ask(func(ctx context.Context) error { return s.crew.Leave(ctx, s.vantage, dead...) })
	}
	return len(known)
}

// ask asks the store one question.
func (s *share) ask(question func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), crewWithin)
	defer cancel()
	err := question(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
}
