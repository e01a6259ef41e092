package topology_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func told(id string, p topology.Probe, peer string, r topology.Result) topology.Observation {
	o := at(id, p, "v", r, noon)
	o.Peer = peer
	return o
}

// What is told from beside a component names it, or clears it, where its own
// address and the machines on it say nothing.
func TestWhatIsToldFromBesideCounts(t *testing.T) {
	const (
		up, down = topology.Up, topology.Down
		pdu      = "s0-r0-k00-pdu-a"
		sw       = "s0-r0-k00-sw"
	)
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 10, clients: 1}.load(t) // all on both PDUs
	g := topology.New(inv)
	well := newWorld(inv).look(servers)
	silent := func(id string, power topology.Result) []topology.Observation {
		var out []topology.Observation
		for _, o := range well {
			if o.Component == id {
				if o.Result = down; o.Probe == topology.ProbePower {
					o.Result = power
				}
			}
			out = append(out, o)
		}
		return out
	}
	hands := func(o topology.Observation) topology.Observation {
		o.Vantage = topology.Hands
		return o
	}
	for _, tt := range []struct {
		name string
		rows []topology.Observation
		want []string
	}{
		{"one supply without input may be its cable", append(slices.Clone(well), told("srv-000000", topology.ProbePSU, pdu, down)), nil},
		{"three on one PDU are the PDU", append(slices.Clone(well), told("srv-000000", topology.ProbePSU, pdu, down), told("srv-000001", topology.ProbePSU, pdu, down), told("srv-000002", topology.ProbePSU, pdu, down)), []string{pdu}},
		{"three, and one that has input", append(slices.Clone(well), told("srv-000000", topology.ProbePSU, pdu, down), told("srv-000001", topology.ProbePSU, pdu, up), told("srv-000002", topology.ProbePSU, pdu, up)), nil},
		{"somebody sees that the PDU is dark", append(slices.Clone(well), hands(told(pdu, topology.ProbePower, "", down)), hands(told("srv-000000", topology.ProbePSU, pdu, down))), []string{pdu}},
		{"a machine that is silent, its link lost", append(silent("srv-000003", up), told(sw, topology.ProbePort, "srv-000003", down)), []string{"srv-000003"}},
		{"a machine that is silent, its link up, once", append(silent("srv-000003", up), told(sw, topology.ProbePort, "srv-000003", up)), nil},
		{"somebody sees that it is off", append(silent("srv-000003", topology.Unknown), hands(told("srv-000003", topology.ProbePower, "", down))), []string{"srv-000003"}},
		{"a service fails on a machine that answers", append(slices.Clone(well), told("srv-000003", topology.ProbeHTTP, "", down), told("srv-000003", topology.ProbeTLS, "", down)), nil},
		{"about a peer that nobody knows", append(slices.Clone(well), told(sw, topology.ProbePort, "nobody", down)), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(4) {
				if got := named(g.Infer(shuffled(tt.rows, seed))); !slices.Equal(got, tt.want) {
					t.Errorf("findings %v, want %v", got, tt.want)
				}
			}
		})
	}
}

