package records_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const serving = `version: 1
sites: [{id: msk, name: Moscow, timezone: Europe/Moscow, vantages: [msk]}]
components:
  - {id: web, kind: server, in: msk, client: acme, probe: {address: 192.0.2.1, tcp: [22], icmp: true, http: [{port: 80}], tls: [443]}}
  - {id: bare, kind: server, in: msk, client: acme, probe: {address: 192.0.2.2, tcp: [22]}}
  - {id: only, kind: server, in: msk, client: acme, probe: {address: 192.0.2.3, http: [{port: 80}]}}
clients: [{id: acme, name: Acme, language: ru, timezone: Europe/Moscow, contacts: [{id: duty, name: D, addresses: {telegram: "1"}}]}]
teams: [{id: t, members: [{id: m, addresses: {email: m@x.example}}], levels: [{members: [m], ackWithin: 1m}]}]
`

// A client whose site answers 503 is not told that all is well because its machine answers ping.
func TestAClientsServicesAreAskedAndTold(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(serving)})
	if err != nil {
		t.Fatal(err)
	}
	r := newRigOf(t, inv)
	served := []topology.Probe{topology.ProbeTLS, topology.ProbeHTTP, topology.ProbeDNS, topology.ProbeSSH}
	scope := records.Scope{Client: "acme"}
	plan := r.plan("s", scope)
	if got := probed(r.shards("s", 1, plan.Shards), served...); !slices.Equal(got, []string{"web"}) {
		t.Errorf("services asked of %v, want of web: bare has none, and only is asked for nothing else anyway", got)
	}
	if plan.Total != 3 || len(plan.Shards) != 1 || plan.Shards[0].Sites[0].Servers != 3 {
		t.Errorf("%+v, want three machines, each counted once", plan)
	}
	if got := probed(r.shards("a", 1, r.plan("a", records.Scope{All: true}).Shards), served...); len(got) != 0 {
		t.Errorf("services asked of %v of the whole estate", got)
	}

	see := func(round int, component string, p topology.Probe, result topology.Result, detail string) {
		t.Helper()
		o := topology.Observation{Component: component, Probe: p, Vantage: "msk", At: r.now.Add(time.Duration(round) * time.Second), Result: result, Detail: detail}
		if err := r.store.PutObservations(t.Context(), "s", round, []topology.Observation{o}); err != nil {
			t.Fatal(err)
		}
	}
	see(1, "web", topology.ProbeTCP, topology.Up, "port 22: accepted")
	see(1, "web", topology.ProbeHTTP, topology.Down, "port 80: status 503")
	see(1, "web", topology.ProbeTLS, topology.Up, "port 443: certificate expires in 4 days")
	see(1, "bare", topology.ProbeTCP, topology.Up, "port 22: accepted")
	see(1, "only", topology.ProbeHTTP, topology.Up, "port 80: status 200")
	soon := records.Notice{Component: "web", Probe: topology.ProbeTLS, Text: "port 443: certificate expires in 4 days"}
	unwell := records.Notice{Component: "web", Probe: topology.ProbeHTTP, Unwell: true, Text: "port 80: status 503"}
	first := r.infer("s", scope, 1)
	if len(first.Findings) != 0 || !slices.Equal(first.Notices, []records.Notice{unwell, soon}) {
		t.Errorf("%+v, %+v", first.Findings, first.Notices)
	}
	if got := probed(r.shards("s", 2, first.Next), topology.ProbeHTTP); !slices.Equal(got, []string{"web"}) {
		t.Errorf("once more asked: %v, want web's", got)
	}
	see(1, "bare", topology.ProbeICMP, topology.Unknown, "the prober has no route")
	see(1, "web", topology.ProbeICMP, topology.Unknown, "the prober has no route")
	see(2, "web", topology.ProbeICMP, topology.Up, "echo reply")
	see(2, "web", topology.ProbeHTTP, topology.Up, "port 80: status 200")
	second := r.infer("s", scope, 2)
	if want := []string{"from vantage msk 1 probes could not tell: the prober has no route"}; !slices.Equal(second.Troubles, want) {
		t.Errorf("troubles %q, want what was not told later either: %q", second.Troubles, want)
	}
	if !slices.Equal(second.Notices, []records.Notice{soon}) || second.Next != nil {
		t.Errorf("it is well again: %+v, next %+v", second.Notices, second.Next)
	}
}
