package probe

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// Limits of the parameters.
const (
	MaxSweep    = 2000 // components of one sweep activity: 100,000 make 50 activities
	MaxWatch    = 2000 // components of one watch
	maxAttempts = 10
	maxTimeout  = 30 * time.Second

	defaultTimeout  = 300 * time.Millisecond
	defaultAttempts = 3

	// observationBatch is how many observations the sink gets at once.
	observationBatch = 500
)

// SweepParams asks for one shard of a sweep.
type SweepParams struct {
	Sweep      string   `json:"sweep"` // the sweep's id, for the sink
	Round      int      `json:"round"`
	Vantage    string   `json:"vantage,omitempty"` // default: the worker's
	Components []string `json:"components"`        // at most MaxSweep
	// Probes to make; none means what each component's profile answers of tcp
	// and icmp, or of tls, http, dns and ssh where it names neither of the two.
	// Those that ask a device beside it (power, psu, snmp, port, outlet, feed,
	// guest) are made only where they are named here.
	Probes []topology.Probe `json:"probes,omitempty"`
	// TimeoutMs is the budget of one probe, all its attempts included; 0 is 300,
	// or what suits the component's usual round trip where that is known. BMCs and
	// services have their own (Options.BMCTimeout, Options.ServiceTimeout).
	TimeoutMs int `json:"timeoutMs,omitempty"`
	Attempts  int `json:"attempts,omitempty"` // 0 is 3
}

// SweepResult counts components, not probes: one is down when a probe that it
// should answer says so, unknown when a probe could not tell, else up. Its power
// state and its SNMP agent decide only where nothing else was asked of it. What
// it says of others (ports, outlets, guests) and what its supplies say never
// makes it down: where nothing else was asked, it is up if the device answered.
type SweepResult struct {
	Up         int         `json:"up"`
	Down       int         `json:"down"`
	Unknown    int         `json:"unknown"`
	DownIDs    []string    `json:"downIds,omitempty"`    // by id
	UnknownIDs []string    `json:"unknownIds,omitempty"` // by id
	NotHeld    []string    `json:"notHeld,omitempty"`    // ids that the inventory doesn't hold: never dialled; by id
	Skipped    []string    `json:"skipped,omitempty"`    // components without an address for any of the probes; by id
	BySite     []SiteCount `json:"bySite,omitempty"`     // by site
	Ms         int64       `json:"ms"`                   // wall time of the probes
}

// SiteCount is a site's part of a SweepResult.
type SiteCount struct {
	Site    string `json:"site"`
	Up      int    `json:"up"`
	Down    int    `json:"down"`
	Unknown int    `json:"unknown"`
}

// Progress is what the heartbeats of a sweep tell.
type Progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// Sweep probes one shard once, stores the observations and counts them.
func (a *Activities) Sweep(ctx context.Context, p SweepParams) (SweepResult, error) {
	s, err := a.newShard(ctx, &p)
	if err != nil {
		return SweepResult{}, err
	}
	defer a.share.join(ctx)()
	started := time.Now()
	s.probe(ctx, func(done, total int) { activity.RecordHeartbeat(ctx, Progress{done, total}) })
	if err := ctx.Err(); err != nil {
		return SweepResult{}, err
	}
	for batch := range slices.Chunk(s.observations, observationBatch) {
		if err := a.sink.PutObservations(ctx, p.Sweep, p.Round, batch); err != nil {
			return SweepResult{}, fmt.Errorf("store the observations of sweep %s, round %d: %w", p.Sweep, p.Round, err)
		}
	}
	a.opts.Observed(p.Vantage, s.observations)
	r := s.result()
	r.Ms = time.Since(started).Milliseconds()
	return r, nil
}

// Power asks the BMCs of the components for their power state: Sweep with the
// probe "power" and nothing else.
func (a *Activities) Power(ctx context.Context, p SweepParams) (SweepResult, error) {
	p.Probes = []topology.Probe{topology.ProbePower}
	return a.Sweep(ctx, p)
}

// invalid is the error for parameters that no retry can mend.
func invalid(field, format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(field+" "+fmt.Sprintf(format, args...), "InvalidInput", nil, field)
}

func (a *Activities) newShard(ctx context.Context, p *SweepParams) (*shard, error) {
	if p.Vantage == "" {
		p.Vantage = a.opts.Vantage
	}
	switch {
	case p.Sweep == "":
		return nil, invalid("sweep", "is missing: give the sweep's id")
	case p.Round < 0:
		return nil, invalid("round", "must not be negative, got %d", p.Round)
	case p.Vantage == "":
		return nil, invalid("vantage", "is missing: name the vantage, or start the worker with one")
	case len(p.Components) == 0:
		return nil, invalid("components", "is empty: name at least one component")
	case len(p.Components) > MaxSweep:
		return nil, invalid("components", "holds %d ids: at most %d per sweep activity", len(p.Components), MaxSweep)
	}
	for _, probe := range p.Probes {
		if weights[probe] == 0 {
			return nil, invalid("probes", "names %q: use one of %s", probe, known())
		}
	}
	b, err := a.newBudget(p.TimeoutMs, p.Attempts)
	if err != nil {
		return nil, err
	}
	s := a.shardOf(p.Components, p.Probes, p.Vantage, b)
	if p.TimeoutMs == 0 {
		s.learn(ctx, p.Components)
	}
	return s, nil
}

