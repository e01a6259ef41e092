// Package probe asks components whether they are well: TCP connect, ping, what
// they serve (TLS, HTTP, DNS, SSH), and the power state that a BMC reports over
// Redfish. [Activities] holds what the
// workflows call: Sweep makes one round of probes and stores the observations,
// Watch waits until the set of components that are up changes.
//
// A probe goes to no address but those in the inventory. What it finds is up,
// down, or unknown: trouble on our own side (no file descriptors, no route,
// a cancelled context) is never a machine's fault, and a BMC that doesn't
// answer says nothing about its machine.
package probe

import (
	"context"
	"sync"
	"time"

	"vakhta/activities/probe/pace"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// Inventory says where a component may be probed.
type Inventory interface {
	Component(id string) (*inventory.Component, bool)
}

// Sink keeps observations. It is called again with the same ones when a sweep
// is repeated: (sweep, round, component, probe, peer, vantage) is their identity.
type Sink interface {
	PutObservations(ctx context.Context, sweep string, round int, obs []topology.Observation) error
}

// Options are limits and what a worker needs; the zero value is good for one worker.
type Options struct {
	// Vantage is the worker's vantage, for parameters that name none.
	Vantage string
	// Rate is how many connection attempts and echo requests leave the vantage
	// per second, over all activities; 0 is 5,000.
	Rate float64
	// PerTarget and PerNetwork bound the vantage's probes within any second to one
	// address and to one /24 (IPv6: /64); 0 is 40 and 4,000.
	PerTarget  int
	PerNetwork int
	// Concurrency bounds the components that one activity connects to at once; 0 is 512.
	Concurrency int
	// ServiceConcurrency bounds the services (TLS, HTTP, DNS, SSH) that one
	// activity asks at once, of each kind; 0 is 64.
	ServiceConcurrency int
	// ServiceTimeout is what one service gets from the accepted connection to its
	// whole answer; 0 is 2 s.
	ServiceTimeout time.Duration
	// BMCConcurrency bounds the BMCs that are asked at once; 0 is 64.
	BMCConcurrency int
	// BMCTimeout is what one BMC gets for all its answers; 0 is 3 s.
	BMCTimeout time.Duration
	// BMCVerifyTLS asks for a valid certificate of each BMC. Most have one that
	// they signed themselves, on a network of their own.
	BMCVerifyTLS bool
	// SNMPConcurrency and SNMPTimeout are the same for switches and PDUs; 0 is 64
	// and 2 s.
	SNMPConcurrency int
	SNMPTimeout     time.Duration
	// Timeout and Attempts are a probe's budget where the parameters name none;
	// 0 is 300 ms and 3.
	Timeout  time.Duration
	Attempts int
	// Habits makes time-outs tight where a host's usual round trip is known; nil
	// spaces all attempts by Timeout / Attempts.
	Habits Habits
	// GapFloor and GapCeiling bound the time from one attempt to the next that
	// Habits lead to; 0 is 20 ms and 250 ms.
	GapFloor   time.Duration
	GapCeiling time.Duration
	// Observed is told of the observations of every sweep; nil drops it. For metrics.
	Observed func(vantage string, obs []topology.Observation)
	// Crew knows the other workers of the vantage, which share its limits; nil: there
	// are none.
	Crew Crew
	// Plans reads planned shards; nil: the worker makes none.
	Plans Plans
	// Credentials resolves a credential reference to user and password; nil
	// reads env:NAME and file:PATH on the worker's machine.
	Credentials func(reference string) (user, password string, err error)
	// Secret resolves a reference to what it holds, for SNMP agents and
	// hypervisors; nil is as for Credentials.
	Secret func(reference string) (string, error)
}

func (o Options) withDefaults() Options {
	if o.Rate <= 0 {
		o.Rate = 5000
	}
	if o.PerTarget <= 0 {
		o.PerTarget = 40
	}
	if o.PerNetwork <= 0 {
		o.PerNetwork = 4000
	}
	if o.ServiceConcurrency <= 0 {
		o.ServiceConcurrency = 64
	}
	if o.ServiceTimeout <= 0 {
		o.ServiceTimeout = 2 * time.Second
	}
	if o.GapFloor <= 0 {
		o.GapFloor = 20 * time.Millisecond
	}
	if o.GapCeiling <= 0 {
		o.GapCeiling = 250 * time.Millisecond
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 512
	}
	if o.BMCConcurrency <= 0 {
		o.BMCConcurrency = 64
	}
	if o.BMCTimeout <= 0 {
		o.BMCTimeout = 3 * time.Second
	}
	if o.SNMPConcurrency <= 0 {
		o.SNMPConcurrency = 64
	}
	if o.SNMPTimeout <= 0 {
		o.SNMPTimeout = 2 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	if o.Observed == nil {
		o.Observed = func(string, []topology.Observation) {}
	}
	if o.Credentials == nil {
		o.Credentials = readCredentials
	}
	if o.Secret == nil {
		o.Secret = readSecret
	}
	return o
}

// Activities are the probe activities of one worker; safe for concurrent use.
type Activities struct {
	inv  Inventory
	sink Sink
	opts Options
	pace *pace.Pacer
	// share is this worker's part of the limits.
	share *share
	// turns are the devices that are asked just now.
	turns turns
	// crampedOnce has the log say once that pings lack a receive buffer.
	crampedOnce sync.Once
}

// New returns the activities of a worker.
func New(inv Inventory, sink Sink, opts Options) *Activities {
	opts = opts.withDefaults()
	limits := pace.Limits{PerSecond: opts.Rate, PerTarget: opts.PerTarget, PerNetwork: opts.PerNetwork}
	p := pace.New(limits)
	return &Activities{inv: inv, sink: sink, opts: opts, pace: p, share: newShare(opts.Crew, opts.Vantage, p)}
}

// Leave tells the vantage's other workers that this one has ended. (What Temporal
// registers of Activities are all its methods, so that this is none.)
func Leave(a *Activities) { a.share.close() }