// A guest is on or off as its hypervisor says.
func TestAHypervisorTellsOfItsGuests(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "guests", Data: []byte(`
version: 1
sites: [{id: s, timezone: UTC}]
clients: [{id: c, language: en, timezone: UTC, contacts: [{id: d, addresses: {telegram: 1}}]}]
components:
  - {id: hv, kind: hypervisor, in: s}
  - {id: g1, kind: server, in: s, client: c, needs: {host: [hv]}}
  - {id: g2, kind: server, in: s, client: c, needs: {host: [hv]}}
  - {id: g3, kind: server, in: s, client: c, needs: {host: [hv]}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	g := topology.New(inv)
	look := func(up ...string) []topology.Observation {
		var out []topology.Observation
		for _, id := range inv.Servers() {
			r := topology.Down
			if slices.Contains(up, id) {
				r = topology.Up
			}
			out = append(out, at(id, topology.ProbeTCP, "v", r, noon), told("hv", topology.ProbeGuest, id, r))
		}
		return out
	}
	if got := named(g.Infer(look("g1", "g3"))); !slices.Equal(got, []string{"g2"}) {
		t.Errorf("findings %v, want the guest that was stopped", got)
	}
	mute := look()
	for i := range mute {
		if mute[i].Probe == topology.ProbeGuest {
			mute[i].Result = topology.Unknown
		}
	}
	if got := named(g.Infer(mute)); !slices.Equal(got, []string{"hv"}) {
		t.Errorf("findings %v, want the hypervisor that says nothing", got)
	}
}

// Sift tells rows about one peer from those about another.
func TestNewsAreNewsByPeer(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 1, servers: 4, clients: 1}.load(t)
	g := topology.New(inv)
	row := func(peer string, when time.Time) topology.Observation {
		o := told("srv-000000", topology.ProbePSU, peer, topology.Down)
		o.At = when
		return o
	}
	sifted := g.Sift(
		[]topology.Observation{row("s0-r0-k00-pdu-a", noon), row("s0-r0-k00-pdu-b", noon)},
		[]topology.Observation{row("s0-r0-k00-pdu-a", noon.Add(-24*time.Hour))})
	if len(sifted.Observations) != 1 || sifted.Observations[0].Peer != "s0-r0-k00-pdu-b" || sifted.WasSo != 1 {
		t.Errorf("%+v, want the supply on PDU B, which is news", sifted)
	}
}

// Where nothing is left that a probe could decide, people on site are asked,
// and their answer decides.
func TestWhereNoProbeDecidesPeopleAreAsked(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "bare", Data: []byte(`
version: 1
sites: [{id: s, timezone: UTC}]
clients: [{id: c, language: en, timezone: UTC, contacts: [{id: d, addresses: {telegram: 1}}]}]
components:
  - {id: k, kind: rack, in: s}
  - {id: pdu, kind: pdu, in: k}
  - {id: sw, kind: switch, in: k}
  - {id: m1, kind: server, in: k, client: c, needs: {power: [pdu], network: [sw]}}
  - {id: m2, kind: server, in: k, client: c, needs: {power: [pdu], network: [sw]}}
  - {id: m3, kind: server, in: k, client: c, needs: {power: [pdu], network: [sw]}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	g := topology.New(inv)
	var rows []topology.Observation
	for _, id := range inv.Servers() {
		rows = append(rows, at(id, topology.ProbeTCP, "v", topology.Down, noon))
	}
	inf := g.Infer(rows)
	want := topology.ProbeRequest{Component: "m1", Probe: topology.ProbePSU, Peer: "pdu", Vantage: topology.Hands, Why: "is the lamp of its supply on pdu lit?"}
	if !slices.Contains(inf.Next, want) {
		t.Fatalf("next %+v, want %+v among them", inf.Next, want)
	}
	for _, tt := range []struct {
		lit  topology.Result
		want string
	}{{topology.Down, "pdu"}, {topology.Up, "sw"}} {
		answer := topology.Observation{Component: "m1", Probe: topology.ProbePSU, Peer: "pdu", Vantage: topology.Hands, At: noon, Result: tt.lit}
		if got := named(g.Infer(append(slices.Clone(rows), answer))); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("the lamp is %s: findings %v, want %s", tt.lit, got, tt.want)
		}
	}
}

// The switch answers, and all its ports are without link; the BMCs say that the machines are on.
func TestMachinesThatAreOnWithoutLinkHaveNotLostTheirPower(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 20, single: 20, management: true, clients: 1}.load(t)
	const rack = "s0-r0-k01"
	var rows []topology.Observation
	for _, o := range newWorld(inv, rack+"-sw").look(nil) {
		if o.Component == rack+"-sw" {
			o.Result = topology.Up
		}
		rows = append(rows, o)
	}
	for _, id := range inv.Servers() {
		c, _ := inv.Component(id)
		link := topology.Up
		if c.Rack == rack {
			link = topology.Down
		}
		rows = append(rows, told(c.Rack+"-sw", topology.ProbePort, id, link))
	}
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Equal(got, []string{rack + "-sw"}) {
		t.Errorf("named %v, want the switch, not the PDU: %s", got, story(&inf))
	}
}

