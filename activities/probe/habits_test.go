package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"vakhta/activities/probe/ping"
	"vakhta/internal/topology"
)

// usual are habits as an earlier sweep would have taught them.
type usual struct {
	rtts  map[string]time.Duration
	err   error
	asked []string
}

func (u *usual) UsualRTTs(_ context.Context, vantage string, components []string) (map[string]time.Duration, error) {
	u.asked = append(u.asked, vantage)
	u.asked = append(u.asked, components...)
	return u.rtts, u.err
}

func TestAttemptsKeepTheDistanceThatTheUsualRoundTripAllows(t *testing.T) {
	inv := estateOf(t, "{address: 127.0.0.1, icmp: true}", "{address: 127.0.0.2, icmp: true}", "{address: 127.0.0.3, icmp: true}", "{address: 127.0.0.4, icmp: true}", "{address: 127.0.0.5, icmp: true}")
	u := &usual{rtts: map[string]time.Duration{"s0": time.Millisecond, "s1": 20 * time.Millisecond, "s2": time.Second, "s4": 80 * time.Millisecond}}
	a := New(inv, &memory{}, Options{Habits: u})
	ids := []string{"s0", "s1", "s2", "s3", "s4"}
	ask := func(change func(*SweepParams)) *shard {
		p := params(ids)
		p.TimeoutMs = 0
		change(&p)
		s, err := a.newShard(t.Context(), &p)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	known := ask(func(*SweepParams) {})
	for i, want := range []struct{ gap, linger, timeout time.Duration }{
		{ms(20), ms(40), ms(80)},    // the floor
		{ms(70), ms(140), ms(280)},  // 3 × 20 + 10
		{ms(100), ms(500), ms(700)}, // twice the ceiling: a far host isn't given up sooner than one that nobody knows
		{ms(100), ms(100), ms(300)}, // nothing known
		{ms(100), ms(200), ms(400)}, // a slow one doesn't cost a second
	} {
		if b := known.budgetOf(ids[i]); b.gap() != want.gap || b.linger() != want.linger || b.timeout != want.timeout || b.attempts != 3 {
			t.Errorf("%s: gap %s, linger %s, in all %s, %d attempts; want %+v", ids[i], b.gap(), b.linger(), b.timeout, b.attempts, want)
		}
	}
	if want := append([]string{"msk"}, ids...); !slices.Equal(u.asked, want) {
		t.Errorf("asked for %v, want once for %v", u.asked, want)
	}
	for name, s := range map[string]*shard{
		"a time-out that the caller names": ask(func(p *SweepParams) { p.TimeoutMs = 300 }),
		"fewer attempts than usual":        ask(func(p *SweepParams) { p.Attempts = 2 }),
	} {
		if b := s.budgetOf("s0"); b.timeout != ms(300) {
			t.Errorf("%s: budget %s, want the whole 300 ms", name, b.timeout)
		}
	}
	u.err = errors.New("the store is away")
	if b := ask(func(*SweepParams) {}).budgetOf("s0"); b.timeout != ms(300) {
		t.Errorf("budget %s without habits, want the default", b.timeout)
	}
}

// A host that keeps silent is known to be down before its whole budget is over,
// and not before its three attempts.
func TestSilentHostWithHabitsIsKnownSooner(t *testing.T) {
	blackhole := silentPort(t)
	inv := estateOf(t, fmt.Sprintf("{address: 127.0.0.1, tcp: [%d]}", blackhole))
	var sink memory
	a := New(inv, &sink, Options{Timeout: maxTimeout, Habits: &usual{rtts: map[string]time.Duration{"s0": time.Millisecond}}, GapFloor: 100 * time.Millisecond})
	p := params([]string{"s0"})
	p.TimeoutMs = 0
	r, err := run(t.Context(), t, a, a.Sweep, p)
	if err != nil {
		t.Fatal(err)
	}
	if r.Down != 1 || r.Ms < 400 {
		t.Errorf("%+v, want it down after three attempts, 400 ms", r)
	}
}

// What decides, and what confirms before somebody is woken, waits as long for a quick host as for one that nobody knows.
func TestLaterRoundsOfASweepArePatient(t *testing.T) {
	inv := estateOf(t, fmt.Sprintf("{address: 127.0.0.1, tcp: [%d]}", silentPort(t)))
	a := New(inv, &memory{}, Options{
		Plans: planned{Asks: []topology.Ask{{Components: []string{"s0"}, First: true}}}, Habits: &usual{rtts: map[string]time.Duration{"s0": time.Millisecond}},
	})
	r, err := runShard(t.Context(), t, a, ShardParams{Sweep: "s", Round: 2})
	if err != nil {
		t.Fatal(err)
	}
	if r.Ms < 300 {
		t.Errorf("given up after %d ms, want the whole 300", r.Ms)
	}
	far := a.shardOf([]string{"s0"}, nil, "msk", budget{timeout: 300 * time.Millisecond, attempts: 3})
	far.patient, far.tight = true, map[string]habit{"s0": {gap: 100 * time.Millisecond, linger: 500 * time.Millisecond}}
	if got := far.budgetOf("s0").timeout; got != 700*time.Millisecond {
		t.Errorf("a far host gets %s, want its 700 ms", got)
	}
}

// silentPort is one that answers no SYN any more: its queue is full.
func silentPort(t *testing.T) int {
	t.Helper()
	_, port := fullListener(t)
	return port
}

func TestProbesOfOneAddressKeepToItsLimit(t *testing.T) {
	pingable(t, ping.IPv4)
	var profiles, ids []string
	for i := range 6 { // six components at one address: the inventory's mistake, or its way of saying several services
		profiles = append(profiles, "{address: 127.0.0.1, icmp: true}")
		ids = append(ids, fmt.Sprintf("s%d", i))
	}
	inv := estateOf(t, profiles...)
	// Half of the limit may go at once: one component with its three attempts. A
	// second refills as much.
	a := New(inv, &memory{}, Options{PerTarget: 6})
	began := time.Now()
	r, err := run(t.Context(), t, a, a.Sweep, params(ids))
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); r.Up != 6 || took < 4900*time.Millisecond {
		t.Errorf("%+v in %s, want six up, one a second", r, took)
	}
}