func (a *Activities) newBudget(timeoutMs, attempts int) (budget, error) {
	b := budget{timeout: time.Duration(timeoutMs) * time.Millisecond, attempts: attempts}
	if b.timeout == 0 {
		b.timeout = a.opts.Timeout
	}
	if b.attempts == 0 {
		b.attempts = a.opts.Attempts
	}
	if b.timeout < 0 || b.timeout > maxTimeout {
		return b, invalid("timeoutMs", "must be between 1 and %d, got %d", maxTimeout.Milliseconds(), timeoutMs)
	}
	if b.attempts < 0 || b.attempts > maxAttempts {
		return b, invalid("attempts", "must be between 1 and %d, got %d", maxAttempts, attempts)
	}
	return b, nil
}

// shard is one list of components under probe.
type shard struct {
	a            *Activities
	vantage      string
	budget       budget
	probes       []topology.Probe // as they were asked for
	tight        map[string]habit // of components whose usual round trip is known
	patient      bool             // no answer gets less time for that than where nothing is known
	tasks        []task
	notHeld      []string
	skipped      []string
	found        [][]topology.Observation // what each task found
	observations []topology.Observation   // the same in one list, when all tasks are done

	done     atomic.Int64
	progress func(done, total int)

	mu      sync.Mutex
	stack   []byte             // of the last defect
	cramped int                // receive buffer of a ping socket, bytes, where it is too small
	unasked map[string]unasked // by why
}

// task is one conversation with one component: mostly one probe, but a switch
// answers for all its ports at once.
type task struct {
	component *inventory.Component
	probe     topology.Probe // which of the shard's pools it runs in
	address   netip.Addr     // of the component itself, for those that ask it
}

// shardOf keeps what the inventory holds; each id once.
func (a *Activities) shardOf(ids []string, probes []topology.Probe, vantage string, b budget) *shard {
	s := &shard{a: a, vantage: vantage, budget: b, probes: probes}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		c, ok := a.inv.Component(id)
		if !ok {
			s.notHeld = append(s.notHeld, id)
			continue
		}
		before := len(s.tasks)
		s.addTasks(c)
		if len(s.tasks) == before {
			s.skipped = append(s.skipped, id)
		}
	}
	s.found = make([][]topology.Observation, len(s.tasks))
	slices.Sort(s.notHeld)
	slices.Sort(s.skipped)
	return s
}

// asks says that the shard makes the probe where the profile answers it.
func (s *shard) asks(p topology.Probe) bool {
	return slices.Contains(s.probes, p) || len(s.probes) == 0 && weights[p] == service
}

// addTasks adds the probes that the profile answers, of those that are asked
// for. Without any, services are asked only where there is neither tcp nor icmp.
func (s *shard) addTasks(c *inventory.Component) {
	if address, err := netip.ParseAddr(c.Probe.Address); err == nil {
		add := func(p topology.Probe, answers bool) {
			if answers && s.asks(p) {
				s.tasks = append(s.tasks, task{component: c, probe: p, address: address.Unmap()})
			}
		}
		add(topology.ProbeTCP, len(c.Probe.TCP) > 0)
		add(topology.ProbeICMP, c.Probe.ICMP)
		alone := len(c.Probe.TCP) == 0 && !c.Probe.ICMP
		for _, p := range serviceProbes {
			add(p, services[p].named(&c.Probe) && (alone || len(s.probes) > 0))
		}
	}
	if (s.asks(topology.ProbePower) || s.asks(topology.ProbePSU)) && c.Probe.BMC.Given() {
		s.tasks = append(s.tasks, task{component: c, probe: topology.ProbePower})
	}
	if len(s.agentProbes(c)) > 0 {
		s.tasks = append(s.tasks, task{component: c, probe: topology.ProbeSNMP})
	}
	if s.asks(topology.ProbeGuest) && c.CanAsk(string(topology.ProbeGuest)) {
		s.tasks = append(s.tasks, task{component: c, probe: topology.ProbeGuest})
	}
}

// agentProbes are those of the shard that the component's SNMP agent answers.
func (s *shard) agentProbes(c *inventory.Component) []topology.Probe {
	var out []topology.Probe
	for _, p := range []topology.Probe{topology.ProbeSNMP, topology.ProbePort, topology.ProbeOutlet, topology.ProbeFeed} {
		if s.asks(p) && c.CanAsk(string(p)) {
			out = append(out, p)
		}
	}
	return out
}

