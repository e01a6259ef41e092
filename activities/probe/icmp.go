package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"vakhta/internal/topology"
)

// receiveBuffer is what one socket needs for the answers of thousands of hosts
// at once; the kernel's default loses them.
const receiveBuffer = 4 << 20

// family is what differs between ping and ping6.
type family struct {
	unprivileged, raw, listen string
	protocol                  int
	request, reply            icmp.Type
}

var (
	family4 = family{"udp4", "ip4:icmp", "0.0.0.0", 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	family6 = family{"udp6", "ip6:ipv6-icmp", "::", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
)

// pinger is one socket for all hosts of a family. An answer is matched by the
// source's address and the payload: a random token, the host's number and the
// attempt; the id too where it is ours to choose (raw sockets).
type pinger struct {
	family   family
	conn     *icmp.PacketConn
	datagram bool
	id       int
	token    [8]byte
}

func openPinger(f family) (*pinger, error) {
	p := &pinger{family: f, datagram: true}
	var id [2]byte
	if _, err := rand.Read(p.token[:]); err != nil {
		return nil, err
	}
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	p.id = int(binary.BigEndian.Uint16(id[:]))
	conn, err := icmp.ListenPacket(f.unprivileged, f.listen)
	if err != nil {
		raw, rawErr := icmp.ListenPacket(f.raw, f.listen)
		if rawErr != nil {
			return nil, fmt.Errorf("open a ping socket: %w; widen net.ipv4.ping_group_range or grant CAP_NET_RAW", errors.Join(err, rawErr))
		}
		conn, p.datagram = raw, false
	}
	p.conn = conn
	p.growBuffer()
	return p, nil
}

// growBuffer asks for the receive buffer, past the system's limit if allowed;
// a smaller one still works, with more attempts lost.
func (p *pinger) growBuffer() {
	var sc syscall.Conn
	switch f := p.family; {
	case f.protocol == 1 && p.conn.IPv4PacketConn() != nil:
		sc, _ = p.conn.IPv4PacketConn().PacketConn.(syscall.Conn)
	case p.conn.IPv6PacketConn() != nil:
		sc, _ = p.conn.IPv6PacketConn().PacketConn.(syscall.Conn)
	}
	if sc == nil {
		return
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) {
		if syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
		}
	})
}

// ping sends up to b.attempts echo requests to each address, spread over the
// budget, and returns an answer for each, in order.
func (p *pinger) ping(ctx context.Context, addresses []netip.Addr, b budget, wait func(context.Context) error) []answer {
	r := &round{answers: make([]answer, len(addresses)), sent: make([]time.Time, len(addresses)), left: len(addresses), all: make(chan struct{})}
	if len(addresses) == 0 {
		return r.answers
	}
	var receiving sync.WaitGroup
	receiving.Go(func() { p.receive(addresses, r) })
	step := b.timeout / time.Duration(b.attempts)
	for attempt := range b.attempts {
		next := time.Now().Add(step)
		p.send(ctx, addresses, attempt, r, wait)
		if !r.wait(ctx, time.Until(next)) {
			break
		}
	}
	_ = p.conn.SetReadDeadline(time.Now()) // wakes the receiver
	receiving.Wait()
	r.close(ctx)
	return r.answers
}

// round is the state of one call of ping.
type round struct {
	mu      sync.Mutex
	answers []answer
	sent    []time.Time
	left    int
	all     chan struct{} // closed when every host has answered
}

func (r *round) answered(i int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answers[i].result != ""
}

func (r *round) settle(i int, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers[i].result != "" {
		return
	}
	r.answers[i] = a
	if r.left--; r.left == 0 {
		close(r.all)
	}
}

// wait lasts d, or until everything is answered (false).
func (r *round) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.all:
		return false
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// close calls the silent ones down, or unknown if we stopped early.
func (r *round) close(ctx context.Context) {
	for i := range r.answers {
		switch {
		case r.answers[i].result != "":
		case ctx.Err() != nil:
			r.answers[i] = answer{result: topology.Unknown, detail: "cancelled"}
		default:
			r.answers[i] = answer{result: topology.Down, detail: "no echo reply"}
		}
	}
}

const payloadLength = 8 + 4 + 2

func (p *pinger) send(ctx context.Context, addresses []netip.Addr, attempt int, r *round, wait func(context.Context) error) {
	payload := make([]byte, payloadLength)
	copy(payload, p.token[:])
	for i, address := range addresses {
		if r.answered(i) {
			continue
		}
		if wait(ctx) != nil {
			return
		}
		binary.BigEndian.PutUint32(payload[8:], uint32(i))
		binary.BigEndian.PutUint16(payload[12:], uint16(attempt))
		m := icmp.Message{Type: p.family.request, Body: &icmp.Echo{ID: p.id, Seq: (i + attempt*len(addresses)) & 0xffff, Data: payload}}
		raw, err := m.Marshal(nil)
		if err == nil {
			r.mu.Lock()
			r.sent[i] = time.Now()
			r.mu.Unlock()
			_, err = p.conn.WriteTo(raw, p.destination(address))
		}
		if err != nil && attempt == 0 && !errors.Is(err, syscall.ENOBUFS) && !errors.Is(err, syscall.EAGAIN) {
			r.settle(i, sendFailed(err))
		}
	}
}

// sendFailed tells what the network said of the host from trouble of our own.
func sendFailed(err error) answer {
	got := explain(err)
	if got.result == topology.Down && got.detail != "host unreachable" {
		got.result = topology.Unknown
	}
	if got.detail == "the prober could not dial" {
		got.detail = "the prober could not send"
	}
	return got
}

func (p *pinger) destination(a netip.Addr) net.Addr {
	if p.datagram {
		return &net.UDPAddr{IP: a.AsSlice(), Zone: a.Zone()}
	}
	return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()}
}

func (p *pinger) receive(addresses []netip.Addr, r *round) {
	buf := make([]byte, 1500)
	for {
		n, from, err := p.conn.ReadFrom(buf)
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() || errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error queued on the socket: the next read is well
		}
		now := time.Now()
		i, ok := p.match(buf[:n], from, addresses)
		if !ok {
			continue
		}
		r.mu.Lock()
		rtt := now.Sub(r.sent[i])
		r.mu.Unlock()
		r.settle(i, answer{result: topology.Up, detail: "echo reply", rtt: rtt})
	}
}

// match says which host the packet answers for.
func (p *pinger) match(packet []byte, from net.Addr, addresses []netip.Addr) (int, bool) {
	m, err := icmp.ParseMessage(p.family.protocol, packet)
	if err != nil || m.Type != p.family.reply {
		return 0, false
	}
	echo, ok := m.Body.(*icmp.Echo)
	if !ok || len(echo.Data) != payloadLength || [8]byte(echo.Data[:8]) != p.token || !p.datagram && echo.ID != p.id {
		return 0, false
	}
	i := int(binary.BigEndian.Uint32(echo.Data[8:]))
	attempt := int(binary.BigEndian.Uint16(echo.Data[12:]))
	if i >= len(addresses) || echo.Seq != (i+attempt*len(addresses))&0xffff {
		return 0, false
	}
	return i, sourceIs(from, addresses[i])
}

func sourceIs(from net.Addr, want netip.Addr) bool {
	var ip net.IP
	switch f := from.(type) {
	case *net.UDPAddr:
		ip = f.IP
	case *net.IPAddr:
		ip = f.IP
	}
	got, ok := netip.AddrFromSlice(ip)
	return ok && got.Unmap() == want.Unmap().WithZone("")
}
