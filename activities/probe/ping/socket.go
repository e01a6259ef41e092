package ping

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// receiveBuffer is what one socket is given for the answers of thousands of
// hosts at once. The kernel's default (208 KiB) loses them; a small packet
// takes some 800 bytes of it.
const receiveBuffer = 16 << 20

// Family is what differs between ping and ping6.
type Family struct {
	datagram, raw, any string
	request, reply     byte
	checksummed        bool // by us; the kernel does it for IPv6
	level, recvErr     int  // the socket option that queues ICMP errors
}

// The address families.
var (
	IPv4 = &Family{"udp4", "ip4:icmp", "0.0.0.0", 8, 0, true, syscall.IPPROTO_IP, syscall.IP_RECVERR}
	IPv6 = &Family{"udp6", "ip6:ipv6-icmp", "::", 128, 129, false, syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR}
)

// FamilyOf is the family of an address.
func FamilyOf(a netip.Addr) *Family {
	if a.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// batcher is what *ipv4.PacketConn and *ipv6.PacketConn share: many packets in
// one system call (recvmmsg, sendmmsg).
type batcher interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
	SetReadDeadline(t time.Time) error
}

// Socket sends to and hears from all hosts of one family. One call of Ping at
// a time uses it.
type Socket struct {
	family *Family
	conn   *icmp.PacketConn
	batch  batcher
	sys    syscall.RawConn
	raw    bool
	id     uint16 // of raw sockets; the kernel chooses that of the others
	buffer int
}

// Open makes an unprivileged ping socket, or a raw one where only that is allowed.
func Open(f *Family) (*Socket, error) {
	s, err := open(f, false)
	if err != nil {
		var rawErr error
		if s, rawErr = open(f, true); rawErr != nil {
			return nil, fmt.Errorf("the prober may not ping (%w; %w): widen net.ipv4.ping_group_range or grant CAP_NET_RAW", err, rawErr)
		}
	}
	return s, nil
}

func open(f *Family, raw bool) (*Socket, error) {
	network := f.datagram
	if raw {
		network = f.raw
	}
	conn, err := icmp.ListenPacket(network, f.any)
	if err != nil {
		return nil, err
	}
	s := &Socket{family: f, conn: conn, raw: raw}
	var id [2]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.id = binary.BigEndian.Uint16(id[:])
	if f == IPv4 {
		s.batch = conn.IPv4PacketConn()
	} else {
		s.batch = conn.IPv6PacketConn()
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// Close releases the socket. It must not be called while Ping runs: cancel its
// context.
func (s *Socket) Close() error { return s.conn.Close() }

// Raw says that the socket is a raw one, which needed CAP_NET_RAW.
func (s *Socket) Raw() bool { return s.raw }

// ReceiveBuffer is what the kernel granted, in bytes. Without CAP_NET_ADMIN it
// is bounded by net.core.rmem_max.
func (s *Socket) ReceiveBuffer() int { return s.buffer }

// prepare grows the receive buffer, asks for ICMP errors, and keeps other
// programs' replies out of a raw socket.
func (s *Socket) prepare() error {
	var err error
	if s.sys, err = s.syscallConn(); err != nil {
		return err
	}
	var errs []error
	err = s.sys.Control(func(fd uintptr) {
		const level = syscall.SOL_SOCKET
		if syscall.SetsockoptInt(int(fd), level, syscall.SO_RCVBUFFORCE, receiveBuffer) != nil {
			errs = append(errs, syscall.SetsockoptInt(int(fd), level, syscall.SO_RCVBUF, receiveBuffer))
		}
		doubled, err := syscall.GetsockoptInt(int(fd), level, syscall.SO_RCVBUF) // the kernel counts its own overhead, too
		s.buffer = doubled / 2
		errs = append(errs, err, syscall.SetsockoptInt(int(fd), s.family.level, s.family.recvErr, 1),
			syscall.SetsockoptInt(int(fd), level, syscall.SO_BROADCAST, 0)) // which Go allows to raw sockets
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return fmt.Errorf("set up the ping socket: %w", err)
	}
	if s.raw {
		return s.keepOut()
	}
	return nil
}

func (s *Socket) syscallConn() (syscall.RawConn, error) {
	var c net.PacketConn
	if p := s.conn.IPv4PacketConn(); p != nil {
		c = p.PacketConn
	} else {
		c = s.conn.IPv6PacketConn().PacketConn
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, errors.New("the ping socket has no descriptor")
	}
	return sc.SyscallConn()
}

// keepOut lets the kernel drop what isn't an echo reply with our id: every raw
// socket is given every reply, and its buffer would fill with those of others.
func (s *Socket) keepOut() error {
	const drop, whole = 0, 0xffff
	filter := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 1}}
	at := func(off uint32, size int) bpf.Instruction { return bpf.LoadAbsolute{Off: off, Size: size} }
	if s.family == IPv4 { // the packet begins with its IP header
		filter = []bpf.Instruction{bpf.LoadMemShift{Off: 0}, bpf.LoadIndirect{Off: 0, Size: 1}}
		at = func(off uint32, size int) bpf.Instruction { return bpf.LoadIndirect{Off: off, Size: size} }
	}
	filter = append(filter,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(s.family.reply), SkipTrue: 3},
		at(4, 2),
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(s.id), SkipTrue: 1},
		bpf.RetConstant{Val: whole},
		bpf.RetConstant{Val: drop},
	)
	program, err := bpf.Assemble(filter)
	if err != nil {
		return fmt.Errorf("assemble the filter of the ping socket: %w", err)
	}
	if s.family == IPv4 {
		err = s.conn.IPv4PacketConn().SetBPF(program)
	} else {
		err = s.conn.IPv6PacketConn().SetBPF(program)
	}
	if err != nil {
		return fmt.Errorf("filter the ping socket: %w", err)
	}
	return nil
}

// destination is a net.Addr for the kind of socket, to be reused.
func (s *Socket) destination() (net.Addr, func(netip.Addr)) {
	var ip [16]byte
	set := func(a netip.Addr) net.IP {
		if a.Is4() {
			four := a.As4()
			return append(ip[:0], four[:]...)
		}
		ip = a.As16()
		return ip[:]
	}
	if s.raw {
		d := &net.IPAddr{}
		return d, func(a netip.Addr) { d.IP, d.Zone = set(a), a.Zone() }
	}
	d := &net.UDPAddr{}
	return d, func(a netip.Addr) { d.IP, d.Zone = set(a), a.Zone() }
}

var (
	_ batcher = (*ipv4.PacketConn)(nil)
	_ batcher = (*ipv6.PacketConn)(nil)
)
