package records_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// However sure it is that a machine failed by itself, what stands beside one without a BMC is asked what ails it: its
// hypervisor whether it runs, its switch whether it has link. It is asked once.
func TestWhatStandsBesideAMachineWithoutABMCIsAsked(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "guests", Data: []byte(`
version: 1
sites: [{id: s, timezone: UTC, vantages: [v]}]
clients: [{id: c, language: en, timezone: UTC, contacts: [{id: d, addresses: {telegram: 1}}]}]
components:
  - {id: sw, kind: switch, in: s, probe: {address: 10.0.0.1, snmp: {credentials: "env:X", ports: {ge1: hv, ge2: m}}}}
  - {id: hv, kind: hypervisor, in: s, needs: {network: [sw]}, probe: {proxmox: {url: "https://10.0.0.3:8006", node: n, credentials: "env:X", guests: {"101": g1, "102": g2, "103": g3}}}}
  - {id: g1, kind: server, in: hv, client: c, probe: {address: 10.0.1.1, tcp: [22]}}
  - {id: g2, kind: server, in: hv, client: c, probe: {address: 10.0.1.2, tcp: [22]}}
  - {id: g3, kind: server, in: hv, client: c, probe: {address: 10.0.1.3, tcp: [22]}}
  - {id: m, kind: server, in: s, client: c, needs: {network: [sw]}, probe: {address: 10.0.1.4, tcp: [22]}}
  - {id: n, kind: server, in: s, client: c, needs: {network: [sw]}, probe: {address: 10.0.1.5, tcp: [22]}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	for dead, want := range map[string]struct {
		device string
		probe  topology.Probe
	}{"g2": {"hv", topology.ProbeGuest}, "m": {"sw", topology.ProbePort}} {
		r := newRigOf(t, inv)
		for i, at := 0, r.now; i < 4; i++ { // it is known that all answer
			r.seenBy([]topology.Probe{topology.ProbeTCP}, "before-"+strconv.Itoa(i), at.Add(time.Duration(i-8)*time.Hour), topology.Up, inv.Servers()...)
		}
		r.now = r.now.Add(4 * time.Hour)
		put := func(round int, obs ...topology.Observation) {
			t.Helper()
			if err := r.store.PutObservations(t.Context(), "s", round, obs); err != nil {
				t.Fatal(err)
			}
		}
		for round := 1; round <= 2; round++ { // it is silent twice
			var look []topology.Observation
			for _, id := range inv.Servers() {
				o := topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: "v", At: r.now.Add(time.Duration(round) * time.Second), Result: topology.Up}
				if id == dead {
					o.Result = topology.Down
				}
				look = append(look, o)
			}
			put(round, look...)
		}
		scope := records.Scope{Site: "s"}
		inf := r.infer("s", scope, 2)
		if len(inf.Findings) != 1 || inf.Findings[0].Component != dead {
			t.Fatalf("%+v, want %s", inf, dead)
		}
		if got := probed(r.shards("s", 3, inf.Next), want.probe); !slices.Equal(got, []string{want.device}) {
			t.Errorf("%s: %s asked of %v, want %s", dead, want.probe, got, want.device)
		}
		put(3, topology.Observation{Component: want.device, Probe: want.probe, Peer: dead, Vantage: "v", At: r.now, Result: topology.Down})
		inf = r.infer("s", scope, 3)
		if got := probed(r.shards("s", 4, inf.Next), want.probe); len(got) > 0 {
			t.Errorf("%s: %s asked of %v again", dead, want.probe, got)
		}
	}
}
