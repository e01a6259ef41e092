// Package couriertest holds the channels of activities/notify against the
// sandbox, which knows nothing of the ledger and counts what a recipient would
// have got.
package couriertest

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/activities/notify/notifytest"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
)

// Tenant is a channel that is held against the sandbox's provider, which counts
// what a recipient would have got.
type Tenant struct {
	Provider sandbox.Provider
	Config   sandbox.Config // the account's credentials
	// Open returns the channel, pointed at the sandbox's provider.
	Open         func(t *testing.T, box *sandbox.Sandbox) notify.Channel
	Notification ledger.Notification
	To           string
	Secrets      []string
	// Dead makes To an address that doesn't exist; nil: the provider doesn't tell.
	Dead *sandbox.Persona
}

// Contract runs the law against a channel at the sandbox: an outcome
// that is certain agrees with the inbox, and one that the inbox could
// contradict is unknown.
func Contract(t *testing.T, s Tenant) {
	t.Run("what is accepted arrived once", s.accepted)
	t.Run("a dead address is refused as one", s.dead)
	for _, c := range []struct {
		kind    sandbox.FaultKind
		states  []ledger.State
		arrived int
	}{
		{sandbox.FaultRefuse, []ledger.State{ledger.Retry}, 0},
		{sandbox.FaultDown, []ledger.State{ledger.Retry, ledger.Unknown}, 0},
		{sandbox.FaultRateLimit, []ledger.State{ledger.Retry}, 0},
		{sandbox.FaultError, []ledger.State{ledger.Retry, ledger.Unknown}, 0},
		{sandbox.FaultBadGateway, []ledger.State{ledger.Retry, ledger.Unknown}, 0},
		{sandbox.FaultUnavailable, []ledger.State{ledger.Retry, ledger.Unknown}, 0},
		{sandbox.FaultHang, []ledger.State{ledger.Unknown}, 1},
		{sandbox.FaultReset, []ledger.State{ledger.Unknown}, 1},
		{sandbox.FaultLostError, []ledger.State{ledger.Unknown}, 1},
	} {
		t.Run(string(c.kind), func(t *testing.T) { s.fault(t, c.kind, c.states, c.arrived) })
	}
}

func (s Tenant) box(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.New(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	if err := box.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return box
}

func (s Tenant) send(t *testing.T, ch notify.Channel, within time.Duration) ledger.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	o := ch.Send(ctx, s.Notification, s.To)
	notifytest.Discreet(t, o, s.To, s.Secrets...)
	return o
}

func (s Tenant) arrived(t *testing.T, box *sandbox.Sandbox, n int) {
	t.Helper()
	if got := len(box.Inbox(sandbox.Query{})); got != n {
		t.Errorf("%d messages arrived, want %d", got, n)
	}
}

func (s Tenant) accepted(t *testing.T) {
	box := s.box(t)
	o := s.send(t, s.Open(t, box), 5*time.Second)
	if o.State != ledger.Accepted || !o.Wrote {
		t.Fatalf("%+v, want accepted", o)
	}
	s.arrived(t, box, 1)
	if it := box.Inbox(sandbox.Query{})[0]; !strings.Contains(it.Text, s.Notification.Body) && it.Channel != sandbox.ChannelCall {
		t.Errorf("%q arrived", it.Text)
	}
}

func (s Tenant) dead(t *testing.T) {
	if s.Dead == nil {
		t.Skip("the provider doesn't tell of dead addresses")
	}
	box := s.box(t)
	box.SetPersona(s.To, *s.Dead)
	o := s.send(t, s.Open(t, box), 5*time.Second)
	if o.State != ledger.Refused || o.Class != ledger.ClassDead {
		t.Errorf("%+v, want a refusal of a dead address", o)
	}
	s.arrived(t, box, 0)
}

func (s Tenant) fault(t *testing.T, kind sandbox.FaultKind, states []ledger.State, arrived int) {
	box := s.box(t)
	ch := s.Open(t, box)
	id, err := box.AddFault(sandbox.Fault{Provider: s.Provider, Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	if kind == sandbox.FaultRefuse {
		shut(t, box.URL(s.Provider))
	}
	begin := time.Now()
	o := s.send(t, ch, 700*time.Millisecond)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the attempt took %s", took)
	}
	known := false
	for _, state := range states {
		known = known || o.State == state
	}
	if !known {
		t.Errorf("%+v, want one of %v", o, states)
	}
	if o.State == ledger.Unknown && (o.Class != ledger.ClassAmbiguous || !o.Wrote) {
		t.Errorf("an unknown of class %q, wrote %v", o.Class, o.Wrote)
	}
	if kind == sandbox.FaultRefuse && o.Wrote {
		t.Error("nothing can have been written")
	}
	s.arrived(t, box, arrived)
	box.RemoveFault(id)
	if o = s.untilAccepted(t, ch); o.State != ledger.Accepted {
		t.Errorf("after the fault: %+v", o)
	}
	s.arrived(t, box, arrived+1)
}

// shut waits until nobody listens at a URL any more.
func shut(t *testing.T, at string) {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			return
		}
		_ = c.Close()
	}
	t.Fatal("the provider's door doesn't shut")
}

// untilAccepted gives a provider's door the time to open again.
func (s Tenant) untilAccepted(t *testing.T, ch notify.Channel) (o ledger.Outcome) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if o = s.send(t, ch, 5*time.Second); o.State != ledger.Retry {
			return o
		}
	}
	return o
}
