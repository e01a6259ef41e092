package estate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"vakhta/internal/inventory"
)

// machine is one component with doors.
type machine struct {
	component *inventory.Component
	service   []*door
	bmc       *door // nil without one

	up      bool      // it runs: powered and healthy
	on      bool      // its BMC says so
	powered bool      // standby power
	bootAt  time.Time // when it accepts connections, if later than now
	log     []logEntry
}

// Lab is a running estate.
type Lab struct {
	opts     Options
	inv      *inventory.Inventory
	document inventory.Document
	ids      []string // with doors, in the inventory's order
	stop     context.CancelFunc
	wg       sync.WaitGroup
	wake     chan struct{}
	bmcs     *http.Server
	agents   []*agent     // of switches and PDUs
	reserved net.Listener // holds the base port for Open's estates; nil after Start

	mu         sync.Mutex
	components map[string]*inventory.Component
	machines   map[string]*machine
	faults     map[string]Fault
	conns      map[net.Conn]struct{}
	closed     bool
	problem    error // the last listener that would not open again
}

// Start brings the inventory to life. It fails, with nothing left running, when
// an address is taken. The lab ends with ctx or Close; Close also waits.
func Start(ctx context.Context, inv *inventory.Inventory, opts Options) (*Lab, error) {
	components := inv.Components()
	ctx, stop := context.WithCancel(ctx)
	l := &Lab{
		opts: opts.withDefaults(), inv: inv, stop: stop, wake: make(chan struct{}, 1),
		components: make(map[string]*inventory.Component, len(components)),
		machines:   make(map[string]*machine, len(components)),
		faults:     map[string]Fault{},
		conns:      map[net.Conn]struct{}{},
	}
	l.bmcs = &http.Server{
		Handler:           http.HandlerFunc(l.serveBMC),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(n net.Listener) context.Context {
			return context.WithValue(context.Background(), machineKey{}, n.(*bmcListener).machine)
		},
	}
	for _, c := range components {
		l.components[c.ID] = c
		if c.Probe.Address == "" {
			continue
		}
		l.ids = append(l.ids, c.ID)
		l.machines[c.ID] = l.newMachine(c)
	}
	l.mu.Lock()
	err := errors.Join(l.reconcile(time.Now()), l.openAgents(ctx))
	l.mu.Unlock()
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.wg.Go(func() { l.run(ctx) })
	return l, nil
}

// openAgents starts the SNMP agents. The lab is locked.
func (l *Lab) openAgents(ctx context.Context) error {
	for _, id := range l.ids {
		c := l.components[id]
		if c.Probe.SNMP == nil {
			continue
		}
		a, err := openAgent(ctx, c)
		if err != nil {
			return err
		}
		l.agents = append(l.agents, a)
		l.wg.Go(func() { l.serveAgent(a) })
	}
	return nil
}

func (l *Lab) newMachine(c *inventory.Component) *machine {
	m := &machine{component: c, up: true, on: true, powered: true}
	for _, port := range c.Probe.TCP {
		m.service = append(m.service, &door{
			addr:  net.JoinHostPort(c.Probe.Address, strconv.Itoa(port)),
			serve: func(n net.Listener) { l.serveBanner(n, m) },
		})
	}
	if c.Probe.BMC.URL != "" {
		m.bmc = &door{
			addr: hostPort(c.Probe.BMC.URL),
			serve: func(n net.Listener) {
				_ = l.bmcs.Serve(&bmcListener{Listener: n, machine: m}) // returns when n is closed
			},
		}
	}
	return m
}

// Close ends the lab and waits for everything that it started.
func (l *Lab) Close() error {
	l.stop()
	l.shut()
	l.wg.Wait()
	if l.reserved != nil {
		_ = l.reserved.Close()
	}
	return nil
}

// shut closes everything that listens or is connected.
func (l *Lab) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, m := range l.machines {
		for _, d := range m.service {
			d.shut()
		}
		if m.bmc != nil {
			m.bmc.shut()
		}
	}
	for c := range l.conns {
		_ = c.Close()
	}
	for _, a := range l.agents {
		_ = a.conn.Close()
	}
	_ = l.bmcs.Close() // what it would complain of is closed already
}

// run changes what changes by itself: machines that have booted, faults that flap.
func (l *Lab) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.mu.Lock()
		now := time.Now()
		if !l.closed {
			l.problem = l.reconcile(now)
		}
		next := l.nextChange(now)
		l.mu.Unlock()
		timer.Reset(next)
		select {
		case <-ctx.Done():
			l.shut()
			return
		case <-l.wake:
		case <-timer.C:
		}
	}
}

// retryAfter is when a listener that would not open is tried again.
const retryAfter = time.Second

func (l *Lab) nextChange(now time.Time) time.Duration {
	next := time.Hour
	if l.problem != nil {
		next = retryAfter
	}
	for _, f := range l.faults {
		if _, at := f.broken(now); !at.IsZero() {
			next = min(next, at.Sub(now))
		}
	}
	for _, m := range l.machines {
		if m.bootAt.After(now) {
			next = min(next, m.bootAt.Sub(now))
		}
	}
	return max(next, time.Millisecond)
}

