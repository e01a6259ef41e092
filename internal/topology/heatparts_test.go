package topology_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// phased is a room of eight racks of twelve machines, four on each of the three phases of a PDU that nobody asks.
func phased(t *testing.T) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s, timezone: UTC, vantages: [s-in]}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	b.WriteString("  - {id: up, kind: uplink, in: s}\n  - {id: r, kind: room, in: s}\n")
	for k := range 8 {
		rack := fmt.Sprintf("r-k%d", k)
		fmt.Fprintf(&b, "  - {id: %[1]s, kind: rack, in: r}\n  - {id: %[1]s-pdu, kind: pdu, in: %[1]s}\n", rack)
		for l := range 3 {
			fmt.Fprintf(&b, "  - {id: %[1]s-pdu-l%[2]d, kind: phase, in: %[1]s-pdu}\n", rack, l)
		}
		fmt.Fprintf(&b, "  - {id: %[1]s-sw, kind: switch, in: %[1]s, needs: {power: [%[1]s-pdu], network: [up]}}\n", rack)
		for i := range 12 {
			fmt.Fprintf(&b, "  - {id: %[1]s-m%02[2]d, kind: server, in: %[1]s, client: c0, needs: {power: [%[1]s-pdu-l%[3]d], network: [%[1]s-sw]}, probe: {address: 10.0.%[4]d.%[2]d, icmp: true}}\n",
				rack, i, i%3, k)
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "phased", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// What heats is named as one, and not the phases of which three or four machines have gone by then.
func TestHeatIsNotTheFailureOfManyPhases(t *testing.T) {
	inv := phased(t)
	for _, place := range []string{"r", "r-k3"} {
		for seed := range uint64(5) {
			r := rand.New(rand.NewPCG(seed, 7))
			gone := map[string]int{}
			for _, id := range inv.Servers() {
				if strings.HasPrefix(id, place+"-") && r.Float64() < .85 {
					gone[id] = 1 + r.IntN(8)
				}
			}
			var rows []topology.Observation
			for k := range 10 {
				rows = append(rows, pings(inv, "s-in", minute(2*k), machines("r"), func(id string) bool { at, goes := gone[id]; return !goes || k < at })...)
			}
			inf := topology.New(inv).Infer(rows)
			if got := namesOf(&inf); !slices.Equal(got, []string{place + " heating"}) {
				t.Errorf("seed %d: named %v: %s", seed, got, story(&inf))
			}
		}
	}
}

// A phase that takes four at once in a room that heats is named beside it.
func TestAPhaseThatFailsInARoomThatHeatsIsNamed(t *testing.T) {
	inv := phased(t)
	gone := map[string]int{}
	for i, id := range inv.Servers() {
		switch {
		case strings.HasPrefix(id, "r-k7") && i%3 == 0:
			gone[id] = 4
		case !strings.HasPrefix(id, "r-k7") && i%5 != 0:
			gone[id] = 1 + (i*7)%8
		}
	}
	var rows []topology.Observation
	for k := range 10 {
		rows = append(rows, pings(inv, "s-in", minute(2*k), machines("r"), func(id string) bool { at, goes := gone[id]; return !goes || k < at })...)
	}
	inf := topology.New(inv).Infer(rows)
	if got := namesOf(&inf); !slices.Contains(got, "r heating") || !slices.Contains(got, "r-k7-pdu-l0 ") {
		t.Errorf("named %v: %s", got, story(&inf))
	}
}