// probe makes every probe of the shard, each kind at its own concurrency, and
// returns when nothing of it runs any more.
func (s *shard) probe(ctx context.Context, progress func(done, total int)) {
	s.progress = progress
	progress(0, len(s.tasks))
	byProbe := map[topology.Probe][]int{}
	for i, t := range s.tasks {
		byProbe[t.probe] = append(byProbe[t.probe], i)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		s.each(byProbe[topology.ProbeTCP], s.a.opts.Concurrency, func(t task) []answer {
			return []answer{s.a.probeTCP(ctx, t.address, t.component.Probe.TCP, s.budgetOf(t.component.ID), s.budget)}
		})
	})
	wg.Go(func() {
		wants := bmcWants{
			power: s.asks(topology.ProbePower), supplies: s.asks(topology.ProbePSU),
			log: s.asks(topology.ProbePower) && len(byProbe[topology.ProbePower]) <= logShard,
		}
		s.each(byProbe[topology.ProbePower], s.a.opts.BMCConcurrency, func(t task) []answer {
			return s.a.askBMC(ctx, t.component, wants)
		})
	})
	wg.Go(func() {
		s.each(byProbe[topology.ProbeSNMP], s.a.opts.SNMPConcurrency, func(t task) []answer {
			return s.a.askSNMP(ctx, t.component, s.agentProbes(t.component))
		})
	})
	wg.Go(func() {
		s.each(byProbe[topology.ProbeGuest], s.a.opts.BMCConcurrency, func(t task) []answer {
			return s.a.askProxmox(ctx, t.component.Probe.Proxmox)
		})
	})
	wg.Go(func() { s.pingAll(ctx, byProbe[topology.ProbeICMP]) })
	wg.Go(func() { s.askServices(ctx, byProbe) })
	wg.Wait()
	s.complain(ctx)
	s.observations, s.found = slices.Concat(s.found...), nil
}

// each runs do for the tasks, at most limit at a time.
func (s *shard) each(tasks []int, limit int, do func(task) []answer) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(limit, len(tasks)) {
		wg.Go(func() {
			for i := range next {
				s.settle(i, s.converse(i, do)...)
			}
		})
	}
	for _, i := range tasks {
		next <- i
	}
	close(next)
	wg.Wait()
}

// converse does the task. A defect of ours, or of a library, on which an answer trips costs this task
// alone: a worker that ended by it would leave the shard to the next one, and end that, too.
func (s *shard) converse(i int, do func(task) []answer) (got []answer) {
	defer func() {
		if r := recover(); r != nil {
			s.failed(debug.Stack())
			got = []answer{notAsked("the prober failed: a defect of Vakhta")}
		}
	}()
	return do(s.tasks[i])
}

// progressEvery is how many probes are done between two heartbeats; the SDK
// throttles them further.
const progressEvery = 25

// settle keeps what the task found. An answer that names no probe is one to the task's own.
func (s *shard) settle(i int, got ...answer) {
	t, now := s.tasks[i], time.Now().UTC()
	for _, a := range got {
		if a.result == "" {
			s.missed(t, a.detail)
			continue
		}
		s.found[i] = append(s.found[i], topology.Observation{
			Component: t.component.ID, Probe: cmp.Or(a.probe, t.probe), Peer: a.peer, Vantage: s.vantage, At: now,
			Result: a.result, Detail: a.detail, RTTMicros: a.rtt.Microseconds(),
		})
	}
	if done := int(s.done.Add(1)); done%progressEvery == 0 || done == len(s.tasks) {
		s.progress(done, len(s.tasks))
	}
}

func (s *shard) result() SweepResult {
	r := SweepResult{NotHeld: s.notHeld, Skipped: s.skipped}
	verdicts := s.verdicts()
	sites := map[string]*SiteCount{}
	for _, t := range s.tasks {
		id, site := t.component.ID, t.component.Site
		verdict, fresh := verdicts[id]
		if !fresh {
			continue // counted by an earlier task
		}
		delete(verdicts, id)
		n := sites[site]
		if n == nil {
			n = &SiteCount{Site: site}
			sites[site] = n
		}
		switch verdict {
		case topology.Up:
			r.Up++
			n.Up++
		case topology.Down:
			r.Down++
			n.Down++
			r.DownIDs = append(r.DownIDs, id)
		default:
			r.Unknown++
			n.Unknown++
			r.UnknownIDs = append(r.UnknownIDs, id)
		}
	}
	slices.Sort(r.DownIDs)
	slices.Sort(r.UnknownIDs)
	for _, n := range sites {
		r.BySite = append(r.BySite, *n)
	}
	slices.SortFunc(r.BySite, func(x, y SiteCount) int { return cmp.Compare(x.Site, y.Site) })
	return r
}
