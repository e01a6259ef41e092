package main

import (
	"fmt"
	"strings"
)

const (
	racks    = 2500
	perRack  = 40
	perRoom  = 100 // racks
	lastOnA  = 20  // servers of a rack that hang on PDU A alone
	lastBoth = 30  // then those on both
)

// large is an estate of 100,000 servers that answer ping, and accept
// connections where they serve.
type large struct {
	yaml   string
	silent []string        // addresses that don't answer
	failed map[string]bool // the components that have failed
	hidden map[string]bool // those among them that are servers
	serves string          // what else they answer, in the inventory
}

// address of the n-th thing of a kind: servers from 127.64.0.0, equipment from 127.32.0.0.
func address(base, n int) string { return fmt.Sprintf("127.%d.%d.%d", base+n>>16, n>>8&255, n&255) }

// newLarge writes the estate down. A PDU, a switch in another rack and some
// machines by themselves have failed.
func newLarge(services bool) *large {
	l := &large{failed: map[string]bool{}, hidden: map[string]bool{}}
	if services {
		l.serves = ", tcp: [22]"
	}
	var b strings.Builder
	b.WriteString("version: 1\nvantages: [outside]\nsites:\n")
	for _, site := range []string{"msk", "spb"} {
		fmt.Fprintf(&b, "  - {id: %s, timezone: Europe/Moscow, vantages: [%s-inside]}\n", site, site)
	}
	b.WriteString("clients:\n  - {id: c, name: C, language: en, timezone: UTC, contacts: [{id: c-duty, addresses: {telegram: \"1\"}}]}\ncomponents:\n")
	managed := 0
	manage := func(down bool) string {
		managed++
		at := address(32, managed)
		if down {
			l.silent = append(l.silent, at)
		}
		return fmt.Sprintf("probe: {address: %s, icmp: true}", at)
	}
	for _, site := range []string{"msk", "spb"} {
		fmt.Fprintf(&b, "  - {id: %s-up, kind: uplink, in: %s, %s}\n", site, site, manage(false))
	}
	for rack := range racks {
		site := []string{"msk", "spb"}[rack*2/racks]
		room := fmt.Sprintf("r%02d", rack/perRoom)
		if rack%perRoom == 0 {
			fmt.Fprintf(&b, "  - {id: %s, kind: room, in: %s}\n", room, site)
		}
		l.rack(&b, rack, site, room, manage)
	}
	l.yaml = b.String()
	return l
}

func (l *large) rack(b *strings.Builder, rack int, site, room string, manage func(down bool) string) {
	id := fmt.Sprintf("k%04d", rack)
	pduDown, switchDown := rack == 777, rack == 1999
	if pduDown {
		l.failed[id+"-a"] = true
	}
	if switchDown {
		l.failed[id+"-sw"] = true
	}
	fmt.Fprintf(b, "  - {id: %s, kind: rack, in: %s}\n", id, room)
	fmt.Fprintf(b, "  - {id: %s-a, kind: pdu, in: %s, %s}\n", id, id, manage(pduDown))
	fmt.Fprintf(b, "  - {id: %s-b, kind: pdu, in: %s, %s}\n", id, id, manage(false))
	fmt.Fprintf(b, "  - {id: %s-sw, kind: switch, in: %s, needs: {power: [%s-a, %s-b], network: [%s-up]}, %s}\n", id, id, id, id, site, manage(switchDown))
	for n := range perRack {
		i := rack*perRack + n
		cords := id + "-b"
		switch {
		case n < lastOnA:
			cords = id + "-a"
		case n < lastBoth:
			cords = id + "-a, " + id + "-b"
		}
		server, at := fmt.Sprintf("s%06d", i), address(64, i)
		fmt.Fprintf(b, "  - {id: %s, kind: server, in: %s, unit: %d, client: c, needs: {power: [%s], network: [%s-sw]}, probe: {address: %s, icmp: true%s}}\n",
			server, id, n+1, cords, id, at, l.serves)
		alone := i%1009 == 7 && !pduDown && !switchDown
		if alone {
			l.failed[server], l.hidden[server] = true, true
		}
		if alone || switchDown || pduDown && n < lastOnA {
			l.silent = append(l.silent, at)
		}
	}
}