func TestProbesIntoOneNetworkKeepToItsLimit(t *testing.T) {
	port := listening(t)
	var profiles, ids []string
	for i := range 4 {
		profiles = append(profiles, fmt.Sprintf("{address: 127.0.0.%d, tcp: [%d]}", i+1, port))
		ids = append(ids, fmt.Sprintf("s%d", i))
	}
	a := New(estateOf(t, profiles...), &memory{}, Options{PerNetwork: 6})
	began := time.Now()
	r, err := run(t.Context(), t, a, a.Sweep, params(ids))
	if err != nil {
		t.Fatal(err)
	}
	// All but 127.0.0.1 refuse; that is an answer, too.
	if took := time.Since(began); r.Up != 1 || r.Down != 3 || took < 2900*time.Millisecond {
		t.Errorf("%+v in %s, want one up and three down, one a second", r, took)
	}
}

// What waits for its turn ends with the sweep: nothing waits on the clock, so
// that this test would take an hour otherwise; TestMain counts what is left.
func TestCancelledSweepStopsWhatWaits(t *testing.T) {
	pingable(t, ping.IPv4)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	profile := fmt.Sprintf("{address: 127.0.0.1, icmp: true, tcp: [%d], ssh: [%d], dns: [{name: a.example, port: %d}]}",
		silentPort(t), listening(t), conn.LocalAddr().(*net.UDPAddr).Port)
	var profiles, ids []string
	for i := range 50 {
		profiles = append(profiles, profile)
		ids = append(ids, fmt.Sprintf("s%d", i))
	}
	a := New(estateOf(t, profiles...), &memory{}, Options{ServiceTimeout: time.Hour, PerTarget: 20})
	all := []topology.Probe{topology.ProbeTCP, topology.ProbeICMP, topology.ProbeSSH, topology.ProbeDNS}
	s := a.shardOf(ids, all, "msk", budget{timeout: time.Hour, attempts: 1})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _, _ = conn.ReadFrom(make([]byte, 512)) // the sweep is under way
		cancel()
	}()
	before, began := openSockets(t), time.Now()
	s.probe(ctx, func(int, int) {})
	if after := openSockets(t); after > before {
		t.Errorf("%d sockets are left open", after-before)
	}
	told := 0
	for _, o := range s.observations {
		if o.Result == topology.Down {
			t.Fatalf("%+v of a cancelled sweep", o)
		}
		if o.Result == topology.Up {
			told++
		}
	}
	if most := 20 * (1 + int(time.Since(began).Seconds())); told > most || len(s.observations) != 200 {
		t.Errorf("%d of %d were told: more than the limit allows", told, len(s.observations))
	}
}
