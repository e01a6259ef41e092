package topology_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// A machine whose service answers, and not as it should, is not said to be silent: nobody is sent to
// see whether it is lit.
func TestAMachineWhoseServiceAnswersIsNotSaidToBeSilent(t *testing.T) {
	var beside strings.Builder
	for n := range 20 {
		fmt.Fprintf(&beside, "  - {id: s%d, kind: server, in: k1, client: acme, needs: {power: [pdu]}, probe: {address: 192.0.2.%d, tcp: [22]}}\n", n, n+2)
	}
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(`version: 1
sites: [{id: msk, name: Moscow, timezone: Europe/Moscow, vantages: [msk]}]
components:
  - {id: k1, kind: rack, in: msk}
  - {id: pdu, kind: pdu, in: k1}
  - {id: web, kind: server, in: k1, client: acme, needs: {power: [pdu]}, probe: {address: 192.0.2.1, http: [{port: 80}], bmc: {ipmi: 192.0.2.101, credentials: env:BMC}}}
` + beside.String() + `clients: [{id: acme, name: Acme, language: ru, timezone: Europe/Moscow, contacts: [{id: duty, name: D, addresses: {telegram: "1"}}]}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		probe                         topology.Probe
		detail                        string
		evidence, headline, headline2 string
	}{
		{topology.ProbeHTTP, "port 80: status 503", "answers HTTP, but not as it should (status 503)", "answers, but not as it should by HTTP", "отвечает, но не так, как должен, по HTTP"},
		{topology.ProbeDNS, "port 53: answers NXDOMAIN", "answers DNS, but not as it should (NXDOMAIN)", "answers, but not as it should by DNS", "отвечает, но не так, как должен, по DNS"},
		{topology.ProbeTLS, "port 443: certificate expired 8 days ago", "answers TLS, but not as it should (certificate expired 8 days ago)", "answers, but not as it should by TLS", "отвечает, но не так, как должен, по TLS"},
		{topology.ProbeSSH, "port 22: SSH banner: timeout", "answers SSH, but not as it should (SSH banner: timeout)", "answers, but not as it should by SSH", "отвечает, но не так, как должен, по SSH"},
		{topology.ProbeHTTP, "port 80: timeout", "does not answer HTTP (timeout)", "does not answer, and the fault is its own", "не отвечает, неисправность в нём самом"},
	} {
		obs := []topology.Observation{
			{Component: "web", Probe: c.probe, Vantage: "msk", At: at, Result: topology.Down, Detail: c.detail},
			{Component: "web", Probe: c.probe, Vantage: "msk", At: at.Add(time.Second), Result: topology.Down, Detail: c.detail},
			{Component: "web", Probe: c.probe, Vantage: "fra", At: at, Result: topology.Down, Detail: c.detail},
		}
		for n := range 20 {
			obs = append(obs, topology.Observation{Component: fmt.Sprintf("s%d", n), Probe: topology.ProbeTCP, Vantage: "msk", At: at, Result: topology.Up})
		}
		got := topology.New(inv).Infer(obs).Findings
		if len(got) != 1 || got[0].Component != "web" {
			t.Fatalf("%s: %+v, want web", c.detail, got)
		}
		if e := got[0].Evidence[0].Text; !strings.HasPrefix(e, c.evidence) {
			t.Errorf("%s: evidence %q, want %q", c.detail, e, c.evidence)
		}
		en, ru := topology.Headline(inv, got[0], inventory.English), topology.Headline(inv, got[0], inventory.Russian)
		if !strings.HasSuffix(en, c.headline) || !strings.HasSuffix(ru, c.headline2) {
			t.Errorf("%s: %q and %q, want %q and %q", c.detail, en, ru, c.headline, c.headline2)
		}
		if lit := strings.Contains(topology.Advice(inv, got[0], inventory.English), "lit"); lit == (c.detail != "port 80: timeout") {
			t.Errorf("%s: %q", c.detail, topology.Advice(inv, got[0], inventory.English))
		}
	}
}
