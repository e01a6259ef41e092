package topology_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vakhta/internal/topology"
)

// Services that fail on machines that answer are no loss of packets on the way to them: a rack of
// web servers whose common database is gone has no bad switch.
func TestServicesThatFailAreNoLossOfPackets(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 20, clients: 1}.load(t)
	for _, share := range []int{1, 2, 3} {
		var obs []topology.Observation
		for i, id := range inv.Servers() {
			for look := range 3 {
				at := noon.Add(time.Duration(look) * time.Second)
				o := topology.Observation{Component: id, Vantage: "out", At: at, Result: topology.Up}
				for _, o.Probe = range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP} {
					obs = append(obs, o)
				}
				c, _ := inv.Component(id)
				o.Probe, o.Detail = topology.ProbeHTTP, fmt.Sprint("look ", look)
				if c.Rack == "s0-r0-k00" && (i+look)%share == 0 {
					o.Result = topology.Down
				}
				obs = append(obs, o)
			}
		}
		if got := topology.New(inv).Infer(obs); len(got.Findings) > 0 || got.Down > 0 {
			t.Errorf("every %d. request fails: %+v, want no finding", share, got.Findings)
		}
	}
}

// A machine that misses a ping, and whose programs have all fallen silent since yesterday, is down.
func TestServicesThatAreSilentBesideAPingSpeakAgainstTheMachine(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 10, clients: 1}.load(t)
	look := func(at time.Time, gone string) []topology.Observation {
		var obs []topology.Observation
		for _, id := range inv.Servers() {
			for _, probe := range []topology.Probe{topology.ProbeICMP, topology.ProbeSSH, topology.ProbeTLS} {
				o := topology.Observation{Component: id, Probe: probe, Vantage: "out", At: at, Result: topology.Up}
				if id == gone {
					o.Result = topology.Down
				}
				obs = append(obs, o)
			}
		}
		return obs
	}
	const gone = "srv-000004"
	inf := topology.New(inv).InferAfter(look(noon, gone), look(noon.Add(-24*time.Hour), ""))
	if got := named(inf); !slices.Equal(got, []string{gone}) {
		t.Errorf("named %v, want %s: %s", got, gone, story(&inf))
	}
}
