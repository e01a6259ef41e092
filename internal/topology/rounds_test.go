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

// hall is a site of one hall with two feeds and two aggregation switches, which has a hypervisor in
// each rack.
func hall(t *testing.T) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nvantages: [out]\nsites: [{id: s, timezone: UTC, vantages: [s-in]}, {id: z, timezone: UTC, vantages: [z-in]}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	n := 0
	add := func(id, kind, in, more string) {
		n++
		fmt.Fprintf(&b, "  - {id: %s, kind: %s, in: %s, probe: {address: 10.0.%d.%d, icmp: true}%s}\n", id, kind, in, n>>8, n&255, more)
	}
	for _, s := range []string{"s", "z"} {
		add(s+"-up1", "uplink", s, "")
		add(s+"-up2", "uplink", s, "")
		fmt.Fprintf(&b, "  - {id: %[1]s-hall, kind: room, in: %[1]s}\n  - {id: %[1]s-feed-a, kind: feed, in: %[1]s-hall}\n  - {id: %[1]s-feed-b, kind: feed, in: %[1]s-hall}\n", s)
		for _, k := range []string{"1", "2"} {
			add(s+"-agg"+k, "switch", s+"-hall", fmt.Sprintf(", needs: {power: [%[1]s-feed-a, %[1]s-feed-b], network: [%[1]s-up1, %[1]s-up2]}", s))
		}
		for k := range 4 {
			rack := fmt.Sprintf("%s-k%d", s, k)
			fmt.Fprintf(&b, "  - {id: %s, kind: rack, in: %s-hall}\n", rack, s)
			add(rack+"-pdu-a", "pdu", rack, fmt.Sprintf(", needs: {power: [%s-feed-a]}", s))
			add(rack+"-pdu-b", "pdu", rack, fmt.Sprintf(", needs: {power: [%s-feed-b]}", s))
			power := fmt.Sprintf("power: [%[1]s-pdu-a, %[1]s-pdu-b]", rack)
			add(rack+"-sw", "switch", rack, fmt.Sprintf(", needs: {%s, network: [%[2]s-agg1, %[2]s-agg2]}", power, s))
			add(rack+"-hv", "hypervisor", rack, fmt.Sprintf(", needs: {%s, network: [%s-sw]}", power, rack))
			for i := range 6 {
				add(fmt.Sprintf("%s-g%d", rack, i), "server", rack, fmt.Sprintf(", client: c0, needs: {host: [%s-hv]}", rack))
				add(fmt.Sprintf("%s-m%d", rack, i), "server", rack, fmt.Sprintf(", client: c0, needs: {%s, network: [%s-sw]}", power, rack))
			}
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "hall", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// pings are what a vantage hears of what the filter lets through, at one look.
func pings(inv *inventory.Inventory, vantage string, at time.Time, of, up func(id string) bool) []topology.Observation {
	var out []topology.Observation
	for _, c := range inv.Components() {
		if c.Probe.ICMP && of(c.ID) {
			r := topology.Down
			if up(c.ID) {
				r = topology.Up
			}
			out = append(out, topology.Observation{Component: c.ID, Probe: topology.ProbeICMP, Vantage: vantage, At: at, Result: r})
		}
	}
	return out
}

func in(site string) func(string) bool {
	return func(id string) bool { return strings.HasPrefix(id, site+"-") }
}

func all(string) bool { return true }

func none(string) bool { return false }

// What equipment told of others before it fell silent is as old as its last answer: a hall that goes
// dark between two looks is the hall, whatever its PDUs and switches said at the first.
func TestWhatEquipmentToldBeforeItFellSilentIsOver(t *testing.T) {
	inv := hall(t)
	beside := func(of string, p topology.Probe, peer string, when time.Time) topology.Observation {
		return topology.Observation{Component: of, Probe: p, Peer: peer, Vantage: "s-in", At: when, Result: topology.Up}
	}
	rows := slices.Concat(pings(inv, "s-in", noon, in("s"), all), pings(inv, "s-in", noon.Add(time.Minute), in("s"), none),
		pings(inv, "s-in", noon.Add(2*time.Minute), in("s"), func(id string) bool { return strings.HasPrefix(id, "s-up") }),
		pings(inv, "out", noon.Add(2*time.Minute), in("z"), all))
	for k := range 4 {
		rack := fmt.Sprintf("s-k%d", k)
		for _, when := range []time.Time{noon, noon.Add(8 * time.Second)} {
			rows = append(rows, beside(rack+"-pdu-a", topology.ProbeFeed, "s-feed-a", when), beside(rack+"-pdu-b", topology.ProbeFeed, "s-feed-b", when),
				beside("s-agg1", topology.ProbePort, rack+"-sw", when), beside("s-agg2", topology.ProbePort, rack+"-sw", when))
		}
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) != 1 || !slices.Contains(append(inf.Findings[0].AmbiguousWith, inf.Findings[0].Component), "s-hall") {
		t.Errorf("want one finding whose class holds the hall: %s", story(&inf))
	}
	for _, f := range inf.Findings {
		if f.Kind == inventory.KindSwitch {
			t.Errorf("named %s, which lost its power with all else: %s", f.Component, story(&inf))
		}
	}
}

// From outside, a hypervisor behind lost uplinks says nothing of its guests: that is not their power.
func TestAHypervisorOutOfReachSaysNothingOfItsGuestsPower(t *testing.T) {
	inv := hall(t)
	rows := slices.Concat(pings(inv, "out", noon, in("s"), none), pings(inv, "out", noon, in("z"), all))
	for k := range 4 {
		for i := range 6 {
			rows = append(rows, topology.Observation{
				Component: fmt.Sprintf("s-k%d-hv", k), Probe: topology.ProbeGuest, Peer: fmt.Sprintf("s-k%d-g%d", k, i),
				Vantage: "out", At: noon, Result: topology.Unknown,
			})
		}
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) == 0 {
		t.Fatalf("found nothing: %s", story(&inf))
	}
	class := append([]string{inf.Findings[0].Component}, inf.Findings[0].AmbiguousWith...)
	for _, want := range []string{"s", "s-up1", "s-up2"} {
		if !slices.Contains(class, want) {
			t.Errorf("%v lacks %s: %s", class, want, story(&inf))
		}
	}
}

// Whoever sees nothing of any site is blind where others see one of them whose uplinks answer, though
// nobody sees the other.
func TestABlindVantageIsKnownWhileASiteIsDarkForAll(t *testing.T) {
	inv := hall(t)
	dark := func(id string) bool { return strings.HasPrefix(id, "s-up") }
	rows := slices.Concat(pings(inv, "out", noon, all, none), pings(inv, "z-in", noon, in("z"), all), pings(inv, "s-in", noon, in("s"), dark))
	inf := topology.New(inv).Infer(rows)
	if !slices.Equal(inf.Blind, []string{"out"}) {
		t.Errorf("blind are %v, want out: %s", inf.Blind, story(&inf))
	}
	for _, f := range inf.Findings {
		if f.Kind == inventory.KindUplink {
			t.Errorf("named %s, which answers: %s", f.Component, story(&inf))
		}
	}
}

// A phase of a PDU takes three of its machines: outlets that are switched through say nothing of what
// comes out, and links that are gone with the power are no line card.
func TestOutletsThatAreOnAndLinksOfDarkMachinesHideNoPhase(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 6, servers: 20, single: 9, management: true, clients: 1}.load(t)
	var dark []string
	for _, id := range inv.Servers() {
		if c, _ := inv.Component(id); c.Rack == "s0-r0-k00" && len(dark) < 4 {
			dark = append(dark, id)
		}
	}
	rows := newWorld(inv).look(nil)
	for i := range rows {
		if slices.Contains(dark, rows[i].Component) {
			if rows[i].Result = topology.Down; rows[i].Probe == topology.ProbePower {
				rows[i].Result = topology.Unknown
			}
		}
	}
	for _, id := range dark {
		rows = append(rows, told("s0-r0-k00-pdu-a", topology.ProbeOutlet, id, topology.Up), told("s0-r0-k00-sw", topology.ProbePort, id, topology.Down))
	}
	for _, id := range inv.Servers() { // and the machines with a second supply say that it is well
		if c, _ := inv.Component(id); c.Rack == "s0-r0-k00" && !slices.Contains(dark, id) {
			rows = append(rows, told("s0-r0-k00-sw", topology.ProbePort, id, topology.Up))
		}
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "s0-r0-k00-pdu-a" || inf.Findings[0].Mode != topology.Partial {
		t.Errorf("want a part of the PDU: %s", story(&inf))
	}
}

// A BMC that only told of its supplies has power: three such machines that are mute behind one switch
// are no PDU's.
func TestABMCThatToldOfItsSuppliesHasPower(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 6, servers: 20, single: 9, management: true, clients: 1}.load(t)
	var mute []string
	for _, id := range inv.Servers() {
		if c, _ := inv.Component(id); c.Rack == "s0-r0-k00" && len(mute) < 4 {
			mute = append(mute, id)
		}
	}
	rows := slices.DeleteFunc(newWorld(inv).look(nil), func(o topology.Observation) bool {
		return o.Probe == topology.ProbePower && slices.Contains(mute, o.Component)
	})
	for i := range rows {
		if slices.Contains(mute, rows[i].Component) {
			rows[i].Result = topology.Down
		}
	}
	for _, id := range mute {
		rows = append(rows, told(id, topology.ProbePSU, "s0-r0-k00-pdu-a", topology.Up), told("s0-r0-k00-sw", topology.ProbePort, id, topology.Down))
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) == 0 || !slices.Contains(append([]string{inf.Findings[0].Component}, inf.Findings[0].AmbiguousWith...), "s0-r0-k00-sw") {
		t.Errorf("want the switch in the class: %s", story(&inf))
	}
}
