package topology_test

import (
	"fmt"
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// A rack that is silent altogether may be its switch, whose management hangs on it, though the machines are written down
// with its line cards: it is one assumption for all of them.
func TestASwitchWithLineCardsIsInTheClassOfASilentRack(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s, timezone: UTC, vantages: [s-in]}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	b.WriteString("  - {id: up, kind: uplink, in: s}\n  - {id: r, kind: room, in: s}\n")
	for k := range 6 {
		rack := fmt.Sprintf("r-k%d", k)
		fmt.Fprintf(&b, "  - {id: %[1]s, kind: rack, in: r}\n  - {id: %[1]s-pdu, kind: pdu, in: %[1]s, probe: {address: 10.0.%[2]d.100, icmp: true}}\n", rack, k)
		fmt.Fprintf(&b, "  - {id: %[1]s-sw, kind: switch, in: %[1]s, needs: {power: [%[1]s-pdu], network: [up]}}\n", rack)
		fmt.Fprintf(&b, "  - {id: %[1]s-sw-c0, kind: card, in: %[1]s-sw}\n  - {id: %[1]s-sw-c1, kind: card, in: %[1]s-sw}\n", rack)
		for i := range 20 {
			fmt.Fprintf(&b, "  - {id: %[1]s-m%02[2]d, kind: server, in: %[1]s, client: c0, needs: {power: [%[1]s-pdu], network: [%[1]s-sw-c%[3]d]}, probe: {address: 10.0.%[4]d.%[2]d, icmp: true}}\n",
				rack, i, i%2, k)
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "cards", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	silent := in("r-k3")
	rows := pings(inv, "s-in", noon, all, but(silent))
	for _, id := range inv.Servers() {
		says := topology.Up
		if silent(id) {
			says = topology.Unknown
		}
		rows = append(rows, at(id, topology.ProbePower, "s-in", says, noon))
	}
	inf := topology.New(inv).Infer(rows)
	if lacks := lacking(&inf, "r-k3", "r-k3-sw", "r-k3-pdu"); len(lacks) > 0 {
		t.Errorf("the class lacks %v: %s", lacks, story(&inf))
	}
}
