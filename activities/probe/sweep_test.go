package probe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.uber.org/goleak"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a sink that keeps what it gets, and fails where it is told to.
type memory struct {
	mu   sync.Mutex
	rows map[string]topology.Observation
	err  error
}

func (m *memory) PutObservations(_ context.Context, sweep string, round int, obs []topology.Observation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.rows == nil {
		m.rows = map[string]topology.Observation{}
	}
	for _, o := range obs {
		key := fmt.Sprintf("%s/%d/%s/%s/%s", sweep, round, o.Component, o.Probe, o.Vantage)
		if o.Peer != "" {
			key += "/" + o.Peer
		}
		m.rows[key] = o
	}
	return nil
}

func lab(t testing.TB, o estate.Options) *estate.Lab {
	t.Helper()
	l, err := estate.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	t.Setenv("VAKHTA_LAB_BMC", estate.DefaultBMCUser+":"+estate.DefaultBMCPassword)
	t.Setenv("VAKHTA_LAB_SNMP", estate.DefaultSNMPCommunity)
	return l
}

func fault(t testing.TB, l *estate.Lab, id string, mode estate.Mode) {
	t.Helper()
	f := estate.Fault{Mode: mode}
	if mode == estate.Slow {
		f.Delay = time.Hour
	}
	if err := l.SetFault(id, f); err != nil {
		t.Fatal(err)
	}
}

// run executes an activity of a as Temporal would.
func run[P, R any](ctx context.Context, t testing.TB, a *Activities, do func(context.Context, P) (R, error), p P, beforeRun ...func(*testsuite.TestActivityEnvironment)) (R, error) {
	t.Helper()
	var s testsuite.WorkflowTestSuite
	s.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := s.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	env.RegisterActivity(a)
	for _, b := range beforeRun {
		b(env)
	}
	var r R
	v, err := env.ExecuteActivity(do, p)
	if err != nil {
		return r, err
	}
	err = v.Get(&r)
	return r, err
}

// patient is a budget that no busy test machine exceeds by itself.
const patient = 5000

func params(ids []string, probes ...topology.Probe) SweepParams {
	return SweepParams{Sweep: "s1", Round: 1, Vantage: "msk", Components: ids, Probes: probes, TimeoutMs: patient}
}

