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

// oneRoom is a site whose two uplinks and two cores stand outside of its only room, three racks with two switches each.
func oneRoom(t *testing.T) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nvantages: [out1, out2]\nsites: [{id: s, timezone: UTC, vantages: [s-in]}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	n := 0
	add := func(id, kind, in, needs string) {
		n++
		fmt.Fprintf(&b, "  - {id: %s, kind: %s, in: %s, probe: {address: 10.0.%d.%d, icmp: true}%s}\n", id, kind, in, n>>8, n&255, needs)
	}
	for _, i := range []string{"1", "2"} {
		add("up"+i, "uplink", "s", "")
		add("core"+i, "switch", "s", ", needs: {network: [up1, up2]}")
	}
	b.WriteString("  - {id: room, kind: room, in: s}\n")
	for k := range 3 {
		rack := fmt.Sprintf("k%d", k)
		fmt.Fprintf(&b, "  - {id: %s, kind: rack, in: room}\n", rack)
		power := fmt.Sprintf("power: [%[1]s-pa, %[1]s-pb]", rack)
		for _, i := range []string{"a", "b"} {
			add(rack+"-p"+i, "pdu", rack, "")
			add(rack+"-sw"+i, "switch", rack, ", needs: {"+power+", network: [core1, core2]}")
		}
		for i := range 5 {
			add(fmt.Sprintf("%s-m%d", rack, i), "server", rack, fmt.Sprintf(", client: c0, needs: {%s, network: [%[2]s-swa, %[2]s-swb]}", power, rack))
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "estate", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// asks is what a vantage is told, twice a minute apart, by ping and the BMCs, of what it asks.
func asks(inv *inventory.Inventory, vantage string, of, up func(id string) bool) []topology.Observation {
	var out []topology.Observation
	for k := range 2 {
		when := noon.Add(time.Duration(k) * time.Minute)
		out = append(out, pings(inv, vantage, when, of, up)...)
		for _, c := range inv.Components() {
			if c.Kind == inventory.KindServer && of(c.ID) {
				r := topology.Unknown
				if up(c.ID) {
					r = topology.Up
				}
				out = append(out, at(c.ID, topology.ProbePower, vantage, r, when))
			}
		}
	}
	return out
}

func TestACoreThatAnswersFromOutsideSpeaksAgainstTheLossOfBothUplinks(t *testing.T) {
	inv := oneRoom(t)
	of := func(id string) bool { return !strings.HasPrefix(id, "up") && !strings.Contains(id, "-p") }
	var rows []topology.Observation
	for _, v := range []string{"out1", "out2"} {
		rows = append(rows, asks(inv, v, of, func(id string) bool { return id == "core2" })...)
	}
	inf := topology.New(inv).InferAfter(rows, pings(inv, "out1", noon.Add(-time.Hour), all, all))
	got := named(inf)
	if !slices.Contains(got, "room") || slices.Contains(got, "up1") || slices.Contains(got, "up2") {
		t.Errorf("the room is dark, and a core: %s", story(&inf))
	}
	// Both uplinks, or the site, would explain the core as well: one loss in place of two.
	if f := inf.Findings[slices.IndexFunc(inf.Findings, func(f topology.Finding) bool { return f.Component == "room" })]; !slices.Contains(f.AmbiguousWith, "up1") || f.Probability > .9 {
		t.Errorf("the room is named as if it and the core were no coincidence: %s", story(&inf))
	}
	// That the racks are managed through the cores, and these by a way of their own, would be no explanation of so little.
	sets := topology.New(inv).Weigh(rows, []string{"up1", "up2"}, []string{"room", "core1"})
	if uplinks, room := sets[0].Sum(), sets[1].Sum(); room < uplinks+1 {
		t.Errorf("the room weighs %.1f, the uplinks %.1f", room, uplinks)
	}
}

func TestAVantageThatHearsNoEquipmentOfItsOwnSiteWhereOthersDoIsBlind(t *testing.T) {
	inv := oneRoom(t)
	rows := asks(inv, "s-in", all, none)
	for _, v := range []string{"out1", "out2"} {
		rows = append(rows, asks(inv, v, all, func(id string) bool { return strings.HasPrefix(id, "up") || strings.HasPrefix(id, "core") })...)
	}
	inf := topology.New(inv).InferAfter(rows, pings(inv, "s-in", noon.Add(-time.Hour), all, all))
	if got := named(inf); !slices.Equal(got, []string{"room"}) || !slices.Equal(inf.Blind, []string{"s-in"}) {
		t.Errorf("the room is dark, and the vantage hangs on it: %s", story(&inf))
	}
	// What is heard from outside by one address alone may be a mistake.
	rows = asks(inv, "s-in", all, none)
	for _, v := range []string{"out1", "out2"} {
		rows = append(rows, asks(inv, v, all, func(id string) bool { return id == "core1" })...)
	}
	if inf = topology.New(inv).Infer(rows); len(inf.Blind) > 0 {
		t.Errorf("one address alone makes a vantage blind: %s", story(&inf))
	}
}