// A hypervisor that answers and says that eight of its ten guests are off has not failed.
func TestAHypervisorWhoseGuestsAreSwitchedOffHasNotFailed(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s0, timezone: UTC}]\nclients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n  - {id: rack, kind: rack, in: s0}\n")
	n := 0
	probe := func() string { n++; return fmt.Sprintf("probe: {address: 10.0.0.%d, tcp: [22]}", n) }
	for h := range 3 {
		fmt.Fprintf(&b, "  - {id: hv%d, kind: hypervisor, in: rack, %s}\n", h, probe())
		for i := range 10 {
			fmt.Fprintf(&b, "  - {id: g%d-%d, kind: server, in: rack, client: c0, needs: {host: [hv%d]}, %s}\n", h, i, h, probe())
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "estate", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	var rows []topology.Observation
	for _, c := range inv.Components() {
		if len(c.Probe.TCP) == 0 {
			continue
		}
		is := topology.Up
		if strings.HasPrefix(c.ID, "g1-") && c.ID < "g1-8" {
			is = topology.Down
		}
		rows = append(rows, topology.Observation{Component: c.ID, Probe: topology.ProbeTCP, Vantage: "v", At: noon, Result: is})
		if c.Kind == inventory.KindServer {
			rows = append(rows, told("hv"+c.ID[1:2], topology.ProbeGuest, c.ID, is))
		}
	}
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); len(got) != 8 || slices.ContainsFunc(got, func(id string) bool { return !strings.HasPrefix(id, "g1-") }) {
		t.Errorf("named %v, want the eight guests: %s", got, story(&inf))
	}
}

// A lamp that is lit, on whatever hangs on one PDU alone, says that the PDU delivers: it is in no class any more,
// though every BMC behind it is silent.
func TestALitLampSpeaksForTheOnlyPDUThatFeedsIt(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "only", Data: []byte(onlyPDU())})
	if err != nil {
		t.Fatal(err)
	}
	g, rows := topology.New(inv), darkRack(inv)
	if inf := g.Infer(rows); !slices.Equal(named(inf), []string{"k0-pdu"}) {
		t.Fatalf("before anybody looked: %s", story(&inf))
	}
	for _, tt := range []struct {
		component string
		probe     topology.Probe
		peer      string
		says      string
	}{
		{"k0-m0", topology.ProbePower, "", "people on site saw a lamp lit on k0-m0"},
		{"k0-m0", topology.ProbePSU, "k0-pdu", "people on site saw the lamp of k0-m0's supply on k0-pdu lit"},
		{"k0-sw", topology.ProbePower, "", "people on site saw a lamp lit on k0-sw"},
		{"k0", topology.ProbePower, "", "people on site saw a lamp lit in k0"},
	} {
		answer := topology.Observation{Component: tt.component, Probe: tt.probe, Peer: tt.peer, Vantage: topology.Hands, At: noon, Result: topology.Up}
		inf := g.Infer(append(slices.Clone(rows), answer))
		if !slices.Equal(named(inf), []string{"k0-sw"}) || len(inf.Findings[0].AmbiguousWith) > 0 {
			t.Errorf("%s of %s is lit: %s, want the switch and nothing else", tt.probe, tt.component, story(&inf))
			continue
		}
		var said []string
		for _, e := range inf.Findings[0].Evidence {
			if e.Hands {
				said = append(said, e.Text)
			}
			if e.Probe == topology.ProbePower && !e.Hands && e.Result != topology.Unknown {
				t.Errorf("%s is lit: evidence %q, which no BMC said", tt.component, e.Text)
			}
		}
		if !slices.Equal(said, []string{tt.says}) {
			t.Errorf("%s is lit: people said %q, want %q", tt.component, said, tt.says)
		}
	}
}