func TestSweepFindsTheOneOfFiveHundred(t *testing.T) {
	l := lab(t, estate.Options{})
	fault(t, l, "m2-0401", estate.Off)
	var sink memory
	a := New(l.Inventory(), &sink, Options{})
	r, err := run(t.Context(), t, a, a.Sweep, params(l.Inventory().ServersOf(estate.Romashka)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Up != 499 || r.Unknown != 0 || !slices.Equal(r.DownIDs, []string{"m2-0401"}) || r.Down != 1 {
		t.Errorf("up %d, unknown %v, down %v; want m2-0401 alone down", r.Up, r.UnknownIDs, r.DownIDs)
	}
	want := []SiteCount{{Site: "msk", Up: 299, Down: 1}, {Site: "spb", Up: 200}}
	if !slices.Equal(r.BySite, want) {
		t.Errorf("by site %+v, want %+v", r.BySite, want)
	}
	if len(sink.rows) != 500 {
		t.Errorf("%d observations stored, want 500", len(sink.rows))
	}
	o := sink.rows["s1/1/m2-0401/tcp/msk"]
	if o.Result != topology.Down || !strings.Contains(o.Detail, "connection refused") || o.At.IsZero() {
		t.Errorf("observation %+v, want a refused connection", o)
	}
	if o := sink.rows["s1/1/m2-0402/tcp/msk"]; o.Result != topology.Up || o.RTTMicros <= 0 {
		t.Errorf("observation %+v, want up with its round trip", o)
	}
}

func TestSilentMachineIsDownAfterItsWholeBudget(t *testing.T) {
	l := lab(t, estate.Options{})
	fault(t, l, "m2-0401", estate.Silent)
	var sink memory
	a := New(l.Inventory(), &sink, Options{})
	p := params([]string{"m2-0401"})
	p.TimeoutMs = 1000
	var r SweepResult
	until(t, "the prober is not too busy to tell", func() bool {
		var err error
		if r, err = run(t.Context(), t, a, a.Sweep, p); err != nil {
			t.Fatal(err)
		}
		return r.Unknown == 0
	})
	if !slices.Equal(r.DownIDs, []string{"m2-0401"}) || r.Ms < 1000 {
		t.Errorf("%+v, want the silent machine down, after its whole budget", r)
	}
	if d := sink.rows["s1/1/m2-0401/tcp/msk"].Detail; !strings.Contains(d, "timeout") {
		t.Errorf("detail %q, want a timeout", d)
	}
}

func TestSweepNeverDialsWhatTheInventoryDoesNotHold(t *testing.T) {
	l := lab(t, estate.Options{})
	a := New(l.Inventory(), &memory{}, Options{})
	r, err := run(t.Context(), t, a, a.Sweep, params([]string{"127.0.0.1", "m1-0101", "msk-r1", "m1-0101", "ghost"}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Up != 1 || !slices.Equal(r.NotHeld, []string{"127.0.0.1", "ghost"}) || !slices.Equal(r.Skipped, []string{"msk-r1"}) {
		t.Errorf("%+v, want one up, two not held, the room skipped", r)
	}
}

func TestSweepHeartbeatsItsProgress(t *testing.T) {
	l := lab(t, estate.Options{})
	a := New(l.Inventory(), &memory{}, Options{})
	var mu sync.Mutex
	var beats int
	var total int
	_, err := run(t.Context(), t, a, a.Sweep, params(l.Inventory().ServersAt("spb")), func(e *testsuite.TestActivityEnvironment) {
		e.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
			mu.Lock()
			defer mu.Unlock()
			var p Progress
			if details.Get(&p) == nil {
				beats++
				total = p.Total
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if beats == 0 || total != 480 {
		t.Errorf("%d heartbeats, of %d in all; want some of 480", beats, total)
	}
}

func TestWrongParametersNameTheirField(t *testing.T) {
	a := New(&inventory.Inventory{}, &memory{}, Options{})
	many := make([]string, MaxSweep+1)
	tests := []struct {
		field  string
		change func(*SweepParams)
	}{
		{"sweep", func(p *SweepParams) { p.Sweep = "" }},
		{"round", func(p *SweepParams) { p.Round = -1 }},
		{"vantage", func(p *SweepParams) { p.Vantage = "" }},
		{"components", func(p *SweepParams) { p.Components = nil }},
		{"components", func(p *SweepParams) { p.Components = many }},
		{"probes", func(p *SweepParams) { p.Probes = []topology.Probe{"telepathy"} }},
		{"timeoutMs", func(p *SweepParams) { p.TimeoutMs = -1 }},
		{"timeoutMs", func(p *SweepParams) { p.TimeoutMs = 3_600_000 }},
		{"attempts", func(p *SweepParams) { p.Attempts = 1000 }},
	}
	for _, tt := range tests {
		p := params([]string{"m1-0101"})
		tt.change(&p)
		_, err := run(t.Context(), t, a, a.Sweep, p)
		var app *temporal.ApplicationError
		if !errors.As(err, &app) || !app.NonRetryable() || !strings.HasPrefix(app.Message(), tt.field+" ") {
			t.Errorf("%s: error %v, want one that is final and names the field", tt.field, err)
		}
	}
}

func TestStoreThatFailsIsWorthAnotherTry(t *testing.T) {
	l := lab(t, estate.Options{})
	a := New(l.Inventory(), &memory{err: errors.New("disk full")}, Options{})
	_, err := run(t.Context(), t, a, a.Sweep, params([]string{"m1-0101"}))
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.NonRetryable() || !strings.Contains(app.Message(), "disk full") {
		t.Errorf("error %v, want a retryable one with the cause", err)
	}
}

func TestCancelledSweepCallsNobodyDown(t *testing.T) {
	l := lab(t, estate.Options{})
	fault(t, l, "spb-uplink-1", estate.Silent)
	var sink memory
	ctx, cancel := context.WithCancel(t.Context())
	a := New(l.Inventory(), &sink, Options{})
	s := a.shardOf(l.Inventory().ServersAt("spb"), nil, "msk", budget{timeout: time.Hour, attempts: 1})
	s.probe(ctx, func(int, int) { cancel() })
	for _, o := range s.observations {
		if o.Result != topology.Unknown || o.Detail != "cancelled" {
			t.Fatalf("observation %+v of a cancelled sweep, want unknown", o)
		}
	}
	if _, err := run(ctx, t, a, a.Sweep, params(l.Inventory().ServersAt("spb"))); err == nil {
		t.Error("a cancelled sweep has a result")
	}
	if len(sink.rows) != 0 {
		t.Errorf("a cancelled sweep stored %d observations", len(sink.rows))
	}
}

func TestVerdictOfSeveralProbes(t *testing.T) {
	const up, down, unknown = topology.Up, topology.Down, topology.Unknown
	tests := []struct {
		tcp, icmp, power, want topology.Result
	}{
		{up, "", "", up},
		{up, up, "", up},
		{down, up, "", down}, // it pings, but serves nobody
		{up, down, "", down},
		{unknown, up, "", unknown},
		{up, unknown, "", up}, // we may not ping; it serves
		{down, unknown, "", down},
		{"", unknown, "", unknown},
		{"", unknown, up, unknown},
		{unknown, down, "", down},
		{up, "", down, up},
		{up, "", unknown, up},
		{down, "", up, down},
		{"", "", down, down},
		{"", "", unknown, unknown},
	}
	for _, tt := range tests {
		s := &shard{}
		for probe, r := range map[topology.Probe]topology.Result{topology.ProbeTCP: tt.tcp, topology.ProbeICMP: tt.icmp} {
			if r != "" {
				s.observations = append(s.observations, topology.Observation{Component: "x", Probe: probe, Result: r})
			}
		}
		if tt.power != "" {
			s.observations = append(s.observations, topology.Observation{Component: "x", Probe: topology.ProbePower, Result: tt.power})
		}
		if got := s.verdicts()["x"]; got != tt.want {
			t.Errorf("tcp %q, icmp %q, power %q: %q, want %q", tt.tcp, tt.icmp, tt.power, got, tt.want)
		}
	}
}

func TestWhatADeviceSaysOfOthersDoesNotCountAgainstIt(t *testing.T) {
	const up, down, unknown = topology.Up, topology.Down, topology.Unknown
	row := func(p topology.Probe, r topology.Result) topology.Observation {
		return topology.Observation{Component: "x", Probe: p, Result: r}
	}
	tests := []struct {
		name string
		rows []topology.Observation
		want topology.Result
	}{
		{"a switch with a dead port", []topology.Observation{row(topology.ProbePort, down), row(topology.ProbeTCP, up)}, up},
		{"a dead server whose supplies have input", []topology.Observation{row(topology.ProbeTCP, down), row(topology.ProbePSU, up)}, down},
		{"a server that is on, by its BMC, with one supply lost", []topology.Observation{row(topology.ProbePSU, down), row(topology.ProbePower, up)}, up},
		{"a PDU of which only outlets were asked", []topology.Observation{row(topology.ProbeOutlet, down), row(topology.ProbeOutlet, unknown)}, up},
		{"a PDU that told nothing", []topology.Observation{row(topology.ProbeOutlet, unknown), row(topology.ProbeFeed, unknown)}, unknown},
		{"an agent that keeps silent, with nothing else asked", []topology.Observation{row(topology.ProbePort, unknown), row(topology.ProbeSNMP, down)}, down},
	}
	for _, tt := range tests {
		for range 2 {
			s := &shard{observations: tt.rows}
			if got := s.verdicts()["x"]; got != tt.want {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
			slices.Reverse(tt.rows)
		}
	}
}

// BenchmarkSweep500 is one client's 500 servers with one that stays silent,
// against one 300 ms budget: ms/sweep is the figure.
func BenchmarkSweep500(b *testing.B) {
	l := lab(b, estate.Options{})
	fault(b, l, "m2-0401", estate.Silent)
	a := New(l.Inventory(), &memory{}, Options{})
	ids := l.Inventory().ServersOf(estate.Romashka)
	wrong := 0
	for b.Loop() {
		s := a.shardOf(ids, nil, "msk", budget{timeout: defaultTimeout, attempts: defaultAttempts})
		s.probe(b.Context(), func(int, int) {})
		if r := s.result(); r.Down != 1 || r.Unknown != 0 {
			wrong++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/sweep")
	b.ReportMetric(float64(wrong), "wrong-sweeps")
}
