package ping

import (
	"encoding/binary"
	"net/netip"
	"syscall"
)

const (
	noticeLength  = 256 // the request that an ICMP error quotes; routers quote at least its header
	noticeControl = 128 // sock_extended_err and the address of who said it
)

// origins of a queued error (linux/errqueue.h).
const (
	originICMP  = 2
	originICMP6 = 3
)

func (r *run) note(host int32, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices[host] = text
}

// readErrors reads the ICMP errors that the kernel has queued, keeps what they
// say of our hosts, and returns how many there were. They settle nothing: a
// route may be back at the next attempt. It takes none of the locks under which
// the receiver waits.
func (r *run) readErrors() (total int) {
	quoted, control := make([]byte, noticeLength), make([]byte, noticeControl)
	_ = r.socket.sys.Control(func(fd uintptr) {
		for {
			n, nc, _, to, err := syscall.Recvmsg(int(fd), quoted, control, syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
			if err != nil {
				return
			}
			total++
			r.heed(quoted[:n], control[:nc], to)
		}
	})
	return total
}

// heed notes one error, about a request to that address.
func (r *run) heed(quoted, control []byte, to syscall.Sockaddr) {
	var about netip.Addr
	switch to := to.(type) {
	case *syscall.SockaddrInet4:
		about = netip.AddrFrom4(to.Addr)
	case *syscall.SockaddrInet6:
		about = netip.AddrFrom16(to.Addr).Unmap()
	}
	said, ok := r.socket.family.extendedError(control)
	if !ok {
		return
	}
	text := said.text + ", says a router"
	if said.by == about {
		text = said.text + ", it says itself"
	}
	for _, host := range r.asked(about, quoted) {
		r.note(host, text)
	}
}

// asked finds the hosts whose request the error quotes: by the address that it
// was sent to and its sequence number, and by the payload if that is quoted, too.
func (r *run) asked(to netip.Addr, quoted []byte) []int32 {
	s := r.socket
	if len(quoted) < headerLength || quoted[0] != s.family.request ||
		s.raw && binary.BigEndian.Uint16(quoted[4:]) != s.id ||
		len(quoted) >= headerLength+tokenLength && token(quoted[headerLength:headerLength+tokenLength]) != r.token {
		return nil
	}
	var out []int32
	for host := int(binary.BigEndian.Uint16(quoted[6:])); host < len(r.hosts); host += 1 << 16 {
		if r.hosts[host].Unmap().WithZone("") == to {
			out = append(out, int32(host)) //nolint:gosec // at most MaxHosts
		}
	}
	return out
}

// said is one ICMP error.
type said struct {
	text string
	by   netip.Addr // who says it
}

// extendedError reads struct sock_extended_err and the sockaddr behind it.
func (f *Family) extendedError(control []byte) (said, bool) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return said{}, false
	}
	for _, m := range messages {
		const size = 16 // errno u32, origin u8, type u8, code u8, pad, info u32, data u32
		if int(m.Header.Level) != f.level || int(m.Header.Type) != f.recvErr || len(m.Data) < size {
			continue
		}
		origin, kind, code := m.Data[4], m.Data[5], m.Data[6]
		by := sockaddr(m.Data[size:])
		switch origin {
		case originICMP:
			return said{icmp4(kind, code), by}, true
		case originICMP6:
			return said{icmp6(kind, code), by}, true
		}
	}
	return said{}, false
}

func sockaddr(b []byte) netip.Addr {
	if len(b) < 8 {
		return netip.Addr{}
	}
	switch family := binary.NativeEndian.Uint16(b); {
	case family == syscall.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8]))
	case family == syscall.AF_INET6 && len(b) >= 24:
		return netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	}
	return netip.Addr{}
}
