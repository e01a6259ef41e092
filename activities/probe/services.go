package probe

import (
	"context"
	"strings"
	"sync"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// offer is a probe of what a component serves: named says whether its
// profile has any, ask makes them.
type offer struct {
	named func(*inventory.Profile) bool
	ask   func(ctx context.Context, a *Activities, s served) answer
}

// served is a component whose services are asked.
type served struct {
	task
	dial budget // of the connection
}

// services are the probes of what components serve, each in a file of its own.
var services = map[topology.Probe]offer{
	topology.ProbeTLS: {
		named: func(p *inventory.Profile) bool { return len(p.TLS) > 0 },
		ask: func(ctx context.Context, a *Activities, s served) answer {
			return all(s.component.Probe.TLS, func(c inventory.TLSCheck) answer { return a.probeTLS(ctx, s, c) })
		},
	},
	topology.ProbeHTTP: {
		named: func(p *inventory.Profile) bool { return len(p.HTTP) > 0 },
		ask: func(ctx context.Context, a *Activities, s served) answer {
			return all(s.component.Probe.HTTP, func(c inventory.HTTPCheck) answer { return a.probeHTTP(ctx, s, c) })
		},
	},
	topology.ProbeDNS: {
		named: func(p *inventory.Profile) bool { return len(p.DNS) > 0 },
		ask: func(ctx context.Context, a *Activities, s served) answer {
			return all(s.component.Probe.DNS, func(c inventory.DNSCheck) answer { return a.probeDNS(ctx, s, c) })
		},
	},
	topology.ProbeSSH: {
		named: func(p *inventory.Profile) bool { return len(p.SSH) > 0 },
		ask: func(ctx context.Context, a *Activities, s served) answer {
			return all(s.component.Probe.SSH, func(port int) answer { return a.probeSSH(ctx, s, port) })
		},
	},
}

// serviceProbes is the order in which they are listed.
var serviceProbes = []topology.Probe{topology.ProbeTLS, topology.ProbeHTTP, topology.ProbeDNS, topology.ProbeSSH}

// askServices makes the tasks of each kind of service at their own concurrency.
func (s *shard) askServices(ctx context.Context, byProbe map[topology.Probe][]int) {
	var wg sync.WaitGroup
	for _, p := range serviceProbes {
		wg.Go(func() {
			s.each(byProbe[p], s.a.opts.ServiceConcurrency, func(t task) []answer {
				return []answer{services[p].ask(ctx, s.a, served{t, s.budget})}
			})
		})
	}
	wg.Wait()
}

// all makes the checks one after the other. Unlike open ports, of which one
// shows that the machine lives, all services are to be well: the worst answer
// counts, and the details of those that gave it.
func all[T any](checks []T, ask func(T) answer) answer {
	rank := map[topology.Result]int{topology.Up: 0, topology.Unknown: 1, topology.Down: 2}
	var worst answer
	var details []string
	for _, c := range checks {
		got := ask(c)
		if worst.result == "" || rank[got.result] > rank[worst.result] {
			worst.result, details = got.result, nil
		}
		if got.result == worst.result {
			details = append(details, got.detail)
		}
		worst.rtt = max(worst.rtt, got.rtt)
	}
	worst.detail = strings.Join(details, "; ")
	return worst
}

// overdue says that a service let its time go by: the machine's fault, unless
// this process noticed it late itself.
func (a *Activities) overdue(deadline time.Time, what string) answer {
	if time.Since(deadline) > a.opts.ServiceTimeout/2 {
		return answer{result: topology.Unknown, detail: detailBusy}
	}
	return answer{result: topology.Down, detail: what + ": " + detailTimeout}
}
