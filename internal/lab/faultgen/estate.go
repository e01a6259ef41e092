// Package faultgen draws estates, faults and what probes would see of them,
// from how hosting works and not from how inference thinks: cables, standby power,
// management networks, machines that are not where the inventory has them.
// It shares nothing with package topology, so that it can't share its mistakes.
// A seed gives the same estate, faults and rows every time.
package faultgen

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"vakhta/internal/inventory"
)

// Estate is an inventory together with the machine rooms that it describes.
type Estate struct {
	Inventory *inventory.Inventory

	sites   []string
	uplinks [][2]uplink // by site
	rooms   []room
	racks   []rack
	hosts   []hypervisor
	servers []server
}

type uplink struct{ id string }

type room struct {
	id    string
	site  int
	feeds [2]string
	aggs  [2]string
}

type rack struct {
	id         string
	room       int
	pdus       [2]string
	tor        string
	torSides   uint8 // which PDUs the switch hangs on, a bit each
	outOfBand  bool  // BMCs and management addresses have cables of their own
	servers    []int
	hypervisor bool
}

type hypervisor struct {
	id   string
	rack int
}

type server struct {
	id    string
	rack  int
	host  int   // index of its hypervisor, or -1
	sides uint8 // which PDUs feed it, a bit each
	tcp   bool
	icmp  bool
	bmc   bool
}

const (
	sideA uint8 = 1
	sideB uint8 = 2
	both        = sideA | sideB

	serversPerRack = 40
	racksPerRoom   = 125
	guestsPerHost  = 10
)

// Build draws an estate of about that many servers.
func Build(servers int, seed uint64) (*Estate, error) {
	r := rand.New(rand.NewPCG(seed, 0x657374617465))
	e := &Estate{}
	racks := max(8, (servers+serversPerRack-1)/serversPerRack)
	rooms := max(4, (racks+racksPerRoom-1)/racksPerRoom)
	for s := range 2 {
		id := fmt.Sprintf("site%d", s)
		e.sites = append(e.sites, id)
		e.uplinks = append(e.uplinks, [2]uplink{{id + "-up-a"}, {id + "-up-b"}})
	}
	for i := range rooms {
		id := fmt.Sprintf("room%02d", i)
		e.rooms = append(e.rooms, room{
			id: id, site: i % len(e.sites),
			feeds: [2]string{id + "-feed-a", id + "-feed-b"}, aggs: [2]string{id + "-agg-a", id + "-agg-b"},
		})
	}
	for i := range racks {
		e.addRack(r, i, i%rooms)
	}
	inv, err := inventory.Load(inventory.Document{Name: "generated", Data: []byte(e.yaml())})
	if err != nil {
		return nil, fmt.Errorf("load the generated estate: %w", err)
	}
	e.Inventory = inv
	return e, nil
}

func (e *Estate) addRack(r *rand.Rand, index, in int) {
	id := fmt.Sprintf("rack%04d", index)
	k := rack{
		id: id, room: in, pdus: [2]string{id + "-pdu-a", id + "-pdu-b"}, tor: id + "-tor",
		torSides: both, outOfBand: r.Float64() < .95, hypervisor: r.Float64() < .06,
	}
	if r.Float64() < .15 {
		k.torSides = sideA
	}
	singles := [...]float64{0, .1, .2, .3, .6}[r.IntN(5)]
	first := len(e.hosts)
	for i := range serversPerRack {
		s := server{id: fmt.Sprintf("srv%06d", len(e.servers)), rack: index, host: -1, sides: both, bmc: r.Float64() < .9}
		if r.Float64() < singles {
			s.sides = sideA << r.IntN(2)
		}
		how := r.Float64()
		s.tcp, s.icmp = how < .85, how > .15
		if k.hypervisor {
			if i%guestsPerHost == 0 {
				e.hosts = append(e.hosts, hypervisor{fmt.Sprintf("%s-hv%d", id, i/guestsPerHost), index})
			}
			s.host, s.bmc, s.sides = first+i/guestsPerHost, false, both
		}
		k.servers = append(k.servers, len(e.servers))
		e.servers = append(e.servers, s)
	}
	e.racks = append(e.racks, k)
}

