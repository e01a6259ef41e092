package ping

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	inboxSize   = 64
	inboxLength = 60 + packetLength // an IPv4 header is up to 60 bytes, where it is delivered

	// errorPause keeps the receiver from spinning on an error that stays.
	errorPause = time.Millisecond
)

func newInbox(n, length int) []ipv4.Message {
	ms := make([]ipv4.Message, n)
	for i := range ms {
		ms[i].Buffers = [][]byte{make([]byte, length)}
	}
	return ms
}

// receive reads replies until the read deadline is set to the past.
func (r *run) receive() {
	inbox := newInbox(inboxSize, inboxLength)
	for {
		n, err := r.socket.batch.ReadBatch(inbox, 0)
		if n > 0 {
			r.hear(inbox[:n])
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return
		case r.readErrors() == 0:
			time.Sleep(errorPause)
		}
	}
}

// drain reads what has arrived, without waiting.
func (r *run) drain() {
	inbox := newInbox(inboxSize, inboxLength)
	for tries := 0; tries < pendingTries; {
		n, err := r.socket.batch.ReadBatch(inbox, syscall.MSG_DONTWAIT)
		if n > 0 {
			r.hear(inbox[:n])
			continue
		}
		if err == nil || errors.Is(err, syscall.EAGAIN) {
			break
		}
		tries++
		r.readErrors()
	}
	r.readErrors()
}

// hear takes the replies among the packets.
func (r *run) hear(packets []ipv4.Message) {
	now := r.since()
	s := r.socket
	for i := range packets {
		p := &packets[i]
		b := p.Buffers[0][:p.N]
		if s.raw && s.family == IPv4 {
			b = stripIPv4(b)
		}
		e, ok := s.family.match(b, s.id, s.raw, r.token)
		if !ok || uint64(e.host) >= uint64(len(r.hosts)) || int(e.attempt) >= r.o.Attempts || e.sent < 0 || e.sent > now {
			continue
		}
		if addressOf(p.Addr) == r.hosts[e.host].Unmap().WithZone("") {
			r.take(e, now)
		}
	}
}
