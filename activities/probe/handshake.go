package probe

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// handshake is the round trip of a new connection as the kernel measured it (TCP_INFO): what this process
// takes to hear of it, when it dials hundreds at once, is no habit of the host. 0 where it isn't known.
func handshake(c net.Conn) time.Duration {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0
	}
	var rtt time.Duration
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil { //nolint:gosec // a descriptor
			rtt = time.Duration(info.Rtt) * time.Microsecond
		}
	})
	return rtt
}