// reconcile brings every door to the state that physics asks for. The lab is locked.
func (l *Lab) reconcile(now time.Time) error {
	w := l.world(now)
	var errs []error
	for _, id := range l.ids {
		m := l.machines[id]
		l.age(m, w.at(id), now)
		service, bmc := m.doors(w.at(id), now)
		for _, d := range m.service {
			errs = append(errs, d.set(service, &l.wg))
		}
		if m.bmc != nil {
			errs = append(errs, m.bmc.set(bmc, &l.wg))
		}
	}
	return errors.Join(errs...)
}

func (l *Lab) world(now time.Time) *world {
	return &world{
		components: l.components, faults: l.faults, now: now,
		memo: make(map[string]condition, len(l.components)),
	}
}

// age carries the machine from its last state to this one: it boots when it
// gets power or health back, and its BMC notes what happened.
func (l *Lab) age(m *machine, c condition, now time.Time) {
	f, faulty := l.faults[m.component.ID]
	broken := false
	if faulty {
		broken, _ = f.broken(now)
	}
	up := c.powered && !broken
	on := c.powered && (!broken || f.Mode != Off)
	switch {
	case m.powered && !c.powered:
		m.note(now, "Critical", "AC input lost")
	case !m.powered && c.powered:
		m.note(now, "OK", "AC input restored")
	}
	switch {
	case m.on && !on && c.powered:
		m.note(now, "Warning", "System powered off")
	case !m.on && on:
		m.note(now, "OK", "System powered on")
	}
	if up && !m.up && m.component.Kind == inventory.KindServer && f.Mode != Flapping {
		m.bootAt = now.Add(l.opts.BootDelay)
	}
	m.up, m.on, m.powered = up, on, c.powered
}

// doors says what the machine's service and BMC ports do. Servers are reached
// through their switch; BMCs and the management of devices have a network of
// their own.
func (m *machine) doors(c condition, now time.Time) (service, bmc doorState) {
	dead := shut
	if c.silent {
		dead = silent
	}
	service, bmc = dead, dead
	if m.up && (c.connected || m.component.Kind != inventory.KindServer) && !m.bootAt.After(now) {
		service = open
	}
	if c.powered {
		bmc = open
	}
	return service, bmc
}

// serveBanner accepts, greets and lets go.
func (l *Lab) serveBanner(n net.Listener, m *machine) {
	banner := "SSH-2.0-OpenSSH_9.6 " + m.component.ID + "\r\n"
	for {
		c, err := n.Accept()
		if err != nil {
			return
		}
		if !l.track(c) {
			_ = c.Close()
			return
		}
		l.wg.Go(func() {
			defer l.untrack(c)
			l.greet(c, banner, m.component.ID)
		})
	}
}

// greet sends the banner and closes after the peer has, so that what he sent
// doesn't turn the close into a reset.
func (l *Lab) greet(c net.Conn, banner, id string) {
	if d := l.delay(id); d > 0 {
		_ = c.SetReadDeadline(time.Now().Add(d))
		if _, err := c.Read(make([]byte, 1)); err != nil && !isTimeout(err) {
			return
		}
	}
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, banner); err != nil {
		return
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c, 64<<10))
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func (l *Lab) track(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *Lab) untrack(c net.Conn) {
	_ = c.Close()
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// delay is how long the component, or its BMC, waits before it answers.
func (l *Lab) delay(id string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faults[id].Delay
}

// unknownComponent is the error for an id that the estate doesn't hold.
func unknownComponent(id string) error {
	return fmt.Errorf("component %q is not in the estate: see GET /state or the inventory for ids", id)
}

// SetFault puts the fault on the component and returns when its consequences
// are in force.
func (l *Lab) SetFault(id string, f Fault) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.components[id] == nil {
		return unknownComponent(id)
	}
	if !slices.Contains([]Mode{Down, Off, Silent, Flapping, Slow}, f.Mode) {
		return fmt.Errorf("mode %q is unknown: use down, off, silent, flapping or slow", f.Mode)
	}
	if f.Period < 0 || f.Delay < 0 {
		return errors.New("period and delay must not be negative")
	}
	if f.Mode == Flapping {
		f.Period = max(cmp.Or(f.Period, 2*time.Second), 2*time.Millisecond)
	}
	if f.Mode == Slow {
		f.Delay = cmp.Or(f.Delay, 800*time.Millisecond)
	}
	f.Since = time.Now()
	l.faults[id] = f
	return l.changed(f.Since)
}

// ClearFault mends the component; one without a fault is left as it is.
func (l *Lab) ClearFault(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.components[id] == nil {
		return unknownComponent(id)
	}
	delete(l.faults, id)
	return l.changed(time.Now())
}

// changed puts what follows from a change into force. The lab is locked.
func (l *Lab) changed(now time.Time) error {
	if l.closed {
		return errors.New("the estate is closed")
	}
	l.problem = l.reconcile(now)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return l.problem
}
