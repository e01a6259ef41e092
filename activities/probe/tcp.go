package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"vakhta/internal/topology"
)

// answer is what one probe found.
type answer struct {
	result topology.Result
	detail string
	rtt    time.Duration
	probe  topology.Probe // of a task that answers several probes; empty: the task's own
	peer   string         // the component at the other end, for probes from beside
}

// notAsked is for a device that could not be asked, because of trouble of our own: an
// answer without result, of which no observation is made.
func notAsked(detail string) answer { return answer{detail: detail} }

var cancelled = answer{result: topology.Unknown, detail: "cancelled"}

// budget is the time of one probe, and the attempts that share it.
type budget struct {
	timeout  time.Duration
	attempts int
	spacing  time.Duration // from one attempt to the next; 0 spreads them evenly
}

func (b budget) gap() time.Duration {
	if b.spacing > 0 {
		return b.spacing
	}
	return b.timeout / time.Duration(b.attempts)
}

// slack is how late its end may be noticed for the silence to count: by half of it, or by an eighth where it is
// tight. There an answer may well lie about that nobody has come to read, and to ask again, patiently, costs little.
func (b budget) slack() time.Duration {
	if b.spacing > 0 {
		return b.timeout / 8
	}
	return b.timeout / 2
}

// linger is what is left for the last attempt.
func (b budget) linger() time.Duration { return b.timeout - time.Duration(b.attempts-1)*b.gap() }

// probeTCP says up as soon as one of the ports accepts. It is down when every
// port refused or kept silent, unknown when we could not tell for one of them.
// Where this process was too busy for a tight budget, it asks again with the
// patient one.
func (a *Activities) probeTCP(ctx context.Context, address netip.Addr, ports []int, tight, patient budget) answer {
	got := a.probePorts(ctx, address, ports, tight)
	if got.detail == detailBusy && tight.timeout < patient.timeout {
		got = a.probePorts(ctx, address, ports, patient)
	}
	return got
}

func (a *Activities) probePorts(ctx context.Context, address netip.Addr, ports []int, b budget) answer {
	if len(ports) == 1 {
		return a.probePort(ctx, address, ports[0], b)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(ports))
	for _, port := range ports {
		go func() { answers <- a.probePort(ctx, address, port, b) }()
	}
	var verdict answer
	for range ports {
		got := <-answers
		switch {
		case verdict.result == topology.Up:
			// drained, so that nothing outlives the probe
		case got.result == topology.Up:
			cancel()
			verdict = got
		case verdict.result == "" || got.result == topology.Unknown:
			verdict = got
		}
	}
	return verdict
}

func (a *Activities) probePort(ctx context.Context, address netip.Addr, port int, b budget) answer {
	conn, got := a.dial(ctx, address, port, b)
	if conn != nil {
		_ = conn.Close()
	}
	return atPort(port, got)
}

// atPort says which port is meant, where it was the port that answered.
func atPort(port int, got answer) answer {
	if got.result != topology.Unknown {
		got.detail = fmt.Sprintf("port %d: %s", port, got.detail)
	}
	return got
}

// dialled is what came of one attempt to connect.
type dialled struct {
	conn net.Conn
	answer
}

func (d dialled) drop() {
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// dial connects; the connection is nil unless the answer is up. The kernel
// repeats a lost SYN after a whole second, so that within the budget we dial
// again ourselves: the attempts are a gap apart, and the earlier ones stay on,
// so that a slow path is not a dead one. Only the first attempt waits for its
// turn: the others keep its distance, and what comes after them waits for theirs.
func (a *Activities) dial(ctx context.Context, address netip.Addr, port int, b budget) (net.Conn, answer) {
	if a.pace.AdmitWait(ctx, address, b.attempts) != nil || a.pace.Wait(ctx) != nil {
		return nil, cancelled
	}
	target := net.JoinHostPort(address.String(), strconv.Itoa(port))
	started := time.Now()
	dialCtx, cancel := context.WithDeadline(ctx, started.Add(b.timeout))
	defer cancel()
	done := make(chan dialled, b.attempts)
	attempt := func() { done <- connect(dialCtx, target) }

	running := 1
	go attempt()
	again := time.NewTicker(b.gap())
	defer again.Stop()
	var found dialled
	for launched := 1; ; {
		select {
		case got := <-done:
			running--
			if found.result == "" || got.result == topology.Up {
				found = got
			}
			if running > 0 && got.result != topology.Up && dialCtx.Err() == nil && !settled(got.answer) {
				continue
			}
			cancel()
			for ; running > 0; running-- {
				(<-done).drop()
			}
			return found.conn, late(found.answer, started, b)
		case <-again.C:
			if launched < b.attempts && dialCtx.Err() == nil {
				launched++
				a.pace.Owe(1)
				running++
				go attempt()
			}
		}
	}
}

// settled says that another attempt would not tell more: the host answered, or
// the trouble is ours.
func settled(got answer) bool { return got.detail != detailTimeout }

// late turns a timeout into "cannot tell" when this process itself noticed it
// late: a starved worker must not call machines dead.
func late(got answer, started time.Time, b budget) answer {
	if got.detail == detailTimeout && time.Since(started) > b.timeout+b.slack() {
		return answer{result: topology.Unknown, detail: detailBusy}
	}
	return got
}

const (
	detailTimeout = "timeout"
	detailBusy    = "the prober was too busy to tell"
)

func connect(ctx context.Context, target string) dialled {
	started := time.Now()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return dialled{answer: explain(err)}
	}
	rtt := time.Since(started)
	if measured := handshake(c); measured > 0 {
		rtt = min(rtt, measured)
	}
	return dialled{c, answer{result: topology.Up, detail: "accepted", rtt: rtt}}
}

// explain tells what the network said of the target from trouble of our own.
func explain(err error) answer {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return answer{result: topology.Down, detail: "connection refused"}
	case errors.Is(err, syscall.ECONNRESET):
		return answer{result: topology.Down, detail: "connection reset"}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN):
		return answer{result: topology.Down, detail: "host unreachable"}
	case errors.Is(err, context.Canceled):
		return cancelled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return answer{result: topology.Down, detail: detailTimeout}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return answer{result: topology.Unknown, detail: "the prober is out of file descriptors"}
	case errors.Is(err, syscall.ENETUNREACH):
		return answer{result: topology.Unknown, detail: "the prober has no route"}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return answer{result: topology.Unknown, detail: "the prober could not dial: " + errno.Error()}
	}
	return answer{result: topology.Unknown, detail: "the prober could not dial"}
}
