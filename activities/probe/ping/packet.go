package ping

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"
)

// An echo request is a header of 8 bytes (type, code, checksum, id, sequence)
// and this payload: token, the host's number, the attempt, microseconds since
// the start of the call.
const (
	headerLength  = 8
	tokenLength   = 8
	payloadLength = tokenLength + 4 + 2 + 8
	packetLength  = headerLength + payloadLength
)

// token tells the replies to one call from all others.
type token [tokenLength]byte

// echo is what a request carries and its reply brings back.
type echo struct {
	host    uint32
	attempt uint16
	sent    time.Duration // since the start of the call, in whole microseconds
}

// sequence is the same for all attempts at a host, so that an ICMP error that
// quotes the header alone names the host, together with its address.
func sequence(host uint32) uint16 { return uint16(host) } //nolint:gosec // wraps on purpose

// put writes the request into b, which has packetLength bytes.
func (f *Family) put(b []byte, id uint16, t token, e echo) {
	b[0], b[1], b[2], b[3] = f.request, 0, 0, 0
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], sequence(e.host))
	p := b[headerLength:]
	copy(p, t[:])
	binary.BigEndian.PutUint32(p[tokenLength:], e.host)
	binary.BigEndian.PutUint16(p[tokenLength+4:], e.attempt)
	binary.BigEndian.PutUint64(p[tokenLength+6:], uint64(e.sent.Microseconds())) //nolint:gosec // never negative
	if f.checksummed {
		binary.BigEndian.PutUint16(b[2:], checksum(b[:packetLength]))
	}
}

// match reads a reply. The id is compared where it is ours to choose.
func (f *Family) match(b []byte, id uint16, chosen bool, t token) (echo, bool) {
	if len(b) != packetLength || b[0] != f.reply || b[1] != 0 || token(b[headerLength:headerLength+tokenLength]) != t {
		return echo{}, false
	}
	if chosen && binary.BigEndian.Uint16(b[4:]) != id {
		return echo{}, false
	}
	p := b[headerLength+tokenLength:]
	e := echo{
		host:    binary.BigEndian.Uint32(p),
		attempt: binary.BigEndian.Uint16(p[4:]),
		sent:    time.Duration(binary.BigEndian.Uint64(p[6:])) * time.Microsecond, //nolint:gosec // checked by the caller against its clock
	}
	return e, binary.BigEndian.Uint16(b[6:]) == sequence(e.host)
}

// stripIPv4 removes the header that a raw IPv4 socket delivers.
func stripIPv4(b []byte) []byte {
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil
	}
	n := int(b[0]&0xf) * 4
	if n < 20 || n > len(b) {
		return nil
	}
	return b[n:]
}

// checksum is the Internet checksum (RFC 1071) of a packet whose own field is
// zero. Its length is even.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum) //nolint:gosec // folded above
}

// addressOf is the bare address of a packet's other end, without a zone.
func addressOf(a net.Addr) netip.Addr {
	var ip net.IP
	switch a := a.(type) {
	case *net.UDPAddr:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	got, _ := netip.AddrFromSlice(ip)
	return got.Unmap()
}
