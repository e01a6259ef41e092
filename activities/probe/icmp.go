package probe

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"vakhta/activities/probe/ping"
	"vakhta/internal/topology"
)

// pingBatch is how many echo requests leave by one system call, at most.
const pingBatch = 32

// pingAll pings the hosts of the tasks, through one socket per address family.
func (s *shard) pingAll(ctx context.Context, tasks []int) {
	byFamily := map[*ping.Family][]int{}
	for _, i := range tasks {
		f := ping.FamilyOf(s.tasks[i].address)
		byFamily[f] = append(byFamily[f], i)
	}
	var wg sync.WaitGroup
	for f, mine := range byFamily {
		wg.Go(func() { s.pingFamily(ctx, f, mine) })
	}
	wg.Wait()
}

func (s *shard) pingFamily(ctx context.Context, f *ping.Family, tasks []int) {
	socket, err := ping.Open(f)
	if err != nil {
		for _, i := range tasks {
			s.settle(i, answer{result: topology.Unknown, detail: err.Error()})
		}
		return
	}
	defer socket.Close()
	s.receivesInto(socket.ReceiveBuffer(), len(tasks))
	addresses := make([]netip.Addr, len(tasks))
	for n, i := range tasks {
		addresses[n] = s.tasks[i].address
	}
	pace := s.a.pace
	replies := socket.Ping(ctx, addresses, ping.Options{
		Attempts: s.budget.attempts,
		Spacing: func(host int) (gap, linger time.Duration) {
			b := s.budgetOf(s.tasks[tasks[host]].component.ID)
			return b.gap(), b.linger()
		},
		Pace:     pace.WaitN,
		Batch:    pace.Batch(pingBatch),
		Admit:    func(a netip.Addr) time.Duration { return pace.Admit(a, s.budget.attempts) },
		Progress: func(int) { s.progress(int(s.done.Load()), len(s.tasks)) }, // a slow pace is not a dead worker
	})
	for n, i := range tasks {
		s.settle(i, pingAnswer(replies[n]))
	}
}

// perReply is what a reply takes of the receive buffer while nobody has come to read it.
const perReply = 800

// receivesInto notes that the kernel granted the socket too little for the
// replies of all hosts at once.
func (s *shard) receivesInto(buffer, hosts int) {
	if hosts*perReply <= buffer {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cramped = buffer
}

func pingAnswer(r ping.Reply) answer {
	switch r.State {
	case ping.Answered:
		if r.Sent > r.Received {
			return answer{result: topology.Up, detail: fmt.Sprintf("echo reply, %d of %d requests lost", r.Sent-r.Received, r.Sent), rtt: r.RTT}
		}
		return answer{result: topology.Up, detail: "echo reply", rtt: r.RTT}
	case ping.Silent:
		detail := fmt.Sprintf("no echo reply to %d requests", r.Sent)
		if r.Detail != "" {
			detail += ": " + r.Detail
		}
		return answer{result: topology.Down, detail: detail}
	default:
		return answer{result: topology.Unknown, detail: r.Detail}
	}
}
