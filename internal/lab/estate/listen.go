package estate

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// doorState is what a connection attempt to a door meets.
type doorState int

const (
	shut   doorState = iota // refused
	open                    // accepted
	silent                  // neither: SYNs are dropped
)

// door is one TCP port of the estate. Its state changes under the lab's lock.
type door struct {
	addr  string
	serve func(net.Listener) // returns when the listener is closed

	state    doorState
	listener net.Listener
	dropped  *dropper
}

// set brings the door to the state; going through shut, since one address
// can't be listened on twice.
func (d *door) set(want doorState, wg *sync.WaitGroup) error {
	if d.state == want {
		return nil
	}
	d.shut()
	switch want {
	case open:
		l, err := net.Listen("tcp", d.addr)
		if err != nil {
			return fmt.Errorf("listen for the estate: %w", err)
		}
		d.listener = l
		wg.Go(func() { d.serve(l) })
	case silent:
		dropped, err := drop(d.addr)
		if err != nil {
			return err
		}
		d.dropped = dropped
	}
	d.state = want
	return nil
}

func (d *door) shut() {
	if d.listener != nil {
		_ = d.listener.Close()
		d.listener = nil
	}
	if d.dropped != nil {
		d.dropped.close()
		d.dropped = nil
	}
	d.state = shut
}

// dropper is a listening socket whose accept queue is full: Linux drops further
// SYNs, so that connection attempts time out as they do on a dead path.
type dropper struct{ listener, filler int }

func drop(addr string) (*dropper, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("drop connections to %s: %w", addr, err)
	}
	at := &syscall.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	d := &dropper{listener: -1, filler: -1}
	d.listener, err = stream()
	if err == nil {
		err = syscall.Bind(d.listener, at)
	}
	if err == nil {
		err = syscall.Listen(d.listener, 0)
	}
	if err == nil {
		d.filler, err = stream()
	}
	if err == nil {
		// A backlog of 0 holds one connection (Linux's sk_acceptq_is_full), and
		// this is it: on loopback its handshake is done when connect returns.
		err = syscall.Connect(d.filler, at)
	}
	if err != nil {
		d.close()
		return nil, fmt.Errorf("drop connections to %s: %w", addr, err)
	}
	return d, nil
}

// stream is a TCP socket whose connect gives up after a second.
func stream() (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &syscall.Timeval{Sec: 1}),
	)
	if err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (d *dropper) close() {
	for _, fd := range []int{d.filler, d.listener} {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
	}
}
