package ping

import (
	"context"
	"crypto/rand"
	"math"
	"math/bits"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a call.
const (
	MaxHosts    = math.MaxInt32
	MaxAttempts = 16

	// batchSize is how many packets one system call takes: more saves little,
	// and makes the time of sending, which is taken before the call, less exact.
	batchSize = 32

	// progressEvery is how often Options.Progress is called, about.
	progressEvery = 100 * time.Millisecond
)

// Options of a call of Ping.
type Options struct {
	Attempts int           // requests to a host that keeps silent, 1…MaxAttempts
	Gap      time.Duration // from one attempt at a host to the next
	Linger   time.Duration // from the last attempt to the verdict
	// Spacing gives a host a gap and a linger of its own; nil: all alike.
	Spacing func(host int) (gap, linger time.Duration)
	// Pace waits until n more packets may leave, n ≤ Batch; nil never waits. An
	// error ends the call as a cancelled context does.
	Pace func(ctx context.Context, n int) error
	// Admit is asked before the first attempt at a host: 0 lets it go, with all
	// its attempts; else it is asked again after that time. nil admits all.
	Admit func(netip.Addr) time.Duration
	// Batch is how many packets leave by one system call; 0 is 32.
	Batch int
	// Progress is told now and then how many hosts have answered.
	Progress func(answered int)
}

// State is what came of a host.
type State uint8

// The states of a host.
const (
	Untold   State = iota // trouble of our own: nothing can be said
	Answered              // at least one reply came
	Silent                // none of the attempts was answered
)

// Reply is what came of one host.
type Reply struct {
	State    State
	Sent     uint8         // requests that left
	Received uint8         // requests that were answered; more may have been, after the first
	RTT      time.Duration // of the fastest reply, to about half a millisecond under load
	Detail   string        // what the network, or our own machine, said; often empty
}

// Ping asks all hosts, and answers for each of them in the same order. It
// returns when every host has answered or had its attempts, and at once when
// the context ends.
func (s *Socket) Ping(ctx context.Context, hosts []netip.Addr, o Options) []Reply {
	r := newRun(s, hosts, o)
	if len(hosts) == 0 {
		return nil
	}
	if _, err := rand.Read(r.token[:]); err != nil {
		r.broken = "the prober has no random numbers"
		return r.replies(ctx)
	}
	var receiving sync.WaitGroup
	receiving.Go(r.receive)
	r.send(ctx)
	_ = s.batch.SetReadDeadline(time.Now()) // wakes the receiver
	receiving.Wait()
	_ = s.batch.SetReadDeadline(time.Time{})
	r.drain() // what a busy machine has not come to read yet
	return r.replies(ctx)
}

// run is the state of one call.
type run struct {
	socket *Socket
	o      Options
	hosts  []netip.Addr
	token  token
	began  time.Time

	// heard holds, for each host, the attempts that were answered, a bit each,
	// above the fastest round trip in microseconds. Only the receiver writes.
	heard []atomic.Uint64
	left  atomic.Int64  // hosts that haven't answered
	all   chan struct{} // closed when left is 0

	// The sender's.
	tried    []uint8
	sent     []uint8
	queue    queue
	next     int // first host that has never been due
	out      *outbox
	reported time.Duration
	broken   string

	mu      sync.Mutex
	notices map[int32]string // what was said of hosts, by ICMP errors and by our own kernel
}

const rttBits = 40 // twelve days in microseconds

func newRun(s *Socket, hosts []netip.Addr, o Options) *run {
	o.Attempts = min(max(o.Attempts, 1), MaxAttempts)
	if o.Batch <= 0 {
		o.Batch = batchSize
	}
	r := &run{
		socket: s, o: o, hosts: hosts, began: time.Now(),
		heard: make([]atomic.Uint64, len(hosts)), all: make(chan struct{}),
		tried: make([]uint8, len(hosts)), sent: make([]uint8, len(hosts)),
		queue:   make(queue, 0, len(hosts)),
		notices: map[int32]string{},
	}
	r.left.Store(int64(len(hosts)))
	return r
}

func (r *run) since() time.Duration { return time.Since(r.began) }

func (r *run) answered(host int32) bool { return r.heard[host].Load() != 0 }

// take notes a reply. Nobody else writes at the same time.
func (r *run) take(e echo, now time.Duration) {
	was := r.heard[e.host].Load()
	rtt := uint64(max(now-e.sent, time.Microsecond).Microseconds()) //nolint:gosec // positive
	if was != 0 {
		rtt = min(rtt, was&(1<<rttBits-1))
	}
	r.heard[e.host].Store((was>>rttBits|1<<e.attempt)<<rttBits | rtt)
	if was == 0 && r.left.Add(-1) == 0 {
		close(r.all)
	}
}

// send runs until every host has answered or had its verdict.
func (r *run) send(ctx context.Context) {
	r.out = newOutbox(r)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil && r.left.Load() > 0 {
		now := r.since()
		r.progress(now)
		for r.due(now) && !r.out.full() {
			r.turn(r.pick(now), now)
		}
		switch {
		case !r.out.empty():
			if !r.flush(ctx) {
				return
			}
		case len(r.queue) == 0 && r.next == len(r.hosts):
			return
		case len(r.queue) > 0:
			timer.Reset(r.queue[0].due - r.since())
			select {
			case <-timer.C:
			case <-r.all:
			case <-ctx.Done():
			}
		}
	}
}

// due says that some host has its turn: one that was asked before, or a new one.
func (r *run) due(now time.Duration) bool {
	return r.next < len(r.hosts) || len(r.queue) > 0 && r.queue[0].due <= now
}

// pick takes the next host: those that were asked before come first, so that
// their attempts keep their distance whatever the length of the list.
func (r *run) pick(now time.Duration) int32 {
	if len(r.queue) > 0 && r.queue[0].due <= now {
		return r.queue.pop().host
	}
	r.next++
	return int32(r.next - 1) //nolint:gosec // at most MaxHosts
}

// turn makes the host's next attempt, unless it has answered or had them all.
func (r *run) turn(host int32, now time.Duration) {
	if r.answered(host) || int(r.tried[host]) == r.o.Attempts {
		return
	}
	if r.tried[host] == 0 && r.o.Admit != nil {
		if wait := r.o.Admit(r.hosts[host]); wait > 0 {
			r.queue.push(event{now + wait, host})
			return
		}
	}
	r.out.add(host, uint16(r.tried[host]))
	r.tried[host]++
}

// flush sends what is in the outbox and sets the time for what follows; false
// when the call is over.
func (r *run) flush(ctx context.Context) bool {
	if r.o.Pace != nil && r.o.Pace(ctx, len(r.out.hosts)) != nil {
		return false
	}
	r.out.send(ctx)
	now := r.since()
	for _, host := range r.out.hosts {
		gap, linger := r.o.Gap, r.o.Linger
		if r.o.Spacing != nil {
			gap, linger = r.o.Spacing(int(host))
		}
		if int(r.tried[host]) == r.o.Attempts {
			gap = linger
		}
		r.queue.push(event{now + gap, host})
	}
	r.out.clear()
	return true
}

func (r *run) progress(now time.Duration) {
	if r.o.Progress != nil && now-r.reported >= progressEvery {
		r.reported = now
		r.o.Progress(len(r.hosts) - int(r.left.Load()))
	}
}

// replies sums up; nothing else runs any more.
func (r *run) replies(ctx context.Context) []Reply {
	out := make([]Reply, len(r.hosts))
	ended := r.broken
	if ended == "" && ctx.Err() != nil {
		ended = "cancelled"
	}
	for i := range out {
		heard := r.heard[i].Load()
		reply := &out[i]
		reply.Sent = r.sent[i]
		reply.Detail = r.notices[int32(i)] //nolint:gosec // at most MaxHosts
		switch {
		case heard != 0:
			reply.State = Answered
			reply.Received = uint8(bits.OnesCount64(heard >> rttBits)) //nolint:gosec // at most MaxAttempts
			reply.RTT = time.Duration(heard&(1<<rttBits-1)) * time.Microsecond
		case int(r.sent[i]) == r.o.Attempts && ended == "":
			reply.State = Silent
		case ended != "":
			reply.Detail = ended
		case reply.Detail == "":
			reply.Detail = "the prober's pacing was interrupted"
		}
	}
	return out
}