// Of a rack with two PDUs somebody says by a lit lamp that they have not both failed, and not the rack as a whole.
func TestALitLampInARackWithTwoPDUsClearsBothTogether(t *testing.T) {
	doc := strings.NewReplacer("power: [k0-pdu]", "power: [k0-pdu, k0-pdu-b]", "  - {id: k0-sw,", "  - {id: k0-pdu-b, kind: pdu, in: k0}\n  - {id: k0-sw,").Replace(onlyPDU())
	inv, err := inventory.Load(inventory.Document{Name: "two", Data: []byte(doc)})
	if err != nil {
		t.Fatal(err)
	}
	g, rows := topology.New(inv), darkRack(inv)
	before := g.Infer(rows)
	if f := before.Findings; len(f) == 0 || !slices.Contains(append(f[0].AmbiguousWith, f[0].Component), "k0-pdu-b") {
		t.Fatalf("before anybody looked the PDUs are in no class: %s", story(&before))
	}
	inf := g.Infer(append(slices.Clone(rows), at("k0", topology.ProbePower, topology.Hands, topology.Up, noon)))
	if !slices.Equal(named(inf), []string{"k0-sw"}) || len(inf.Findings[0].AmbiguousWith) > 0 {
		t.Errorf("%s, want the switch and nothing else", story(&inf))
	}
}

// darkRack is a look at an estate of which all in rack k0 is silent.
func darkRack(inv *inventory.Inventory) []topology.Observation {
	var rows []topology.Observation
	for _, c := range inv.Components() {
		r, power := topology.Up, topology.Up
		if c.Rack == "k0" {
			r, power = topology.Down, topology.Unknown
		}
		switch c.Kind {
		case inventory.KindServer:
			rows = append(rows, at(c.ID, topology.ProbeTCP, "v", r, noon), at(c.ID, topology.ProbePower, "v", power, noon))
		case inventory.KindSwitch, inventory.KindPDU:
			rows = append(rows, at(c.ID, topology.ProbeICMP, "v", r, noon))
		}
	}
	return rows
}

