package topology_test

import (
	"slices"
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// rackWithDevices: four machines on two PDUs and a switch, which know where they lead, and a guest.
func rackWithDevices(t *testing.T) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Load(inventory.Document{Name: "devices", Data: []byte(`
version: 1
sites: [{id: s, timezone: UTC}]
clients: [{id: c, language: en, timezone: UTC, contacts: [{id: d, addresses: {telegram: 1}}]}]
components:
  - {id: k, kind: rack, in: s}
  - {id: pdu-a, kind: pdu, in: k, probe: {address: 10.0.0.1, snmp: {credentials: "env:X", outlets: {"1": m1, "2": m2, "3": m3, "4": hv}}}}
  - {id: pdu-b, kind: pdu, in: k}
  - {id: sw, kind: switch, in: k, probe: {address: 10.0.0.2, snmp: {credentials: "env:X", ports: {ge1: m1, ge2: m2, ge3: m3, ge4: hv}}}}
  - {id: m1, kind: server, in: k, client: c, needs: {power: [pdu-a, pdu-b], network: [sw]}}
  - {id: m2, kind: server, in: k, client: c, needs: {power: [pdu-a, pdu-b], network: [sw]}}
  - {id: m3, kind: server, in: k, client: c, needs: {power: [pdu-a, pdu-b], network: [sw]}}
  - {id: hv, kind: hypervisor, in: k, needs: {power: [pdu-a, pdu-b], network: [sw]}, probe: {proxmox: {url: "https://10.0.0.3:8006", node: n, credentials: "env:X", guests: {"101": g}}}}
  - {id: g, kind: server, in: s, client: c, needs: {host: [hv]}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// What devices beside a machine told of it stands in its finding's evidence, each in words that say where to look.
func TestFindingsQuoteTheDevicesBesideThem(t *testing.T) {
	const up, down = topology.Up, topology.Down
	inv := rackWithDevices(t)
	detailed := func(o topology.Observation, detail string) topology.Observation {
		o.Detail = detail
		return o
	}
	rows := []topology.Observation{told("sw", topology.ProbeSNMP, "", up), told("hv", topology.ProbeTCP, "", up)}
	for _, id := range []string{"m1", "m2", "m3", "g"} {
		rows = append(rows, told(id, topology.ProbeTCP, "", up))
	}
	silent := func(id string, more ...topology.Observation) []topology.Observation {
		out := slices.Clone(rows)
		for i := range out {
			if out[i].Component == id {
				out[i].Result = down
			}
		}
		return append(append(out, detailed(told(id, topology.ProbeTCP, "", down), "port 22: timeout")), more...)
	}
	for _, tt := range []struct {
		name      string
		rows      []topology.Observation
		component string
		want      []string
		never     string
	}{
		{
			"supplies, outlets and the log", silent("m1", told("m1", topology.ProbeICMP, "", down), told("m1", topology.ProbeSSH, "", down),
				detailed(told("m1", topology.ProbePower, "", up), "chassis power on; log: Power Supply #2: input lost"),
				told("m1", topology.ProbePSU, "pdu-a", up), told("m1", topology.ProbePSU, "pdu-b", down), told("pdu-a", topology.ProbeOutlet, "m1", up)), "m1",
			[]string{"the log of its BMC ends with: Power Supply #2: input lost", "its supply on pdu-a has input", "its supply on pdu-b has no input", "outlet 1 of pdu-a that feeds it is on"},
			"against",
		},
		{
			"a port without link", silent("m2", detailed(told("sw", topology.ProbePort, "m2", down), "ge2 is down")), "m2",
			[]string{"port ge2 of sw to it has no link"},
			"shut",
		},
		{
			"a port that was shut", silent("m2", detailed(told("sw", topology.ProbePort, "m2", down), "ge2 is shut down by its configuration")), "m2",
			[]string{"port ge2 of sw to it is shut down by its configuration"},
			"no link",
		},
		{"its host", silent("g", told("hv", topology.ProbeGuest, "g", down)), "g", []string{"hv says that it is off"}, "runs"},
		{
			"a PDU by the supplies on it", append(slices.Clone(rows),
				told("m1", topology.ProbePSU, "pdu-a", down), told("m2", topology.ProbePSU, "pdu-a", down), told("m3", topology.ProbePSU, "pdu-a", down)), "pdu-a",
			[]string{"3 machines have no power at the supply on it"},
			"against",
		},
		{
			"a switch by its ports", append(slices.DeleteFunc(slices.Clone(rows), func(o topology.Observation) bool { return o.Component != "sw" }),
				told("m1", topology.ProbeTCP, "", down), told("m2", topology.ProbeTCP, "", down), told("m3", topology.ProbeTCP, "", down), told("hv", topology.ProbeTCP, "", down),
				told("m1", topology.ProbePower, "", up), told("m2", topology.ProbePower, "", up), told("m3", topology.ProbePower, "", up),
				told("sw", topology.ProbePort, "m1", down), told("sw", topology.ProbePort, "m2", down), told("sw", topology.ProbePort, "m3", down), told("sw", topology.ProbePort, "hv", down)), "sw",
			[]string{"it says that 4 of 4 ports are without link"},
			"shut",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inf := topology.New(inv).Infer(tt.rows)
			at := slices.IndexFunc(inf.Findings, func(f topology.Finding) bool { return f.Component == tt.component })
			if at < 0 {
				t.Fatalf("%s is not found: %+v", tt.component, inf.Findings)
			}
			var texts []string
			for _, e := range inf.Findings[at].Evidence {
				texts = append(texts, e.Text)
			}
			for _, want := range tt.want {
				if !slices.Contains(texts, want) {
					t.Errorf("%q lacks %q", texts, want)
				}
			}
			if slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, tt.never) }) {
				t.Errorf("%q says %q", texts, tt.never)
			}
			if g := &inf.Findings[at]; g.PowerOff != (tt.component == "g") {
				t.Errorf("switched off: %v", g.PowerOff)
			} else if g.PowerOff {
				for lang, want := range map[inventory.Language]string{inventory.English: "start it on hv", inventory.Russian: "запустить его на hv"} {
					if s := topology.Sentence(inv, *g, lang); !strings.Contains(s, want) {
						t.Errorf("%s", s)
					}
				}
			}
			if shut := tt.name == "a port that was shut"; inf.Findings[at].ShutPort() != shut {
				t.Errorf("its port was shut: %v", !shut)
			} else if shut {
				for lang, want := range map[inventory.Language][2]string{
					inventory.English: {"is cut off: its port is shut down", "then open it"}, inventory.Russian: {"его порт выключен в настройках", "и включить"},
				} {
					if s := topology.Sentence(inv, inf.Findings[at], lang); !strings.Contains(s, want[0]) || !strings.Contains(s, want[1]) {
						t.Errorf("%s", s)
					}
				}
			}
		})
	}
}

// A guest has no lamps to look at: its console is on its host.
func TestWhoLooksAtAGuestLooksOnItsHost(t *testing.T) {
	inv := rackWithDevices(t)
	hangs := topology.Finding{Component: "g", Kind: inventory.KindServer, Confidence: .9, Explains: []string{"g"}}
	for lang, want := range map[inventory.Language]string{inventory.English: "its console on hv", inventory.Russian: "его консоль на hv"} {
		if got := topology.Advice(inv, hangs, lang); !strings.Contains(got, want) {
			t.Errorf("%s", got)
		}
	}
	hangs.Component = "m1"
	if got := topology.Advice(inv, hangs, inventory.English); !strings.Contains(got, "lit") {
		t.Errorf("%s", got)
	}
}

// Where a hypervisor, and all that runs on it, keeps silent, its API is asked whether it runs: the switch may have failed.
func TestWhatTellsAHypervisorFromItsSwitchIsAsked(t *testing.T) {
	inv := rackWithDevices(t)
	rows := []topology.Observation{
		told("m1", topology.ProbeTCP, "", topology.Up), told("m2", topology.ProbeTCP, "", topology.Up), told("m3", topology.ProbeTCP, "", topology.Up),
		told("hv", topology.ProbeTCP, "", topology.Down), told("g", topology.ProbeTCP, "", topology.Down),
	}
	inf := topology.New(inv).Infer(rows)
	if !slices.ContainsFunc(inf.Next, func(n topology.ProbeRequest) bool {
		return n.Component == "hv" && n.Probe == topology.ProbeGuest && n.Peer == "g"
	}) {
		t.Errorf("next %+v", inf.Next)
	}
}
