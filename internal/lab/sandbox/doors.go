package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// doors are the sandbox's own ports: one for everything and one per provider.
// A provider's port can be shut, so that connections to it are refused and not
// a byte is written, which no handler can bring about.
type doors struct {
	mu   sync.Mutex
	list []*door
}

type door struct {
	provider Provider // empty: the port for everything, which never shuts
	addr     string
	srv      server // nil: shut
}

// server is what stands behind a door.
type server interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

// Listen serves the sandbox: everything on addr (port 0 takes a free one), and
// each provider alone on a free port of the same host besides, see URL. Close
// ends it. FaultRefuse needs it.
func (s *Sandbox) Listen(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen for the sandbox: %q is not host:port: %w", addr, err)
	}
	s.doors.mu.Lock()
	defer s.doors.mu.Unlock()
	if len(s.doors.list) > 0 {
		return errors.New("listen for the sandbox: it listens already")
	}
	for _, p := range append([]Provider{""}, providers...) {
		d := &door{provider: p, addr: addr}
		if p != "" {
			d.addr = net.JoinHostPort(host, "0")
		}
		if err := s.open(d); err != nil {
			s.closeDoors()
			return fmt.Errorf("listen for the sandbox: %w", err)
		}
		s.doors.list = append(s.doors.list, d)
	}
	return nil
}

// URL is where Listen serves a provider, or everything for an empty one; it is
// empty without Listen.
func (s *Sandbox) URL(p Provider) string {
	s.doors.mu.Lock()
	defer s.doors.mu.Unlock()
	for _, d := range s.doors.list {
		if d.provider == p {
			if p == SMTP {
				return "smtp://" + d.addr
			}
			return "http://" + d.addr
		}
	}
	return ""
}

// open starts to serve a door, under the doors' lock.
func (s *Sandbox) open(d *door) error {
	l, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", d.addr)
	if err != nil {
		return err
	}
	d.addr = l.Addr().String()
	var srv server = &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	if d.provider == SMTP {
		srv, l = s.relayServer(l), relayListener{l, s}
	}
	d.srv = srv
	s.goRun(func() { _ = srv.Serve(l) }) // ends when the door is shut
	return nil
}

// adjust shuts and opens the providers' doors as the faults of now want it.
func (s *Sandbox) adjust() {
	s.doors.mu.Lock()
	defer s.doors.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	for _, d := range s.doors.list {
		shut := d.provider != "" && s.faults.refuses(d.provider)
		switch {
		case shut && d.srv != nil:
			srv := d.srv
			d.srv = nil
			// Shutdown closes the listener first; requests in progress are finished.
			s.goRun(func() { _ = srv.Shutdown(s.ctx); _ = srv.Close() })
		case !shut && d.srv == nil:
			if s.open(d) != nil { // the old listener isn't gone yet
				s.agenda.after(20*time.Millisecond, s.adjust)
			}
		}
	}
}

func (s *Sandbox) closeDoors() {
	for _, d := range s.doors.list {
		if d.srv != nil {
			_ = d.srv.Close()
			d.srv = nil
		}
	}
	s.doors.list = nil
}

// refuses says whether a provider's connections are to be refused now.
func (f *faults) refuses(p Provider) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.active {
		if x.Kind == FaultRefuse && (x.Provider == "" || x.Provider == p) && !x.over() {
			return true
		}
	}
	return false
}
