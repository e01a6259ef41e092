package ping

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	// queueWait is how long a full queue of the machine gets to empty, and
	// queuePatience how often.
	queueWait     = time.Millisecond
	queuePatience = 50

	// pendingTries is how often a packet is sent again after an error that may
	// have been another host's: the kernel hands an ICMP error to whoever uses
	// the socket next.
	pendingTries = 8
)

// outbox is a batch of requests. Its buffers and addresses are made once.
type outbox struct {
	run      *run
	hosts    []int32
	attempts []uint16
	packets  [][]byte
	messages []ipv4.Message
	address  []func(netip.Addr)
}

func newOutbox(r *run) *outbox {
	n := min(r.o.Batch, len(r.hosts))
	o := &outbox{
		run: r, hosts: make([]int32, 0, n), attempts: make([]uint16, 0, n),
		packets: make([][]byte, n), messages: make([]ipv4.Message, n), address: make([]func(netip.Addr), n),
	}
	for i := range n {
		o.packets[i] = make([]byte, packetLength)
		o.messages[i].Buffers = [][]byte{o.packets[i]}
		o.messages[i].Addr, o.address[i] = r.socket.destination()
	}
	return o
}

func (o *outbox) full() bool  { return len(o.hosts) == len(o.messages) }
func (o *outbox) empty() bool { return len(o.hosts) == 0 }
func (o *outbox) clear()      { o.hosts, o.attempts = o.hosts[:0], o.attempts[:0] }

func (o *outbox) add(host int32, attempt uint16) {
	o.hosts = append(o.hosts, host)
	o.attempts = append(o.attempts, attempt)
}

// send sends the batch. What can't be sent is noted as our own trouble.
func (o *outbox) send(ctx context.Context) {
	r := o.run
	now := r.since()
	for i, host := range o.hosts {
		r.socket.family.put(o.packets[i], r.socket.id, r.token, echo{uint32(host), o.attempts[i], now}) //nolint:gosec // an index
		o.address[i](r.hosts[host])
	}
	for from, tries := 0, 0; from < len(o.hosts); {
		n, err := r.socket.batch.WriteBatch(o.messages[from:len(o.hosts)], 0)
		if n > 0 {
			for _, host := range o.hosts[from : from+n] {
				r.sent[host]++
			}
			from, tries = from+n, 0
			continue
		}
		tries++
		if o.again(ctx, err, tries) {
			continue
		}
		r.note(o.hosts[from], "the prober could not send: "+reason(err))
		from, tries = from+1, 0
	}
}

// again says that the first packet is worth another try.
func (o *outbox) again(ctx context.Context, err error, tries int) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		if tries > queuePatience {
			return false
		}
		wait := time.NewTimer(queueWait)
		defer wait.Stop()
		select {
		case <-wait.C:
			return true
		case <-ctx.Done():
			return false
		}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
		return false
	default:
		o.run.readErrors()
		return tries < pendingTries
	}
}

// reason names an error of our own machine, without addresses.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EINVAL):
		return "no route" // EINVAL is a blackhole route
	case errors.Is(err, syscall.EACCES):
		return "its routes forbid it, or it is a broadcast address"
	case errors.Is(err, syscall.EPERM):
		return "a firewall on its machine forbids it"
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		return "its queue is full"
	case errors.As(err, &errno):
		return errno.Error()
	default:
		return "unknown trouble"
	}
}
