package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
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

// budget is the time of one probe, and the attempts that share it.
type budget struct {
	timeout  time.Duration
	attempts int
}

// probeTCP says up as soon as one of the ports accepts. It is down when every
// port refused or kept silent, unknown when we could not tell for one of them.
func (a *Activities) probeTCP(ctx context.Context, address string, ports []int, b budget) answer {
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

// probePort connects. The kernel repeats a lost SYN after a whole second, so
// that within the budget we dial again ourselves: attempt n starts n/attempts
// into it, and the earlier ones stay on, so that a slow path is not a dead one.
// Only the first attempt waits for its turn: the others keep its distance.
func (a *Activities) probePort(ctx context.Context, address string, port int, b budget) answer {
	if err := a.pace.Wait(ctx); err != nil {
		return answer{result: topology.Unknown, detail: "cancelled"}
	}
	target := net.JoinHostPort(address, strconv.Itoa(port))
	started := time.Now()
	dialCtx, cancel := context.WithDeadline(ctx, started.Add(b.timeout))
	defer cancel()
	dial := func(done chan<- answer) { done <- connect(dialCtx, target) }

	done := make(chan answer, b.attempts)
	running := 1
	go dial(done)
	again := time.NewTicker(b.timeout / time.Duration(b.attempts))
	defer again.Stop()
	var found answer
	for launched := 1; ; {
		select {
		case got := <-done:
			running--
			if found.result == "" || got.result == topology.Up {
				found = got
			}
			if running > 0 && got.result != topology.Up && dialCtx.Err() == nil && !settled(got) {
				continue
			}
			cancel()
			for ; running > 0; running-- {
				<-done
			}
			return late(found, started, b, port)
		case <-again.C:
			if launched < b.attempts && dialCtx.Err() == nil {
				launched++
				running++
				go dial(done)
			}
		}
	}
}

// settled says that another attempt would not tell more: the host answered, or
// the trouble is ours.
func settled(got answer) bool { return got.detail != detailTimeout }

// late turns a timeout into "cannot tell" when this process itself noticed it
// late by half the budget: a starved worker must not call machines dead.
func late(got answer, started time.Time, b budget, port int) answer {
	if got.detail == detailTimeout && time.Since(started) > b.timeout*3/2 {
		return answer{result: topology.Unknown, detail: "the prober was too busy to tell"}
	}
	if got.result != topology.Unknown {
		got.detail = fmt.Sprintf("port %d: %s", port, got.detail)
	}
	return got
}

const detailTimeout = "timeout"

func connect(ctx context.Context, target string) answer {
	started := time.Now()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return explain(err)
	}
	rtt := time.Since(started)
	_ = c.Close()
	return answer{result: topology.Up, detail: "accepted", rtt: rtt}
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
		return answer{result: topology.Unknown, detail: "cancelled"}
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