// yaml is the inventory as its keeper would write it down.
func (e *Estate) yaml() string {
	var b strings.Builder
	b.WriteString("version: 1\nsites:\n")
	for _, s := range e.sites {
		fmt.Fprintf(&b, "  - {id: %s, timezone: Europe/Moscow, vantages: [%s]}\n", s, insideOf(s))
	}
	b.WriteString("clients:\n")
	for c := range 100 {
		fmt.Fprintf(&b, "  - {id: client%d, language: ru, timezone: Europe/Moscow, contacts: [{id: client%d-duty, addresses: {telegram: \"%d\"}}]}\n", c, c, c+1)
	}
	b.WriteString("components:\n")
	address := 0
	managed := func() string {
		address++
		return fmt.Sprintf("probe: {address: 10.200.%d.%d, tcp: [22], icmp: true}", address>>8&255, address&255)
	}
	for i, s := range e.sites {
		for _, u := range e.uplinks[i] {
			fmt.Fprintf(&b, "  - {id: %s, kind: uplink, in: %s, %s}\n", u.id, s, managed())
		}
	}
	for _, m := range e.rooms {
		fmt.Fprintf(&b, "  - {id: %s, kind: room, in: %s}\n", m.id, e.sites[m.site])
		up := e.uplinks[m.site]
		for i := range m.feeds {
			fmt.Fprintf(&b, "  - {id: %s, kind: feed, in: %s}\n", m.feeds[i], m.id)
			fmt.Fprintf(&b, "  - {id: %s, kind: switch, in: %s, needs: {power: [%s, %s], network: [%s, %s]}, %s}\n",
				m.aggs[i], m.id, m.feeds[0], m.feeds[1], up[0].id, up[1].id, managed())
		}
	}
	for i := range e.racks {
		e.writeRack(&b, &e.racks[i], managed)
	}
	return b.String()
}

func (e *Estate) writeRack(b *strings.Builder, k *rack, managed func() string) {
	m := &e.rooms[k.room]
	fmt.Fprintf(b, "  - {id: %s, kind: rack, in: %s}\n", k.id, m.id)
	for i, p := range k.pdus {
		fmt.Fprintf(b, "  - {id: %s, kind: pdu, in: %s, needs: {power: [%s]}, %s}\n", p, k.id, m.feeds[i], managed())
	}
	fmt.Fprintf(b, "  - {id: %s, kind: switch, in: %s, needs: {power: [%s], network: [%s, %s]}, %s}\n",
		k.tor, k.id, k.cords(k.torSides), m.aggs[0], m.aggs[1], managed())
	host := -1
	for _, n := range k.servers {
		s := &e.servers[n]
		needs := fmt.Sprintf("power: [%s], network: [%s]", k.cords(s.sides), k.tor)
		if s.host >= 0 {
			if s.host != host {
				host = s.host
				fmt.Fprintf(b, "  - {id: %s, kind: hypervisor, in: %s, needs: {%s}, %s}\n", e.hosts[host].id, k.id, needs, managed())
			}
			needs = fmt.Sprintf("host: [%s]", e.hosts[host].id)
		}
		probes := fmt.Sprintf("address: 10.%d.%d.%d, icmp: %t", n>>16, n>>8&255, n&255, s.icmp)
		if s.tcp {
			probes += ", tcp: [22]"
		}
		if s.bmc {
			probes += fmt.Sprintf(", bmc: {url: \"https://10.%d.%d.%d\", credentials: \"env:BMC\"}", 100+n>>16, n>>8&255, n&255)
		}
		fmt.Fprintf(b, "  - {id: %s, kind: server, in: %s, client: client%d, needs: {%s}, probe: {%s}}\n", s.id, k.id, n%100, needs, probes)
	}
}

func (k *rack) cords(sides uint8) string {
	switch sides {
	case sideA:
		return k.pdus[0]
	case sideB:
		return k.pdus[1]
	}
	return k.pdus[0] + ", " + k.pdus[1]
}

func insideOf(site string) string { return site + "-inside" }

// Servers is how many servers there are.
func (e *Estate) Servers() int { return len(e.servers) }