// onlyPDU is an estate of three racks with one PDU and one switch each.
func onlyPDU() string {
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s, timezone: UTC}]\nclients: [{id: c, language: en, timezone: UTC, contacts: [{id: d, addresses: {telegram: \"1\"}}]}]\ncomponents:\n  - {id: r, kind: room, in: s}\n")
	for k := range 3 {
		fmt.Fprintf(&b, "  - {id: k%[1]d, kind: rack, in: r}\n  - {id: k%[1]d-pdu, kind: pdu, in: k%[1]d}\n  - {id: k%[1]d-sw, kind: switch, in: k%[1]d, needs: {power: [k%[1]d-pdu]}}\n", k)
		for m := range 8 {
			fmt.Fprintf(&b, "  - {id: k%[1]d-m%[2]d, kind: server, in: k%[1]d, client: c, needs: {power: [k%[1]d-pdu], network: [k%[1]d-sw]}}\n", k, m)
		}
	}
	return b.String()
}

// Who sees no lamp lit is no BMC that says "off": nobody is told that the machine was switched off.
func TestADarkMachineIsNotSaidToBeSwitchedOff(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 10, clients: 1}.load(t)
	const id = "srv-000003"
	var rows []topology.Observation
	for _, o := range newWorld(inv).look(servers) {
		if o.Component == id {
			o.Result = topology.Down
			if o.Probe == topology.ProbePower {
				o.Result = topology.Unknown
			}
		}
		rows = append(rows, o)
	}
	dark := at(id, topology.ProbePower, topology.Hands, topology.Down, noon.Add(time.Minute))
	inf := topology.New(inv).Infer(append(rows, dark))
	if !slices.Equal(named(inf), []string{id}) {
		t.Fatalf("%s, want %s", story(&inf), id)
	}
	f := inf.Findings[0]
	if f.PowerOff {
		t.Error("its BMC is said to tell that it is off")
	}
	texts := make([]string, 0, len(f.Evidence))
	for _, e := range f.Evidence {
		texts = append(texts, e.Text)
	}
	if !slices.Contains(texts, "people on site saw no lamp lit on "+id) || !slices.Contains(texts, "BMC does not answer") {
		t.Errorf("evidence %q", texts)
	}
	if next := topology.Advice(inv, f, inventory.English); next != "have somebody check its outlets and cables, then its power supplies" {
		t.Errorf("next: %q, though somebody has looked at its lamps", next)
	}
}

// Agents that were asked and are as silent as all else in their rack are not asked again in place of people.
func TestPeopleAreAskedWhereTheAgentsAreSilent(t *testing.T) {
	doc := strings.ReplaceAll(onlyPDU(), "kind: pdu, in: k0}", `kind: pdu, in: k0, probe: {address: 10.0.0.1, icmp: true, snmp: {address: "10.0.0.1:161", credentials: "env:X", outlets: {"1": k0-m0, "2": k0-m1}}}}`)
	doc = strings.ReplaceAll(doc, "kind: switch, in: k0,", `kind: switch, in: k0, probe: {address: 10.0.0.2, icmp: true, snmp: {address: "10.0.0.2:161", credentials: "env:X", ports: {"1": k0-m0, "2": k0-m1}}},`)
	inv, err := inventory.Load(inventory.Document{Name: "agents", Data: []byte(doc)})
	if err != nil {
		t.Fatal(err)
	}
	var rows []topology.Observation
	for _, c := range inv.Components() {
		if r := topology.Down; c.Kind == inventory.KindServer {
			if c.Rack != "k0" {
				r = topology.Up
			}
			rows = append(rows, at(c.ID, topology.ProbeTCP, "v", r, noon))
		}
	}
	people := func(inf topology.Inference) bool {
		return slices.ContainsFunc(inf.Next, func(n topology.ProbeRequest) bool { return n.Vantage == topology.Hands })
	}
	for _, id := range []string{"k0-pdu", "k0-sw"} {
		rows = append(rows, at(id, topology.ProbeICMP, "v", topology.Down, noon))
	}
	if inf := topology.New(inv).Infer(rows); people(inf) {
		t.Fatalf("people are asked before the agents: %+v", inf.Next)
	}
	for _, id := range []string{"k0-pdu", "k0-sw"} {
		rows = append(rows, at(id, topology.ProbeSNMP, "v", topology.Down, noon))
	}
	if inf := topology.New(inv).Infer(rows); !people(inf) {
		t.Errorf("nobody is asked to look: %+v", inf.Next)
	}
}

// A machine hangs while a switch elsewhere is dead. It may stand behind that one, unless its own switch has a link to it.
func TestAMachineWhosePortHasLinkStandsWhereItIsWrittenDown(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 25, clients: 1}.load(t)
	w := newWorld(inv, "s0-r0-k01-sw")
	const hung = "srv-000003"
	w.hung[hung] = true
	var rows, before []topology.Observation
	for _, o := range w.look(nil) {
		for k := range 4 {
			o.At = minute(k)
			rows = append(rows, o)
		}
	}
	for _, o := range newWorld(inv).look(nil) {
		o.At = o.At.Add(-24 * time.Hour)
		before = append(before, o)
	}
	g := topology.New(inv)
	if inf := g.InferAfter(rows, before); !slices.Contains(inf.Unexplained, hung) {
		t.Errorf("%s, want %s unexplained: it may stand behind the dead switch", story(&inf), hung)
	}
	port := told("s0-r0-k00-sw", topology.ProbePort, hung, topology.Up)
	port.At = minute(3)
	inf := g.InferAfter(append(rows, port), before)
	if !slices.Contains(named(inf), hung) {
		t.Errorf("%s, want %s named: its port has link", story(&inf), hung)
	}
}
